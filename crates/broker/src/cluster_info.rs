//! What a node says of the cluster and of itself.

use std::collections::BTreeMap;
use std::path::Path;

use floe_env::{OpenMode, Vfs};
use floe_journal::StoreStatus;
use floe_metadata::{Replica, ReplicaSet, State};
use floe_model::{ErrorCode, LeaderEpoch, NodeId, RaftGroupId};
use floe_rpc::{ClusterInfo, Failure, NodeInfo, NodeStats, StoreHealth};
use futures::StreamExt as _;
use futures::stream;

use crate::Broker;
use crate::core::Core;

/// Leaders handed over at once.
const TRANSFERS: usize = 64;
/// Kernel ticks of process CPU time: `USER_HZ` is 100 on every Linux.
const TICK_US: u64 = 10_000;
const PAGE_BYTES: u64 = 4096;

impl Broker {
    /// The cluster as this node sees it.
    ///
    /// # Errors
    /// The node belongs to no cluster yet, or is stopping.
    pub async fn describe_cluster(&self) -> Result<ClusterInfo, Failure> {
        self.check_serving()?;
        let state = self.core.metadata.state();
        let formation = state.formation().ok_or(ErrorCode::NotController)?;
        Ok(ClusterInfo {
            cluster_id: formation.cluster_id,
            name: formation.name.clone(),
            controller: self.core.controller.leader(),
            answered_by: self.core.config.node_id,
            nodes: self.node_infos(&state),
            metadata_version: state.version(),
        })
    }

    /// Counters of this node, for benchmarks and status.
    ///
    /// # Errors
    /// None at present.
    pub async fn node_stats(&self) -> Result<NodeStats, Failure> {
        let core = &self.core;
        let journal = core.journal.metrics();
        let partitions = core.partitions.all();
        let led = partitions
            .iter()
            .filter(|one| one.role().serving_epoch().is_some())
            .count();
        let vfs = &*core.env.vfs;
        Ok(NodeStats {
            node: core.config.node_id,
            cpu_us: cpu_us(vfs).unwrap_or(0),
            rss_bytes: rss_bytes(vfs).unwrap_or(0),
            journal_syncs: journal.syncs,
            bytes_written: journal.journal_bytes_written + journal.segment_bytes_written,
            leaders: u32::try_from(led).unwrap_or(u32::MAX),
            replicas: u32::try_from(partitions.len()).unwrap_or(u32::MAX),
            store: match &*core.journal.status().borrow() {
                StoreStatus::Healthy => StoreHealth::Healthy,
                StoreStatus::Full { .. } => StoreHealth::Full,
                StoreStatus::Poisoned { .. } => StoreHealth::Failed,
            },
        })
    }

    pub(crate) fn node_infos(&self, state: &State) -> Vec<NodeInfo> {
        let (mut leaders, mut replicas) = (BTreeMap::new(), BTreeMap::new());
        for partition in state.topics().flat_map(|topic| &topic.partitions) {
            let set = &partition.replica_set;
            for replica in &set.replicas {
                *replicas.entry(replica.node_id).or_insert(0) += 1;
            }
            if let (Some(leader), _) = self.core.newest_leader(set) {
                *leaders.entry(leader).or_insert(0) += 1;
            }
        }
        let info = |node: &floe_metadata::NodeRecord| {
            let registration = &node.registration;
            let node_id = registration.node_id;
            NodeInfo {
                node: node_id,
                client_addr: registration.client_addr.clone(),
                kafka_addr: registration.kafka_addr.clone(),
                http_addr: registration.http_addr.clone(),
                rack: registration.rack.clone(),
                alive: self.core.is_alive(node_id),
                leaders: leaders.get(&node_id).copied().unwrap_or(0),
                replicas: replicas.get(&node_id).copied().unwrap_or(0),
            }
        };
        state.nodes().map(info).collect()
    }
}

impl Core {
    pub(crate) fn is_alive(&self, node: NodeId) -> bool {
        node == self.config.node_id || !self.raft.suspects(node)
    }

    /// Whether a replica that is to vote does, on a node that is alive.
    pub(crate) fn counts(&self, set: &ReplicaSet, replica: &Replica) -> bool {
        let id = replica.replica_id;
        let votes = match &set.membership {
            Some(reported) => reported.voters.contains(&id),
            None => set.founding.contains(replica),
        };
        votes && self.is_alive(replica.node_id) && !self.metadata.state().is_damaged(id)
    }

    /// The leader of a group as its replica here or, if newer, metadata knows it.
    pub(crate) fn newest_leader(&self, set: &ReplicaSet) -> (Option<NodeId>, LeaderEpoch) {
        let reported = set.leader;
        let role = self.raft.group(set.raft_group).map(|group| group.role());
        match (role, reported) {
            (Some(role), Some(reported)) if role.epoch < reported.epoch => {
                (Some(reported.node_id), reported.epoch)
            }
            (Some(role), _) => (role.leader, role.epoch),
            (None, Some(reported)) => (Some(reported.node_id), reported.epoch),
            (None, None) => (None, LeaderEpoch(0)),
        }
    }

    /// Hands groups led here to other nodes; tells how many went.
    pub(crate) async fn transfer_leaders(&self, moves: Vec<(RaftGroupId, NodeId)>) -> u32 {
        let transfers = stream::iter(moves).map(|(group, node)| async move {
            let Some(raft) = self.raft.group(group) else {
                return 0;
            };
            match raft.transfer_to(node).await {
                Ok(()) => 1,
                Err(error) => {
                    tracing::debug!(%group, %node, %error, "leader not moved");
                    0
                }
            }
        });
        transfers
            .buffer_unordered(TRANSFERS)
            .fold(0, async |moved, one: u32| moved + one)
            .await
    }
}

/// CPU time of this process; `None` where the system does not tell.
pub(crate) fn cpu_us(vfs: &dyn Vfs) -> Option<u64> {
    let text = read_text(vfs, "/proc/self/stat")?;
    // The command's name may hold anything but ends at the last parenthesis; behind it utime
    // and stime are fields 12 and 13.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}

/// Resident memory of this process; `None` where the system does not tell.
pub(crate) fn rss_bytes(vfs: &dyn Vfs) -> Option<u64> {
    let text = read_text(vfs, "/proc/self/statm")?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

fn read_text(vfs: &dyn Vfs, path: &str) -> Option<String> {
    let file = vfs.open(Path::new(path), OpenMode::READ).ok()?;
    let mut buffer = vec![0; 4096];
    let length = file.read_at(&mut buffer, 0).ok()?;
    buffer.truncate(length);
    String::from_utf8(buffer).ok()
}
