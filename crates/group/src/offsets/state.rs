//! The state of an offsets partition and the rules by which commands change it.
//!
//! A clone is cheap (groups are shared until they change), so that a snapshot does not stop
//! `apply`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use floe_model::limits::OFFSET_METADATA_BYTES_MAX;
use floe_model::{Generation, GroupName, LeaderEpoch, Offset, TopicIdPartition};
use serde::{Deserialize, Serialize};

use super::{Applied, Command, Committer, Fence, OffsetCommit, Outcome, Refusal};
use crate::versioned::{self, DecodeError};

/// Largest snapshot, bytes.
const SNAPSHOT_BYTES_MAX: usize = 256 << 20;

/// Offsets and fences of the groups of one offsets partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetsState {
    groups: BTreeMap<GroupName, Arc<GroupOffsets>>,
}

/// One group. `generation` is the largest ever fenced or deleted; it outlives the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct GroupOffsets {
    generation: Generation,
    fence: Option<Arc<Fence>>,
    committed: BTreeMap<TopicIdPartition, CommittedOffset>,
}

/// A stored offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record read, if known.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Free text.
    pub metadata: String,
    /// From when on its age counts: the time of the commit, or when the last member left the
    /// group, if that was later.
    pub aging_since_ms: i64,
}

/// Applies one command. `at_ms` is the log time of its entry.
///
/// # Errors
/// The refusal; the state is then unchanged. It is an outcome like any other and identical on
/// every replica.
pub fn apply(state: &mut OffsetsState, at_ms: i64, command: Command) -> Outcome {
    match command {
        Command::Commit {
            group,
            committer,
            at_ms,
            offsets,
        } => state.commit(&group, &committer, at_ms, offsets),
        Command::Fence(fence) => state.fence(at_ms, fence),
        Command::DeleteOffsets { group, partitions } => {
            state.forget_unused(&group, |id, _| partitions.contains(id))
        }
        Command::DeleteGroup { group, generation } => state.delete_group(&group, generation),
        Command::ForgetTopics { topic_ids } => {
            for group in state.groups.values_mut() {
                let gone = |id: &TopicIdPartition| {
                    topic_ids.contains(&id.topic_id) || floe_model::mutant!("live-offsets-dropped")
                };
                if group.committed.keys().any(gone) {
                    Arc::make_mut(group)
                        .committed
                        .retain(|partition, _| !gone(partition));
                }
            }
            Ok(Applied::Done)
        }
        Command::DeleteUnread {
            group,
            generation,
            partitions,
        } => state.delete_unread(&group, generation, &partitions),
        Command::Expire { group, before_ms } => {
            state.forget_unused(&group, |_, stored| stored.aging_since_ms < before_ms)
        }
    }
}

impl OffsetsState {
    /// Nothing committed, nothing fenced.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a group committed for one partition.
    #[must_use]
    pub fn committed(
        &self,
        group: &GroupName,
        partition: &TopicIdPartition,
    ) -> Option<&CommittedOffset> {
        self.groups.get(group)?.committed.get(partition)
    }

    /// All that a group committed.
    pub fn committed_by(
        &self,
        group: &GroupName,
    ) -> impl Iterator<Item = (&TopicIdPartition, &CommittedOffset)> {
        self.groups
            .get(group)
            .into_iter()
            .flat_map(|group| &group.committed)
    }

    /// The fence in force; `None` for a group never fenced or deleted since.
    #[must_use]
    pub fn fenced(&self, group: &GroupName) -> Option<&Fence> {
        self.groups.get(group)?.fence.as_deref()
    }

