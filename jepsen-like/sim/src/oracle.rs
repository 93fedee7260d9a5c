//! Invariants that only somebody inside the cluster can see.
//!
//! Looks at every node's own view between steps: at most one node ever leads a group in an
//! epoch, epochs of a node's view never fall within a life, and neither does a high watermark.

use std::collections::BTreeMap;

use floe_broker::NodeStatus;
use floe_model::{LeaderEpoch, NodeId, Offset, RaftGroupId};

use crate::book::Book;
use crate::cluster::Seat;

/// What was seen so far.
#[derive(Default)]
pub struct Oracle {
    leaders: BTreeMap<(RaftGroupId, LeaderEpoch), NodeId>,
    views: BTreeMap<(NodeId, RaftGroupId), View>,
}

struct View {
    /// The life of the node in which this was seen.
    starts: u32,
    epoch: LeaderEpoch,
    high_watermark: Offset,
}

impl Oracle {
    /// Compares what the nodes say now with what they said before.
    pub fn look(&mut self, seats: &[Seat], book: &Book) {
        for seat in seats {
            if let Some(status) = seat.status() {
                self.compare(&status, seat.starts(), book);
            }
        }
    }

    fn compare(&mut self, status: &NodeStatus, starts: u32, book: &Book) {
        let node = status.node_id;
        for partition in &status.partitions {
            let group = partition.raft_group;
            let epoch = partition.leader_epoch;
            // What a node says of others is hearsay; that it leads it must know.
            if partition.leader == Some(node) {
                let first = *self.leaders.entry((group, epoch)).or_insert(node);
                if first != node {
                    book.trouble(format!(
                        "{group} has two leaders in epoch {epoch}: {first} and {node}"
                    ));
                }
            }
            let view = View {
                starts,
                epoch,
                high_watermark: partition.high_watermark,
            };
            let Some(before) = self.views.insert((node, group), view) else {
                continue;
            };
            if before.starts != starts {
                continue;
            }
            if epoch < before.epoch {
                book.trouble(format!(
                    "{group} on {node}: epoch fell {} to {epoch}",
                    before.epoch
                ));
            }
            if partition.high_watermark < before.high_watermark {
                book.trouble(format!(
                    "{group} on {node}: high watermark fell {} to {}",
                    before.high_watermark, partition.high_watermark
                ));
            }
        }
    }
}
