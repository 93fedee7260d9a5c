//! Commits of consumer groups: a member of an old generation must not succeed.

use std::collections::BTreeMap;

use super::Found;
use crate::{Action, Anomaly, Key, Operation, Stage};

/// Finds commits that succeeded although a newer generation's commit for the same group and key
/// had been acknowledged before they were invoked. Concurrent ones may go either way.
pub(super) fn check(operations: &[Operation], found: &mut Found) {
    // Acknowledged commits by the index of their completion, to be looked at in that order.
    let mut acknowledged: BTreeMap<u64, &Operation> = BTreeMap::new();
    for operation in operations {
        if let (Stage::Ok, Some(completed)) = (operation.outcome, operation.completed) {
            acknowledged.insert(completed, operation);
        }
    }
    let mut acknowledged = acknowledged.into_iter().peekable();
    let mut newest: BTreeMap<(&str, &Key), i64> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.outcome == Stage::Ok)
    {
        while let Some((_, earlier)) =
            acknowledged.next_if(|(completed, _)| *completed < operation.invoked)
        {
            if let Action::Commit {
                group,
                generation,
                offsets,
            } = &earlier.action
            {
                for key in offsets.keys() {
                    let newest = newest.entry((group, key)).or_insert(*generation);
                    *newest = (*newest).max(*generation);
                }
            }
        }
        let Action::Commit {
            group,
            generation,
            offsets,
        } = &operation.action
        else {
            continue;
        };
        for key in offsets.keys() {
            if let Some(&newer) = newest
                .get(&(group.as_str(), key))
                .filter(|n| *n > generation)
            {
                found.add(Anomaly::ZombieCommit {
                    group: group.clone(),
                    key: key.clone(),
                    writer: operation.invoked,
                    generations: [*generation, newer],
                });
            }
        }
    }
}
