//! Reads: from the tail in memory, else from a partition segment on the blocking pool.
//!
//! Invariant: a log read gives a contiguous run that starts exactly where it was asked to, or an
//! error; a fetch gives whole batches in order without a gap. What a read may touch is decided
//! under the group's lock: never beyond what was written at that moment.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use floe_model::{LogIndex, Offset, limits};
use floe_record::{Entry, Limits, StampedBatch, records};

use crate::group_core::GroupCore;
use crate::log_state::LogState;
use crate::node::Node;
use crate::partition_segment::SEGMENT_HEADER_BYTES;
use crate::segment_cache::CachedSegment;
use crate::segment_list::SegmentMeta;
use crate::segment_reader::{ScanError, scan};
use crate::sparse_index::{IndexWalk, SparseIndex};
use crate::{ReadError, SegmentInfo};

/// A read of one segment, planned under the group's lock.
struct ColdRead {
    first_index: LogIndex,
    len_bytes: u64,
    /// Where to start as the growing segment's index says; a sealed one asks its index file.
    position: Option<u64>,
    /// For the points that this index lacks.
    walk: Option<IndexWalk>,
}

/// What a cold read looks for.
#[derive(Clone, Copy)]
enum Seek {
    Index(LogIndex),
    Offset(Offset),
    Timestamp(i64),
}

impl ColdRead {
    fn of(segment: &SegmentMeta, seek: Seek) -> Self {
        let index = segment.index.as_ref();
        let position = index.map(|index| match seek {
            Seek::Index(at) => index.position_of_index(at),
            Seek::Offset(at) => index.position_of_offset(at),
            Seek::Timestamp(at) => index.position_of_timestamp(at),
        });
        Self {
            first_index: segment.first.next_index(),
            len_bytes: segment.len_bytes,
            position: position.map(|position| position.unwrap_or(SEGMENT_HEADER_BYTES)),
            walk: index.and_then(SparseIndex::walk),
        }
    }
}

impl GroupCore {
    pub(crate) async fn read_entries(
        self: &Arc<Self>,
        range: Range<LogIndex>,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        loop {
            let cold = {
                let state = self.lock();
                check_index(&state, range.start)?;
                if range.start >= state.tail.front().next_index() {
                    return Ok(entries_in_tail(&state, &range, max_bytes));
                }
                match state.segments.by_index(range.start) {
                    Some(segment) => ColdRead::of(segment, Seek::Index(range.start)),
                    None => return Err(gap(&state, range.start)),
                }
            };
            let wanted = range.clone();
            let mut bytes = 0;
            let collect = move |out: &mut Vec<Entry>, entry: Entry| {
                if entry.index < wanted.start {
                    return ControlFlow::Continue(());
                }
                bytes += entry.encoded_len();
                if entry.index >= wanted.end || (bytes > max_bytes && !out.is_empty()) {
                    return ControlFlow::Break(());
                }
                out.push(entry);
                stop_when(bytes >= max_bytes)
            };
            let read = self.scan_cold(cold, Seek::Index(range.start), collect);
            if let Some(entries) = read.await? {
                match entries.first() {
                    Some(first) if first.index == range.start => return Ok(entries),
                    _ => return Err(gap(&self.lock(), range.start)),
                }
            }
        }
    }

    pub(crate) async fn fetch(
        self: &Arc<Self>,
        from: Offset,
        max_bytes: usize,
        upto: Offset,
    ) -> Result<Vec<StampedBatch>, ReadError> {
        loop {
            let cold = {
                let state = self.lock();
                let upto = if floe_model::mutant!("uncommitted-read") {
                    upto
                } else {
                    upto.min(state.applied.next_offset)
                };
                check_offset(&state, from)?;
                if from >= upto {
                    return Ok(Vec::new());
                }
                if from >= state.tail.front().next_offset {
                    let mut taken = Batches::new(from, max_bytes, upto);
                    for slot in state.tail.reaching_beyond(from) {
                        if taken.take(&slot.entry).is_break() {
                            break;
                        }
                    }
                    return Ok(taken.out);
                }
                match state.segments.by_offset(from) {
                    Some(segment) => (ColdRead::of(segment, Seek::Offset(from)), upto),
                    None => return Err(out_of_range(&state)),
                }
            };
            let (cold, upto) = cold;
            let mut taken = Batches::new(from, max_bytes, upto);
            let collect = move |out: &mut Vec<StampedBatch>, entry: Entry| {
                let flow = taken.take(&entry);
                out.append(&mut taken.out);
                flow
            };
            if let Some(batches) = self.scan_cold(cold, Seek::Offset(from), collect).await? {
                return Ok(batches);
            }
        }
    }

