//! The smallest slice of a history that shows a finding.
//!
//! It holds the operations that a finding names, and of all others the first that wrote, read or
//! committed each of its values and offsets in another way than those before.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::Offset;

use crate::evidence::Subject;
use crate::{Action, Anomaly, History, Key, Operation, Value};

/// Operations of one slice.
const OPERATIONS_MAX: usize = 12;

/// Places in `history.operations`, in order, one list per finding.
pub(super) fn slices(history: &History, findings: &[&Anomaly]) -> Vec<Vec<usize>> {
    let mut search = Search::new(findings);
    for (place, operation) in history.operations.iter().enumerate() {
        search.look_at(place, operation);
    }
    let mut slices = Vec::new();
    for (subject, others) in search.subjects.iter().zip(search.witnesses) {
        let named = subject.operations.iter().filter_map(|index| {
            let operations = &history.operations;
            operations
                .binary_search_by_key(&index.0, |operation| operation.invoked)
                .ok()
        });
        let mut slice: BTreeSet<usize> = named.take(OPERATIONS_MAX).collect();
        for place in others {
            if slice.len() < OPERATIONS_MAX {
                slice.insert(place);
            }
        }
        slices.push(slice.into_iter().collect());
    }
    slices
}

/// What an operation does with a place of a log: two that do the same show nothing new.
type Touch = (&'static str, Key, Option<Value>, Option<Offset>);

struct Search {
    subjects: Vec<Subject>,
    by_value: BTreeMap<Key, BTreeMap<Value, Vec<usize>>>,
    by_offset: BTreeMap<Key, BTreeMap<Offset, Vec<usize>>>,
    seen: Vec<BTreeSet<Touch>>,
    witnesses: Vec<Vec<usize>>,
}

impl Search {
    fn new(findings: &[&Anomaly]) -> Self {
        let subjects: Vec<Subject> = findings.iter().map(|finding| finding.subject()).collect();
        let mut by_value: BTreeMap<Key, BTreeMap<Value, Vec<usize>>> = BTreeMap::new();
        let mut by_offset: BTreeMap<Key, BTreeMap<Offset, Vec<usize>>> = BTreeMap::new();
        for (finding, subject) in subjects.iter().enumerate() {
            for key in &subject.keys {
                let values = by_value.entry(key.clone()).or_default();
                for value in &subject.values {
                    values.entry(*value).or_default().push(finding);
                }
                let offsets = by_offset.entry(key.clone()).or_default();
                for offset in &subject.offsets {
                    offsets.entry(*offset).or_default().push(finding);
                }
            }
        }
        Self {
            by_value,
            by_offset,
            seen: vec![BTreeSet::new(); subjects.len()],
            witnesses: vec![Vec::new(); subjects.len()],
            subjects,
        }
    }

    fn look_at(&mut self, place: usize, operation: &Operation) {
        let name = operation.action.name();
        each_touch(&operation.action, |key, value, offset| {
            let by_value = value.and_then(|value| self.by_value.get(key)?.get(&value));
            let by_offset = offset.and_then(|offset| self.by_offset.get(key)?.get(&offset));
            for &finding in by_value.into_iter().chain(by_offset).flatten() {
                let touch = (name, key.clone(), value, offset);
                let witnesses = &mut self.witnesses[finding];
                if witnesses.len() < OPERATIONS_MAX && self.seen[finding].insert(touch) {
                    witnesses.push(place);
                }
            }
        });
    }
}

/// Visits every place of a log that an action speaks of.
pub(super) fn each_touch<'a>(
    action: &'a Action,
    mut visit: impl FnMut(&'a Key, Option<Value>, Option<Offset>),
) {
    action.each_sent(|key, value, offset| visit(key, Some(value), offset));
    action.each_polled(|key, values| {
        for &(offset, value) in values {
            visit(key, Some(value), Some(offset));
        }
    });
    match action {
        Action::Commit { offsets, .. }
        | Action::Committed { offsets, .. }
        | Action::Reset { offsets, .. } => {
            for (key, offset) in offsets {
                visit(key, None, Some(*offset));
            }
        }
        Action::Batches { key, batches } => {
            for batch in batches {
                visit(key, None, Some(batch.base_offset));
            }
        }
        Action::Replica(replica) => {
            for batch in &replica.batches {
                visit(&replica.key, None, Some(batch.base_offset));
            }
        }
        _ => {}
    }
}
