//! `floe-sim`: a whole Floe cluster in one process and virtual time, broken on purpose.
//!
//! Real broker, Raft, store and client code runs on simulated hosts; only network, disks, clocks
//! and randomness are not real. One process is one seed, and a seed decides everything: the same
//! seed gives the same trace, in any process. The trace is the history that the checker judges.

#[cfg(not(all(sim, tokio_unstable)))]
compile_error!(
    "floe-sim must be built in its own folder, where .cargo/config.toml sets --cfg sim and \
     --cfg tokio_unstable: without them its runs are not deterministic"
);

mod arguments;
mod book;
mod cluster;
mod machine;
mod matrix;
mod mutants;
mod nemesis;
mod net;
mod oracle;
mod plan;
mod run;
mod shrink;
mod signals;
mod summary;
mod verdict;
mod workload;

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use floe_jepsen::{Verdict, check, read_history};

use crate::arguments::{Arguments, Command};
use crate::plan::NemesisPlan;
use crate::run::Run;
use crate::summary::Summary;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log();
    let outcome = match &arguments.command {
        Some(Command::Check { file }) => judge(file),
        Some(Command::Summary {
            first_seed,
            seeds,
            seconds,
            dir,
        }) => sum_up(dir, *first_seed..*first_seed + *seeds, *seconds),
        Some(Command::Mutants { table }) => {
            list_mutants(*table);
            Ok(Verdict::Valid)
        }
        Some(Command::Caught { mutant }) => caught(mutant),
        Some(Command::Matrix {
            first_seed,
            seeds,
            dir,
        }) => matrix(dir, *first_seed..*first_seed + *seeds),
        None => simulate(&arguments),
    };
    match outcome {
        Ok(verdict) => ExitCode::from(match verdict {
            Verdict::Valid => 0,
            Verdict::Invalid => 1,
            Verdict::Unknown => 5,
        }),
        Err(error) => {
            eprintln!("floe-sim: {error}");
            ExitCode::from(1)
        }
    }
}

fn simulate(arguments: &Arguments) -> Result<Verdict, Box<dyn Error>> {
    if let Some(mutant) = arguments.mutant.as_ref().filter(|_| !arguments.control) {
        floe_model::mutants::choose(mutant);
    }
    let mut run = Run::from_seed(arguments.seed, arguments.length(), arguments.bias());
    run.stops_at_trouble = arguments.stop_at_trouble;
    if let Some(path) = &arguments.plan {
        let file = BufReader::new(File::open(path)?);
        run.plan = serde_json::from_reader::<_, NemesisPlan>(file)?;
    }
    run.lying_disks = arguments.lying_disks;
    if arguments.print_plan {
        println!("{}", serde_json::to_string_pretty(&run.plan)?);
        return Ok(Verdict::Valid);
    }
    if arguments.shrink {
        let smallest = shrink::shrink(arguments, run.plan)?;
        println!("{}", serde_json::to_string_pretty(&smallest)?);
        return Ok(Verdict::Valid);
    }
    // A panic in a node is a finding, and the first thing wanted then is the way to it.
    let verdict = std::panic::catch_unwind(AssertUnwindSafe(|| run.execute()));
    let reproduce = arguments.reproduce();
    let failed = |why: String| {
        let document = serde_json::json!({
            "seed": arguments.seed, "verdict": "invalid", "trace": null, "acked": 0, "faults": {},
            "anomalies": {}, "troubles": [why], "doubts": [], "reproduce": reproduce,
        });
        println!("{document}");
        Verdict::Invalid
    };
    match verdict {
        Ok(Ok(mut verdict)) => {
            verdict.reproduce = reproduce;
            if let Some(path) = &arguments.history {
                std::fs::write(path, &verdict.history)?;
            }
            println!("{}", serde_json::to_string(&verdict)?);
            Ok(verdict.verdict)
        }
        Ok(Err(error)) => Ok(failed(error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Ok(failed(format!("panic: {}", text.unwrap_or_default())))
        }
    }
}

fn list_mutants(table: bool) {
    for mutant in mutants::MUTANTS {
        if table {
            let faults = mutant.faults.join(", ");
            println!(
                "| {:?} | `{}` | {} | {faults} |",
                mutant.area, mutant.name, mutant.what
            );
        } else {
            println!("{}", mutant.name);
        }
    }
}

/// Whether the document on stdin shows that the mutant was caught.
fn caught(name: &str) -> Result<Verdict, Box<dyn Error>> {
    let mut document = Vec::new();
    std::io::stdin().read_to_end(&mut document)?;
    let mutant = mutants::named(name).ok_or("no such mutant")?;
    Ok(match matrix::detection(mutant, &document) {
        Some(_) => Verdict::Valid,
        None => Verdict::Invalid,
    })
}

fn matrix(dir: &Path, seeds: std::ops::Range<u64>) -> Result<Verdict, Box<dyn Error>> {
    let matrix = matrix::Matrix::of(dir, seeds);
    println!("{}", serde_json::to_string(&matrix)?);
    Ok(if matrix.is_complete() {
        Verdict::Valid
    } else {
        Verdict::Invalid
    })
}

/// Judges a saved history.
fn judge(path: &Path) -> Result<Verdict, Box<dyn Error>> {
    let report = check(&read_history(BufReader::new(File::open(path)?))?);
    println!("{}", serde_json::to_string(&report)?);
    Ok(report.verdict)
}

/// Sums up many runs.
fn sum_up(
    dir: &Path,
    seeds: std::ops::Range<u64>,
    seconds: u64,
) -> Result<Verdict, Box<dyn Error>> {
    let summary = Summary::of(dir, seeds, seconds);
    for command in summary.reproduce() {
        eprintln!("failed, run again: {command}");
    }
    println!("{}", serde_json::to_string(&summary)?);
    Ok(summary.verdict())
}

/// Logs in virtual time on stderr, when asked for with `FLOE_LOG`.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("FLOE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_timer(VirtualTime)
        .init();
}

struct VirtualTime;

impl tracing_subscriber::fmt::time::FormatTime for VirtualTime {
    fn format_time(
        &self,
        to: &mut tracing_subscriber::fmt::format::Writer<'_>,
    ) -> std::fmt::Result {
        match turmoil::sim_elapsed() {
            Some(elapsed) => write!(to, "{:>9.3}", elapsed.as_secs_f64()),
            None => write!(to, "        -"),
        }
    }
}
