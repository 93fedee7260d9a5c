//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

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

impl Arguments {
    /// How long faults happen.
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The command that runs this again.
    pub fn reproduce(&self) -> String {
        let command = reproduce(self.seed, self.seconds);
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
