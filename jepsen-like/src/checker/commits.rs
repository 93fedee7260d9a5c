//! Commits of consumer groups: a member of an old generation must not succeed, and what was
//! committed stays.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::Offset;

use super::Found;
use crate::version_order::KeyLog;
use crate::{Action, Anomaly, Key, Operation, Stage};

/// The furthest that was acknowledged for a group and key.
#[derive(Clone, Copy)]
struct Furthest {
    generation: i64,
    offset: Offset,
}

/// Finds commits that succeeded although a newer generation's commit for the same group and key
/// had been acknowledged before they were invoked, and commits and readings that fall behind one
/// acknowledged before. Concurrent ones may go either way.
pub(super) fn check(operations: &[Operation], found: &mut Found) {
    // Acknowledged commits by the index of their completion, to be looked at in that order.
    let mut acknowledged: BTreeMap<u64, &Operation> = BTreeMap::new();
    for operation in operations {
        if let (Stage::Ok, Some(completed)) = (operation.outcome, operation.completed) {
            acknowledged.insert(completed, operation);
        }
    }
    let mut acknowledged = acknowledged.into_iter().peekable();
    let mut furthest: BTreeMap<(&str, &Key), Furthest> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        while let Some((_, earlier)) =
            acknowledged.next_if(|(completed, _)| *completed < operation.invoked)
        {
            advance(&earlier.action, &mut furthest);
        }
        compare(operation, &furthest, found);
    }
}

fn advance<'a>(action: &'a Action, furthest: &mut BTreeMap<(&'a str, &'a Key), Furthest>) {
    let Action::Commit {
        group,
        generation,
        offsets,
    } = action
    else {
        return;
    };
    for (key, &offset) in offsets {
        let here = Furthest {
            generation: *generation,
            offset,
        };
        let furthest = furthest.entry((group, key)).or_insert(here);
        furthest.generation = furthest.generation.max(*generation);
        furthest.offset = furthest.offset.max(offset);
    }
}

fn compare(operation: &Operation, furthest: &BTreeMap<(&str, &Key), Furthest>, found: &mut Found) {
    match &operation.action {
        Action::Commit {
            group,
            generation,
            offsets,
        } => {
            for (key, &offset) in offsets {
                let Some(before) = furthest.get(&(group.as_str(), key)) else {
                    continue;
                };
                if *generation < before.generation {
                    found.add(Anomaly::ZombieCommit {
                        group: group.clone(),
                        key: key.clone(),
                        writer: operation.invoked,
                        generations: [*generation, before.generation],
                    });
                } else if offset < before.offset {
                    found.add(regression(operation, group, key, [before.offset, offset]));
                }
            }
        }
        Action::Committed { group, offsets } => {
            for (&(_, key), before) in furthest.iter().filter(|((of, _), _)| of == group) {
                let offset = offsets.get(key).copied().unwrap_or(Offset(-1));
                if offset < before.offset {
                    found.add(regression(operation, group, key, [before.offset, offset]));
                }
            }
        }
        _ => {}
    }
}

/// Finds values that a group committed past and no member read. A history does not say whose
/// member a process is, so that only one with a single group can be judged; groups start at the
/// beginning of each log.
pub(super) fn check_coverage(
    operations: &[Operation],
    logs: &BTreeMap<Key, KeyLog>,
    found: &mut Found,
) {
    let mut furthest: BTreeMap<&str, BTreeMap<&Key, Offset>> = BTreeMap::new();
    let mut members: BTreeSet<u64> = BTreeSet::new();
    let mut read: BTreeMap<&Key, BTreeSet<Offset>> = BTreeMap::new();
    for operation in operations {
        match &operation.action {
            Action::Subscribe(_) => {
                members.insert(operation.process);
            }
            Action::Poll(polled) if members.contains(&operation.process) => {
                for (key, values) in polled {
                    read.entry(key)
                        .or_default()
                        .extend(values.iter().map(|(offset, _)| *offset));
                }
            }
            Action::Commit { group, offsets, .. } if operation.outcome == Stage::Ok => {
                let furthest = furthest.entry(group).or_default();
                for (key, &offset) in offsets {
                    let furthest = furthest.entry(key).or_insert(offset);
                    *furthest = (*furthest).max(offset);
                }
            }
            _ => {}
        }
    }
    if furthest.len() != 1 {
        return;
    }
    for (group, keys) in furthest {
        for (key, committed) in keys {
            let known = logs.get(key).map_or(&[][..], KeyLog::offsets);
            let read = read.remove(key).unwrap_or_default();
            let skipped = known.iter().filter(|offset| **offset < committed);
            for &offset in skipped.filter(|offset| !read.contains(offset)) {
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

fn regression(operation: &Operation, group: &str, key: &Key, offsets: [Offset; 2]) -> Anomaly {
    Anomaly::CommitRegression {
        group: group.to_owned(),
        key: key.clone(),
        operation: operation.invoked,
        offsets,
    }
}
