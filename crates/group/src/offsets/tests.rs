//! The rules of the offsets log, one by one, and over random interleavings with rebalances.
#![allow(clippy::unwrap_used)]

mod commits;
mod encoding;
mod fences;
mod forgetting;
mod interleavings;

use std::collections::{BTreeMap, BTreeSet};

use floe_model::{
    FencingToken, Generation, GroupKind, GroupName, LeaderEpoch, MemberId, Offset, PartitionIndex,
    TopicId, TopicIdPartition,
};

use super::*;

/// Log time where it does not matter.
const NOW_MS: i64 = 5;

fn apply(state: &mut OffsetsState, command: Command) -> Outcome {
    super::apply(state, NOW_MS, command)
}

fn group() -> GroupName {
    GroupName::new("g").unwrap()
}

fn member(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

fn id(index: u32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId([7; 16]),
        partition: PartitionIndex(index),
    }
}

fn fence(
    generation: i32,
    kind: GroupKind,
    members: &[(&str, i32)],
    tokens: &[(u32, u64)],
) -> Command {
    Command::Fence(Fence {
        group: group(),
        generation: Generation(generation),
        kind,
        members: members
            .iter()
            .map(|&(name, epoch)| (member(name), epoch))
            .collect(),
        tokens: tokens
            .iter()
            .map(|&(index, token)| (id(index), FencingToken(token)))
            .collect(),
    })
}

fn commit(committer: Committer, commits: &[(u32, i64, Option<u64>)]) -> Command {
    let offset = |&(index, offset, token): &(u32, i64, Option<u64>)| OffsetCommit {
        partition: id(index),
        offset: Offset(offset),
        leader_epoch: Some(LeaderEpoch(3)),
        metadata: "note".to_owned(),
        token: token.map(FencingToken),
    };
    let offsets = commits.iter().map(offset).collect();
    Command::Commit {
        group: group(),
        committer,
        at_ms: 5,
        offsets,
    }
}

fn classic(name: &str, generation: i32) -> Committer {
    Committer::Classic {
        member_id: member(name),
        generation: Generation(generation),
    }
}

fn consumer(name: &str, member_epoch: i32) -> Committer {
    Committer::Consumer {
        member_id: member(name),
        member_epoch,
    }
}

const PASSED: Outcome = Ok(Applied::Done);
