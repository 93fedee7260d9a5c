//! The vocabulary of a history, one JSON object a line.
//!
//! The first line is the header; each other line is an event: an operation is invoked, and later
//! completes as `ok` (it happened), `fail` (it did not) or `info` (nobody can tell). Put an error
//! down as `fail` only if it proves that nothing was written: a wrong class is a false alarm or
//! a missed bug.
//!
//! ```json
//! {"i":17,"t":123456789,"p":4,"type":"ok","f":"send","v":[{"k":"orders/0","v":88,"o":104}]}
//! {"i":19,"t":123456999,"p":5,"type":"ok","f":"poll","v":{"orders/0":[[104,88],[105,90]]}}
//! ```

use std::collections::BTreeMap;
use std::fmt;

use floe_model::Offset;
use serde::{Deserialize, Serialize};

mod read;
mod record;

pub use read::{HistoryError, read_history};
pub use record::Recorder;

/// Version of this format.
pub const SCHEMA: u32 = 1;

/// One log under test: `topic/partition`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a record holds. A workload never sends the same value to a key twice.
pub type Value = u64;

/// The first line: enough to run the same thing again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub schema: u32,
    /// Where all randomness of the run came from.
    pub seed: u64,
    /// Version of what was tested.
    pub version: String,
    /// What was to happen.
    pub plan: Plan,
}

/// What a run set out to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the workload.
    pub workload: String,
    /// The faults, in the words of the nemesis that makes them.
    #[serde(default)]
    pub nemesis: Vec<String>,
    /// Faults that must have landed for the run to mean something.
    #[serde(default)]
    pub faults_min: u64,
    /// Whether offsets have no gaps: no transactions, no compaction.
    #[serde(default)]
    pub dense_offsets: bool,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It begins.
    Invoke,
    /// It happened.
    Ok,
    /// It did not happen.
    Fail,
    /// Nobody knows whether it happened.
    Info,
}

/// One value sent to one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Where to.
    #[serde(rename = "k")]
    pub key: Key,
    /// What.
    #[serde(rename = "v")]
    pub value: Value,
    /// Where it ended up, if the answer said so.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
}

/// What an operation does; a completion repeats it with the results filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "v", rename_all = "lowercase")]
pub enum Action {
    /// Sends values, in this order, as one producer. Not atomic: when the operation ends as
    /// `info`, a value that has an offset was acknowledged all the same.
    Send(Vec<Sent>),
    /// Reads what follows the process's position: offsets and values per key, as they came.
    Poll(BTreeMap<Key, Vec<(Offset, Value)>>),
    /// Reads these keys by itself from now on. Positions of keys it had before stay; one that
    /// wants to seek starts over as a new process.
    Assign(Vec<Key>),
    /// Reads these topics as a group member from now on.
    Subscribe(Vec<String>),
    /// Commits positions for a group. Workloads never seek backwards, so that no commit may
    /// stand before an earlier one.
    Commit {
        /// The group.
        group: String,
        /// The generation in which the member did it.
        generation: i64,
        /// The next offset to read, per key.
        offsets: BTreeMap<Key, Offset>,
    },
    /// Reads all that a group has committed: the next offset to read, per key.
    Committed {
        /// The group.
        group: String,
        /// Offsets, of the keys that have one.
        offsets: BTreeMap<Key, Offset>,
    },
    /// The final reading: everything from the start of each key to this end was polled. Invoked
    /// by a process of its own before those polls, completed after them.
    Drain(BTreeMap<Key, Offset>),
    /// Breaks something; `ok` means that the fault landed.
    Fault {
        /// The kind of fault.
        kind: String,
        /// What it hit.
        target: String,
    },
}

impl Action {
    /// The name in field `f`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Poll(_) => "poll",
            Self::Assign(_) => "assign",
            Self::Subscribe(_) => "subscribe",
            Self::Commit { .. } => "commit",
            Self::Committed { .. } => "committed",
            Self::Drain(_) => "drain",
            Self::Fault { .. } => "fault",
        }
    }
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 0 without gaps.
    #[serde(rename = "i")]
    pub index: u64,
    /// Nanoseconds since the run began; never falls.
    #[serde(rename = "t")]
    pub time_ns: u64,
    /// Who: one thread of the workload, which does one thing at a time.
    #[serde(rename = "p")]
    pub process: u64,
    /// Where the operation stands.
    #[serde(rename = "type")]
    pub stage: Stage,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
    /// The error behind `fail` or `info`.
    #[serde(rename = "err", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Keys that a rebalance took or gave while the operation ran.
    #[serde(rename = "rb", default, skip_serializing_if = "Vec::is_empty")]
    pub rebalanced: Vec<Key>,
}

/// An operation from its invocation to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Index of the invocation.
    pub invoked: u64,
    /// Index of the completion; none if the history ends before.
    pub completed: Option<u64>,
    /// Who.
    pub process: u64,
    /// `Ok`, `Fail` or `Info`; without completion `Info`.
    pub outcome: Stage,
    /// What, with the results if it completed.
    pub action: Action,
    /// Keys that a rebalance took or gave meanwhile.
    pub rebalanced: Vec<Key>,
}

impl Operation {
    /// What came of one value of a send.
    #[must_use]
    pub fn outcome_of(&self, sent: &Sent) -> Stage {
        match (self.outcome, sent.offset) {
            (Stage::Info, Some(_)) => Stage::Ok,
            (outcome, _) => outcome,
        }
    }
}

/// A whole run. Operations are in the order of their invocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What was run.
    pub header: Header,
    /// What happened.
    pub operations: Vec<Operation>,
}
