//! A look inside a node, for whoever proves from outside that replicas agree.
//!
//! Nothing here changes anything or waits: what is told is what the node's memory holds at the
//! moment of the call.

use std::sync::Arc;

use floe_metadata::State;
use floe_model::{LogIndex, RaftGroupId, ReplicaId};
use floe_raft::RaftGroup;

use crate::Broker;
use crate::partition::snapshot;

/// The state that a replica's entries have made.
pub struct ReplicatedState {
    /// The group.
    pub group: RaftGroupId,
    /// The replica.
    pub replica_id: ReplicaId,
    /// The entry after which it is this.
    pub applied: LogIndex,
    /// Its bytes: equal on all replicas after the same entry.
    pub bytes: Vec<u8>,
}

impl Broker {
    /// All replicas that are open here.
    #[must_use]
    pub fn replicas(&self) -> Vec<RaftGroup> {
        self.core.raft.groups()
    }

    /// The metadata as applied here.
    #[must_use]
    pub fn metadata_state(&self) -> Arc<State> {
        self.core.metadata.state()
    }

    /// The state of every replica that has applied anything.
    #[must_use]
    pub fn replicated_states(&self) -> Vec<ReplicatedState> {
        let told = |raft: &RaftGroup, bytes: Vec<u8>| {
            let progress = raft.log().progress();
            Some(ReplicatedState {
                group: raft.id(),
                replica_id: raft.replica_id(),
                applied: progress.applied.filter(|_| !progress.is_damaged)?.index,
                bytes,
            })
        };
        let partitions = self.core.partitions.all();
        let partitions = partitions.iter().filter_map(|partition| {
            let bytes = snapshot::encode_whole(&partition.state().lock());
            told(partition.raft(), bytes.into())
        });
        let offsets = self.core.coordinators.all();
        let offsets = offsets.iter().filter_map(|replica| {
            let bytes = replica.state.lock().snapshot();
            told(&replica.raft, bytes)
        });
        let metadata = self.core.raft.group(RaftGroupId::METADATA);
        let metadata = metadata
            .filter(|raft| {
                // After a restart the view has no index before the first new entry.
                let applied = raft.log().progress().applied.map(|id| id.index);
                self.core.metadata.view().applied == applied
            })
            .and_then(|raft| told(&raft, self.core.metadata.state().snapshot()));
        partitions.chain(offsets).chain(metadata).collect()
    }
}
