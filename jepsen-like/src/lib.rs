//! What really happened to a cluster, judged from outside.
//!
//! A workload writes down every operation it began and how it ended: a [`History`]. [`check`]
//! decides from the history alone whether records were lost, doubled, reordered or made up.
//!
//! Invariant: shares no code with what it judges; the checker is a pure function that takes time
//! and memory linear in the history. A verdict of `valid` is given only if the run was able to
//! show the opposite: too little done, no faults or no final reading make it `unknown`.

mod anomaly;
mod checker;
mod history;
mod version_order;

pub use anomaly::{Anomaly, AnomalyKind};
pub use checker::{Doubt, Findings, Report, Verdict, check};
pub use history::{
    Action, Event, Header, History, HistoryError, Key, Operation, Plan, Recorder, SCHEMA, Sent,
    Stage, Value, read_history,
};
