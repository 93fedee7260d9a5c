//! What really happened to a cluster, judged from outside.
//!
//! A workload writes down every operation it began and how it ended: a [`History`]. [`check`]
//! decides from the history alone whether records were lost, doubled, reordered or made up, and
//! [`report`] shows it to people.
//!
//! Invariant: shares no code with what it judges; the checker is a pure function that takes time
//! and memory linear in the history. A verdict of `valid` is given only if the run was able to
//! show the opposite: too little done, no faults or no final reading make it `unknown`.

mod anomaly;
mod availability;
mod canary;
mod checker;
mod evidence;
mod history;
pub mod live;
pub mod report;
#[cfg(test)]
mod story;
mod verdict;
mod version_order;

pub use anomaly::{Anomaly, AnomalyKind, Dependency, Link, Moment, OperationIndex};
pub use canary::{finds_planted_loss, judge};
pub use checker::check;
pub use history::{
    Access, Action, Batch, Event, Header, History, HistoryError, Identity, Join, Key, NodeChange,
    Operation, Place, Plan, Polled, Positions, Produce, Recorder, Replica, SCHEMA, Sent, Stage,
    Step, TopicChange, Value, Watermarks, read_history,
};
pub use verdict::{Doubt, Downtime, Findings, Observations, Report, Verdict};
