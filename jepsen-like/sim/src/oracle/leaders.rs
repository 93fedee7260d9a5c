//! Election safety: one leader of a group in an epoch, and none that goes on serving when another
//! does. A leader that was replaced hears of it, or misses a majority and fences itself; for the
//! moment that takes there may be two, of which the older one cannot commit anything.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_model::{LeaderEpoch, NodeId, RaftGroupId};
use floe_raft::RoleState;

use super::NodeSight;
use crate::book::Book;

/// A leader that another replaced may believe in itself for so long.
const OVERLAP_MAX: Duration = Duration::from_secs(2);

/// Who was seen to lead.
#[derive(Default)]
pub struct Leaders {
    first: BTreeMap<(RaftGroupId, LeaderEpoch), NodeId>,
    /// Since when two serve a group.
    overlaps: BTreeMap<RaftGroupId, Duration>,
}

impl Leaders {
    pub(super) fn compare(&mut self, now: Duration, nodes: &BTreeMap<u32, NodeSight>, book: &Book) {
        let mut overlaps = BTreeMap::new();
        let mut serving: BTreeMap<RaftGroupId, (NodeId, LeaderEpoch)> = BTreeMap::new();
        // One that is held still serves nobody, and hears of its end when it goes on.
        let up = nodes
            .values()
            .filter(|sight| sight.is_up && !sight.is_paused);
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
                let since = self.overlaps.get(&group).copied().unwrap_or(now);
                overlaps.insert(group, since);
                if now - since > OVERLAP_MAX {
                    book.trouble(format!(
                        "{group} is served by two since {since:?}: {other} in epoch {other_epoch} \
                         and {node} in epoch {epoch}"
                    ));
                }
            }
        }
        self.overlaps = overlaps;
    }
}
