//! Counters of the store, cheap to keep and to read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::sync_latency::SyncTimes;
use crate::{JournalWrites, SyncLatency};

/// A reading of all counters.
#[derive(Clone, Debug, Default)]
pub struct JournalMetrics {
    /// Synced journal writes.
    pub syncs: u64,
    /// Bytes of these writes, padding included.
    pub journal_bytes_written: u64,
    /// Bytes written to partition segments, state files and checkpoint images.
    pub segment_bytes_written: u64,
    /// Commit groups written.
    pub groups_written: u64,
    /// Frames written.
    pub frames_written: u64,
    /// Finished checkpoints.
    pub checkpoints: u64,
    /// File syncs made by checkpoints.
    pub checkpoint_syncs: u64,
    /// Frames written again to free an old journal segment.
    pub frames_reappended: u64,
    /// Journal segments ready for use.
    pub free_journal_segments: u64,
    /// Journal segments that hold live frames, the current one included.
    pub used_journal_segments: u64,
    /// Bytes of entries in memory.
    pub tail_bytes: u64,
    /// Of these, bytes that are not in a partition segment yet.
    pub unwritten_bytes: u64,
    /// Bytes waiting for the journal writer.
    pub queued_bytes: u64,
    /// A checkpoint is under way.
    pub checkpoint_is_running: bool,
    /// How journal writes reach the disk; unknown before the first.
    pub journal_writes: Option<JournalWrites>,
    /// Latency of synced journal writes.
    pub sync_latency: SyncLatency,
}

/// The counters themselves.
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) journal_bytes_written: AtomicU64,
    pub(crate) segment_bytes_written: AtomicU64,
    pub(crate) groups_written: AtomicU64,
    pub(crate) frames_written: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_syncs: AtomicU64,
    pub(crate) frames_reappended: AtomicU64,
    pub(crate) checkpoint_is_running: AtomicBool,
    /// Held for one record or one reading.
    sync_times: Mutex<SyncTimes>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            syncs: AtomicU64::new(0),
            journal_bytes_written: AtomicU64::new(0),
            segment_bytes_written: AtomicU64::new(0),
            groups_written: AtomicU64::new(0),
            frames_written: AtomicU64::new(0),
            checkpoints: AtomicU64::new(0),
            checkpoint_syncs: AtomicU64::new(0),
            frames_reappended: AtomicU64::new(0),
            checkpoint_is_running: AtomicBool::new(false),
            sync_times: Mutex::new(SyncTimes::new()),
        }
    }

    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn record_sync(&self, took: Duration) {
        self.sync_times.lock().record(took);
    }

    /// All counters; the fields that others own are left at 0.
    pub(crate) fn read(&self) -> JournalMetrics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JournalMetrics {
            syncs: get(&self.syncs),
            journal_bytes_written: get(&self.journal_bytes_written),
            segment_bytes_written: get(&self.segment_bytes_written),
            groups_written: get(&self.groups_written),
            frames_written: get(&self.frames_written),
            checkpoints: get(&self.checkpoints),
            checkpoint_syncs: get(&self.checkpoint_syncs),
            frames_reappended: get(&self.frames_reappended),
            checkpoint_is_running: self.checkpoint_is_running.load(Ordering::Relaxed),
            sync_latency: self.sync_times.lock().read(),
            ..JournalMetrics::default()
        }
    }
}
