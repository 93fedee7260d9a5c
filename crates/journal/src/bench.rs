//! Measures the store alone: appends, acknowledged when durable, then applied at once.
//!
//! One generator goes round robin over the groups and keeps a fixed number of batches
//! outstanding. Latency is taken on the journal thread when the entry is durable, never at
//! enqueue, and told apart by whether a checkpoint was running then. CPU time is that of the whole process, so run it in a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use floe_env::{Env, OpenMode};
use floe_model::{LogId, LogIndex, NodeId, Offset, RaftGroupId, Term};
use floe_record::{BatchBuilder, Compression, Entry, EntryBody, Record, StampedBatch};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::node::Node;
use crate::{
    AppendError, GroupKind, GroupLog, Journal, JournalConfig, JournalMetrics, OpenError, StoreError,
};

/// Clock ticks of /proc/self/stat: fixed at 100 per second on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const LATENCY_MAX_US: u64 = 60_000_000;

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchConfig {
    /// The store; its directory should be empty.
    pub journal: JournalConfig,
    /// Groups, written round robin.
    pub groups: u32,
    /// Bytes of one batch.
    pub batch_bytes: usize,
    /// Batches that are appended and not durable at any time.
    pub outstanding: u32,
    /// How long to append.
    pub duration: Duration,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchReport {
    /// Groups written to.
    pub groups: u32,
    /// Bytes of one batch.
    pub batch_bytes: usize,
    /// Batches outstanding.
    pub outstanding: u32,
    /// From the first append to the last acknowledgement.
    pub seconds: f64,
    /// Acknowledged batches.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Acknowledged batches per second.
    pub batches_per_s: f64,
    /// Acknowledged MB (10^6 bytes) per second.
    pub mb_per_s: f64,
    /// Median latency from append to durable.
    pub p50_us: u64,
    /// 99 of 100 are at most this.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
    /// Batches acknowledged while a checkpoint was running.
    pub checkpoint_batches: u64,
    /// 99 of 100 of them are at most this.
    pub checkpoint_p99_us: u64,
    /// The same for all others.
    pub quiet_p99_us: u64,
    /// CPU time of the process.
    pub cpu_s: f64,
    /// CPU seconds per 10^9 bytes.
    pub cpu_s_per_gb: f64,
    /// Bytes written to files per byte accepted, checkpoints included.
    pub bytes_per_byte: f64,
    /// Synced journal writes.
    pub syncs: u64,
    /// Acknowledged batches per synced write.
    pub batches_per_sync: f64,
    /// Finished checkpoints.
    pub checkpoints: u64,
    /// Appends refused because a bound was reached, and tried again.
    pub refused: u64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The directory could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An append was refused for good.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A batch of that size cannot be made.
    #[error("batch size of {batch_bytes} bytes is out of range")]
    BatchBytes {
        /// The size asked for.
        batch_bytes: usize,
    },
}

/// What the journal thread counts.
struct Tally {
    batches: AtomicU64,
    failed: AtomicU64,
    last_at_us: AtomicU64,
    /// Held for one record.
    latencies: Mutex<Latencies>,
    node: Arc<Node>,
}

impl Tally {
    fn checkpoint_is_running(&self) -> bool {
        let counters = &self.node.counters;
        counters.checkpoint_is_running.load(Ordering::Relaxed)
    }
}

/// Latencies of batches, by whether a checkpoint was running when they were acknowledged.
struct Latencies {
    quiet: Histogram<u64>,
    checkpoint: Histogram<u64>,
}

/// Measures.
///
/// # Errors
/// The store could not be opened, or failed on the way.
pub async fn run_bench(config: BenchConfig, env: &Env) -> Result<BenchReport, BenchError> {
    let batch_bytes = config.batch_bytes;
    let batch = batch_of(batch_bytes).ok_or(BenchError::BatchBytes { batch_bytes })?;
    let journal = Journal::open(config.journal.clone(), NodeId(1), env).await?;
    let mut groups = Vec::new();
    for place in 0..u64::from(config.groups.max(1)) {
        let id = RaftGroupId(RaftGroupId::PARTITIONS_FIRST.0 + place);
        groups.push(
            journal
                .create_group(id, GroupKind::Data, Bytes::new())
                .await?,
        );
    }
    let before = journal.metrics();
    let cpu_before_s = cpu_seconds(env);
    let latency = Histogram::<u64>::new_with_bounds(1, LATENCY_MAX_US, 3)
        .expect("bounds are constant and in order");
    let tally = Arc::new(Tally {
        batches: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        last_at_us: AtomicU64::new(0),
        latencies: Mutex::new(Latencies {
            quiet: latency.clone(),
            checkpoint: latency,
        }),
        node: journal.node().clone(),
    });
    let began = env.clock.now();
    let refused = generate(&config, env, &groups, &batch, &tally).await?;
    let after = journal.metrics();
    let cpu_s = cpu_seconds(env) - cpu_before_s;
    journal.shutdown().await?;
    if tally.failed.load(Ordering::Acquire) > 0 {
        return Err(StoreError::Closed.into());
    }
    let ended = Duration::from_micros(tally.last_at_us.load(Ordering::Acquire));
    let spent = Spent {
        seconds: ended.saturating_sub(began).as_secs_f64(),
        cpu_s,
        refused,
    };
    Ok(report(&config, &batch, &tally, &spent, &before, &after))
}

/// What a run took.
struct Spent {
    seconds: f64,
    cpu_s: f64,
    refused: u64,
}

fn report(
    config: &BenchConfig,
    batch: &StampedBatch,
    tally: &Tally,
    spent: &Spent,
    before: &JournalMetrics,
    after: &JournalMetrics,
) -> BenchReport {
    let Spent {
        seconds,
        cpu_s,
        refused,
    } = *spent;
    let batches = tally.batches.load(Ordering::Acquire);
    let bytes = batches * batch.size_bytes() as u64;
    let syncs = after.syncs - before.syncs;
    let written = after.journal_bytes_written + after.segment_bytes_written
        - before.journal_bytes_written
        - before.segment_bytes_written;
    let latencies = tally.latencies.lock();
    let (quiet, checkpoint) = (&latencies.quiet, &latencies.checkpoint);
    let mut latency = quiet.clone();
    latency.add(checkpoint).expect("both have the same bounds");
    BenchReport {
        groups: config.groups,
        batch_bytes: batch.size_bytes(),
        outstanding: config.outstanding,
        seconds,
        batches,
        bytes,
        batches_per_s: ratio(batches as f64, seconds),
        mb_per_s: ratio(bytes as f64 / 1e6, seconds),
        p50_us: latency.value_at_quantile(0.5),
        p99_us: latency.value_at_quantile(0.99),
        max_us: latency.max(),
        checkpoint_batches: checkpoint.len(),
        checkpoint_p99_us: checkpoint.value_at_quantile(0.99),
        quiet_p99_us: quiet.value_at_quantile(0.99),
        cpu_s,
        cpu_s_per_gb: ratio(cpu_s, bytes as f64 / 1e9),
        bytes_per_byte: ratio(written as f64, bytes as f64),
        syncs,
        batches_per_sync: ratio(batches as f64, syncs as f64),
        checkpoints: after.checkpoints - before.checkpoints,
        refused,
    }
}

/// Appends until the time is over and everything is answered. Says how often it was refused.
async fn generate(
    config: &BenchConfig,
    env: &Env,
    groups: &[GroupLog],
    batch: &StampedBatch,
    tally: &Arc<Tally>,
) -> Result<u64, BenchError> {
    let window = Arc::new(Semaphore::new(config.outstanding.max(1) as usize));
    let deadline = env.clock.now() + config.duration;
    let mut refused = 0;
    let mut next = vec![LogIndex(0); groups.len()];
    let mut place = 0;
    while env.clock.now() < deadline {
        let permit = window.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let (group, index) = (&groups[place], next[place]);
        let entry = Entry {
            term: Term(1),
            index,
            base_offset: Offset(-1),
            appended_at_ms: env.clock.wall_ms(),
            body: EntryBody::Data(vec![batch.clone()]),
        };
        let (clock, tally, log) = (env.clock.clone(), tally.clone(), group.clone());
        let began = clock.now();
        let done = move |result: Result<_, StoreError>| {
            if result.is_err() {
                tally.failed.fetch_add(1, Ordering::AcqRel);
                return;
            }
            let now = clock.now();
            let took_us = (now - began).as_micros();
            let took_us = u64::try_from(took_us).unwrap_or(LATENCY_MAX_US);
            let mut latencies = tally.latencies.lock();
            let of_these = match tally.checkpoint_is_running() {
                true => &mut latencies.checkpoint,
                false => &mut latencies.quiet,
            };
            of_these.saturating_record(took_us.max(1));
            drop(latencies);
            tally.batches.fetch_add(1, Ordering::AcqRel);
            let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
            tally.last_at_us.store(now_us, Ordering::Release);
            let id = LogId {
                term: Term(1),
                index,
            };
            log.applied(id, &mut Bytes::new);
            drop(permit);
        };
        match group.append(vec![entry], Box::new(done)) {
            Ok(()) => {
                next[place] = index.next();
                place = (place + 1) % groups.len();
            }
            Err(AppendError::Full) => {
                refused += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let all = window.acquire_many(config.outstanding.max(1)).await;
    drop(all);
    Ok(refused)
}

fn batch_of(batch_bytes: usize) -> Option<StampedBatch> {
    let build = |value_bytes: usize| {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(&Record {
            timestamp_ms: 0,
            key: None,
            value: Some(Bytes::from(vec![b'x'; value_bytes])),
            headers: Vec::new(),
        });
        StampedBatch::split(builder.build()).ok()
    };
    let overhead = build(0)?.size_bytes();
    build(batch_bytes.checked_sub(overhead)?)
}

/// User and system time of this process; 0 where the system does not say.
fn cpu_seconds(env: &Env) -> f64 {
    let read = || {
        let file = env
            .vfs
            .open("/proc/self/stat".as_ref(), OpenMode::READ)
            .ok()?;
        let mut bytes = [0; 1024];
        let len = file.read_at(&mut bytes, 0).ok()?;
        let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
        // The second field is a name in parentheses and may hold spaces.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
        Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
    };
    read().unwrap_or(0.0)
}

fn ratio(value: f64, by: f64) -> f64 {
    if by > 0.0 { value / by } else { 0.0 }
}
