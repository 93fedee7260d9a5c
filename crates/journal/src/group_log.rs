//! The log of one group.
use std::ops::Range;
use bytes::Bytes;
use floe_model::{LogId, LogIndex, Offset, RaftGroupId};
use floe_record::{Entry, StampedBatch};
use tokio::sync::watch;
use crate::{AppendError, Damage, Durable, GroupKind, OnDurable, ReadError, StoreError};

/// The log of one group. Cheap to clone.
#[derive(Clone)]
pub struct GroupLog;

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

#[allow(missing_docs, unused_variables, clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::must_use_candidate, clippy::unused_async)]
impl GroupLog {
    pub fn id(&self) -> RaftGroupId { unimplemented!() }
    pub fn kind(&self) -> GroupKind { unimplemented!() }
    pub fn meta(&self) -> Bytes { unimplemented!() }
    pub fn is_damaged(&self) -> Option<Damage> { unimplemented!() }
    pub fn append(&self, entries: Vec<Entry>, done: OnDurable) -> Result<(), AppendError> { unimplemented!() }
    pub fn save_vote(&self, vote: Bytes, done: OnDurable) -> Result<(), AppendError> { unimplemented!() }
    pub fn vote(&self) -> Option<Bytes> { unimplemented!() }
    pub fn truncate_from(&self, index: LogIndex) -> Result<(), AppendError> { unimplemented!() }
    pub fn log_start(&self) -> Option<LogId> { unimplemented!() }
    pub fn last_log_id(&self) -> Option<LogId> { unimplemented!() }
    pub fn durable_log_id(&self) -> Option<LogId> { unimplemented!() }
    pub fn log_id_at(&self, index: LogIndex) -> Option<LogId> { unimplemented!() }
    pub async fn read_entries(&self, range: Range<LogIndex>, max_bytes: usize) -> Result<Vec<Entry>, ReadError> { unimplemented!() }
    pub fn applied(&self, id: LogId, state: &mut dyn FnMut() -> Bytes) { unimplemented!() }
    pub fn applied_floor(&self) -> Option<LogId> { unimplemented!() }
    pub fn latest_state(&self) -> Option<(LogId, Bytes)> { unimplemented!() }
    pub fn state_at_log_start(&self) -> Option<(LogId, Bytes)> { unimplemented!() }
    pub async fn save_state(&self, id: LogId, state: Bytes) -> Result<Durable, StoreError> { unimplemented!() }
    pub fn purge(&self, upto: LogId) -> Result<(), AppendError> { unimplemented!() }
    pub fn advance_log_start(&self, before: Offset) -> Option<LogId> { unimplemented!() }
    pub async fn reset(&self, log_start: LogId, next_offset: Offset, state: Bytes) -> Result<Durable, StoreError> { unimplemented!() }
    pub fn next_offset(&self) -> Offset { unimplemented!() }
    pub fn high_watermark(&self) -> Offset { unimplemented!() }
    pub fn watch_high_watermark(&self) -> watch::Receiver<Offset> { unimplemented!() }
    pub fn first_offset(&self) -> Offset { unimplemented!() }
    pub async fn fetch(&self, from: Offset, max_bytes: usize, upto: Offset) -> Result<Vec<StampedBatch>, ReadError> { unimplemented!() }
    pub async fn offset_for_timestamp(&self, timestamp_ms: i64) -> Result<Option<(Offset, i64)>, ReadError> { unimplemented!() }
    pub fn size_bytes(&self) -> u64 { unimplemented!() }
    pub fn segments(&self) -> Vec<SegmentInfo> { unimplemented!() }
    pub fn queued_bytes(&self) -> u64 { unimplemented!() }
}
