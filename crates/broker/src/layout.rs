//! Follows the metadata: peers, and the replicas that this node should hold.
//!
//! Looks again only when the layout changed or a replica here ended. Opens what is placed here,
//! deletes what belonged to a deleted topic and says so to the controller; never deletes a replica
//! for any other reason. A damaged replica is closed and told to the controller; when metadata
//! names its successor, that one takes its place with an empty log and learns from its peers.

mod opening;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use floe_journal::StoreError;
use floe_metadata::{Command, State};
use floe_model::{NodeId, RaftGroupId, ReplicaId, TopicId};
use floe_raft::{OpenGroupError, PeerAddr};
use futures::stream::{self, StreamExt as _};

use self::opening::{Place, open, roll_of};
use crate::core::{Core, METADATA_TIMEOUT};

pub(crate) use self::opening::reopen;

/// Groups opened or deleted at once: each waits for a journal write that they all share.
const CONCURRENT: usize = 128;
/// Between two attempts after something failed.
const RETRY: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let mut follower = Follower {
        core,
        opened: BTreeMap::new(),
        told: BTreeMap::new(),
        rolls: BTreeMap::new(),
        peers: BTreeMap::new(),
    };
    let node = Arc::clone(&follower.core);
    let mut metadata = follower.core.metadata.clone();
    let mut seen = None;
    loop {
        let state = follower.core.metadata.state();
        follower.follow_peers(&state);
        if seen != Some(state.layout_version()) {
            let complete = follower.follow_layout(&state).await;
            seen = complete.then_some(state.layout_version());
        }
        let looked_at = state.layout_version();
        let is_done = seen.is_some();
        let changed = async {
            match is_done {
                true => drop(metadata.changed().await),
                // Something failed: changes of other kinds are no reason to try again at once.
                false => {
                    let other = metadata.wait_for(|view| view.state.layout_version() != looked_at);
                    // Running out is the ordinary case.
                    drop(tokio::time::timeout(RETRY, other).await);
                }
            }
        };
        tokio::select! {
            () = node.look_again.notified() => seen = None,
            () = changed => {}
        }
    }
}

/// Bytes and milliseconds after which a partition segment is closed; `None` is the node's own.
type Roll = (Option<u64>, Option<i64>);

struct Follower {
    core: Arc<Core>,
    opened: BTreeMap<RaftGroupId, ReplicaId>,
    /// The damaged replicas that the controller knows of from this process.
    told: BTreeMap<RaftGroupId, ReplicaId>,
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
        let wanted = self.wanted(state);
        let mut remaining = wanted.len();
        self.core.unopened.send_replace(Some(remaining));
        let core = &self.core;
        let mut openings = stream::iter(wanted)
            .map(|place| async move { (place, open(core, state, place).await) })
            .buffer_unordered(CONCURRENT);
        let mut damaged = Vec::new();
        while let Some((place, opened)) = openings.next().await {
            match opened {
                Ok(()) => {
                    self.opened.insert(place.group, place.replica);
                    self.told.remove(&place.group);
                    remaining -= 1;
                    core.unopened.send_replace(Some(remaining));
                }
                Err(OpenGroupError::ShuttingDown) => return false,
                Err(OpenGroupError::Damaged { group, damage }) => {
                    let replica = place.replica;
                    tracing::error!(%group, %replica, %damage, "damaged: to be replaced from its peers");
                    damaged.push((group, replica));
                }
                Err(error) => tracing::error!(group = %place.group, %error, "replica not opened"),
            }
        }
        drop(openings);
        self.follow_rolls(state);
        remaining -= self.tell_damaged(damaged).await;
        self.core.unopened.send_replace(Some(remaining));
        self.delete_dead(state).await && remaining == 0
    }

    /// The replicas placed on this disk that are not open. Damaged ones that the controller knows
    /// of wait for their successors.
    fn wanted(&mut self, state: &State) -> Vec<Place> {
        let core = &self.core;
        let (node_id, disk) = (core.config.node_id, core.identity.node_uuid);
        let damaged = core.journal.damaged_groups().into_iter();
        let damaged: BTreeSet<_> = damaged.map(|(group, _)| group).collect();
        self.opened.retain(|group, _| !damaged.contains(group));
        let placed = state.hosted_by(node_id).filter_map(|set| {
            let replica = set.replica_on(node_id)?;
            (replica.node_uuid == disk).then_some((set.raft_group, replica.replica_id))
        });
        let missing = placed.filter(|(group, replica)| {
            let known = [self.opened.get(group), self.told.get(group)];
            !known.contains(&Some(replica))
        });
        missing
            .map(|(group, replica)| {
                // What was lost says nothing of itself, but this process told of it.
                let told = self.told.get(&group).copied();
                let stored = || core.raft.stored_spec(group).map(|spec| spec.replica_id);
                Place {
                    group,
                    replica,
                    succeeds: told.or_else(stored).is_some_and(|former| former < replica),
                }
            })
            .collect()
    }

    /// Tells the controller of damaged replicas; answers of how many it knows then.
    async fn tell_damaged(&mut self, damaged: Vec<(RaftGroupId, ReplicaId)>) -> usize {
        if damaged.is_empty() {
            return 0;
        }
        let core = &self.core;
        let command = Command::ReportDamaged {
            node_id: core.config.node_id,
            node_uuid: core.identity.node_uuid,
            incarnation: core.identity.incarnation,
            replicas: damaged.clone(),
        };
        match core.controller.propose(&command, METADATA_TIMEOUT).await {
            Ok(_) => {
                let count = damaged.len();
                self.told.extend(damaged);
                count
            }
            // The node may not be registered yet.
            Err(error) => {
                tracing::info!(%error, "damage not reported yet");
                0
            }
        }
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
            self.told.remove(group);
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
