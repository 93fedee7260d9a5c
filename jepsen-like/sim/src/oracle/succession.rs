//! A replica is succeeded by another only where its disk was replaced or has rotted: on a sound
//! disk nothing gets lost, so there is nothing to make good.

use std::collections::BTreeMap;

use floe_metadata::State;
use floe_model::{NodeId, RaftGroupId, ReplicaId};

use crate::book::Book;
use crate::cluster::Seat;

/// The replicas that there should be, as last decided.
#[derive(Default)]
pub struct Succession {
    version: u64,
    replicas: BTreeMap<(RaftGroupId, NodeId), ReplicaId>,
}

impl Succession {
    pub(super) fn compare(&mut self, state: &State, seats: &[Seat], book: &Book) {
        if state.version() <= self.version {
            return;
        }
        self.version = state.version();
        for set in state.replica_sets() {
            for replica in &set.replicas {
                let place = (set.raft_group, replica.node_id);
                let former = self.replicas.insert(place, replica.replica_id);
                let Some(former) = former.filter(|former| *former != replica.replica_id) else {
                    continue;
                };
                let seat = seats.iter().find(|seat| seat.node_id() == replica.node_id);
                if seat.is_some_and(|seat| seat.rots() + seat.wipes() == 0) {
                    book.trouble(format!(
                        "{}: replica {former} on {} was succeeded by {} though its disk is sound",
                        set.raft_group, replica.node_id, replica.replica_id
                    ));
                }
            }
        }
    }
}