    pub(crate) async fn offset_for_timestamp(
        self: &Arc<Self>,
        timestamp_ms: i64,
    ) -> Result<Option<(Offset, i64)>, ReadError> {
        let mut from = LogIndex(0);
        loop {
            let cold = {
                let state = self.lock();
                let later = state.segments.list.iter().find(|segment| {
                    segment.max_timestamp_ms >= timestamp_ms && segment.end.next_index() > from
                });
                match later {
                    Some(segment) => ColdRead::of(segment, Seek::Timestamp(timestamp_ms)),
                    None => return Ok(timestamp_in_tail(&state, timestamp_ms)),
                }
            };
            let first_index = cold.first_index;
            let collect = move |out: &mut Option<(Offset, i64)>, entry: Entry| {
                *out = first_at(&entry, timestamp_ms);
                stop_when(out.is_some())
            };
            let seek = Seek::Timestamp(timestamp_ms);
            match self.scan_cold(cold, seek, collect).await? {
                Some(Some(found)) => return Ok(Some(found)),
                // The batch's header promised a timestamp that no record has: look further on.
                Some(None) => from = self.end_of_segment(first_index),
                None => {}
            }
        }
    }

    fn end_of_segment(&self, first_index: LogIndex) -> LogIndex {
        let state = self.lock();
        let segment = state.segments.by_index(first_index);
        segment.map_or(first_index.next(), |segment| segment.end.next_index())
    }

    pub(crate) fn segment_infos(&self) -> Vec<SegmentInfo> {
        let state = self.lock();
        let segments = state.segments.list.iter();
        segments
            .map(|segment| SegmentInfo {
                base_offset: segment.first.next_offset,
                first_index: segment.first.next_index(),
                size_bytes: segment.len_bytes,
                max_timestamp_ms: segment.max_timestamp_ms,
                last_appended_at_ms: segment.end.appended_at_ms,
            })
            .collect()
    }

    /// Lets `collect` see the entries of a segment from where `seek` leads. `None` when the
    /// segment was removed meanwhile.
    async fn scan_cold<T: Default + Send + 'static>(
        self: &Arc<Self>,
        mut cold: ColdRead,
        seek: Seek,
        mut collect: impl FnMut(&mut T, Entry) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Option<T>, ReadError> {
        let node = self.node().map_err(|_| stopped())?;
        let group = self.clone();
        let blocking = node.clone();
        let first_index = cold.first_index;
        let turn = node.cold_reads.turn().await;
        let read = move || {
            let _turn = turn;
            let opened = group.open_cold(&blocking, &cold)?;
            let position = cold
                .position
                .unwrap_or_else(|| position_in_sealed(&blocking, &group, &opened, &cold, seek));
            let mut out = T::default();
            let range = position..cold.len_bytes;
            let mut walk = cold.walk.take();
            let scanned = scan(&*opened.file, range, |entry, at| {
                if let Some(walk) = &mut walk {
                    walk.note(&entry, at);
                }
                collect(&mut out, entry)
            });
            if let Some(walk) = walk.filter(|walk| walk.passed_bytes() > 0) {
                group.lock().segments.fill_gap(cold.first_index, walk);
            }
            match scanned {
                Ok(_) => Ok(out),
                Err(ScanError::Io(error)) => Err(error),
                Err(ScanError::Damage(damage)) => {
                    group.set_damage(damage);
                    Err(io::Error::from(io::ErrorKind::InvalidData))
                }
            }
        };
        match node.spawn.blocking(read).await.map_err(|_| stopped())? {
            Ok(out) => Ok(Some(out)),
            // Of a deleted group there is nothing to look for again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let state = self.lock();
                if state.deleted {
                    Err(gap(&state, first_index))
                } else {
                    Ok(None)
                }
            }
            Err(error) => Err(match self.lock().damage {
                Some(damage) if error.kind() == io::ErrorKind::InvalidData => {
                    ReadError::Damaged(damage)
                }
                _ => ReadError::Io {
                    path: node.group_dir(self.id),
                    source: Arc::new(error),
                },
            }),
        }
    }

    fn open_cold(&self, node: &Node, cold: &ColdRead) -> io::Result<Arc<CachedSegment>> {
        let dir = node.group_dir(self.id);
        let key = (self.id, cold.first_index);
        let opened = node.cache.open(&*node.vfs, &dir, key, false);
        if self.lock().deleted {
            // Not to be found here by the group's successor.
            node.cache.forget_group(self.id);
            return Err(io::ErrorKind::NotFound.into());
        }
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if opened.as_ref().is_err_and(missing) {
            let state = self.lock();
            // Still wanted and not there: that is damage, and no reason to look again.
            if !state.deleted && state.segments.by_index(cold.first_index).is_some() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        opened
    }
}

