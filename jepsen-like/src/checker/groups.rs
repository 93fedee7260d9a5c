//! What the members of a group are given, and that they read all that they commit past.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::Offset;

use super::Found;
use crate::version_order::KeyLog;
use crate::{Action, Anomaly, Key, Operation, OperationIndex, Stage};

/// Finds logs that two members own in one generation.
pub(super) fn check_assignments(operations: &[Operation], found: &mut Found) {
    let mut owners: BTreeMap<(&str, &Key, i64), (&str, OperationIndex)> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        let Action::Join(join) = &operation.action else {
            continue;
        };
        let index = OperationIndex(operation.invoked);
        for key in &join.keys {
            let here = (&*join.group, key, join.generation);
            let (member, first) = *owners.entry(here).or_insert((&join.member, index));
            if member != join.member {
                found.add(Anomaly::SharedAssignment {
                    group: join.group.clone(),
                    key: key.clone(),
                    generation: join.generation,
                    joins: [first, index],
                });
            }
        }
    }
}

/// What one group did with its logs.
#[derive(Default)]
struct Progress<'a> {
    /// The furthest acknowledged commit.
    committed: BTreeMap<&'a Key, Offset>,
    /// Offsets that its members read.
    read: BTreeMap<&'a Key, Vec<Offset>>,
    /// Logs whose position was set by hand.
    reset: BTreeSet<&'a Key>,
}

/// Finds values that a group committed past and no member read. Groups start at the beginning of
/// each log. A member is known by its join; where nobody joins in so many words, all that
/// subscribe belong to the one group that commits, and several groups cannot be told apart.
pub(super) fn check_coverage(
    operations: &[Operation],
    logs: &BTreeMap<Key, KeyLog>,
    found: &mut Found,
) {
    let groups = groups_of(operations);
    let mut progress: BTreeMap<&str, Progress<'_>> = BTreeMap::new();
    for operation in operations {
        match &operation.action {
            Action::Poll(polled) => {
                let Some(group) = groups.get(&operation.process) else {
                    continue;
                };
                let progress = progress.entry(group).or_default();
                for (key, values) in polled {
                    let read = progress.read.entry(key).or_default();
                    read.extend(values.iter().map(|(offset, _)| *offset));
                }
            }
            Action::Commit { group, offsets, .. } if operation.outcome == Stage::Ok => {
                let progress = progress.entry(group).or_default();
                for (key, &offset) in offsets {
                    let committed = progress.committed.entry(key).or_insert(offset);
                    *committed = offset.max(*committed);
                }
            }
            Action::Reset { group, offsets } => {
                let progress = progress.entry(group).or_default();
                progress.reset.extend(offsets.keys());
            }
            _ => {}
        }
    }
    let is_read_by_known = |group: &str| groups.values().any(|known| *known == group);
    for (group, progress) in progress {
        if is_read_by_known(group) {
            check_group(group, progress, logs, found);
        }
    }
}

fn check_group(
    group: &str,
    mut progress: Progress<'_>,
    logs: &BTreeMap<Key, KeyLog>,
    found: &mut Found,
) {
    for (key, committed) in progress.committed {
        if progress.reset.contains(key) {
            continue;
        }
        let mut read = progress.read.remove(key).unwrap_or_default();
        read.sort_unstable();
        let known = logs.get(key).map_or(&[][..], KeyLog::offsets);
        for &offset in known.iter().take_while(|offset| **offset < committed) {
            if read.binary_search(&offset).is_err() {
                found.add(Anomaly::GroupSkip {
                    group: group.to_owned(),
                    key: key.clone(),
                    offset,
                    committed,
                });
            }
        }
    }
}

/// The group of each process that is a member of one.
fn groups_of(operations: &[Operation]) -> BTreeMap<u64, &str> {
    let mut joined: BTreeMap<u64, &str> = BTreeMap::new();
    let mut subscribed = BTreeSet::new();
    let mut committing: BTreeSet<&str> = BTreeSet::new();
    for operation in operations {
        match &operation.action {
            Action::Join(join) => drop(joined.insert(operation.process, &join.group)),
            Action::Subscribe(_) => drop(subscribed.insert(operation.process)),
            Action::Commit { group, .. } => drop(committing.insert(group)),
            _ => {}
        }
    }
    if joined.is_empty() && committing.len() == 1 {
        let group = committing.pop_first().unwrap_or_default();
        joined.extend(subscribed.into_iter().map(|process| (process, group)));
    }
    joined
}
