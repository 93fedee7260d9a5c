//! Follows the metadata: peers, and the replicas that this node should hold.
//!
//! Looks again only when the layout changed. Opens what is placed here, deletes what belonged to
//! a deleted topic and says so to the controller. Never deletes a replica for any other reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use floe_journal::{GroupKind, StoreError};
use floe_metadata::{Command, RaftGroupOwner, ReplicaSet, State, Topic};
use floe_model::{NodeId, RaftGroupId, TopicId};
use floe_raft::{GroupSpec, OpenGroupError, PeerAddr, Voter};
use futures::stream::{self, StreamExt as _};
use parking_lot::Mutex;

use crate::coordinator::OffsetsMachine;
use crate::core::{Core, METADATA_TIMEOUT};
use crate::partition::{Partition, PartitionMachine};

/// Groups opened or deleted at once: each waits for a journal write that they all share.
const CONCURRENT: usize = 128;
/// Between two attempts after something failed.
const RETRY: Duration = Duration::from_secs(1);
/// Before a replica that ended by an error is opened again.
const REOPEN: Duration = Duration::from_secs(5);

/// Runs until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let mut follower = Follower {
        core,
        opened: BTreeSet::new(),
        rolls: BTreeMap::new(),
        peers: BTreeMap::new(),
    };
    let mut metadata = follower.core.metadata.clone();
    let mut seen = None;
    loop {
        let state = follower.core.metadata.state();
        follower.follow_peers(&state);
        if seen != Some(state.layout_version()) {
            let complete = follower.follow_layout(&state).await;
            seen = complete.then_some(state.layout_version());
        }
        match seen {
            Some(_) => drop(metadata.changed().await),
            // Something failed: changes of other kinds are no reason to try again at once.
            None => {
                let looked_at = state.layout_version();
                let other = metadata.wait_for(|view| view.state.layout_version() != looked_at);
                // Running out is the ordinary case.
                drop(tokio::time::timeout(RETRY, other).await);
            }
        }
    }
}

/// Bytes and milliseconds after which a partition segment is closed; `None` is the node's own.
type Roll = (Option<u64>, Option<i64>);

struct Follower {
    core: Arc<Core>,
    opened: BTreeSet<RaftGroupId>,
    /// When the segments of each topic roll, as the replicas here were last told.
    rolls: BTreeMap<TopicId, Roll>,
    peers: BTreeMap<NodeId, PeerAddr>,
}

impl Follower {
    fn follow_peers(&mut self, state: &State) {
        let me = self.core.config.node_id;
        if state.formation().is_none() {
            return;
        }
        let others = state.nodes().filter(|node| node.registration.node_id != me);
        let peers: BTreeMap<_, _> = others
            .map(|node| {
                let registration = &node.registration;
                let addr = registration.peer_addr.clone();
                // Which disk a replica is on is checked with every Raft message. The link lets
                // any disk of the node in, or a replaced one could never register.
                (
                    registration.node_id,
                    PeerAddr {
                        addr,
                        node_uuid: None,
                    },
                )
            })
            .collect();
        if peers != self.peers {
            self.core.raft.set_peers(peers.clone());
            self.peers = peers;
        }
    }

    /// Opens and deletes; tells whether nothing is left to do.
    async fn follow_layout(&mut self, state: &Arc<State>) -> bool {
        if state.formation().is_none() {
            return true;
        }
        let node_id = self.core.config.node_id;
        let disk = self.core.identity.node_uuid;
        let ours = |set: &&ReplicaSet| {
            set.replica_on(node_id)
                .is_some_and(|replica| replica.node_uuid == disk)
        };
        let wanted = state
            .hosted_by(node_id)
            .filter(ours)
            .map(|set| set.raft_group);
        let wanted: Vec<_> = wanted
            .filter(|group| !self.opened.contains(group))
            .collect();
        let mut remaining = wanted.len();
        self.core.unopened.send_replace(Some(remaining));
        let core = &self.core;
        let mut openings = stream::iter(wanted)
            .map(|group| async move { (group, open(core, state, group).await) })
            .buffer_unordered(CONCURRENT);
        while let Some((group, opened)) = openings.next().await {
            match opened {
                Ok(()) => {
                    self.opened.insert(group);
                    remaining -= 1;
                    core.unopened.send_replace(Some(remaining));
                }
                Err(OpenGroupError::ShuttingDown) => return false,
                Err(error) => tracing::error!(%group, %error, "replica not opened"),
            }
        }
        drop(openings);
        self.follow_rolls(state);
        self.delete_dead(state).await && remaining == 0
    }

