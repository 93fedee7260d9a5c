//! The partition replicas on this node, by identity.

use std::collections::BTreeMap;
use std::sync::Arc;

use floe_model::{RaftGroupId, TopicIdPartition};
use parking_lot::RwLock;

use crate::partition::Partition;

/// The open partitions. Written by the reconciler only.
#[derive(Default)]
pub(crate) struct Partitions {
    /// Held for one lookup or change.
    open: RwLock<Open>,
}

#[derive(Default)]
struct Open {
    by_key: BTreeMap<TopicIdPartition, Arc<Partition>>,
    by_group: BTreeMap<RaftGroupId, Arc<Partition>>,
}

impl Partitions {
    pub(crate) fn get(&self, key: &TopicIdPartition) -> Option<Arc<Partition>> {
        self.open.read().by_key.get(key).cloned()
    }

    pub(crate) fn by_group(&self, group: RaftGroupId) -> Option<Arc<Partition>> {
        self.open.read().by_group.get(&group).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.open.read().by_key.values().cloned().collect()
    }

    pub(crate) fn insert(&self, partition: Arc<Partition>) {
        let mut open = self.open.write();
        open.by_group
            .insert(partition.group(), Arc::clone(&partition));
        open.by_key.insert(partition.key, partition);
    }

    pub(crate) fn remove(&self, group: RaftGroupId) {
        let mut open = self.open.write();
        if let Some(partition) = open.by_group.remove(&group) {
            open.by_key.remove(&partition.key);
        }
    }

    /// Lets go of all partitions, when the node stops.
    pub(crate) fn clear(&self) {
        *self.open.write() = Open::default();
    }
}
