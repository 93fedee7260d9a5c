//! Makes a failing plan smaller: fewer faults that fail still.
//!
//! Delta debugging: chunks of faults are left out, ever smaller ones, as long as the run still
//! ends with the verdict invalid. Every try is a process of its own, as every run is.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use crate::arguments::Arguments;
use crate::plan::NemesisPlan;

/// Runs at most.
const TRIES_MAX: usize = 200;
/// Wall seconds of one run.
const RUN_LIMIT_S: u32 = 120;

/// The smallest plan found that fails as `plan` does. It need not be the smallest of all.
pub fn shrink(arguments: &Arguments, plan: NemesisPlan) -> Result<NemesisPlan, Box<dyn Error>> {
    let mut tries = Tries {
        arguments,
        left: TRIES_MAX,
    };
    if !tries.fails(&plan)? {
        return Err("the plan does not fail: there is nothing to shrink".into());
    }
    let mut smallest = plan;
    let mut chunk = smallest.faults.len().div_ceil(2);
    while chunk > 0 && tries.left > 0 {
        let mut from = 0;
        let before = smallest.faults.len();
        while from < smallest.faults.len() && tries.left > 0 {
            let mut fewer = smallest.clone();
            let end = (from + chunk).min(fewer.faults.len());
            fewer.faults.drain(from..end);
            fewer.faults_min = 0;
            if tries.fails(&fewer)? {
                smallest = fewer;
            } else {
                from = end;
            }
        }
        eprintln!("{} faults, chunks of {chunk}", smallest.faults.len());
        if chunk == 1 && smallest.faults.len() == before {
            break;
        }
        chunk = if chunk == 1 { 1 } else { chunk.div_ceil(2) };
    }
    Ok(smallest)
}

struct Tries<'a> {
    arguments: &'a Arguments,
    left: usize,
}

impl Tries<'_> {
    fn fails(&mut self, plan: &NemesisPlan) -> Result<bool, Box<dyn Error>> {
        self.left = self.left.saturating_sub(1);
        let dir = std::env::temp_dir().join(format!("floe-sim-shrink-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let path = dir.join("plan.json");
        std::fs::write(&path, serde_json::to_vec(plan)?)?;
        let failed = self.run(&path);
        std::fs::remove_dir_all(&dir)?;
        failed
    }

    fn run(&self, plan: &Path) -> Result<bool, Box<dyn Error>> {
        let mut run = Command::new("timeout");
        run.arg(RUN_LIMIT_S.to_string())
            .arg(std::env::current_exe()?)
            .args(["--seed", &self.arguments.seed.to_string()])
            .args(["--seconds", &self.arguments.seconds.to_string()])
            .arg("--stop-at-trouble")
            .arg("--plan")
            .arg(plan);
        if let Some(mutant) = &self.arguments.mutant {
            run.args(["--mutant", mutant]);
        }
        let ended = run.output()?;
        Ok(ended.status.code() == Some(1))
    }
}
