//! Log matching, leader completeness, and that what is committed is on a majority's disks.

use std::collections::BTreeMap;

use floe_model::{LogId, LogIndex, RaftGroupId};
use floe_raft::RoleState;

use super::{NodeSight, ReplicaSight};
use crate::book::Book;

/// Committed entries of a group that are remembered to compare others with.
const KEPT: usize = 64;

/// What is committed.
#[derive(Default)]
pub struct Logs {
    groups: BTreeMap<RaftGroupId, Committed>,
    compared: u64,
}

/// Some committed entries of one group, the newest among them.
#[derive(Default)]
struct Committed {
    ids: BTreeMap<LogIndex, LogId>,
}

impl Committed {
    fn newest(&self) -> Option<LogId> {
        self.ids.last_key_value().map(|(_, id)| *id)
    }
}

impl Logs {
    /// How many logs were compared with what is committed.
    pub(super) fn compared(&self) -> u64 {
        self.compared
    }

    pub(super) fn compare(&mut self, nodes: &BTreeMap<u32, NodeSight>, book: &Book) {
        let mut fresh: BTreeMap<RaftGroupId, LogId> = BTreeMap::new();
        for (&group, sight) in all(nodes) {
            let Some(applied) = sight.progress.applied else {
                continue;
            };
            let committed = self.groups.entry(group).or_default();
            if let Some(known) = committed.ids.get(&applied.index)
                && *known != applied
            {
                book.trouble(format!(
                    "{group} on {}: {applied:?} is applied where {known:?} was committed",
                    sight.node
                ));
            }
            let newest = committed.newest();
            if newest.is_none_or(|newest| newest.index < applied.index) {
                committed.ids.insert(applied.index, applied);
                if committed.ids.len() > KEPT {
                    committed.ids.pop_first();
                }
                fresh.insert(group, applied);
            }
        }
        for (group, committed) in fresh {
            check_majority(group, committed, nodes, book);
        }
        for (&group, sight) in all(nodes) {
            self.compared += 1;
            let Some(newest) = self.groups.get(&group).and_then(Committed::newest) else {
                continue;
            };
            check_prefix(group, sight, newest, book);
        }
    }
}

fn all(
    nodes: &BTreeMap<u32, NodeSight>,
) -> impl Iterator<Item = (&RaftGroupId, &ReplicaSight)> + Clone {
    nodes.values().flat_map(|sight| &sight.replicas)
}

/// A committed entry must be in every log that is applied that far, and in that of every leader
/// of its term or a later one.
fn check_prefix(group: RaftGroupId, sight: &ReplicaSight, committed: LogId, book: &Book) {
    let progress = &sight.progress;
    if progress.is_damaged || progress.start >= Some(committed) {
        return;
    }
    let leads = matches!(sight.role.state, RoleState::Leader { .. })
        && sight.ballot.term >= committed.term
        && sight.ballot.is_elected
        && sight.ballot.candidate == sight.replica_id;
    let is_applied = progress
        .applied
        .is_some_and(|applied| applied.index >= committed.index);
    if !leads && !is_applied {
        return;
    }
    let here = sight.log.log_id_at(committed.index);
    if here != Some(committed) {
        let what = if leads { "leads" } else { "is applied" };
        book.trouble(format!(
            "{group} on {} {what} without {committed:?}, which is committed: {here:?} is there",
            sight.node
        ));
    }
}

/// Whether a majority of the replicas that were seen has a committed entry on disk. One that was
/// never seen since it was made counts as having it.
fn check_majority(
    group: RaftGroupId,
    committed: LogId,
    nodes: &BTreeMap<u32, NodeSight>,
    book: &Book,
) {
    let (mut lack, mut count) = (Vec::new(), 0);
    for node in nodes.values() {
        count += 1;
        let sight = node.replicas.get(&group).or(node.before.get(&group));
        let Some(sight) = sight else { continue };
        let progress = sight.log.progress();
        let holds = progress.start >= Some(committed)
            || (progress.durable.map(|id| id.index) >= Some(committed.index)
                && sight.log.log_id_at(committed.index) == Some(committed));
        if !holds {
            lack.push(sight.node);
        }
    }
    if 2 * (count - lack.len()) <= count {
        book.trouble(format!(
            "{group}: {committed:?} is committed and not on the disks of {lack:?}"
        ));
    }
}
