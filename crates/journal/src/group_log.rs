//! The handle to one group's log: Raft's view (entries by index) and the readers' (records by
//! offset). Cheap to clone; all state is in `GroupCore`.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use floe_model::{LogId, LogIndex, Offset, RaftGroupId};
use floe_record::{Entry, StampedBatch};
use tokio::sync::watch;

use crate::group_core::GroupCore;
use crate::group_read::first_offset;
use crate::{AppendError, Damage, Durable, GroupKind, OnDurable, ReadError, StoreError};

/// The log of one group.
#[derive(Clone)]
pub struct GroupLog {
    core: Arc<GroupCore>,
}

/// One partition segment, for decisions about retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Index of its first entry.
    pub first_index: LogIndex,
    /// Bytes written to it.
    pub size_bytes: u64,
    /// Largest record timestamp in it, milliseconds; `i64::MIN` without records.
    pub max_timestamp_ms: i64,
    /// Log time of its last entry, milliseconds.
    pub last_appended_at_ms: i64,
}

/// How far a log is, all at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogProgress {
    /// The last purged entry.
    pub start: Option<LogId>,
    /// The last entry.
    pub last: Option<LogId>,
    /// The last entry that is on disk.
    pub durable: Option<LogId>,
    /// The last entry that is committed and applied.
    pub applied: Option<LogId>,
    /// The first offset that is not applied.
    pub high_watermark: Offset,
    /// Whether the log lost something.
    pub is_damaged: bool,
}

impl GroupLog {
    pub(crate) fn new(core: Arc<GroupCore>) -> Self {
        Self { core }
    }

    pub(crate) fn core(&self) -> &Arc<GroupCore> {
        &self.core
    }

    /// The group.
    #[must_use]
    pub fn id(&self) -> RaftGroupId {
        self.core.id
    }

    /// What the group keeps.
    #[must_use]
    pub fn kind(&self) -> GroupKind {
        self.core.kind
    }

    /// What it was created with.
    #[must_use]
    pub fn meta(&self) -> Bytes {
        self.core.meta.clone()
    }

    /// What was lost, if anything was. Such a replica neither votes nor leads nor counts.
    #[must_use]
    pub fn is_damaged(&self) -> Option<Damage> {
        self.core.lock().damage
    }

    /// Others know that this log lost entries it had acknowledged: it is damaged from now on, also
    /// after a restart once the checkpoint asked for here is done.
    pub fn mark_damaged(&self) {
        self.core.set_damage(Damage::Recorded);
    }

    /// Appends entries with consecutive indexes. They are readable on return and durable when
    /// `done` is called. Offsets are stamped here unless the entries carry them (a `base_offset`
    /// other than -1), then they must be the ones this log would give.
    ///
    /// # Errors
    /// Nothing was changed. `Full` says to try again later.
    pub fn append(&self, entries: Vec<Entry>, done: OnDurable) -> Result<(), AppendError> {
        self.core.append(entries, done)
    }

    /// Whether a leader may propose `bytes` more now. Stricter than `append`, which must take what
    /// other leaders were already allowed to send.
    ///
    /// # Errors
    /// `Full` when a bound is reached, or why the store stopped.
    pub fn admit(&self, bytes: u64) -> Result<(), AppendError> {
        self.core.admit(bytes)
    }

