//! The state of the metadata group and what a broker reads from it.
//!
//! A clone is cheap (records are shared until they change), so that readers and snapshots
//! hold a consistent picture without stopping `apply`. `version` grows with every command that
//! changed something, `layout_version` when Raft groups, their replicas or
//! the settings of topics did.
//!
//! Invariant: the two indexes are functions of `topics` and never part of a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use floe_model::limits::OFFSETS_PARTITIONS;
use floe_model::{
    FencingToken, GroupName, LeaderEpoch, NodeId, NodeUuid, PartitionIndex, ProducerId,
    RaftGroupId, ReplicaId, TopicId, TopicIdPartition, TopicName,
};
use serde::{Deserialize, Serialize};

use crate::group_record::RetiredGroup;
use crate::versioned::{self, DecodeError};
use crate::{
    DeadReplica, Formation, GroupRecord, NodeRecord, OffsetsPartition, Partition, ReplicaSet,
    Tombstone, Topic,
};

/// Largest snapshot, bytes.
const SNAPSHOT_BYTES_MAX: usize = 256 << 20;
/// The first replica id that is allocated; those below belong to the seeds.
const REPLICAS_FIRST: ReplicaId = ReplicaId(1000);

/// The metadata of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(crate) formation: Option<Formation>,
    pub(crate) nodes: BTreeMap<NodeId, Arc<NodeRecord>>,
    pub(crate) retired_disks: BTreeSet<NodeUuid>,
    pub(crate) dead_replicas: BTreeMap<ReplicaId, DeadReplica>,
    pub(crate) damaged_replicas: BTreeMap<ReplicaId, RaftGroupId>,
    pub(crate) metadata_set: ReplicaSet,
    pub(crate) offsets: Vec<Arc<OffsetsPartition>>,
    pub(crate) topics: BTreeMap<TopicId, Arc<Topic>>,
    pub(crate) tombstones: BTreeMap<TopicId, Tombstone>,
    pub(crate) groups: BTreeMap<GroupName, Arc<GroupRecord>>,
    pub(crate) retired_groups: BTreeMap<GroupName, RetiredGroup>,
    pub(crate) next_replica: ReplicaId,
    pub(crate) next_raft_group: RaftGroupId,
    pub(crate) next_producer: ProducerId,
    pub(crate) version: u64,
    pub(crate) layout_version: u64,
    #[serde(skip)]
    pub(crate) topic_by_name: Arc<BTreeMap<TopicName, TopicId>>,
    #[serde(skip)]
    pub(crate) partition_by_group: Arc<BTreeMap<RaftGroupId, TopicIdPartition>>,
}

/// What a Raft group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaftGroupOwner {
    /// This metadata.
    Metadata,
    /// The offsets partition of this index.
    Offsets(u32),
    /// A partition of a topic.
    Partition(TopicIdPartition),
}

/// The offsets partition whose leader coordinates `group`. FNV-1a, fixed for ever: another
/// function would lose every committed offset.
#[must_use]
pub fn offsets_partition_of(group: &GroupName) -> u32 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    let hash = group.as_str().as_bytes().iter().fold(BASIS, step);
    (hash % u64::from(OFFSETS_PARTITIONS)) as u32
}

impl Default for State {
    fn default() -> Self {
        Self {
            formation: None,
            nodes: BTreeMap::new(),
            retired_disks: BTreeSet::new(),
            dead_replicas: BTreeMap::new(),
            damaged_replicas: BTreeMap::new(),
            metadata_set: ReplicaSet::founded(RaftGroupId::METADATA, Vec::new()),
            offsets: Vec::new(),
            topics: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            groups: BTreeMap::new(),
            retired_groups: BTreeMap::new(),
            next_replica: REPLICAS_FIRST,
            next_raft_group: RaftGroupId::PARTITIONS_FIRST,
            next_producer: ProducerId(0),
            version: 0,
            layout_version: 0,
            topic_by_name: Arc::default(),
            partition_by_group: Arc::default(),
        }
    }
}

impl State {
    /// Nothing: the state before `Form`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grows with every command that changed something.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Grows when Raft groups, their replicas, tombstones or the settings of topics changed: when
    /// a node must look again at what it hosts, and how.
    #[must_use]
    pub fn layout_version(&self) -> u64 {
        self.layout_version
    }

    /// How the cluster was formed; `None` before.
    #[must_use]
    pub fn formation(&self) -> Option<&Formation> {
        self.formation.as_ref()
    }

