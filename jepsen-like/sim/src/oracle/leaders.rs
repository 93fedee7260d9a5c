//! Election safety: one leader of a group in an epoch, and at most one that serves at a time.

use std::collections::BTreeMap;

use floe_model::{LeaderEpoch, NodeId, RaftGroupId};
use floe_raft::RoleState;

use super::NodeSight;
use crate::book::Book;

/// Who was seen to lead.
#[derive(Default)]
pub struct Leaders {
    first: BTreeMap<(RaftGroupId, LeaderEpoch), NodeId>,
}

impl Leaders {
    pub(super) fn compare(&mut self, nodes: &BTreeMap<u32, NodeSight>, book: &Book) {
        let mut serving: BTreeMap<RaftGroupId, (NodeId, LeaderEpoch)> = BTreeMap::new();
        let up = nodes.values().filter(|sight| sight.is_up);
        for (&group, sight) in up.flat_map(|sight| &sight.replicas) {
            // What a node says of others is hearsay; that it leads it must know.
            let RoleState::Leader { .. } = sight.role.state else {
                continue;
            };
            let (node, epoch) = (sight.node, sight.role.epoch);
            let first = *self.first.entry((group, epoch)).or_insert(node);
            if first != node {
                book.trouble(format!(
                    "{group} has two leaders in epoch {epoch}: {first} and {node}"
                ));
            }
            if sight.role.serving_epoch().is_none() {
                continue;
            }
            if let Some((other, other_epoch)) = serving.insert(group, (node, epoch)) {
                book.trouble(format!(
                    "{group} is served by two at once: {other} in epoch {other_epoch} and {node} \
                     in epoch {epoch}"
                ));
            }
        }
    }
}