    /// Saves the vote; durable when `done` is called.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn save_vote(&self, vote: Bytes, done: OnDurable) -> Result<(), AppendError> {
        self.core.save_vote(vote, done)
    }

    /// The vote saved last.
    #[must_use]
    pub fn vote(&self) -> Option<Bytes> {
        self.core.lock().vote.clone()
    }

    /// Removes the entries from `index` on. Ordered on disk before everything that follows.
    ///
    /// # Errors
    /// `Applied` at or below the applied entry, `Gap` beyond the end of the log.
    pub fn truncate_from(&self, index: LogIndex) -> Result<(), AppendError> {
        self.core.truncate_from(index)
    }

    /// The last purged entry, the one before the first; `None` when the log starts at index 0.
    #[must_use]
    pub fn log_start(&self) -> Option<LogId> {
        self.core.lock().start.id
    }

    /// The last entry, or the last purged one of an empty log.
    #[must_use]
    pub fn last_log_id(&self) -> Option<LogId> {
        self.core.lock().tail.end().id
    }

    /// The last entry that is on disk.
    #[must_use]
    pub fn durable_log_id(&self) -> Option<LogId> {
        self.core.lock().durable
    }

    /// All positions at once.
    #[must_use]
    pub fn progress(&self) -> LogProgress {
        let state = self.core.lock();
        LogProgress {
            start: state.start.id,
            last: state.tail.end().id,
            durable: state.durable,
            applied: state.applied.id,
            high_watermark: state.applied.next_offset,
            is_damaged: state.damage.is_some(),
        }
    }

    /// The log id of `index`, if it is in the log or the last purged one.
    #[must_use]
    pub fn log_id_at(&self, index: LogIndex) -> Option<LogId> {
        self.core.lock().log_id_at(index)
    }

    /// Entries from exactly `range.start` on, contiguous, at least one; fewer than asked for when
    /// `max_bytes` or a boundary of storage is reached.
    ///
    /// # Errors
    /// `Purged` and `Gap` outside of the log; `Io` and `Damaged` from a partition segment.
    pub async fn read_entries(
        &self,
        range: Range<LogIndex>,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.core.read_entries(range, max_bytes).await
    }

    /// Everything up to and including `id` is committed and applied. `state` is called at once
    /// and only when the group's segment rolls right here.
    pub fn applied(&self, id: LogId, state: &mut dyn FnMut() -> Bytes) {
        self.core.applied(id, state);
    }

    /// What a restart would restore as applied: never ahead of the durable log.
    #[must_use]
    pub fn applied_floor(&self) -> Option<LogId> {
        self.core.lock().applied_floor()
    }

    /// The newest saved state at or below `applied_floor`, from which a restart replays. Reads
    /// one file.
    #[must_use]
    pub fn latest_state(&self) -> Option<(LogId, Bytes)> {
        self.core.latest_state()
    }

    /// What a snapshot is made of: the state at the log start that was last chosen (Data), or the
    /// latest state (State). Reads one file.
    #[must_use]
    pub fn state_at_log_start(&self) -> Option<(LogId, Bytes)> {
        self.core.state_at_log_start()
    }

    /// Saves the full state right after `id`, an applied entry.
    ///
    /// # Errors
    /// `StateBehind` when a newer state is saved or `id` is not applied; `Full` and `Poisoned`.
    pub async fn save_state(&self, id: LogId, state: Bytes) -> Result<Durable, StoreError> {
        self.core.save_state(id, state).await
    }

    /// Removes the entries up to and including `upto`. Their files go in the background.
    ///
    /// # Errors
    /// `NotCovered` above what a saved state covers: for Data groups the position that
    /// `advance_log_start` gave, for State groups the latest state.
    pub fn purge(&self, upto: LogId) -> Result<(), AppendError> {
        self.core.purge(upto)
    }

    /// The newest entry that [`purge`](Self::purge) takes; not after `log_start` when all that may
    /// go is gone.
    #[must_use]
    pub fn purgeable(&self) -> Option<LogId> {
        self.core.purgeable()
    }

    /// Chooses the newest segment boundary with only offsets below `before` behind it as the next
    /// log start: `state_at_log_start` and `purge` go up to it from now on. `None` when nothing
    /// can be dropped.
    #[must_use]
    pub fn advance_log_start(&self, before: Offset) -> Option<LogId> {
        self.core.advance_log_start(before)
    }

    /// A snapshot replaces the whole log: it starts after `log_start`, whose state is `state`.
    ///
    /// # Errors
    /// `StateBehind` when the log is applied that far already; nothing was changed then.
    pub async fn reset(
        &self,
        log_start: LogId,
        next_offset: Offset,
        state: Bytes,
    ) -> Result<Durable, StoreError> {
        self.core.reset(log_start, next_offset, state).await
    }

    /// The log end offset, uncommitted records included.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.core.lock().tail.end().next_offset
    }

    /// The first offset that is not applied yet.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.core.lock().applied.next_offset
    }

    /// Follows the high watermark.
    #[must_use]
    pub fn watch_high_watermark(&self) -> watch::Receiver<Offset> {
        self.core.watch_high_watermark()
    }

    /// The first offset that is physically here.
    #[must_use]
    pub fn first_offset(&self) -> Offset {
        first_offset(&self.core.lock())
    }

    /// Whole batches from the one that holds `from` on, which may start below it, while they end
    /// at or before `upto` and the high watermark. At least one if there is any, then up to
    /// `max_bytes` or a boundary of storage.
    ///
    /// # Errors
    /// `OffsetOutOfRange` below the first offset here or above the log end; `Io` and `Damaged`.
    pub async fn fetch(
        &self,
        from: Offset,
        max_bytes: usize,
        upto: Offset,
    ) -> Result<Vec<StampedBatch>, ReadError> {
        self.core.fetch(from, max_bytes, upto).await
    }

    /// The first applied record at or after `timestamp_ms`, with its timestamp.
    ///
    /// # Errors
    /// `Io` and `Damaged`.
    pub async fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
    ) -> Result<Option<(Offset, i64)>, ReadError> {
        self.core.offset_for_timestamp(timestamp_ms).await
    }

    /// Bytes of the partition segments.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let segments = self.segments();
        segments.iter().map(|segment| segment.size_bytes).sum()
    }

    /// The partition segments, oldest first; the last one grows.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.core.segment_infos()
    }

    /// When the partition segments of this group are closed from now on: at so many bytes, or
    /// when their entries span so many milliseconds. `None` is what the node is configured with.
    /// Not on disk: to be said again after each opening.
    pub fn set_roll(&self, segment_bytes: Option<u64>, segment_ms: Option<i64>) {
        let mut state = self.core.lock();
        state.segments.roll_bytes = segment_bytes;
        state.segments.roll_ms = segment_ms;
    }

    /// Appended bytes that are not on disk yet.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.core.lock().queued_bytes
    }
}
