//! How much was done and broken, and whether that is enough to mean something.

use std::collections::BTreeMap;

use crate::{Action, Doubt, History, Observations, Report, Stage, Verdict};

/// A report with all counts and the doubts that follow from them; findings are yet to come.
pub(super) fn count(history: &History) -> Report {
    let mut report = Report {
        verdict: Verdict::Unknown,
        anomalies: BTreeMap::new(),
        doubts: Vec::new(),
        operations: 0,
        operations_ok: 0,
        sent_ok: 0,
        sent_unknown: 0,
        polled_ok: 0,
        lost: 0,
        faults_landed: 0,
        faults: BTreeMap::new(),
        downtime: BTreeMap::new(),
        observations: Observations::default(),
    };
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for operation in &history.operations {
        let succeeded = operation.outcome == Stage::Ok;
        match &operation.action {
            Action::Fault { kind, .. } if succeeded => {
                *report.faults.entry(kind.clone()).or_default() += 1;
                *seen.entry(format!("fault:{kind}")).or_default() += 1;
            }
            Action::Seen { what, count } if succeeded => {
                *seen.entry(what.clone()).or_default() += count;
            }
            action if action.is_of_client() => {
                report.operations += 1;
                report.operations_ok += u64::from(succeeded);
                action.each_sent(|_, _, offset| match operation.outcome_of(offset) {
                    Stage::Ok => report.sent_ok += 1,
                    Stage::Info | Stage::Invoke => report.sent_unknown += 1,
                    Stage::Fail => {}
                });
                if succeeded {
                    action.each_polled(|_, values| report.polled_ok += values.len() as u64);
                }
            }
            _ => {}
        }
    }
    report.faults_landed = report.faults.values().sum();
    report.doubts = doubts(history, &report, &seen);
    report
}

fn doubts(history: &History, report: &Report, seen: &BTreeMap<String, u64>) -> Vec<Doubt> {
    let plan = &history.header.plan;
    let (ok, all) = (report.operations_ok, report.operations);
    let mut doubts = Vec::new();
    if report.sent_ok == 0 {
        doubts.push(Doubt::NothingSent);
    }
    if ok * 100 < all {
        doubts.push(Doubt::MostlyFailed { ok, all });
    }
    if ok < plan.operations_min {
        let planned = plan.operations_min;
        doubts.push(Doubt::TooFewOperations { ok, planned });
    }
    // A nemesis with plans that lands nothing at all shows nothing, whatever the floor.
    let planned = plan.faults_min.max(u64::from(!plan.nemesis.is_empty()));
    let landed = report.faults_landed;
    if landed < planned {
        doubts.push(Doubt::FaultsMissing { landed, planned });
    }
    for (what, &planned) in &plan.coverage_min {
        let seen = seen.get(what).copied().unwrap_or(0);
        if seen < planned {
            let what = what.clone();
            doubts.push(Doubt::CoverageMissed {
                what,
                seen,
                planned,
            });
        }
    }
    doubts
}
