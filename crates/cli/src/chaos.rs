//! `floe chaos`: breaks a cluster that allows it, under load, and judges what clients saw.
//!
//! The nodes suffer the faults themselves, each with a deadline of its own, so that this command
//! may be killed and leaves none behind. What it writes down is judged by the checkers of
//! `jepsen-like`, which share no code with the broker.

mod fault;
mod nemesis;
mod nodes;
mod run;
mod screen;
mod verdict;

use std::path::PathBuf;

use clap::Args;

use crate::arguments::{ConnectArgs, OutputArgs};
use crate::failure::CommandError;
use fault::FaultKind;

/// Arguments of `floe chaos`.
#[derive(Args, Debug)]
pub(crate) struct ChaosArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// How long to inject faults
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// What to inject
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,...", default_values_t = FaultKind::DEFAULT)]
    faults: Vec<FaultKind>,
    /// Write and read records of this run in an existing topic, beside what others do there
    /// [default: a topic of its own, removed at the end]
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Where history.jsonl and report.html go
    #[arg(long, value_name = "DIR", default_value = "floe-chaos")]
    report: PathBuf,
    /// Seed of what is broken when, and of what clients do [default: a random one]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `floe chaos`.
pub(crate) async fn run(mut args: ChaosArgs) -> Result<(), CommandError> {
    args.faults.sort_unstable();
    args.faults.dedup();
    run::run(&args).await
}