fn position_in_sealed(
    node: &Node,
    group: &GroupCore,
    segment: &CachedSegment,
    cold: &ColdRead,
    seek: Seek,
) -> u64 {
    let index = segment.index(&*node.vfs, group.id, cold.len_bytes);
    let position = index.and_then(|index| match seek {
        Seek::Index(at) => index.position_of_index(at),
        Seek::Offset(at) => index.position_of_offset(at),
        Seek::Timestamp(at) => index.position_of_timestamp(at),
    });
    position.unwrap_or(SEGMENT_HEADER_BYTES)
}

/// Takes whole batches that hold offsets in `from..upto`, at least one.
struct Batches {
    from: Offset,
    upto: Offset,
    room_bytes: usize,
    taken: bool,
    out: Vec<StampedBatch>,
}

impl Batches {
    fn new(from: Offset, max_bytes: usize, upto: Offset) -> Self {
        Self {
            from,
            upto,
            room_bytes: max_bytes,
            taken: false,
            out: Vec::new(),
        }
    }

    fn take(&mut self, entry: &Entry) -> ControlFlow<()> {
        for batch in entry.batches() {
            if batch.next_offset() <= self.from {
                continue;
            }
            let size_bytes = batch.size_bytes();
            if batch.next_offset() > self.upto || (self.taken && size_bytes > self.room_bytes) {
                return ControlFlow::Break(());
            }
            self.room_bytes = self.room_bytes.saturating_sub(size_bytes);
            self.taken = true;
            self.out.push(batch.clone());
        }
        stop_when(self.room_bytes == 0)
    }
}

fn stop_when(stop: bool) -> ControlFlow<()> {
    if stop {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

fn entries_in_tail(state: &LogState, range: &Range<LogIndex>, max_bytes: usize) -> Vec<Entry> {
    let mut bytes = 0;
    let mut out = Vec::new();
    for slot in state.tail.from(range.start) {
        bytes += slot.entry.encoded_len();
        if slot.entry.index >= range.end || (bytes > max_bytes && !out.is_empty()) {
            break;
        }
        out.push(Entry::clone(&slot.entry));
    }
    out
}

fn check_index(state: &LogState, index: LogIndex) -> Result<(), ReadError> {
    if index < state.start.next_index() {
        return Err(ReadError::Purged {
            log_start: state.start.id,
        });
    }
    if index >= state.tail.end().next_index() {
        return Err(gap(state, index));
    }
    Ok(())
}

fn gap(state: &LogState, index: LogIndex) -> ReadError {
    match state.damage {
        Some(damage) => ReadError::Damaged(damage),
        None => ReadError::Gap {
            index,
            next: state.tail.end().next_index(),
        },
    }
}

fn check_offset(state: &LogState, offset: Offset) -> Result<(), ReadError> {
    if offset < first_offset(state) || offset > state.tail.end().next_offset {
        return Err(out_of_range(state));
    }
    Ok(())
}

fn out_of_range(state: &LogState) -> ReadError {
    match state.damage {
        Some(damage) => ReadError::Damaged(damage),
        None => ReadError::OffsetOutOfRange {
            first: first_offset(state),
            next: state.tail.end().next_offset,
        },
    }
}

/// The first offset that is physically here.
pub(crate) fn first_offset(state: &LogState) -> Offset {
    let first = state.segments.list.first();
    first.map_or(state.start.next_offset, |segment| {
        segment.first.next_offset.max(state.start.next_offset)
    })
}

fn timestamp_in_tail(state: &LogState, timestamp_ms: i64) -> Option<(Offset, i64)> {
    state
        .tail
        .from(LogIndex(0))
        .take_while(|slot| slot.entry.index < state.applied.next_index())
        .find_map(|slot| first_at(&slot.entry, timestamp_ms))
}

/// The first record of `entry` at or after `timestamp_ms`.
fn first_at(entry: &Entry, timestamp_ms: i64) -> Option<(Offset, i64)> {
    let limits = Limits {
        batch_bytes_max: limits::BATCH_BYTES_MAX,
        decompressed_bytes_max: 4 * limits::BATCH_BYTES_MAX,
    };
    let late = |batch: &&StampedBatch| batch.header().max_timestamp_ms >= timestamp_ms;
    entry.batches().iter().filter(late).find_map(|batch| {
        match records(batch, &limits) {
            Ok(records) => records
                .into_iter()
                .map(|(offset, record)| (offset, record.timestamp_ms))
                .find(|(_, at)| *at >= timestamp_ms),
            // Unreadable inside, but the header says that the batch is late enough.
            Err(_) => Some((batch.base_offset(), batch.header().max_timestamp_ms)),
        }
    })
}

fn stopped() -> ReadError {
    ReadError::Io {
        path: std::path::PathBuf::new(),
        source: Arc::new(io::ErrorKind::BrokenPipe.into()),
    }
}
