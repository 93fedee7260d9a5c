//! Mutants against seeds: which seed caught which planted bug, and how.

use std::collections::BTreeMap;
use std::path::Path;

use floe_jepsen::Verdict;
use serde::{Deserialize, Serialize};

use crate::mutants::{Area, MUTANTS, Mutant};

/// The document that a run of the mutants ends with.
#[derive(Debug, Default, Serialize)]
pub struct Matrix {
    /// Mutants that were run.
    run: u64,
    /// Mutants that some seed caught.
    caught: u64,
    /// Those that none did.
    survived: Vec<&'static str>,
    /// The median over the caught ones of the seeds it took.
    seeds_median: Option<u64>,
    /// Seeds to detection, by mutant.
    seeds: BTreeMap<&'static str, Option<u64>>,
}

/// What the matrix needs of one run's document.
#[derive(Deserialize)]
struct Run {
    verdict: Verdict,
    #[serde(default)]
    anomalies: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    troubles: Vec<String>,
    #[serde(default)]
    doubts: Vec<serde_json::Value>,
}

impl Matrix {
    /// Reads `MUTANT.SEED.json` of each mutant and seed in `dir`. A document that is missing is
    /// a run that was not needed; one that is empty is a run that did not end and shows nothing.
    pub fn of(dir: &Path, seeds: std::ops::Range<u64>) -> Self {
        let mut matrix = Self::default();
        let mut all = Vec::new();
        for mutant in MUTANTS {
            let mut detected = None;
            let mut was_run = false;
            for (count, seed) in (1..).zip(seeds.clone()) {
                let path = dir.join(format!("{}.{seed}.json", mutant.name));
                let Ok(text) = std::fs::read(path) else {
                    continue;
                };
                was_run = true;
                if let Some(how) = detection(mutant, &text) {
                    detected = Some((count, how));
                    break;
                }
            }
            if was_run {
                matrix.add(mutant, detected, &mut all);
            }
        }
        all.sort_unstable();
        matrix.seeds_median = all.get(all.len().saturating_sub(1) / 2).copied();
        matrix
    }

    /// Whether every mutant was caught.
    pub fn is_complete(&self) -> bool {
        self.run > 0 && self.survived.is_empty()
    }

    fn add(&mut self, mutant: &Mutant, detected: Option<(u64, String)>, all: &mut Vec<u64>) {
        self.run += 1;
        self.seeds
            .insert(mutant.name, detected.as_ref().map(|(count, _)| *count));
        match detected {
            Some((count, how)) => {
                self.caught += 1;
                all.push(count);
                eprintln!("{:<26} {count:>3} seeds  {how}", mutant.name);
            }
            None => {
                self.survived.push(mutant.name);
                eprintln!("{:<26} SURVIVED   {}", mutant.name, mutant.what);
            }
        }
    }
}

/// What caught the mutant in this run, if anything did.
pub fn detection(mutant: &Mutant, document: &[u8]) -> Option<String> {
    // A run without a document did not end in time, which may be the machine's fault.
    let run: Run = serde_json::from_slice(document).ok()?;
    let is_caught = match run.verdict {
        Verdict::Valid => false,
        Verdict::Invalid => true,
        Verdict::Unknown => mutant.area == Area::Harness,
    };
    is_caught.then(|| {
        let anomaly = run.anomalies.keys().next().cloned();
        let trouble = run.troubles.first().cloned();
        let doubt = run.doubts.first().map(ToString::to_string);
        let what = trouble.or(anomaly).or(doubt).unwrap_or_default();
        what.chars().take(110).collect()
    })
}
