//! What a run says in the end.

use std::collections::BTreeMap;

use floe_jepsen::{Findings, History, Report, check, finds_planted_loss};
use serde::Serialize;

use crate::book::Book;

/// The document that a run ends with.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// `valid`, `invalid` or `unknown`.
    pub verdict: floe_jepsen::Verdict,
    /// Hash of the trace, hexadecimal: equal seeds, equal hashes.
    pub trace: String,
    /// Records acknowledged.
    pub acked: u64,
    /// Records read.
    pub polled: u64,
    /// Faults that landed, by kind.
    pub faults: BTreeMap<String, u64>,
    /// What is wrong, by kind, with examples.
    pub anomalies: BTreeMap<String, Findings>,
    /// What happened that may not happen, in words.
    pub troubles: Vec<String>,
    /// Why a run without anomalies shows nothing.
    pub doubts: Vec<serde_json::Value>,
    /// How to run it again.
    pub reproduce: String,
    /// The history, for those who want it.
    #[serde(skip)]
    pub history: Vec<u8>,
}

impl Verdict {
    /// Judges what is in the book.
    ///
    /// # Errors
    /// The history does not fit its own format.
    pub fn of(
        seed: u64,
        book: &Book,
        landed: &BTreeMap<String, u64>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let (bytes, history) = book.read()?;
        let troubles = book.troubles();
        let report = look(&history);
        let mut doubts = book.doubts();
        if report.anomalies.is_empty() && !finds_planted_loss(&history, look) {
            doubts.push("the checker does not find what is planted in the history".to_owned());
        }
        let mut trace = Fnv64::default();
        trace.add(&bytes);
        for trouble in &troubles {
            trace.add(trouble.as_bytes());
        }
        Ok(Self {
            seed,
            verdict: verdict(&report, &troubles, &doubts),
            trace: format!("{:016x}", trace.0),
            acked: report.sent_ok,
            polled: report.polled_ok,
            faults: landed.clone(),
            anomalies: named(&report)?,
            troubles,
            doubts: all_doubts(&report, doubts)?,
            reproduce: String::new(),
            history: bytes,
        })
    }
}

fn look(history: &History) -> Report {
    if floe_model::mutant!("checker-skips") {
        let mut report = check(history);
        report.anomalies.clear();
        report.doubts.clear();
        report.verdict = floe_jepsen::Verdict::Valid;
        return report;
    }
    check(history)
}

fn verdict(report: &Report, troubles: &[String], doubts: &[String]) -> floe_jepsen::Verdict {
    use floe_jepsen::Verdict as V;
    match (report.verdict, troubles.is_empty(), doubts.is_empty()) {
        (V::Invalid, _, _) | (_, false, _) => V::Invalid,
        (V::Valid, true, true) => V::Valid,
        (V::Valid | V::Unknown, true, _) => V::Unknown,
    }
}

fn all_doubts(
    report: &Report,
    doubts: Vec<String>,
) -> Result<Vec<serde_json::Value>, serde_json::Error> {
    let found = report.doubts.iter().map(serde_json::to_value);
    let ours = doubts.into_iter().map(|doubt| Ok(doubt.into()));
    found.chain(ours).collect()
}

/// Findings under the names of their kinds.
fn named(report: &Report) -> Result<BTreeMap<String, Findings>, serde_json::Error> {
    let mut named = BTreeMap::new();
    for (kind, findings) in &report.anomalies {
        let name = serde_json::to_value(kind)?
            .as_str()
            .unwrap_or_default()
            .to_owned();
        named.insert(name, findings.clone());
    }
    Ok(named)
}

/// FNV-1a, 64 bits.
pub struct Fnv64(pub u64);

impl Default for Fnv64 {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv64 {
    /// Takes bytes in.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