    /// Tells the replicas here when the settings of their topic changed.
    fn follow_rolls(&mut self, state: &State) {
        self.rolls.retain(|id, _| state.topic(id).is_some());
        for topic in state.topics() {
            let roll = roll_of(topic);
            if self.rolls.get(&topic.topic_id) == Some(&roll) {
                continue;
            }
            for partition in &topic.partitions {
                let group = partition.replica_set.raft_group;
                if let Some(here) = self.core.partitions.by_group(group) {
                    here.log().set_roll(roll.0, roll.1);
                }
            }
            self.rolls.insert(topic.topic_id, roll);
        }
    }

    /// Deletes what is left of deleted topics.
    async fn delete_dead(&mut self, state: &State) -> bool {
        let node_id = self.core.config.node_id;
        let dead: Vec<RaftGroupId> = state.to_delete_on(node_id).collect();
        if dead.is_empty() {
            return true;
        }
        for group in &dead {
            self.core.partitions.remove(*group);
        }
        let core = &self.core;
        let deleted: Vec<RaftGroupId> = stream::iter(dead.iter().copied())
            .map(|group| async move {
                match core.raft.delete_group(group).await {
                    // A node that was away may never have had it.
                    Ok(()) | Err(StoreError::UnknownGroup(_) | StoreError::Deleted(_)) => {
                        Some(group)
                    }
                    Err(error) => {
                        tracing::error!(%group, %error, "replica of a deleted topic not deleted");
                        None
                    }
                }
            })
            .buffer_unordered(CONCURRENT)
            .filter_map(std::future::ready)
            .collect()
            .await;
        for group in &deleted {
            self.opened.remove(group);
        }
        if deleted.is_empty() {
            return false;
        }
        let all = deleted.len() == dead.len();
        let command = Command::ConfirmDeleted {
            node_id,
            node_uuid: core.identity.node_uuid,
            raft_groups: deleted,
        };
        match core.controller.propose(&command, METADATA_TIMEOUT).await {
            Ok(_) => all,
            Err(error) => {
                tracing::warn!(%error, "deletion not confirmed");
                false
            }
        }
    }
}

fn roll_of(topic: &Topic) -> Roll {
    (topic.config.segment_bytes(), topic.config.segment_ms())
}

async fn open(core: &Arc<Core>, state: &State, group: RaftGroupId) -> Result<(), OpenGroupError> {
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
            let raft = core.raft.open_group(spec, Box::new(machine)).await?;
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
            let raft = core.raft.open_group(spec, Box::new(machine)).await?;
            core.coordinators.open(core, index, raft, applied);
            Ok(())
        }
        Some(RaftGroupOwner::Metadata) | None => Ok(()),
    }
}

/// Opens a replica again whose Raft ended by an error. One that is damaged stays closed.
pub(crate) async fn reopen(core: Arc<Core>, group: RaftGroupId) {
    loop {
        tokio::time::sleep(REOPEN).await;
        tracing::warn!(%group, "opening a replica again that ended by an error");
        core.raft.close_group(group).await;
        match open(&core, &core.metadata.state(), group).await {
            Ok(()) | Err(OpenGroupError::ShuttingDown) => return,
            Err(error @ OpenGroupError::Damaged { .. }) => {
                tracing::error!(%group, %error, "replica stays closed");
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
