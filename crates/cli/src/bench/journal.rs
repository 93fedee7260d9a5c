//! `floe bench journal`: the journal of one node alone.

use std::path::{Path, PathBuf};

use floe_env::Env;
use floe_journal::JournalConfig;
use floe_journal::bench::{BenchConfig, BenchReport, run_bench};
use serde::Serialize;

use super::JournalArgs;
use super::produce::as_usize;
use crate::failure::CommandError;
use crate::output::Stdout;
use crate::progress;
use crate::serve::real_env;

/// The result, with the units that the other benchmarks use.
#[derive(Serialize)]
struct JournalReport {
    groups: u32,
    batches: u64,
    bytes: u64,
    seconds: f64,
    batches_per_s: f64,
    mb_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// The 99th percentile of batches acknowledged while no checkpoint was running.
    quiet_p99_ms: f64,
    /// The same while one was.
    checkpoint_p99_ms: f64,
    checkpoint_batches: u64,
    cpu_s: f64,
    cpu_s_per_gb: f64,
    /// Bytes written for each byte appended.
    bytes_per_byte: f64,
    syncs: u64,
    batches_per_sync: f64,
    checkpoints: u64,
}

impl From<BenchReport> for JournalReport {
    fn from(report: BenchReport) -> Self {
        let ms = |time_us: u64| time_us as f64 / 1000.0;
        Self {
            groups: report.groups,
            batches: report.batches,
            bytes: report.bytes,
            seconds: report.seconds,
            batches_per_s: report.batches_per_s,
            mb_per_s: report.mb_per_s,
            p50_ms: ms(report.p50_us),
            p99_ms: ms(report.p99_us),
            max_ms: ms(report.max_us),
            quiet_p99_ms: ms(report.quiet_p99_us),
            checkpoint_p99_ms: ms(report.checkpoint_p99_us),
            checkpoint_batches: report.checkpoint_batches,
            cpu_s: report.cpu_s,
            cpu_s_per_gb: report.cpu_s_per_gb,
            bytes_per_byte: report.bytes_per_byte,
            syncs: report.syncs,
            batches_per_sync: report.batches_per_sync,
            checkpoints: report.checkpoints,
        }
    }
}

/// Runs `floe bench journal`.
pub(super) async fn run(args: JournalArgs) -> Result<(), CommandError> {
    let env = real_env()?;
    let is_own = args.dir.is_none();
    let own_dir = || PathBuf::from(format!("floe-bench-{:08x}", env.rng.next_u64() >> 32));
    let dir = args.dir.clone().unwrap_or_else(own_dir);
    let measured = measure(&env, &dir, &args).await;
    if is_own && let Err(error) = std::fs::remove_dir_all(&dir) {
        eprintln!("{} is left behind: {error}", dir.display());
    }
    Stdout::new().document(args.output.output, &measured?, |report| {
        vec![
            ("groups", report.groups.to_string()),
            ("batches/s", format!("{:.0}", report.batches_per_s)),
            ("MB/s", format!("{:.1}", report.mb_per_s)),
            ("p50", format!("{:.2} ms", report.p50_ms)),
            ("p99", format!("{:.2} ms", report.p99_ms)),
            (
                "p99, no checkpoint running",
                format!("{:.2} ms", report.quiet_p99_ms),
            ),
            (
                "p99, checkpoint running",
                format!(
                    "{:.2} ms, {} checkpoints, {:.0} % of the batches",
                    report.checkpoint_p99_ms,
                    report.checkpoints,
                    100.0 * report.checkpoint_batches as f64 / report.batches.max(1) as f64
                ),
            ),
            ("CPU s/GB", format!("{:.2}", report.cpu_s_per_gb)),
            ("bytes/byte", format!("{:.2}", report.bytes_per_byte)),
            ("syncs", report.syncs.to_string()),
            ("batches/sync", format!("{:.1}", report.batches_per_sync)),
        ]
    })
}

async fn measure(env: &Env, dir: &Path, args: &JournalArgs) -> Result<JournalReport, CommandError> {
    let config = BenchConfig {
        journal: JournalConfig::new(dir),
        groups: args.groups,
        batch_bytes: as_usize(args.batch_size),
        outstanding: args.in_flight.unwrap_or(args.groups).max(1),
        duration: args.duration,
    };
    let bar = progress::bar("appending", None);
    let measured = run_bench(config, env).await;
    bar.finish_and_clear();
    let report = measured.map_err(|error| CommandError::failed(error.to_string()))?;
    Ok(report.into())
}
