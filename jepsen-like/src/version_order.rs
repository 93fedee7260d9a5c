//! The order of the values of each key, put together from all that was sent and read.
//!
//! Invariant: offsets that nobody ever saw leave no hole: `index` is dense over known offsets,
//! so that two neighbours have nothing known between them.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::Offset;

use crate::{Action, Key, Operation, Stage, Value};

/// Who wrote a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    /// Index of the invocation.
    pub(crate) operation: u64,
    /// Index of the completion.
    pub(crate) completed: Option<u64>,
    /// Of this value.
    pub(crate) outcome: Stage,
}

impl Writer {
    /// Index of the completion of an acknowledged write.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        self.completed.filter(|_| self.outcome == Stage::Ok)
    }
}

/// Everything known of one key.
#[derive(Debug, Default)]
pub(crate) struct KeyLog {
    /// Known values per offset.
    log: BTreeMap<Offset, BTreeSet<Value>>,
    /// The known offsets in order; a place in it is a dense index.
    offsets: Vec<Offset>,
    /// First and last dense index of each placed value.
    pub(crate) places: BTreeMap<Value, (usize, usize)>,
    pub(crate) writers: BTreeMap<Value, Writer>,
    /// Values that ok polls returned.
    pub(crate) read: BTreeSet<Value>,
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

    /// Offsets and all values seen there, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Offset, &BTreeSet<Value>)> {
        self.log.iter().map(|(offset, values)| (*offset, values))
    }

    fn number(&mut self) {
        for (index, (offset, values)) in self.log.iter().enumerate() {
            self.offsets.push(*offset);
            for value in values {
                let place = self.places.entry(*value).or_insert((index, index));
                place.1 = index;
            }
        }
    }
}

/// Folds a history into one log per key.
pub(crate) fn key_logs(operations: &[Operation]) -> BTreeMap<Key, KeyLog> {
    let mut logs: BTreeMap<Key, KeyLog> = BTreeMap::new();
    for operation in operations {
        let Action::Poll(polled) = &operation.action else {
            continue;
        };
        for (key, values) in polled {
            let log = logs.entry(key.clone()).or_default();
            for (offset, value) in values {
                // Polls of unknown or failed operations count too: reading is always safe.
                log.log.entry(*offset).or_default().insert(*value);
                if operation.outcome == Stage::Ok {
                    log.read.insert(*value);
                }
            }
        }
    }
    for operation in operations {
        let Action::Send(sends) = &operation.action else {
            continue;
        };
        for sent in sends {
            let outcome = operation.outcome_of(sent);
            let writer = Writer {
                operation: operation.invoked,
                completed: operation.completed,
                outcome,
            };
            let log = logs.entry(sent.key.clone()).or_default();
            log.writers.insert(sent.value, writer);
            if let (Stage::Ok, Some(offset)) = (outcome, sent.offset) {
                log.log.entry(offset).or_default().insert(sent.value);
            }
        }
    }
    logs.values_mut().for_each(KeyLog::number);
    logs
}
