//! Brings the Raft membership of the groups led here to what metadata wants.
//!
//! Metadata says what should be, the Raft membership what is, and only a group's leader moves
//! it: a new replica learns, catches up and then votes in place of the one it succeeds; what is
//! wanted no more is removed; the result is reported. In the metadata group the first founding
//! places vote and every other node learns.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use floe_metadata::{Command, MembershipReport, Replica, ReplicaSet, State};
use floe_model::{LeaderEpoch, LogIndex, NodeId, RaftGroupId, ReplicaId};
use floe_raft::{ChangeError, Member, RaftGroup, Voter};
use futures::stream::{self, StreamExt as _};

use crate::core::{Core, METADATA_TIMEOUT};

/// Groups changed at once.
const CONCURRENT: usize = 32;
/// Between two looks while something is to be done: first, and at most, when a node stays away.
const PROGRESS: Duration = Duration::from_millis(100);
const PROGRESS_MAX: Duration = Duration::from_secs(2);
/// A step that takes longer is begun again.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Entries that a learner may lack when it becomes a voter.
const CAUGHT_UP_ENTRIES: u64 = 100;

/// Runs until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let mut metadata = core.metadata.clone();
    let mut led = core.led.subscribe();
    let mut pause = PROGRESS;
    loop {
        let state = metadata.seen();
        led.mark_unchanged();
        let open: Vec<RaftGroupId> = unequal(&core, &state);
        let (core_now, state_now) = (&core, &state);
        let done = stream::iter(open)
            .map(|group| async move {
                let step = step(core_now, state_now, group);
                // One that hangs must not hold up the others.
                tokio::time::timeout(STEP_TIMEOUT, step)
                    .await
                    .unwrap_or(false)
            })
            .buffer_unordered(CONCURRENT)
            // All of them, also behind one that is not done.
            .fold(true, async |all, done| all && done)
            .await;
        let layout_version = state.layout_version();
        let changed = async {
            let layout = metadata.wait_for(|view| view.state.layout_version() != layout_version);
            tokio::select! {
                _ = layout => {}
                // The sender lives in the core.
                _ = led.changed() => {}
            }
        };
        if done {
            changed.await;
            pause = PROGRESS;
            continue;
        }
        // Running out is the ordinary case.
        let waited = tokio::time::timeout(pause, changed).await;
        pause = match waited {
            Ok(()) => PROGRESS,
            Err(_) => (pause * 2).min(PROGRESS_MAX),
        };
    }
}

/// Groups led here whose last reported membership is not what is wanted.
fn unequal(core: &Core, state: &State) -> Vec<RaftGroupId> {
    let metadata = state.replica_set(RaftGroupId::METADATA);
    let sets = state.hosted_by(core.config.node_id).chain(metadata);
    let leads = |set: &&ReplicaSet| {
        let group = core.raft.group(set.raft_group);
        group.is_some_and(|group| group.role().serving_epoch().is_some())
    };
    sets.filter(|set| !is_reported(&Wanted::of(state, set), set))
        .filter(leads)
        .map(|set| set.raft_group)
        .collect()
}

/// What metadata wants of one group.
struct Wanted {
    voters: BTreeSet<ReplicaId>,
    all: Vec<Voter>,
}

impl Wanted {
    /// Damaged replicas are wanted no more, as long as the others are a majority of the voters:
    /// metadata names a successor once the group goes on without them.
    fn of(state: &State, set: &ReplicaSet) -> Self {
        let voting = if set.raft_group == RaftGroupId::METADATA {
            state
                .formation()
                .map_or(0, |formation| formation.voters as usize)
        } else {
            set.replicas.len()
        };
        let whole = |replica: &&Replica| !state.is_damaged(replica.replica_id);
        let placed = set.replicas.iter().take(voting);
        let goes_on = 2 * placed.clone().filter(whole).count() > placed.len();
        let counts = |replica: &&Replica| !goes_on || whole(replica);
        let voters = placed.filter(counts).map(|replica| replica.replica_id);
        let all = set.replicas.iter().filter(counts).map(|replica| Voter {
            replica_id: replica.replica_id,
            node_id: replica.node_id,
            node_uuid: replica.node_uuid,
        });
        Self {
            voters: voters.collect(),
            all: all.collect(),
        }
    }

    fn learners(&self) -> BTreeSet<ReplicaId> {
        let ids = self.all.iter().map(|one| one.replica_id);
        ids.filter(|id| !self.voters.contains(id)).collect()
    }
}

