//! Rounds one after the other, each in a process and namespaces of its own.
//!
//! Invariant: whatever ends this process, the process of the round sees its input end and stops;
//! what does not stop is killed, and its namespaces take everything with them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use floe_jepsen::Verdict;
use floe_jepsen::report::Skipped;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::arguments::Series;
use crate::doctor::Diagnosis;
use crate::failure::Failure;
use crate::fault::{FaultKind, Need};
use crate::isolation;
use crate::kafka;
use crate::order::Order;
use crate::summary::{RoundDocument, Summary};

/// The program under test, unless told otherwise.
const VARIABLE: &str = "FLOE_BIN";
const BUILT: &str = "target/release/floe";
/// Where rounds leave what they have, below the repository.
const OUT: &str = "target/jepsen-real";
/// Beside the faults: setup, healing, the final reading and the verdict, on a busy machine.
const REST_LIMIT: Duration = Duration::from_secs(480);
/// For a round to clean up after it was told to stop.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Runs all rounds; `say` tells people how each ended.
pub(crate) async fn run(series: &Series, say: impl Fn(&str)) -> Result<Summary, Failure> {
    let diagnosis = Diagnosis::make(&series.root).await;
    let diagnosis = if series.is_plain {
        diagnosis.plain()
    } else {
        diagnosis
    };
    let python = kafka::python(&series.root).await;
    let mut summary = Summary::new(skipped(series, &diagnosis));
    for seed in series.seed..series.seed.saturating_add(series.rounds) {
        let order = order(series, &diagnosis, python.clone(), seed)?;
        drop(std::fs::remove_dir_all(&order.out));
        let round = match play(&order).await {
            Ok(round) => Some(round),
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(failure) => {
                say(&format!("seed {seed}: INVALID, {failure}"));
                None
            }
        };
        if let Some(round) = &round {
            say(&round.line());
            let document = order.out.join("document.json");
            std::fs::write(&document, serde_json::to_vec_pretty(round)?)
                .map_err(Failure::of_file(&document))?;
        }
        let is_valid = round
            .as_ref()
            .is_some_and(|round| round.verdict == Verdict::Valid);
        if is_valid && series.keep.is_none() {
            drop(std::fs::remove_dir_all(&order.out));
        }
        summary.add(seed, round.as_ref(), reproduce(&order));
    }
    summary.close(&series.kinds);
    Ok(summary)
}

fn skipped(series: &Series, diagnosis: &Diagnosis) -> Vec<Skipped> {
    let asked = |name: &str| series.kinds.iter().any(|kind| kind.name() == name);
    let faults = diagnosis.faults.iter().filter(|found| asked(&found.name));
    faults
        .chain(&diagnosis.clients)
        .filter(|found| !found.possible)
        .map(|found| Skipped {
            fault: found.name.clone(),
            reason: found.reason.clone().unwrap_or_default(),
        })
        .collect()
}

fn order(
    series: &Series,
    diagnosis: &Diagnosis,
    python: Option<PathBuf>,
    seed: u64,
) -> Result<Order, Failure> {
    let binary = std::env::var_os(VARIABLE).map_or_else(|| series.root.join(BUILT), PathBuf::from);
    let binary = std::fs::canonicalize(&binary).map_err(Failure::of_file(binary))?;
    let out = series.keep.clone().unwrap_or_else(|| series.root.join(OUT));
    let out = out.join(seed.to_string());
    let out = std::path::absolute(&out).map_err(Failure::of_file(out))?;
    let kinds = series.kinds.iter().copied();
    Ok(Order {
        seed,
        nodes: series.nodes_of(seed),
        seconds: series.seconds,
        kinds: kinds.filter(|kind| diagnosis.allows(*kind)).collect(),
        is_isolated: diagnosis.isolated,
        has_filter: diagnosis.has(Need::Filter),
        has_volumes: diagnosis.has(Need::Volume),
        binary,
        python,
        out,
    })
}

/// The command that runs the same round again; it repeats the choices, not their timing.
fn reproduce(order: &Order) -> String {
    let kinds: Vec<_> = order
        .kinds
        .iter()
        .map(|kind| FaultKind::name(*kind))
        .collect();
    format!(
        "scripts/jepsen real --nodes {} --seconds {} --first-seed {} --faults {}",
        order.nodes,
        order.seconds,
        order.seed,
        kinds.join(",")
    )
}

async fn play(order: &Order) -> Result<RoundDocument, Failure> {
    let program = std::env::current_exe().map_err(Failure::of_file("floe-real"))?;
    let mut round = command(order, &program)
        .arg("round")
        .arg(serde_json::to_string(order)?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Failure::NoTool {
            tool: program.display().to_string(),
            source,
        })?;
    let mut said = String::new();
    let limit = Duration::from_secs(order.seconds) + REST_LIMIT;
    let stdout = round.stdout.take();
    let ended = async {
        if let Some(mut stdout) = stdout {
            // What is cut short is no document.
            drop(stdout.read_to_string(&mut said).await);
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(limit, ended) => if ended.is_err() {
            stop(&mut round).await;
            let line = format!("the round of seed {}", order.seed);
            return Err(Failure::ToolHangs { line, limit });
        },
        () = interrupted() => {
            stop(&mut round).await;
            return Err(Failure::Interrupted);
        }
    }
    stop(&mut round).await;
    Ok(serde_json::from_str(&said)?)
}

fn command(order: &Order, program: &Path) -> Command {
    if !order.is_isolated {
        return Command::new(program);
    }
    let words = isolation::words();
    let mut command = Command::new(words.first().copied().unwrap_or_default());
    command
        .args(words.get(1..).unwrap_or_default())
        .arg(program);
    command
}

/// Lets a round end, and if it does not, ends it.
async fn stop(round: &mut Child) {
    drop(round.stdin.take());
    if tokio::time::timeout(STOP_LIMIT, round.wait())
        .await
        .is_err()
    {
        drop(round.start_kill());
        drop(round.wait().await);
    }
}

/// SIGINT or SIGTERM.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without handlers the signals end the process, which is all that they are to do.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
