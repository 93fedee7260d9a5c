//! What the client knows of the cluster: addresses of nodes, partitions of topics, their leaders.
//!
//! Answers arrive from many nodes, some behind others. Invariant: what is known of a partition's
//! leader is replaced only by a newer epoch, and a topic's identity only by newer metadata; so no
//! late answer undoes a later one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use floe_model::{LeaderEpoch, NodeId, PartitionIndex, TopicId, TopicName};
use floe_rpc::{LeaderHint, NodeInfo, PartitionInfo, PartitionKey, TopicInfo, Topics};
use parking_lot::Mutex;

use crate::Error;
use crate::error::Cause;

/// Who leads one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leadership {
    pub(crate) leader: Option<NodeId>,
    pub(crate) epoch: LeaderEpoch,
}

/// One topic as known at some moment.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) topic: TopicName,
    pub(crate) topic_id: TopicId,
    /// Largest batch the topic accepts, bytes, where it differs from the default.
    pub(crate) batch_bytes_max: Option<usize>,
    metadata_version: u64,
    partitions: Vec<Leadership>,
}

impl Layout {
    pub(crate) fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    /// The identity of a partition.
    pub(crate) fn key(&self, partition: PartitionIndex) -> Result<PartitionKey, Error> {
        let partition_count = self.partition_count();
        if partition.0 < partition_count {
            Ok(self.key_of(partition))
        } else {
            let error = Error::from(Cause::NoSuchPartition { partition_count });
            Err(error.in_partition(&self.topic, partition))
        }
    }

    /// The identities of all partitions, ascending.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PartitionKey> {
        (0..self.partition_count()).map(|index| self.key_of(PartitionIndex(index)))
    }

    /// Who leads `partition`; nobody when it does not exist.
    pub(crate) fn leadership(&self, partition: PartitionIndex) -> Leadership {
        let nobody = Leadership {
            leader: None,
            epoch: LeaderEpoch(-1),
        };
        let place = usize::try_from(partition.0).unwrap_or(usize::MAX);
        self.partitions.get(place).copied().unwrap_or(nobody)
    }

    /// Nodes that lead some partition.
    pub(crate) fn leaders(&self) -> BTreeSet<NodeId> {
        self.partitions
            .iter()
            .filter_map(|partition| partition.leader)
            .collect()
    }

    fn key_of(&self, partition: PartitionIndex) -> PartitionKey {
        PartitionKey {
            topic_id: self.topic_id,
            partition,
        }
    }
}

/// Everything known, shared by all components of a client.
#[derive(Default)]
pub(crate) struct Layouts {
    /// Held while one answer is merged or one topic looked up.
    known: Mutex<Known>,
    leader_moves: AtomicU64,
}

#[derive(Default)]
struct Known {
    nodes: BTreeMap<NodeId, String>,
    topics: BTreeMap<TopicName, Arc<Layout>>,
    names: BTreeMap<TopicId, TopicName>,
    /// Version of the newest answer of all.
    metadata_version: u64,
}

impl Layouts {
    pub(crate) fn topic(&self, topic: &TopicName) -> Option<Arc<Layout>> {
        self.known.lock().topics.get(topic).cloned()
    }

    /// Whether an answer of this version is older than what is known of the topic.
    pub(crate) fn is_stale(&self, topic: &TopicName, metadata_version: u64) -> bool {
        let known = self.known.lock();
        known
            .topics
            .get(topic)
            .is_some_and(|layout| layout.metadata_version > metadata_version)
    }

    /// The topic is gone.
    pub(crate) fn forget(&self, topic: &TopicName) {
        let mut known = self.known.lock();
        if let Some(layout) = known.topics.remove(topic) {
            known.names.remove(&layout.topic_id);
        }
    }

    /// Who leads a partition, and the address of that node.
    pub(crate) fn leader(&self, key: PartitionKey) -> Option<(NodeId, LeaderEpoch, String)> {
        let known = self.known.lock();
        let layout = known.topics.get(known.names.get(&key.topic_id)?)?;
        if layout.topic_id != key.topic_id {
            return None;
        }
        let Leadership { leader, epoch } = layout.leadership(key.partition);
        let node = leader?;
        Some((node, epoch, known.nodes.get(&node)?.clone()))
    }

    pub(crate) fn addr(&self, node: NodeId) -> Option<String> {
        self.known.lock().nodes.get(&node).cloned()
    }