    /// Every node, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.nodes.values().map(Arc::as_ref)
    }

    /// One node.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<&NodeRecord> {
        self.nodes.get(&node).map(Arc::as_ref)
    }

    /// Replicas to remove from their Raft memberships, with the group of each.
    pub fn dead_replicas(&self) -> impl Iterator<Item = (ReplicaId, &DeadReplica)> {
        self.dead_replicas
            .iter()
            .map(|(&replica, dead)| (replica, dead))
    }

    /// Wanted replicas whose node found their log damaged, with the group of each. They do not
    /// count, and get a successor once their group goes on without them.
    pub fn damaged_replicas(&self) -> impl Iterator<Item = (ReplicaId, RaftGroupId)> {
        let damaged = self.damaged_replicas.iter();
        damaged.map(|(&replica, &raft_group)| (replica, raft_group))
    }

    /// Whether a wanted replica is damaged, as far as its node said.
    #[must_use]
    pub fn is_damaged(&self, replica: ReplicaId) -> bool {
        self.damaged_replicas.contains_key(&replica)
    }

    /// Whether a disk was replaced; everything from it is refused.
    #[must_use]
    pub fn is_retired(&self, disk: &NodeUuid) -> bool {
        self.retired_disks.contains(disk)
    }

    /// Every topic, by id.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values().map(Arc::as_ref)
    }

    /// Every topic, by name.
    pub fn topics_by_name(&self) -> impl Iterator<Item = &Topic> {
        self.topic_by_name.values().filter_map(|id| self.topic(id))
    }

    /// One topic.
    #[must_use]
    pub fn topic(&self, topic_id: &TopicId) -> Option<&Topic> {
        self.topics.get(topic_id).map(Arc::as_ref)
    }

    /// One topic by its current name.
    #[must_use]
    pub fn topic_named(&self, name: &TopicName) -> Option<&Topic> {
        self.topic_by_name.get(name).and_then(|id| self.topic(id))
    }

    /// One partition.
    #[must_use]
    pub fn partition(&self, id: &TopicIdPartition) -> Option<&Partition> {
        self.topic(&id.topic_id)?.partition(id.partition)
    }

    /// The topic and partition that a Raft group keeps.
    #[must_use]
    pub fn partition_of(&self, raft_group: RaftGroupId) -> Option<(&Topic, &Partition)> {
        let id = self.partition_by_group.get(&raft_group)?;
        let topic = self.topic(&id.topic_id)?;
        Some((topic, topic.partition(id.partition)?))
    }

    /// What a Raft group is for; `None` for an unknown or deleted one.
    #[must_use]
    pub fn owner_of(&self, raft_group: RaftGroupId) -> Option<RaftGroupOwner> {
        if raft_group == RaftGroupId::METADATA {
            return Some(RaftGroupOwner::Metadata);
        }
        if let Some(index) = self.offsets_index(raft_group) {
            return Some(RaftGroupOwner::Offsets(index));
        }
        self.partition_by_group
            .get(&raft_group)
            .copied()
            .map(RaftGroupOwner::Partition)
    }

    /// The replicas of any Raft group, the metadata group included.
    #[must_use]
    pub fn replica_set(&self, raft_group: RaftGroupId) -> Option<&ReplicaSet> {
        match self.owner_of(raft_group)? {
            RaftGroupOwner::Metadata => Some(&self.metadata_set),
            RaftGroupOwner::Offsets(index) => self.offsets_partition(index).map(|p| &p.replica_set),
            RaftGroupOwner::Partition(id) => self.partition(&id).map(|p| &p.replica_set),
        }
    }

    /// The replica sets of all offsets partitions and partitions, in order of Raft group.
    pub fn replica_sets(&self) -> impl Iterator<Item = &ReplicaSet> {
        let offsets = self.offsets.iter().map(|partition| &partition.replica_set);
        let partitions = self
            .partition_by_group
            .values()
            .filter_map(|id| self.partition(id));
        offsets.chain(partitions.map(|partition| &partition.replica_set))
    }

    /// The replica sets that should have a replica on `node`, without the metadata group.
    pub fn hosted_by(&self, node: NodeId) -> impl Iterator<Item = &ReplicaSet> {
        self.replica_sets()
            .filter(move |set| set.replica_on(node).is_some())
    }

    /// Deleted topics of which some node may still hold bytes.
    pub fn tombstones(&self) -> impl Iterator<Item = &Tombstone> {
        self.tombstones.values()
    }

    /// The groups that `node` must delete and confirm.
    pub fn to_delete_on(&self, node: NodeId) -> impl Iterator<Item = RaftGroupId> {
        self.tombstones
            .values()
            .flat_map(|tombstone| &tombstone.unconfirmed)
            .filter(move |(_, nodes)| nodes.contains(&node))
            .map(|(&raft_group, _)| raft_group)
    }

    /// Every offsets partition; the place is the index.
    pub fn offsets_partitions(&self) -> impl Iterator<Item = &OffsetsPartition> {
        self.offsets.iter().map(Arc::as_ref)
    }

    /// One offsets partition.
    #[must_use]
    pub fn offsets_partition(&self, index: u32) -> Option<&OffsetsPartition> {
        self.offsets.get(index as usize).map(Arc::as_ref)
    }

    /// The newest coordinator's epoch for a group; 0 before the first.
    #[must_use]
    pub fn coordinator_epoch(&self, group: &GroupName) -> LeaderEpoch {
        let partition = self.offsets_partition(offsets_partition_of(group));
        partition.map_or(LeaderEpoch(0), |partition| partition.coordinator_epoch)
    }

    /// Every consumer group that exists.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupName, &GroupRecord)> {
        self.groups
            .iter()
            .map(|(name, record)| (name, record.as_ref()))
    }

    /// One consumer group.
    #[must_use]
    pub fn group(&self, name: &GroupName) -> Option<&GroupRecord> {
        self.groups.get(name).map(Arc::as_ref)
    }

    /// The generation to expect in the next rebalance, also of a deleted group; 0 if it never
    /// was.
    #[must_use]
    pub fn generation_of(&self, name: &GroupName) -> floe_model::Generation {
        let live = self.groups.get(name).map(|record| record.generation);
        let retired = || {
            self.retired_groups
                .get(name)
                .map(|retired| retired.generation)
        };
        live.or_else(retired).unwrap_or_default()
    }

    /// The token of a partition's owner in a native group.
    #[must_use]
    pub fn token(&self, group: &GroupName, partition: &TopicIdPartition) -> Option<FencingToken> {
        self.group(group)?.token_of(partition)
    }

    /// The whole state as bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    /// Reads what [`State::snapshot`] wrote.
    ///
    /// # Errors
    /// Bytes of another version, too many, or malformed.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut state = versioned::decode::<Self, SNAPSHOT_BYTES_MAX>(bytes)?;
        let topics: Vec<_> = state.topics.values().cloned().collect();
        for topic in &topics {
            state.index(topic);
        }
        Ok(state)
    }

    fn offsets_index(&self, raft_group: RaftGroupId) -> Option<u32> {
        let index = raft_group.0.checked_sub(RaftGroupId::OFFSETS_FIRST.0)?;
        (index < self.offsets.len() as u64).then_some(index as u32)
    }

    /// Enters a topic, new or grown, in the indexes.
    pub(crate) fn index(&mut self, topic: &Topic) {
        Arc::make_mut(&mut self.topic_by_name).insert(topic.name.clone(), topic.topic_id);
        let by_group = Arc::make_mut(&mut self.partition_by_group);
        for (place, partition) in topic.partitions.iter().enumerate() {
            let index = PartitionIndex(place as u32);
            let id = TopicIdPartition {
                topic_id: topic.topic_id,
                partition: index,
            };
            by_group.insert(partition.replica_set.raft_group, id);
        }
    }

    /// Takes a topic out of the indexes.
    pub(crate) fn unindex(&mut self, topic: &Topic) {
        Arc::make_mut(&mut self.topic_by_name).remove(&topic.name);
        let by_group = Arc::make_mut(&mut self.partition_by_group);
        for partition in &topic.partitions {
            by_group.remove(&partition.replica_set.raft_group);
        }
    }

    /// The replicas of any Raft group, to change them.
    pub(crate) fn replica_set_mut(&mut self, raft_group: RaftGroupId) -> Option<&mut ReplicaSet> {
        match self.owner_of(raft_group)? {
            RaftGroupOwner::Metadata => Some(&mut self.metadata_set),
            RaftGroupOwner::Offsets(index) => {
                let partition = self.offsets.get_mut(index as usize)?;
                Some(&mut Arc::make_mut(partition).replica_set)
            }
            RaftGroupOwner::Partition(id) => {
                let topic = Arc::make_mut(self.topics.get_mut(&id.topic_id)?);
                let partition = topic.partitions.get_mut(id.partition.0 as usize)?;
                Some(&mut Arc::make_mut(partition).replica_set)
            }
        }
    }
}
