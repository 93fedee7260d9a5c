//! Commits of consumer groups: a member of an old generation must not succeed, and what was
//! committed stays.
//!
//! A reset sets positions back on purpose. From its invocation on the furthest commit counts only
//! up to where it may have set it, and commits that were under way with it prove nothing.

use std::collections::BTreeMap;

use floe_model::Offset;

use super::Found;
use super::replay::replay;
use crate::{Action, Anomaly, Key, Operation, OperationIndex, Positions, Stage};

/// What is certain of a group and key.
#[derive(Default)]
struct Furthest {
    /// The newest generation, and how it became known.
    generation: Option<(i64, OperationIndex)>,
    /// The furthest acknowledged commit.
    offset: Option<(Offset, OperationIndex)>,
    /// Commits invoked before this event may have been undone by a reset.
    reset_until: u64,
    /// A reset of unknown outcome may still happen: nothing counts beyond it.
    ceiling: Option<Offset>,
}

type Groups<'a> = BTreeMap<&'a str, BTreeMap<&'a Key, Furthest>>;

/// Finds commits that succeeded although a newer generation of the same group had the key
/// before they were invoked, and commits and readings that fall behind one acknowledged before.
pub(super) fn check(operations: &[Operation], completions: &[usize], found: &mut Found) {
    let resets: Vec<&Operation> = operations
        .iter()
        .filter(|operation| matches!(operation.action, Action::Reset { .. }))
        .collect();
    let mut judge = Judge { resets, found };
    let mut groups = Groups::new();
    replay(
        operations,
        completions,
        &mut groups,
        advance,
        |groups, operation| match &operation.action {
            Action::Reset { group, offsets } if operation.outcome != Stage::Fail => {
                set_back(groups, operation, group, offsets);
            }
            Action::Commit {
                group,
                generation,
                offsets,
            } if operation.outcome == Stage::Ok => {
                judge.commit(groups, operation, group, *generation, offsets);
            }
            Action::Committed { group, offsets } if operation.outcome == Stage::Ok => {
                judge.reading(groups, operation, group, offsets);
            }
            _ => {}
        },
    );
}

fn advance<'a>(groups: &mut Groups<'a>, operation: &'a Operation) {
    let index = OperationIndex(operation.invoked);
    match &operation.action {
        Action::Commit {
            group,
            generation,
            offsets,
        } => {
            let keys = groups.entry(group).or_default();
            for (key, &offset) in offsets {
                let furthest = keys.entry(key).or_default();
                renew(furthest, *generation, index);
                if operation.invoked >= furthest.reset_until {
                    let offset = furthest
                        .ceiling
                        .map_or(offset, |ceiling| offset.min(ceiling));
                    if furthest.offset.is_none_or(|(before, _)| before < offset) {
                        furthest.offset = Some((offset, index));
                    }
                }
            }
        }
        Action::Join(join) => {
            let keys = groups.entry(&join.group).or_default();
            for key in &join.keys {
                renew(keys.entry(key).or_default(), join.generation, index);
            }
        }
        _ => {}
    }
}

fn renew(furthest: &mut Furthest, generation: i64, index: OperationIndex) {
    let is_newer = |(known, _)| known < generation;
    if furthest.generation.is_none_or(is_newer) {
        furthest.generation = Some((generation, index));
    }
}

fn set_back<'a>(
    groups: &mut Groups<'a>,
    operation: &Operation,
    group: &'a str,
    offsets: &'a Positions,
) {
    let keys = groups.entry(group).or_default();
    for (key, &offset) in offsets {
        let furthest = keys.entry(key).or_default();
        if let Some((before, _)) = &mut furthest.offset {
            *before = offset.min(*before);
        }
        match operation
            .completed
            .filter(|_| operation.outcome == Stage::Ok)
        {
            Some(completed) => furthest.reset_until = completed.max(furthest.reset_until),
            None => {
                let ceiling = furthest.ceiling.map_or(offset, |known| known.min(offset));
                furthest.ceiling = Some(ceiling);
            }
        }
    }
}

/// Compares what succeeded with what was certain when it began.
struct Judge<'a> {
    resets: Vec<&'a Operation>,
    found: &'a mut Found,
}

impl Judge<'_> {
    fn commit(
        &mut self,
        groups: &Groups<'_>,
        operation: &Operation,
        group: &str,
        generation: i64,
        offsets: &Positions,
    ) {
        for (key, &offset) in offsets {
            let Some(before) = groups.get(group).and_then(|keys| keys.get(key)) else {
                continue;
            };
            match before.generation {
                Some((newest, newer)) if generation < newest => {
                    self.found.add(Anomaly::ZombieCommit {
                        group: group.to_owned(),
                        key: key.clone(),
                        writer: OperationIndex(operation.invoked),
                        newer,
                        generations: [generation, newest],
                    });
                }
                _ => self.offset(before, operation, group, key, offset),
            }
        }
    }

    fn reading(
        &mut self,
        groups: &Groups<'_>,
        operation: &Operation,
        group: &str,
        offsets: &Positions,
    ) {
        for (key, before) in groups.get(group).into_iter().flatten() {
            let offset = offsets.get(key).copied().unwrap_or(Offset(-1));
            self.offset(before, operation, group, key, offset);
        }
    }

    fn offset(
        &mut self,
        before: &Furthest,
        operation: &Operation,
        group: &str,
        key: &Key,
        offset: Offset,
    ) {
        let Some((furthest, writer)) = before.offset.filter(|(known, _)| offset < *known) else {
            return;
        };
        if self.is_reset_meanwhile(operation, group, key) {
            return;
        }
        self.found.add(Anomaly::CommitRegression {
            group: group.to_owned(),
            key: key.clone(),
            writer,
            operation: OperationIndex(operation.invoked),
            offsets: [furthest, offset],
        });
    }

    /// Whether a reset began while `operation` went on.
    fn is_reset_meanwhile(&self, operation: &Operation, of: &str, key: &Key) -> bool {
        let span = operation.invoked..operation.completed.unwrap_or(u64::MAX);
        self.resets.iter().any(|reset| {
            let is_of_key = matches!(&reset.action, Action::Reset { group, offsets }
                if group == of && offsets.contains_key(key));
            is_of_key && span.contains(&reset.invoked)
        })
    }
}