fn is_reported(wanted: &Wanted, set: &ReplicaSet) -> bool {
    let (voters, learners): (BTreeSet<_>, BTreeSet<_>) = match &set.membership {
        Some(reported) => (
            reported.voters.iter().copied().collect(),
            reported.learners.iter().copied().collect(),
        ),
        None => (
            set.founding.iter().map(|one| one.replica_id).collect(),
            BTreeSet::new(),
        ),
    };
    voters == wanted.voters && learners == wanted.learners()
}

/// Groups in which the replica on `node` is to vote and does not, as far as was reported.
pub(crate) fn not_voting_yet(state: &State, node: NodeId) -> usize {
    let sets = state
        .hosted_by(node)
        .chain(state.replica_set(RaftGroupId::METADATA));
    let is_short = |set: &&ReplicaSet| {
        let Some(mine) = set.replica_on(node).map(|replica| replica.replica_id) else {
            return false;
        };
        let votes = match &set.membership {
            Some(reported) => reported.voters.contains(&mine),
            None => set.founding.iter().any(|one| one.replica_id == mine),
        };
        !votes && Wanted::of(state, set).voters.contains(&mine)
    };
    sets.filter(is_short).count()
}

/// Does what can be done now; tells whether nothing is left.
async fn step(core: &Core, state: &State, group: RaftGroupId) -> bool {
    let Some((set, raft)) = state.replica_set(group).zip(core.raft.group(group)) else {
        return true;
    };
    // Not led here any more: the next leader goes on.
    let Some(epoch) = raft.role().serving_epoch() else {
        return true;
    };
    let wanted = Wanted::of(state, set);
    tracing::debug!(%group, %epoch, "membership is to change");
    match change(&raft, &wanted).await {
        Ok(true) => report(core, &raft, epoch).await,
        Ok(false) => false,
        Err(ChangeError::ShuttingDown) => true,
        // Refused while leadership is in doubt; no role change need follow when it is not lost.
        Err(ChangeError::NotLeader { .. }) => raft.role().serving_epoch() != Some(epoch),
        Err(error) => {
            tracing::info!(%group, %error, "membership not changed yet");
            false
        }
    }
}

/// One step towards the wanted membership; tells whether it is reached.
async fn change(raft: &RaftGroup, wanted: &Wanted) -> Result<bool, ChangeError> {
    let members = raft.members();
    let is_member = |id: ReplicaId| members.iter().any(|one| one.replica.replica_id == id);
    for replica in wanted.all.iter().filter(|one| !is_member(one.replica_id)) {
        raft.add_learner(*replica).await?;
    }
    let members = raft.members();
    let voters: BTreeSet<_> = members
        .iter()
        .filter(|one| one.votes)
        .map(|one| one.replica.replica_id)
        .collect();
    if voters != wanted.voters {
        let end = raft
            .log()
            .last_log_id()
            .map_or(LogIndex(0), |last| last.index);
        let ready = |id: &ReplicaId| {
            let member = members.iter().find(|one| one.replica.replica_id == *id);
            voters.contains(id) || member.is_some_and(|one| is_caught_up(one, end))
        };
        if !wanted.voters.iter().all(ready) {
            tracing::debug!(group = %raft.id(), ?members, %end, "a learner is not caught up yet");
            return Ok(false);
        }
        raft.change_membership(wanted.voters.clone()).await?;
    }
    let is_wanted = |id: ReplicaId| wanted.all.iter().any(|one| one.replica_id == id);
    let members = raft.members();
    let gone: BTreeSet<_> = members
        .iter()
        .map(|one| one.replica.replica_id)
        .filter(|&id| !is_wanted(id))
        .collect();
    if !gone.is_empty() {
        raft.remove_learners(gone).await?;
    }
    Ok(true)
}

fn is_caught_up(member: &Member, end: LogIndex) -> bool {
    member
        .matching
        .is_some_and(|at| at.index.0 + CAUGHT_UP_ENTRIES >= end.0)
}

async fn report(core: &Core, raft: &RaftGroup, epoch: LeaderEpoch) -> bool {
    let members = raft.members();
    let ids = |votes: bool| {
        let some = members.iter().filter(move |one| one.votes == votes);
        some.map(|one| one.replica.replica_id).collect()
    };
    let membership = MembershipReport {
        epoch,
        log_index: raft
            .log()
            .last_log_id()
            .map_or(LogIndex(0), |last| last.index),
        voters: ids(true),
        learners: ids(false),
    };
    let command = Command::ReportMembership {
        raft_group: raft.id(),
        membership,
    };
    match core.controller.propose(&command, METADATA_TIMEOUT).await {
        Ok(_) => true,
        Err(error) => {
            tracing::info!(group = %raft.id(), %error, "membership not reported yet");
            false
        }
    }
}