    pub(crate) fn addrs(&self) -> Vec<String> {
        self.known.lock().nodes.values().cloned().collect()
    }

    /// Partitions seen to change their leader.
    pub(crate) fn leader_moves(&self) -> u64 {
        self.leader_moves.load(Ordering::Relaxed)
    }

    /// Takes in a node's answer. Topics missing in it stay known: their absence is judged by who
    /// asked for them.
    pub(crate) fn merge(&self, answer: &Topics) {
        let mut known = self.known.lock();
        known.merge_nodes(&answer.nodes, answer.metadata_version);
        for info in &answer.topics {
            let moves = known.merge_topic(info, answer.metadata_version);
            self.leader_moves.fetch_add(moves, Ordering::Relaxed);
        }
    }

    pub(crate) fn merge_nodes(&self, nodes: &[NodeInfo], metadata_version: u64) {
        self.known.lock().merge_nodes(nodes, metadata_version);
    }

    /// Takes in what a node said about one topic outside of a versioned answer.
    pub(crate) fn merge_topic(&self, info: &TopicInfo) {
        let mut known = self.known.lock();
        let metadata_version = known.metadata_version;
        let moves = known.merge_topic(info, metadata_version);
        self.leader_moves.fetch_add(moves, Ordering::Relaxed);
    }

    /// Takes in a redirection. Whether it was news.
    pub(crate) fn learn(&self, key: PartitionKey, hint: &LeaderHint) -> bool {
        let mut known = self.known.lock();
        let Some(name) = known.names.get(&key.topic_id).cloned() else {
            return false;
        };
        let Some(layout) = known.topics.get_mut(&name) else {
            return false;
        };
        let place = usize::try_from(key.partition.0).unwrap_or(usize::MAX);
        if layout.topic_id != key.topic_id || layout.partitions.len() <= place {
            return false;
        }
        let new = Leadership {
            leader: Some(hint.node),
            epoch: hint.epoch,
        };
        let slot = &mut Arc::make_mut(layout).partitions[place];
        let is_news = slot.is_older_than(new);
        if is_news {
            *slot = new;
            self.leader_moves.fetch_add(1, Ordering::Relaxed);
        }
        is_news
    }
}

impl Leadership {
    fn is_older_than(self, new: Self) -> bool {
        new.epoch > self.epoch
            || (new.epoch == self.epoch && self.leader.is_none() && new.leader.is_some())
    }
}

impl From<&PartitionInfo> for Leadership {
    fn from(info: &PartitionInfo) -> Self {
        Self {
            leader: info.leader,
            epoch: info.leader_epoch,
        }
    }
}

impl Known {
    fn merge_nodes(&mut self, nodes: &[NodeInfo], metadata_version: u64) {
        if metadata_version < self.metadata_version {
            return;
        }
        self.metadata_version = metadata_version;
        if !nodes.is_empty() {
            let addrs = nodes
                .iter()
                .map(|info| (info.node, info.client_addr.clone()));
            self.nodes = addrs.collect();
        }
    }

    /// Returns how many partitions changed their leader.
    fn merge_topic(&mut self, info: &TopicInfo, metadata_version: u64) -> u64 {
        let batch_bytes_max = info.configs.get("max.message.bytes");
        let batch_bytes_max = batch_bytes_max.and_then(|text| text.parse().ok());
        let mut new = Layout {
            topic: info.name.clone(),
            topic_id: info.topic_id,
            batch_bytes_max,
            metadata_version,
            partitions: info.partitions.iter().map(Leadership::from).collect(),
        };
        let mut moves = 0;
        if let Some(old) = self.topics.get(&info.name) {
            if old.topic_id == new.topic_id {
                for (place, was) in old.partitions.iter().enumerate() {
                    match new.partitions.get_mut(place) {
                        Some(now) if was.is_older_than(*now) => moves += 1,
                        Some(now) => *now = *was,
                        // Partitions are never removed: the answer is behind.
                        None => new.partitions.push(*was),
                    }
                }
                new.metadata_version = metadata_version.max(old.metadata_version);
            } else if metadata_version < old.metadata_version {
                return 0;
            } else {
                self.names.remove(&old.topic_id);
            }
        }
        self.names.insert(new.topic_id, new.topic.clone());
        self.topics.insert(info.name.clone(), Arc::new(new));
        moves
    }
}

#[cfg(test)]
mod tests;
