//! Reads a history and pairs invocations with completions.
//!
//! Invariant: what it returns is well formed: indexes and times in order, one operation at a
//! time per process, no value sent twice to a key. A history that is not cannot be judged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read};

use super::{Action, Event, Header, History, Identity, Key, Operation, SCHEMA, Stage, Value};

/// Longest line, bytes.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Why a history cannot be judged. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The input failed.
    #[error("cannot read line {line}")]
    Read {
        /// The line.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is not the JSON it should be, or too long.
    #[error("line {line} is not an event of a history")]
    Parse {
        /// The line.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// There is nothing, not even a header.
    #[error("history is empty")]
    Empty,
    /// Another version of the format.
    #[error("history has schema {schema}, known are 1 to {SCHEMA}")]
    Schema {
        /// The version it states.
        schema: u32,
    },
    /// An index is not the next one, or a time lies before the last.
    #[error("event {index} is out of order")]
    Order {
        /// The event.
        index: u64,
    },
    /// An invocation while the process is busy, or a completion of what was not invoked.
    #[error("event {index} of process {process} fits no invocation")]
    Unpaired {
        /// The event.
        index: u64,
        /// Its process.
        process: u64,
    },
    /// A workload sent a value twice, so that nothing can be concluded from reading it.
    #[error("event {index} sends {value} to {key} a second time")]
    ValueReused {
        /// The invocation.
        index: u64,
        /// The key.
        key: Key,
        /// The value.
        value: Value,
    },
}

/// Reads a whole history.
///
/// # Errors
/// The first line that cannot be read or does not fit the lines before it.
pub fn read_history(mut input: impl BufRead) -> Result<History, HistoryError> {
    let mut line = 1;
    let header: Header = next_line(&mut input, line)?.ok_or(HistoryError::Empty)?;
    if !(1..=SCHEMA).contains(&header.schema) {
        return Err(HistoryError::Schema {
            schema: header.schema,
        });
    }
    let mut pairing = Pairing::default();
    loop {
        line += 1;
        match next_line::<Event>(&mut input, line)? {
            Some(event) => pairing.add(event)?,
            None => {
                return Ok(History {
                    header,
                    operations: pairing.operations,
                });
            }
        }
    }
}

fn next_line<T: serde::de::DeserializeOwned>(
    input: &mut impl BufRead,
    line: u64,
) -> Result<Option<T>, HistoryError> {
    let mut bytes = Vec::new();
    let read = input.take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
    match read.map_err(|source| HistoryError::Read { line, source })? {
        0 => Ok(None),
        _ => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| HistoryError::Parse { line, source }),
    }
}

#[derive(Default)]
struct Pairing {
    next_index: u64,
    time_ns: u64,
    operations: Vec<Operation>,
    /// The operation each busy process is in.
    open: BTreeMap<u64, usize>,
    sent: BTreeMap<Key, BTreeSet<Value>>,
    /// Batches of idempotent producers, which may be sent again.
    batches: BTreeMap<(Key, Identity), Vec<Value>>,
}

impl Pairing {
    fn add(&mut self, event: Event) -> Result<(), HistoryError> {
        let Event {
            index,
            time_ns,
            process,
            stage,
            action,
            error,
            rebalanced,
        } = event;
        if index != self.next_index || time_ns < self.time_ns {
            return Err(HistoryError::Order { index });
        }
        (self.next_index, self.time_ns) = (index + 1, time_ns);
        if stage == Stage::Invoke {
            self.check_values(index, &action)?;
            if self.open.insert(process, self.operations.len()).is_some() {
                return Err(HistoryError::Unpaired { index, process });
            }
            self.operations.push(Operation {
                invoked: index,
                completed: None,
                invoked_ns: time_ns,
                completed_ns: None,
                process,
                outcome: Stage::Info,
                action,
                error,
                rebalanced,
            });
            return Ok(());
        }
        let place = self.open.remove(&process);
        let operation = place.and_then(|place| self.operations.get_mut(place));
        match operation {
            Some(operation) if fits(&operation.action, &action) => {
                operation.completed = Some(index);
                operation.completed_ns = Some(time_ns);
                operation.outcome = stage;
                operation.action = action;
                operation.error = error;
                operation.rebalanced = rebalanced;
                Ok(())
            }
            Some(_) | None => Err(HistoryError::Unpaired { index, process }),
        }
    }

    fn check_values(&mut self, index: u64, action: &Action) -> Result<(), HistoryError> {
        if let Action::Produce(batch) = action {
            // The same batch again is a retry; anything else under its name is not.
            let name = (batch.key.clone(), batch.producer);
            match self.batches.get(&name) {
                Some(values) if *values == batch.values => return Ok(()),
                Some(_) => {}
                None => drop(self.batches.insert(name, batch.values.clone())),
            }
        }
        let mut reused = None;
        action.each_sent(|key, value, _| {
            let known = match self.sent.get_mut(key) {
                Some(known) => known,
                None => self.sent.entry(key.clone()).or_default(),
            };
            if !known.insert(value) && reused.is_none() {
                reused = Some((key.clone(), value));
            }
        });
        match reused {
            None => Ok(()),
            Some((key, value)) => Err(HistoryError::ValueReused { index, key, value }),
        }
    }
}

/// Whether `completed` can be the end of `invoked`: the same action on the same things. What an
/// invocation cannot know, the results, may differ.
fn fits(invoked: &Action, completed: &Action) -> bool {
    match (invoked, completed) {
        (Action::Send(_), Action::Send(_)) | (Action::Txn(_), Action::Txn(_)) => {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            invoked.each_sent(|key, value, _| before.push((key, value)));
            completed.each_sent(|key, value, _| after.push((key, value)));
            before == after
        }
        (Action::Produce(before), Action::Produce(after)) => {
            before.key == after.key
                && before.producer == after.producer
                && before.values == after.values
        }
        (before, after) => before.name() == after.name(),
    }
}
