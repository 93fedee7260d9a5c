//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::mutants;

/// A whole Floe cluster in one process and virtual time, broken on purpose.
#[derive(Debug, Parser)]
#[command(name = "floe-sim", args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do instead of a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Decides everything about the run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Simulated seconds with faults.
    #[arg(long, default_value_t = 30)]
    pub seconds: u64,
    /// Faults from this file instead of the seed's.
    #[arg(long)]
    pub plan: Option<PathBuf>,
    /// Print the faults of the seed and stop.
    #[arg(long)]
    pub print_plan: bool,
    /// Plant this bug, and break things the way that brings it out.
    #[arg(long, value_parser = mutant_name)]
    pub mutant: Option<String>,
    /// Break things the way that brings the bug out, without the bug: a seed that fails then
    /// shows nothing about it.
    #[arg(long, requires = "mutant")]
    pub control: bool,
    /// End with the first trouble that the oracle finds.
    #[arg(long)]
    pub stop_at_trouble: bool,
    /// Print the smallest part of the faults with which the run still fails.
    #[arg(long)]
    pub shrink: bool,
    /// Write the history to this file.
    #[arg(long)]
    pub history: Option<PathBuf>,
    /// Let all disks forget what they synced when the power fails. The verdict must be invalid:
    /// shows that the harness finds what was acknowledged too early.
    #[arg(long)]
    pub lying_disks: bool,
    /// The only format there is.
    #[arg(short, long, value_enum, default_value_t = Output::Json)]
    pub output: Output,
}

/// Other things to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge a saved history.
    Check {
        /// The history.
        file: PathBuf,
    },
    /// List the planted bugs, one name a line; as a table with `--table`.
    Mutants {
        /// With area and description.
        #[arg(long)]
        table: bool,
    },
    /// Exit with 0 if the document on stdin shows that the mutant was caught.
    Caught {
        /// The mutant.
        #[arg(value_parser = mutant_name)]
        mutant: String,
    },
    /// Say which mutant was caught by which seed.
    Matrix {
        /// The first seed.
        #[arg(long)]
        first_seed: u64,
        /// How many at most.
        #[arg(long)]
        seeds: u64,
        /// Where `MUTANT.SEED.json` of each run lies.
        dir: PathBuf,
    },
    /// Sum up the documents of many runs.
    Summary {
        /// The first seed.
        #[arg(long)]
        first_seed: u64,
        /// How many.
        #[arg(long)]
        seeds: u64,
        /// Simulated seconds of each.
        #[arg(long)]
        seconds: u64,
        /// Where `SEED.json` of each lies.
        dir: PathBuf,
    },
}

/// Formats of the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One JSON document.
    Json,
}

fn mutant_name(name: &str) -> Result<String, String> {
    match mutants::named(name) {
        Some(mutant) => Ok(mutant.name.to_owned()),
        None => Err("no such mutant: see `floe-sim mutants`".to_owned()),
    }
}

impl Arguments {
    /// Kinds of faults that the plan prefers.
    pub fn bias(&self) -> &'static [&'static str] {
        let mutant = self.mutant.as_deref().and_then(mutants::named);
        mutant.map_or(&[], |mutant| mutant.faults)
    }

    /// How long faults happen.
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The command that runs this again.
    pub fn reproduce(&self) -> String {
        let mut command = reproduce(self.seed, self.seconds);
        if let Some(mutant) = &self.mutant {
            let (seed, seconds) = (self.seed, self.seconds);
            command = format!("floe-sim --mutant {mutant} --seed {seed} --seconds {seconds}");
        }
        match &self.plan {
            Some(plan) => format!("{command} --plan {}", plan.display()),
            None => command,
        }
    }
}

/// The command that runs a seed again.
pub fn reproduce(seed: u64, seconds: u64) -> String {
    format!("scripts/jepsen sim --seeds 1 --first-seed {seed} --seconds {seconds} -o json")
}
