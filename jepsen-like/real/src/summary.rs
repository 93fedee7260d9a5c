//! What one round says, and what many say together.
//!
//! Invariant: a round without a document counts as invalid, and success is only what every round
//! earned: no verdict of `unknown` is a pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use floe_jepsen::report::Skipped;
use floe_jepsen::{AnomalyKind, Doubt, Report, Verdict};
use serde::{Deserialize, Serialize};

use crate::fault::FaultKind;
use crate::order::Order;

/// What a round ends with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RoundDocument {
    /// Where its randomness came from.
    pub(crate) seed: u64,
    nodes: u32,
    /// What came of it.
    pub(crate) verdict: Verdict,
    operations: u64,
    /// Records acknowledged.
    pub(crate) acked: u64,
    lost: u64,
    faults: BTreeMap<FaultKind, u64>,
    anomalies: BTreeMap<AnomalyKind, u64>,
    doubts: Vec<Doubt>,
    /// What must not be, and no operation can say.
    pub(crate) troubles: Vec<String>,
    unavailable_ms_max: u64,
}

impl RoundDocument {
    /// Of a round that was judged.
    pub(crate) fn of(
        order: &Order,
        report: &Report,
        landed: &BTreeMap<FaultKind, u64>,
        troubles: Vec<String>,
        longest_gap: Duration,
    ) -> Self {
        let anomalies = report.anomalies.iter();
        Self {
            seed: order.seed,
            nodes: order.nodes,
            verdict: report.verdict,
            operations: report.operations,
            acked: report.sent_ok,
            lost: report.lost,
            faults: landed.clone(),
            anomalies: anomalies
                .map(|(kind, found)| (*kind, found.count))
                .collect(),
            doubts: report.doubts.clone(),
            troubles,
            unavailable_ms_max: u64::try_from(longest_gap.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let faults: Vec<_> = self
            .faults
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let mut line = format!(
            "seed {}: {}, {} nodes, {} acknowledged, longest gap {} ms; {}",
            self.seed,
            self.verdict.name(),
            self.nodes,
            self.acked,
            self.unavailable_ms_max,
            faults.join(", ")
        );
        for (kind, count) in &self.anomalies {
            line.push_str(&format!("\n  {count} {kind:?}"));
        }
        for doubt in &self.doubts {
            line.push_str(&format!("\n  {doubt}"));
        }
        for trouble in &self.troubles {
            line.push_str(&format!("\n  {trouble}"));
        }
        line
    }
}

/// The document that a series of rounds ends with.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    valid: u64,
    invalid: u64,
    unknown: u64,
    acked: u64,
    /// Faults that landed, by kind.
    faults: BTreeMap<FaultKind, u64>,
    /// Real processes have no trace that could be the same again.
    traces: BTreeMap<u64, String>,
    failing_seeds: Vec<u64>,
    skipped: Vec<Skipped>,
    /// One command per failing seed.
    reproduce: Vec<String>,
}

impl Summary {
    /// Before the first round; `skipped` is what will not be done.
    pub(crate) fn new(skipped: Vec<Skipped>) -> Self {
        Self {
            skipped,
            ..Self::default()
        }
    }

    /// Adds a round; one without a document is invalid.
    pub(crate) fn add(&mut self, seed: u64, round: Option<&RoundDocument>, reproduce: String) {
        let verdict = round.map_or(Verdict::Invalid, |round| round.verdict);
        match verdict {
            Verdict::Valid => self.valid += 1,
            Verdict::Invalid => self.invalid += 1,
            Verdict::Unknown => self.unknown += 1,
        }
        if verdict != Verdict::Valid {
            self.failing_seeds.push(seed);
            self.reproduce.push(reproduce);
        }
        for (kind, count) in round.iter().flat_map(|round| &round.faults) {
            *self.faults.entry(*kind).or_default() += count;
        }
        self.acked += round.map_or(0, |round| round.acked);
    }

    /// Names what was asked for, was possible, and never landed.
    pub(crate) fn close(&mut self, asked: &[FaultKind]) {
        let named: BTreeSet<String> = self.skipped.iter().map(|line| line.fault.clone()).collect();
        for kind in asked {
            if !self.faults.contains_key(kind) && !named.contains(kind.name()) {
                self.skipped.push(Skipped {
                    fault: kind.name().to_owned(),
                    reason: "none landed in the time there was".to_owned(),
                });
            }
        }
    }

    /// Whether every round is valid, and there was one.
    pub(crate) fn is_success(&self) -> bool {
        self.valid > 0 && self.failing_seeds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(verdict: Verdict, kills: u64) -> RoundDocument {
        RoundDocument {
            seed: 1,
            nodes: 3,
            verdict,
            operations: 10,
            acked: 5,
            lost: 0,
            faults: [(FaultKind::Kill, kills)].into(),
            anomalies: BTreeMap::new(),
            doubts: Vec::new(),
            troubles: Vec::new(),
            unavailable_ms_max: 0,
        }
    }

    #[test]
    fn only_valid_rounds_are_a_success() {
        let mut summary = Summary::new(Vec::new());
        assert!(!summary.is_success(), "no round shows nothing");
        summary.add(1, Some(&round(Verdict::Valid, 2)), String::new());
        summary.add(2, Some(&round(Verdict::Valid, 3)), String::new());
        assert!(summary.is_success());
        assert_eq!(
            (summary.faults.get(&FaultKind::Kill), summary.acked),
            (Some(&5), 10)
        );
        for (verdict, seed) in [
            (Some(Verdict::Unknown), 3),
            (Some(Verdict::Invalid), 4),
            (None, 5),
        ] {
            let document = verdict.map(|verdict| round(verdict, 0));
            summary.add(seed, document.as_ref(), format!("again {seed}"));
            assert!(!summary.is_success());
        }
        assert_eq!((summary.valid, summary.invalid, summary.unknown), (2, 2, 1));
        assert_eq!(summary.failing_seeds, [3, 4, 5]);
        assert_eq!(summary.reproduce, ["again 3", "again 4", "again 5"]);
    }

    #[test]
    fn what_never_landed_is_named_and_what_is_impossible_keeps_its_reason() {
        let reason = "no such kernel".to_owned();
        let impossible = Skipped {
            fault: "delay".to_owned(),
            reason: reason.clone(),
        };
        let mut summary = Summary::new(vec![impossible]);
        summary.add(1, Some(&round(Verdict::Valid, 1)), String::new());
        summary.close(&[FaultKind::Kill, FaultKind::Delay, FaultKind::Pause]);
        let named: Vec<_> = summary
            .skipped
            .iter()
            .map(|line| line.fault.as_str())
            .collect();
        assert_eq!(named, ["delay", "pause"]);
        assert_eq!(summary.skipped.first().unwrap().reason, reason);
    }
}
