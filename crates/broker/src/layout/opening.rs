//! Opens the replicas of a node: with their machines, and where the rest of the node finds them.

use std::sync::Arc;
use std::time::Duration;

use floe_journal::GroupKind;
use floe_metadata::{RaftGroupOwner, ReplicaSet, State, Topic};
use floe_model::{RaftGroupId, ReplicaId};
use floe_raft::{GroupSpec, OpenGroupError, RaftGroup, StateMachine, Voter};
use parking_lot::Mutex;

use super::Roll;
use crate::coordinator::OffsetsMachine;
use crate::core::Core;
use crate::partition::{Partition, PartitionMachine};

/// Before a replica that ended by an error is opened again.
const REOPEN: Duration = Duration::from_secs(5);

/// A replica that this node should hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) group: RaftGroupId,
    pub(super) replica: ReplicaId,
    /// It takes the place of an earlier one on this disk, which is over.
    pub(super) succeeds: bool,
}

pub(super) fn roll_of(topic: &Topic) -> Roll {
    (topic.config.segment_bytes(), topic.config.segment_ms())
}

/// Opens one replica, unless metadata wants another one there by now.
pub(super) async fn open(
    core: &Arc<Core>,
    state: &State,
    place: Place,
) -> Result<(), OpenGroupError> {
    let group = place.group;
    let Some(set) = state.replica_set(group) else {
        return Ok(());
    };
    match state.owner_of(group) {
        Some(RaftGroupOwner::Partition(key)) => {
            let Some(topic) = state.topic(&key.topic_id) else {
                return Ok(());
            };
            let Some(spec) = spec(core, set, GroupKind::Data) else {
                return Ok(());
            };
            let applied = Arc::new(Mutex::default());
            let machine = PartitionMachine::new(group, Arc::clone(&applied), core.due.clone());
            let raft = run(core, place, spec, Box::new(machine)).await?;
            let (segment_bytes, segment_ms) = roll_of(topic);
            raft.log().set_roll(segment_bytes, segment_ms);
            if raft.log().segments().len() > 1 {
                core.due.add(group);
            }
            let name = topic.name.clone();
            core.partitions
                .insert(Partition::new(key, name, raft, applied, core));
            Ok(())
        }
        Some(RaftGroupOwner::Offsets(index)) => {
            let Some(spec) = spec(core, set, GroupKind::State) else {
                return Ok(());
            };
            let applied = Arc::new(Mutex::default());
            let machine = OffsetsMachine::new(Arc::clone(&applied));
            let raft = run(core, place, spec, Box::new(machine)).await?;
            core.coordinators.open(core, index, raft, applied);
            Ok(())
        }
        Some(RaftGroupOwner::Metadata) | None => Ok(()),
    }
}

/// Runs Raft for a replica. One that turns out to be damaged does not run.
async fn run(
    core: &Core,
    place: Place,
    spec: GroupSpec,
    machine: Box<dyn StateMachine>,
) -> Result<RaftGroup, OpenGroupError> {
    if place.succeeds {
        return core.raft.open_successor(spec, machine).await;
    }
    let group = place.group;
    let damage = || core.journal.group(group)?.is_damaged();
    if damage().is_some() {
        // It may have run until this was found.
        core.raft.close_group(group).await;
    }
    let opened = core.raft.open_group(spec, machine).await;
    opened.map_err(|error| match damage() {
        Some(damage) => OpenGroupError::Damaged { group, damage },
        None => error,
    })
}

/// Opens a replica again whose Raft ended by an error.
pub(crate) async fn reopen(core: Arc<Core>, group: RaftGroupId) {
    loop {
        tokio::time::sleep(REOPEN).await;
        tracing::warn!(%group, "opening a replica again that ended by an error");
        core.raft.close_group(group).await;
        let state = core.metadata.state();
        let set = state.replica_set(group);
        let Some(mine) = set.and_then(|set| set.replica_on(core.config.node_id)) else {
            return;
        };
        let place = Place {
            group,
            replica: mine.replica_id,
            succeeds: false,
        };
        match open(&core, &state, place).await {
            Ok(()) | Err(OpenGroupError::ShuttingDown) => return,
            // Its end here: another one takes its place.
            Err(OpenGroupError::Damaged { .. } | OpenGroupError::OtherReplica { .. }) => {
                core.look_again.notify_one();
                return;
            }
            Err(error) => tracing::error!(%group, %error, "replica not opened"),
        }
    }
}

/// How this node takes part in a group; `None` when its place belongs to another disk.
fn spec(core: &Core, set: &ReplicaSet, kind: GroupKind) -> Option<GroupSpec> {
    let mine = set.replica_on(core.config.node_id)?;
    if mine.node_uuid != core.identity.node_uuid {
        return None;
    }
    let founding = set.founding.iter().map(|replica| Voter {
        replica_id: replica.replica_id,
        node_id: replica.node_id,
        node_uuid: replica.node_uuid,
    });
    let founders: Vec<_> = founding.collect();
    let is_founder = founders
        .iter()
        .any(|voter| voter.replica_id == mine.replica_id);
    Some(GroupSpec {
        group: set.raft_group,
        kind,
        timers: false,
        replica_id: mine.replica_id,
        founders: if is_founder { founders } else { Vec::new() },
    })
}
