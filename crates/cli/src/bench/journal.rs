//! `floe bench journal`: the journal of one node alone. Each group appends a batch, waits until it
//! is synced, and appends the next, as many partitions with one record in flight would.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floe_client::{Compression, Offset};
use floe_env::{Clock, Env};
use floe_journal::{
    AppendError, GroupKind, GroupLog, Journal, JournalConfig, JournalMetrics, StoreError,
};
use floe_model::{LogId, LogIndex, NodeId, RaftGroupId, Term};
use floe_record::{BatchBuilder, Entry, EntryBody, Record, StampedBatch};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::JournalArgs;
use super::produce::as_usize;
use super::tally::Tally;
use super::topic::Values;
use crate::failure::CommandError;
use crate::output::Stdout;
use crate::progress;
use crate::serve::real_env;

/// Wait before an append that found the journal full is tried again.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// Raft's term in the entries that are written.
const TERM: Term = Term(1);
/// Length of a clock tick in /proc, microseconds; fixed on Linux.
const CPU_TICK_US: u64 = 10_000;

/// The result.
#[derive(Serialize)]
struct JournalReport {
    groups: u64,
    batches: u64,
    bytes: u64,
    seconds: f64,
    batches_per_s: f64,
    mb_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_s: f64,
    cpu_s_per_gb: f64,
    syncs: u64,
    bytes_written: u64,
    /// Bytes written for each byte appended.
    bytes_per_byte: f64,
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
    let report = measured?;
    Stdout::new().document(args.output.output, &report, |report| {
        vec![
            ("groups", report.groups.to_string()),
            ("batches/s", format!("{:.0}", report.batches_per_s)),
            ("MB/s", format!("{:.1}", report.mb_per_s)),
            ("p50", format!("{:.2} ms", report.p50_ms)),
            ("p99", format!("{:.2} ms", report.p99_ms)),
            ("CPU s/GB", format!("{:.2}", report.cpu_s_per_gb)),
            ("syncs", report.syncs.to_string()),
            ("bytes/byte", format!("{:.2}", report.bytes_per_byte)),
        ]
    })
}

async fn measure(env: &Env, dir: &Path, args: &JournalArgs) -> Result<JournalReport, CommandError> {
    let failed = |error: StoreError| CommandError::failed(error.to_string());
    let config = JournalConfig::new(dir);
    let journal = Journal::open(config, NodeId(1), env).await;
    let journal = journal.map_err(|error| CommandError::failed(error.to_string()))?;
    let mut groups = Vec::new();
    for number in 0..args.groups.max(1) {
        let id = RaftGroupId(RaftGroupId::PARTITIONS_FIRST.0 + number);
        let group = journal
            .create_group(id, GroupKind::Data, Bytes::new())
            .await;
        groups.push(group.map_err(failed)?);
    }
    let mut batch = BatchBuilder::new(Compression::None);
    batch.push(&Record {
        value: Some(Values::new(&env.rng, as_usize(args.batch_size)).take()),
        ..Record::default()
    });
    let batch = StampedBatch::split(batch.build()).expect("the builder makes whole batches");
    let (before, cpu_before) = (journal.metrics(), cpu_us()?);
    let began = env.clock.now();
    let stop = CancellationToken::new();
    let appending: Vec<_> = groups
        .into_iter()
        .map(|group| {
            let (batch, in_flight) = (batch.clone(), args.in_flight.max(1));
            env.spawn.task(append_all(
                group,
                batch,
                in_flight,
                env.clock.clone(),
                stop.clone(),
            ))
        })
        .collect();
    let bar = progress::bar("appending", None);
    tokio::time::sleep(args.duration).await;
    stop.cancel();
    let mut tally = Tally::new();
    for group in appending {
        let of_group = group
            .await
            .map_err(|error| CommandError::failed(error.to_string()))?;
        tally.merge(&of_group?);
    }
    bar.finish_and_clear();
    let seconds = env.clock.now().saturating_sub(began).as_secs_f64();
    let (after, cpu_s) = (journal.metrics(), (cpu_us()? - cpu_before) as f64 / 1e6);
    journal.shutdown().await.map_err(failed)?;
    let written =
        |metrics: &JournalMetrics| metrics.journal_bytes_written + metrics.segment_bytes_written;
    let bytes_written = written(&after) - written(&before);
    let bytes = tally.bytes.max(1) as f64;
    Ok(JournalReport {
        groups: args.groups,
        batches: tally.records,
        bytes: tally.bytes,
        seconds,
        batches_per_s: tally.records as f64 / seconds,
        mb_per_s: tally.bytes as f64 / 1e6 / seconds,
        p50_ms: tally.quantile_ms(0.5),
        p99_ms: tally.quantile_ms(0.99),
        cpu_s,
        cpu_s_per_gb: cpu_s / (bytes / 1e9),
        syncs: after.syncs - before.syncs,
        bytes_written,
        bytes_per_byte: bytes_written as f64 / bytes,
    })
}

/// Appends to one group until told to stop; at most `in_flight` appends wait for their sync.
async fn append_all(
    group: GroupLog,
    batch: StampedBatch,
    in_flight: usize,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<Tally, CommandError> {
    let mut tally = Tally::new();
    let mut waiting = std::collections::VecDeque::new();
    let mut index = group
        .last_log_id()
        .map_or(LogIndex(0), |last| last.index.next());
    while !stop.is_cancelled() || !waiting.is_empty() {
        if waiting.len() < in_flight && !stop.is_cancelled() {
            let began = clock.now();
            match append(&group, index, &batch) {
                Ok(synced) => {
                    waiting.push_back((index, began, synced));
                    index = index.next();
                    continue;
                }
                Err(AppendError::Full) => {}
                Err(error) => return Err(CommandError::failed(error.to_string())),
            }
        }
        let Some((written, began, synced)) = waiting.pop_front() else {
            tokio::time::sleep(FULL_PAUSE).await;
            continue;
        };
        match synced.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(CommandError::failed(error.to_string())),
            Err(_) => return Err(CommandError::failed("the journal gave no answer")),
        }
        tally.add(batch.size_bytes() as u64, clock.now().saturating_sub(began));
        let id = LogId {
            term: TERM,
            index: written,
        };
        group.applied(id, &mut || Bytes::from_static(b"bench"));
    }
    Ok(tally)
}

type Synced = oneshot::Receiver<Result<(), StoreError>>;

fn append(group: &GroupLog, index: LogIndex, batch: &StampedBatch) -> Result<Synced, AppendError> {
    group.admit(batch.size_bytes() as u64)?;
    let entry = Entry {
        term: TERM,
        index,
        base_offset: Offset(-1),
        appended_at_ms: 0,
        body: EntryBody::Data(vec![batch.clone()]),
    };
    let (sender, synced) = oneshot::channel();
    group.append(
        vec![entry],
        Box::new(move |outcome| {
            // The receiver is gone only when the benchmark has failed already.
            drop(sender.send(outcome.map(drop)));
        }),
    )?;
    Ok(synced)
}

/// CPU time of this process so far.
fn cpu_us() -> Result<u64, CommandError> {
    let stat = std::fs::read_to_string("/proc/self/stat");
    let stat = stat.map_err(|error| CommandError::failed(format!("/proc/self/stat: {error}")))?;
    // The name, in parentheses, may hold anything; times are the 12th and 13th field behind it.
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks * CPU_TICK_US)
}
