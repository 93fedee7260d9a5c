//! The verdict on a history.
//!
//! Invariant: each analysis is one pass over operations or known values, sorting apart. `Unknown`
//! is not a pass: it says that the run could not have found what it looks for.

use std::collections::BTreeMap;

use crate::version_order::key_logs;
use crate::{Anomaly, AnomalyKind, Doubt, Findings, History, Observations, Report, Verdict};

mod batches;
mod commits;
mod coverage;
mod cycles;
mod graph;
mod groups;
mod lag;
mod linear;
mod liveness;
mod logs;
mod moments;
mod order;
mod placement;
mod producers;
mod registers;
mod replay;
mod times;
mod watermarks;

/// Findings of one kind that a report spells out; the others are counted.
const EXAMPLES_MAX: usize = 20;

/// Judges a history.
#[must_use]
pub fn check(history: &History) -> Report {
    let operations = &history.operations;
    let plan = &history.header.plan;
    let logs = key_logs(operations);
    let drains = logs::drains(operations);
    let completions = replay::completions(operations);
    let mut found = Found::default();

    let lost = logs::check(&logs, &drains, plan.dense_offsets, &mut found);
    logs::check_reads(operations, &logs, &mut found);
    order::check_polls(operations, &logs, &mut found);
    order::check_sends(operations, &logs, &mut found);
    cycles::check(operations, &logs, &mut found);
    commits::check(operations, &completions, &mut found);
    groups::check_coverage(operations, &logs, &mut found);
    groups::check_assignments(operations, &mut found);
    producers::check_batches(operations, &mut found);
    producers::check_acknowledged(operations, &completions, &mut found);
    watermarks::check(operations, &completions, &mut found);
    times::check(operations, &completions, &mut found);
    batches::check(operations, plan.dense_offsets, &mut found);
    batches::check_replicas(operations, &mut found);
    placement::check(operations, &mut found);
    registers::check(operations, &mut found);
    let downtime = liveness::check(history, &mut found);
    lag::observe(operations, &logs, &mut found.observations);

    let mut report = coverage::count(history);
    found.doubts.append(&mut report.doubts);
    for (key, log) in &logs {
        if !logs::is_drained(log, drains.get(key).copied()) {
            found.doubts.push(Doubt::NotDrained { key: key.clone() });
        }
    }
    report.verdict = match (found.by_kind.is_empty(), found.doubts.is_empty()) {
        (false, _) => Verdict::Invalid,
        (true, true) => Verdict::Valid,
        (true, false) => Verdict::Unknown,
    };
    report.anomalies = found.by_kind;
    report.doubts = found.doubts;
    report.observations = found.observations;
    report.lost = lost;
    report.downtime = downtime;
    report
}

/// Collects findings.
#[derive(Default)]
struct Found {
    by_kind: BTreeMap<AnomalyKind, Findings>,
    doubts: Vec<Doubt>,
    observations: Observations,
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

#[cfg(test)]
mod tests;
