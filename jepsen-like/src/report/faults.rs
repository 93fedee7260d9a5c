//! When what was broken, and the kinds of operations in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Action, History, Stage};

/// One fault, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultInterval {
    /// The kind of fault.
    pub kind: String,
    /// What it hit.
    pub target: String,
    /// When it began, ns since the start of the run.
    pub from_ns: u64,
    /// When it ended; the end of the run if the history does not say.
    pub until_ns: u64,
    /// Whether it landed.
    pub landed: bool,
}

/// How operations of one kind went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OperationCounts {
    /// Those that happened.
    pub ok: u64,
    /// Those that did not.
    pub fail: u64,
    /// Those of unknown outcome.
    pub info: u64,
    /// The time within which half of the successful ones were done, ns.
    pub latency_p50_ns: u64,
    /// The same for 99 in a hundred, ns.
    pub latency_p99_ns: u64,
    /// The slowest successful one, ns.
    pub latency_max_ns: u64,
}

/// All faults of a history, in the order in which they began.
#[must_use]
pub fn fault_intervals(history: &History) -> Vec<FaultInterval> {
    let end_ns = history.end_ns();
    let mut intervals = Vec::new();
    for operation in &history.operations {
        let Action::Fault { kind, target } = &operation.action else {
            continue;
        };
        intervals.push(FaultInterval {
            kind: kind.clone(),
            target: target.clone(),
            from_ns: operation.invoked_ns,
            until_ns: operation.completed_ns.unwrap_or(end_ns),
            landed: operation.outcome != Stage::Fail,
        });
    }
    intervals
}

/// Counts the operations of clients by the name of what they do.
pub(super) fn counts(history: &History) -> BTreeMap<&'static str, OperationCounts> {
    let mut counts: BTreeMap<&'static str, (OperationCounts, Vec<u64>)> = BTreeMap::new();
    for operation in &history.operations {
        if !operation.action.is_of_client() {
            continue;
        }
        let (counts, latencies) = counts.entry(operation.action.name()).or_default();
        match (operation.outcome, operation.completed_ns) {
            (Stage::Ok, Some(end_ns)) => {
                counts.ok += 1;
                latencies.push(end_ns - operation.invoked_ns);
            }
            (Stage::Fail, _) => counts.fail += 1,
            _ => counts.info += 1,
        }
    }
    let finish = |(name, (mut counts, mut latencies)): (_, (OperationCounts, Vec<u64>))| {
        latencies.sort_unstable();
        counts.latency_p50_ns = percentile(&latencies, 50);
        counts.latency_p99_ns = percentile(&latencies, 99);
        counts.latency_max_ns = percentile(&latencies, 100);
        (name, counts)
    };
    counts.into_iter().map(finish).collect()
}

/// The value that `percent` of a hundred do not exceed; 0 of nothing.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0)
}
