//! What many runs say together.

use std::collections::BTreeMap;
use std::path::Path;

use floe_jepsen::Verdict;
use serde::{Deserialize, Serialize};

/// The document that a series of seeds ends with.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    valid: u64,
    invalid: u64,
    unknown: u64,
    acked: u64,
    /// Faults that landed, by kind.
    faults: BTreeMap<String, u64>,
    /// Hashes of the traces, by seed.
    traces: BTreeMap<u64, Option<String>>,
    /// Seeds that are not valid.
    failing_seeds: Vec<u64>,
    /// One command per failing seed.
    reproduce: Vec<String>,
}

/// What the summary needs of one run's document.
#[derive(Deserialize)]
struct Run {
    verdict: Verdict,
    trace: Option<String>,
    acked: u64,
    faults: BTreeMap<String, u64>,
    reproduce: String,
}

impl Summary {
    /// Sums up `SEED.json` of each seed in `dir`; one that is missing or unreadable is invalid.
    pub fn of(dir: &Path, seeds: impl Iterator<Item = u64>, seconds: u64) -> Self {
        let mut summary = Self::default();
        for seed in seeds {
            let text = std::fs::read(dir.join(format!("{seed}.json"))).unwrap_or_default();
            let run = serde_json::from_slice(&text).unwrap_or_else(|_| Run {
                verdict: Verdict::Invalid,
                trace: None,
                acked: 0,
                faults: BTreeMap::new(),
                reproduce: crate::arguments::reproduce(seed, seconds),
            });
            summary.add(seed, run);
        }
        summary
    }

    /// Valid only if every run is.
    pub fn verdict(&self) -> Verdict {
        if self.failing_seeds.is_empty() {
            Verdict::Valid
        } else {
            Verdict::Invalid
        }
    }

    /// One command per failing seed.
    pub fn reproduce(&self) -> &[String] {
        &self.reproduce
    }

    fn add(&mut self, seed: u64, run: Run) {
        match run.verdict {
            Verdict::Valid => self.valid += 1,
            Verdict::Invalid => self.invalid += 1,
            Verdict::Unknown => self.unknown += 1,
        }
        if run.verdict != Verdict::Valid {
            self.failing_seeds.push(seed);
            self.reproduce.push(run.reproduce);
        }
        self.acked += run.acked;
        for (kind, count) in run.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.traces.insert(seed, run.trace);
    }
}
