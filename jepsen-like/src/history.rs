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

mod action;
mod read;
mod record;

pub use action::{
    Access, Action, Batch, Identity, Join, NodeChange, Place, Polled, Positions, Produce, Replica,
    Sent, Step, TopicChange, Watermarks,
};
pub use read::{HistoryError, read_history};
pub use record::Recorder;

/// Version of this format that is written. Every version from 1 is read.
pub const SCHEMA: u32 = 2;

/// One log under test: `topic/partition`, or `topic#incarnation/partition` where a name has
/// several lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

impl Key {
    /// The name of the topic, whatever its life.
    #[must_use]
    pub fn topic(&self) -> &str {
        let life = self.0.rsplit_once('/').map_or(&*self.0, |(life, _)| life);
        life.split_once('#').map_or(life, |(topic, _)| topic)
    }
}

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
    /// Operations that must have succeeded for the run to mean something.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub operations_min: u64,
    /// What must have been seen how often. A landed fault counts as `fault:KIND`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub coverage_min: BTreeMap<String, u64>,
    /// After everything is healed each key must be writable within this time, and stay so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_within_ms: Option<u32>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Time of the invocation.
    pub invoked_ns: u64,
    /// Time of the completion.
    pub completed_ns: Option<u64>,
    /// Who.
    pub process: u64,
    /// `Ok`, `Fail` or `Info`; without completion `Info`.
    pub outcome: Stage,
    /// What, with the results if it completed.
    pub action: Action,
    /// The error behind `Fail` or `Info`.
    pub error: Option<String>,
    /// Keys that a rebalance took or gave meanwhile.
    pub rebalanced: Vec<Key>,
}

impl Operation {
    /// What came of one value that it sent, which got `offset`.
    #[must_use]
    pub fn outcome_of(&self, offset: Option<Offset>) -> Stage {
        match (self.outcome, offset, &self.action) {
            // A transaction is atomic: an offset proves nothing before the commit.
            (Stage::Info, Some(_), Action::Send(_) | Action::Produce(_)) => Stage::Ok,
            (outcome, ..) => outcome,
        }
    }

    /// Index of the completion of an operation that happened.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        self.completed.filter(|_| self.outcome == Stage::Ok)
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

impl History {
    /// The operation that was invoked as event `index`.
    #[must_use]
    pub fn operation(&self, index: u64) -> Option<&Operation> {
        let found = self
            .operations
            .binary_search_by_key(&index, |operation| operation.invoked);
        self.operations.get(found.ok()?)
    }

    /// When its last event was.
    #[must_use]
    pub fn end_ns(&self) -> u64 {
        let times = self.operations.iter();
        times
            .map(|operation| operation.completed_ns.unwrap_or(operation.invoked_ns))
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
