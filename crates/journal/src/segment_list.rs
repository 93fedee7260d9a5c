//! The partition segments and state files of one group, as its memory knows them.
//!
//! Invariant: segments are contiguous in index from the first one on, only the last one grows,
//! and nothing beyond `end` of a segment is read. A roll is decided when an entry is applied and
//! carried out when the writer gets there; until then its state waits in `rolls`.

use std::collections::VecDeque;

use bytes::Bytes;
use floe_model::{LogIndex, Offset};

use crate::JournalConfig;
use crate::log_position::LogPosition;
use crate::partition_segment::SEGMENT_HEADER_BYTES;
use crate::sparse_index::{IndexWalk, SparseIndex};

/// One partition segment.
#[derive(Clone)]
pub(crate) struct SegmentMeta {
    /// The position before its first entry.
    pub(crate) first: LogPosition,
    /// The position after its last written entry.
    pub(crate) end: LogPosition,
    /// Bytes written, header included.
    pub(crate) len_bytes: u64,
    /// Largest record timestamp; `i64::MIN` without records.
    pub(crate) max_timestamp_ms: i64,
    /// Full: it never grows again.
    pub(crate) sealed: bool,
    /// The points of a growing segment, or of one whose index file is missing. A sealed segment
    /// has them in its index file.
    pub(crate) index: Option<SparseIndex>,
}

impl SegmentMeta {
    /// A segment with only a header.
    pub(crate) fn empty(first: LogPosition) -> Self {
        Self {
            first,
            end: first,
            len_bytes: SEGMENT_HEADER_BYTES,
            max_timestamp_ms: i64::MIN,
            sealed: false,
            index: Some(SparseIndex::default()),
        }
    }
}

/// A decision to roll after an entry.
pub(crate) struct Roll {
    pub(crate) after: LogPosition,
    /// The group's state right there; none for groups that save their state themselves.
    pub(crate) state: Option<Bytes>,
}

/// All segments of a group.
#[derive(Default)]
pub(crate) struct SegmentList {
    /// Size at which a segment of this group is closed, if not at the node's.
    pub(crate) roll_bytes: Option<u64>,
    /// Time that a segment of this group may span, if not the node's, milliseconds.
    pub(crate) roll_ms: Option<i64>,
    pub(crate) list: Vec<SegmentMeta>,
    pub(crate) rolls: VecDeque<Roll>,
    /// Positions with a state file, ascending.
    pub(crate) states: Vec<LogPosition>,
    /// Applied bytes since the last roll decision.
    pub(crate) planned_bytes: u64,
    /// Log time of the first entry since then.
    pub(crate) planned_first_ms: Option<i64>,
}

impl SegmentList {
    /// The segment that holds `index`.
    pub(crate) fn by_index(&self, index: LogIndex) -> Option<&SegmentMeta> {
        let after = self
            .list
            .partition_point(|segment| segment.first.next_index() <= index);
        let segment = self.list.get(after.checked_sub(1)?)?;
        (index < segment.end.next_index()).then_some(segment)
    }

    /// The segment that holds the record at `offset`.
    pub(crate) fn by_offset(&self, offset: Offset) -> Option<&SegmentMeta> {
        self.list
            .iter()
            .rev()
            .find(|segment| segment.first.next_offset <= offset && offset < segment.end.next_offset)
    }

    /// Takes index points that a read of the segment from `first_index` on brought along.
    pub(crate) fn fill_gap(&mut self, first_index: LogIndex, walk: IndexWalk) {
        let mut list = self.list.iter_mut();
        let segment = list.find(|segment| segment.first.next_index() == first_index);
        if let Some(index) = segment.and_then(|segment| segment.index.as_mut()) {
            index.fill(walk);
        }
    }

    /// Drops what lies wholly before `start`.
    pub(crate) fn purge_before(&mut self, start: &LogPosition) {
        let start = start.next_index();
        self.list.retain(|segment| segment.end.next_index() > start);
        self.states.retain(|state| state.next_index() >= start);
    }

    /// Notes a state file.
    pub(crate) fn add_state(&mut self, position: LogPosition) {
        let place = self
            .states
            .partition_point(|state| state.next_index() < position.next_index());
        if self
            .states
            .get(place)
            .is_none_or(|state| state.id != position.id)
        {
            self.states.insert(place, position);
        }
    }

    /// Notes an applied entry of `size_bytes` and says whether the segment rolls after it, by the
    /// group's own limits or, where it has none, by the node's.
    pub(crate) fn plan(
        &mut self,
        size_bytes: u64,
        appended_at_ms: i64,
        config: &JournalConfig,
    ) -> bool {
        let max_bytes = self.roll_bytes.unwrap_or(config.partition_segment_bytes);
        let max_ms = self.roll_ms.unwrap_or(config.partition_segment_ms);
        self.planned_bytes += size_bytes;
        let first_ms = *self.planned_first_ms.get_or_insert(appended_at_ms);
        self.planned_bytes >= max_bytes || appended_at_ms.saturating_sub(first_ms) >= max_ms
    }
}
