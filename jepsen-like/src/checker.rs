//! The verdict on a history.
//!
//! Invariant: each analysis is one pass over operations or known values. `Unknown` is not a pass:
//! it says that the run could not have found what it looks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::version_order::key_logs;
use crate::{Action, Anomaly, AnomalyKind, History, Key, Stage};

mod commits;
mod logs;
mod order;

/// Findings of one kind that a report spells out; the others are counted.
const EXAMPLES_MAX: usize = 20;

/// What a run showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No anomaly, in a run that could have shown one.
    Valid,
    /// At least one anomaly.
    Invalid,
    /// No anomaly, but the run shows nothing.
    Unknown,
}

/// Why a run without anomalies shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "doubt", rename_all = "kebab-case")]
pub enum Doubt {
    /// Nothing was acknowledged.
    NothingSent,
    /// Fewer than one operation in a hundred succeeded.
    MostlyFailed {
        /// Operations that succeeded.
        ok: u64,
        /// All operations but faults.
        all: u64,
    },
    /// A key with acknowledged values was not read to its end in the end.
    NotDrained {
        /// The key.
        key: Key,
    },
    /// The faults of the plan did not land.
    FaultsMissing {
        /// Faults that landed.
        landed: u64,
        /// Faults planned at least.
        planned: u64,
    },
}

/// The findings of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Anomaly>,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// What is wrong, by kind.
    pub anomalies: BTreeMap<AnomalyKind, Findings>,
    /// Why the run may show nothing.
    pub doubts: Vec<Doubt>,
    /// Values acknowledged.
    pub sent_ok: u64,
    /// Values of sends whose outcome nobody knows.
    pub sent_unknown: u64,
    /// Values read by successful polls, repetitions included.
    pub polled_ok: u64,
    /// Faults that landed.
    pub faults_landed: u64,
}

/// Judges a history.
#[must_use]
pub fn check(history: &History) -> Report {
    let operations = &history.operations;
    let logs = key_logs(operations);
    let drains = logs::drains(operations);
    let mut found = Found::default();
    logs::check(
        &logs,
        &drains,
        history.header.plan.dense_offsets,
        &mut found,
    );
    logs::check_reads(operations, &logs, &mut found);
    order::check_polls(operations, &logs, &mut found);
    order::check_sends(operations, &mut found);
    commits::check(operations, &mut found);
    commits::check_coverage(operations, &logs, &mut found);

    let mut report = count(history, found);
    for (key, log) in &logs {
        if !logs::is_drained(log, drains.get(key).copied()) {
            report.doubts.push(Doubt::NotDrained { key: key.clone() });
        }
    }
    report.verdict = match (report.anomalies.is_empty(), report.doubts.is_empty()) {
        (false, _) => Verdict::Invalid,
        (true, true) => Verdict::Valid,
        (true, false) => Verdict::Unknown,
    };
    report
}

/// Collects findings.
#[derive(Default)]
struct Found {
    by_kind: BTreeMap<AnomalyKind, Findings>,
}

impl Found {
    fn add(&mut self, anomaly: Anomaly) {
        let findings = self.by_kind.entry(anomaly.kind()).or_default();
        findings.count += 1;
        if findings.examples.len() < EXAMPLES_MAX {
            findings.examples.push(anomaly);
        }
    }
}

/// A report with all counts and the doubts that follow from them; the verdict is yet to come.
fn count(history: &History, found: Found) -> Report {
    let mut report = Report {
        verdict: Verdict::Unknown,
        anomalies: found.by_kind,
        doubts: Vec::new(),
        sent_ok: 0,
        sent_unknown: 0,
        polled_ok: 0,
        faults_landed: 0,
    };
    let (mut ok, mut all) = (0, 0);
    for operation in &history.operations {
        let succeeded = operation.outcome == Stage::Ok;
        match &operation.action {
            Action::Fault { .. } => report.faults_landed += u64::from(succeeded),
            Action::Send(sends) => {
                for sent in sends {
                    match operation.outcome_of(sent) {
                        Stage::Ok => report.sent_ok += 1,
                        Stage::Info | Stage::Invoke => report.sent_unknown += 1,
                        Stage::Fail => {}
                    }
                }
            }
            Action::Poll(polled) if succeeded => {
                report.polled_ok += polled.values().map(Vec::len).sum::<usize>() as u64;
            }
            Action::Poll(_)
            | Action::Assign(_)
            | Action::Subscribe(_)
            | Action::Commit { .. }
            | Action::Committed { .. }
            | Action::Drain(_) => {}
        }
        if !matches!(operation.action, Action::Fault { .. }) {
            all += 1;
            ok += u64::from(succeeded);
        }
    }
    if report.sent_ok == 0 {
        report.doubts.push(Doubt::NothingSent);
    }
    if ok * 100 < all {
        report.doubts.push(Doubt::MostlyFailed { ok, all });
    }
    let (landed, planned) = (report.faults_landed, history.header.plan.faults_min);
    if landed < planned {
        report.doubts.push(Doubt::FaultsMissing { landed, planned });
    }
    report
}

#[cfg(test)]
mod tests;