    /// Every group with a fence.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.groups
            .iter()
            .filter(|(_, group)| group.fence.is_some())
            .map(|(name, _)| name)
    }

    /// Groups without members that have an offset whose age counts from before `before_ms`.
    pub fn aged(&self, before_ms: i64) -> impl Iterator<Item = &GroupName> {
        let is_old = move |stored: &CommittedOffset| stored.aging_since_ms < before_ms;
        let is_aged = move |group: &GroupOffsets| {
            let fence = group.fence.as_ref();
            fence.is_some_and(|fence| fence.members.is_empty())
                && group.committed.values().any(is_old)
        };
        let groups = self.groups.iter().filter(move |(_, group)| is_aged(group));
        groups.map(|(name, _)| name)
    }

    /// The whole state as bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    /// Reads what [`OffsetsState::snapshot`] wrote.
    ///
    /// # Errors
    /// Bytes of another version, too many, or malformed.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, DecodeError> {
        versioned::decode::<Self, SNAPSHOT_BYTES_MAX>(bytes)
    }

    fn commit(
        &mut self,
        group: &GroupName,
        committer: &Committer,
        at_ms: i64,
        offsets: Vec<OffsetCommit>,
    ) -> Outcome {
        let known = self.groups.get_mut(group).ok_or(Refusal::NotFenced)?;
        let fence = known.fence.clone().ok_or(Refusal::NotFenced)?;
        fence.admits(committer)?;
        let too_long = |commit: &&OffsetCommit| commit.metadata.len() > OFFSET_METADATA_BYTES_MAX;
        if let Some(commit) = offsets.iter().find(too_long) {
            let length = u32::try_from(commit.metadata.len()).unwrap_or(u32::MAX);
            let limit = OFFSET_METADATA_BYTES_MAX as u32;
            return Err(Refusal::MetadataTooLong { length, limit });
        }
        // All or none: a member that lost one partition has an old assignment, and hears so.
        if *committer == Committer::Native {
            offsets.iter().try_for_each(|commit| fence.owned(commit))?;
        }
        let committed = &mut Arc::make_mut(known).committed;
        for commit in offsets {
            let OffsetCommit {
                partition,
                offset,
                leader_epoch,
                metadata,
                token: _,
            } = commit;
            let stored = CommittedOffset {
                offset,
                leader_epoch,
                metadata,
                aging_since_ms: at_ms,
            };
            committed.insert(partition, stored);
        }
        Ok(Applied::Done)
    }

    /// A repeated fence is no change: a new coordinator fences what its predecessor may have.
    /// Of different ones of one generation see [`Fence::may_become`].
    fn fence(&mut self, at_ms: i64, fence: Fence) -> Outcome {
        let known = self.groups.get(&fence.group);
        let current = known.map_or(Generation(0), |group| group.generation);
        let given = fence.generation;
        if given < current {
            return Err(Refusal::StaleGeneration { current, given });
        }
        let in_force = known.and_then(|group| group.fence.as_ref());
        if given == current && in_force.is_some_and(|in_force| !in_force.may_become(&fence)) {
            return Err(Refusal::FenceConflict { generation: given });
        }
        let had_members = in_force.is_some_and(|in_force| !in_force.members.is_empty());
        let group = Arc::make_mut(self.groups.entry(fence.group.clone()).or_default());
        if had_members && fence.members.is_empty() {
            for stored in group.committed.values_mut() {
                stored.aging_since_ms = stored.aging_since_ms.max(at_ms);
            }
        }
        group.generation = given;
        group.fence = Some(Arc::new(fence));
        Ok(Applied::Done)
    }

    /// Forgets offsets of a group without members.
    fn forget_unused(
        &mut self,
        group: &GroupName,
        is_gone: impl Fn(&TopicIdPartition, &CommittedOffset) -> bool,
    ) -> Outcome {
        let known = self.groups.get_mut(group).ok_or(Refusal::NotFenced)?;
        let fence = known.fence.as_ref().ok_or(Refusal::NotFenced)?;
        fence.admits(&Committer::Standalone)?;
        let committed = &mut Arc::make_mut(known).committed;
        committed.retain(|partition, stored| !is_gone(partition, stored));
        Ok(Applied::Done)
    }

    /// Members take up other topics only in a later generation.
    fn delete_unread(
        &mut self,
        group: &GroupName,
        given: Generation,
        partitions: &BTreeSet<TopicIdPartition>,
    ) -> Outcome {
        let known = self.groups.get_mut(group).ok_or(Refusal::NotFenced)?;
        let fence = known.fence.as_ref().ok_or(Refusal::NotFenced)?;
        let current = fence.generation;
        if current != given {
            return Err(Refusal::StaleGeneration { current, given });
        }
        let committed = &mut Arc::make_mut(known).committed;
        committed.retain(|partition, _| !partitions.contains(partition));
        Ok(Applied::Done)
    }

    /// Metadata deletes a group under a new generation, so that a fence of the generation before,
    /// repeated behind this, is refused and brings nothing back.
    fn delete_group(&mut self, group: &GroupName, given: Generation) -> Outcome {
        let known = self.groups.get(group);
        let current = known.map_or(Generation(0), |known| known.generation);
        if given < current {
            return Err(Refusal::StaleGeneration { current, given });
        }
        // A larger generation is news of an empty group that the fence has not heard yet.
        let fence = known.and_then(|known| known.fence.as_deref());
        if let Some(fence) = fence.filter(|_| given == current) {
            fence.admits(&Committer::Standalone)?;
        }
        let deleted = GroupOffsets {
            generation: given,
            ..GroupOffsets::default()
        };
        self.groups.insert(group.clone(), Arc::new(deleted));
        Ok(Applied::Done)
    }
}
