//! The order of the values of each key, put together from all that was sent and read.
//!
//! Invariant: offsets that nobody ever saw leave no hole: `index` is dense over known offsets,
//! so that two neighbours have nothing known between them. All lists are sorted once and searched
//! after that.

use std::collections::BTreeMap;

use floe_model::Offset;

use crate::{Action, Key, Operation, OperationIndex, Stage, Value};

/// Who wrote a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    /// The first that did.
    pub(crate) operation: OperationIndex,
    /// Index of the event since which it is certain that it happened.
    pub(crate) acknowledged: Option<u64>,
    /// Of this value: retries of it count together.
    pub(crate) outcome: Stage,
}

impl Writer {
    /// Two attempts to write one value.
    fn or(self, other: Self) -> Self {
        let acknowledged = [self.acknowledged, other.acknowledged];
        let outcomes = [self.outcome, other.outcome];
        let either = |stage| outcomes.contains(&stage);
        Self {
            operation: self.operation.min(other.operation),
            acknowledged: acknowledged.into_iter().flatten().min(),
            outcome: match (either(Stage::Ok), either(Stage::Info)) {
                (true, _) => Stage::Ok,
                (false, true) => Stage::Info,
                (false, false) => Stage::Fail,
            },
        }
    }
}

/// Everything known of one key.
#[derive(Debug, Default)]
pub(crate) struct KeyLog {
    /// What was seen where, in order and once.
    entries: Vec<(Offset, Value)>,
    /// The known offsets in order; a place in it is a dense index.
    offsets: Vec<Offset>,
    /// Where in `entries` each known offset begins.
    starts: Vec<usize>,
    /// First and last dense index of each placed value, by value.
    places: Vec<(Value, (usize, usize))>,
    /// By value.
    writers: Vec<(Value, Writer)>,
    /// Values that ok polls returned.
    read: Vec<Value>,
}

impl KeyLog {
    /// The dense index of a known offset.
    pub(crate) fn index(&self, offset: Offset) -> Option<usize> {
        self.offsets.binary_search(&offset).ok()
    }

    /// The known offsets in order.
    pub(crate) fn offsets(&self) -> &[Offset] {
        &self.offsets
    }

    /// All values seen at a dense index.
    pub(crate) fn values_at(&self, index: usize) -> &[(Offset, Value)] {
        let start = self.starts.get(index).copied();
        let end = self.starts.get(index + 1).copied();
        let end = end.unwrap_or(self.entries.len());
        start
            .and_then(|start| self.entries.get(start..end))
            .unwrap_or_default()
    }

    /// First and last dense index of a value that was seen.
    pub(crate) fn place(&self, value: Value) -> Option<(usize, usize)> {
        let found = self.places.binary_search_by_key(&value, |place| place.0);
        Some(self.places[found.ok()?].1)
    }

    /// All values seen, with their first and last dense index.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Value, (usize, usize))> {
        self.places.iter().copied()
    }

    /// Who wrote a value.
    pub(crate) fn writer(&self, value: Value) -> Option<&Writer> {
        Some(&self.writers[self.writer_place(value)?].1)
    }

    /// The place of a value among those that anybody tried to write.
    pub(crate) fn writer_place(&self, value: Value) -> Option<usize> {
        let found = self.writers.binary_search_by_key(&value, |writer| writer.0);
        found.ok()
    }

    /// All values that anybody tried to write.
    pub(crate) fn writers(&self) -> impl Iterator<Item = (Value, &Writer)> {
        self.writers.iter().map(|(value, writer)| (*value, writer))
    }

    /// Whether an ok poll returned a value.
    pub(crate) fn is_read(&self, value: Value) -> bool {
        self.read.binary_search(&value).is_ok()
    }

    fn put_in_order(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.read.sort_unstable();
        self.read.dedup();
        // Stable: attempts to write one value stay in their order.
        self.writers.sort_by_key(|writer| writer.0);
        self.writers.dedup_by(|later, first| {
            let is_same = later.0 == first.0;
            if is_same {
                first.1 = first.1.or(later.1);
            }
            is_same
        });
        let mut places = Vec::with_capacity(self.entries.len());
        for (entry, (offset, value)) in self.entries.iter().enumerate() {
            if self.offsets.last() != Some(offset) {
                self.offsets.push(*offset);
                self.starts.push(entry);
            }
            places.push((*value, self.offsets.len() - 1));
        }
        places.sort_unstable();
        for (value, index) in places {
            match self.places.last_mut() {
                Some((last, place)) if *last == value => place.1 = index,
                _ => self.places.push((value, (index, index))),
            }
        }
    }
}

/// Folds a history into one log per key.
pub(crate) fn key_logs(operations: &[Operation]) -> BTreeMap<Key, KeyLog> {
    let mut logs: BTreeMap<Key, KeyLog> = BTreeMap::new();
    for operation in operations {
        operation.action.each_polled(|key, values| {
            let log = log_of(&mut logs, key);
            // Polls of unknown or failed operations count too: reading is always safe.
            log.entries.extend(values);
            if operation.outcome == Stage::Ok {
                log.read.extend(values.iter().map(|(_, value)| value));
            }
        });
        operation.action.each_sent(|key, value, offset| {
            let outcome = operation.outcome_of(offset);
            let writer = Writer {
                operation: OperationIndex(operation.invoked),
                acknowledged: operation.completed.filter(|_| outcome == Stage::Ok),
                outcome,
            };
            let log = log_of(&mut logs, key);
            log.writers.push((value, writer));
            if let (Stage::Ok, Some(offset)) = (outcome, offset) {
                log.entries.push((offset, value));
            }
        });
    }
    logs.values_mut().for_each(KeyLog::put_in_order);
    commit_what_was_read(operations, &mut logs);
    logs
}

fn log_of<'a>(logs: &'a mut BTreeMap<Key, KeyLog>, key: &Key) -> &'a mut KeyLog {
    if !logs.contains_key(key) {
        logs.insert(key.clone(), KeyLog::default());
    }
    logs.get_mut(key)
        .expect("it was inserted if it was missing")
}

/// A transaction of unknown outcome must have committed if one of its values was read.
fn commit_what_was_read(operations: &[Operation], logs: &mut BTreeMap<Key, KeyLog>) {
    let is_open = |operation: &&Operation| {
        matches!(operation.action, Action::Txn(_)) && operation.outcome == Stage::Info
    };
    // The transaction of each value, and the completion of the first read of each transaction.
    let mut open: BTreeMap<(&Key, Value), u64> = BTreeMap::new();
    for operation in operations.iter().filter(is_open) {
        operation.action.each_sent(|key, value, _| {
            open.insert((key, value), operation.invoked);
        });
    }
    if open.is_empty() {
        return;
    }
    let mut certain: BTreeMap<u64, u64> = BTreeMap::new();
    for operation in operations {
        let Some(completed) = operation.acknowledged() else {
            continue;
        };
        operation.action.each_polled(|key, values| {
            for (_, value) in values {
                if let Some(writer) = open.get(&(key, *value)) {
                    let since = certain.entry(*writer).or_insert(completed);
                    *since = completed.min(*since);
                }
            }
        });
    }
    for ((key, value), operation) in open {
        let (Some(since), Some(log)) = (certain.get(&operation), logs.get_mut(key)) else {
            continue;
        };
        if let Ok(place) = log.writers.binary_search_by_key(&value, |writer| writer.0) {
            let writer = &mut log.writers[place].1;
            (writer.outcome, writer.acknowledged) = (Stage::Ok, Some(*since));
        }
    }
}
