//! Finds a place in a partition segment without reading it from the start.
//!
//! One point per 64 KiB of entries. Invariant: all columns are non-decreasing, so each is one
//! binary search; a point's `max_timestamp_ms` covers everything *before* it, so a search by
//! timestamp may start at the last point below it. A missing stretch only makes reads longer.
//!
//! A restart reads of a growing segment only what was not synced, so the points of the older
//! part are missing then: the *gap*. Reads that pass through it bring points along, from its
//! start on, so that each byte of it is read in vain once at most.

use std::ops::Range;

use floe_model::{LogIndex, Offset};
use floe_record::Entry;

/// Log bytes between two points.
pub(crate) const INDEX_STEP_BYTES: u64 = 64 << 10;

/// Where an entry starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexPoint {
    pub(crate) base_offset: Offset,
    pub(crate) index: LogIndex,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) position: u64,
}

/// The points of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    points: Vec<IndexPoint>,
    gap: Option<IndexGap>,
}

/// A stretch of entries without points.
#[derive(Clone, Debug, PartialEq, Eq)]
struct IndexGap {
    bytes: Range<u64>,
    /// Largest record timestamp before it.
    max_timestamp_ms: i64,
}

impl SparseIndex {
    /// The index of a segment whose entries at `bytes` were not looked at.
    pub(crate) fn with_gap(bytes: Range<u64>) -> Self {
        Self {
            points: Vec::new(),
            gap: (!bytes.is_empty()).then_some(IndexGap {
                bytes,
                max_timestamp_ms: i64::MIN,
            }),
        }
    }

    /// Where points are missing.
    pub(crate) fn gap(&self) -> Option<Range<u64>> {
        self.gap.as_ref().map(|gap| gap.bytes.clone())
    }

    /// Accepts that the missing points stay missing.
    pub(crate) fn give_up_gap(&mut self) {
        self.gap = None;
    }

    /// Collects the missing points of a read that begins at or before the gap.
    pub(crate) fn walk(&self) -> Option<IndexWalk> {
        let gap = self.gap.as_ref()?;
        let before = |point: &IndexPoint| point.position < gap.bytes.start;
        let before = self.points.partition_point(before).checked_sub(1);
        Some(IndexWalk {
            last_point: before.map(|place| self.points[place].position),
            from: gap.bytes.start,
            end: gap.bytes.start,
            max_timestamp_ms: gap.max_timestamp_ms,
            points: Vec::new(),
        })
    }

    /// Takes the points that `walk` met. Others may have walked the same way meanwhile.
    pub(crate) fn fill(&mut self, walk: IndexWalk) {
        let Some(gap) = &mut self.gap else { return };
        if walk.from > gap.bytes.start || walk.end <= gap.bytes.start {
            return;
        }
        let place = self
            .points
            .partition_point(|point| point.position < gap.bytes.start);
        let missing = walk.points.into_iter();
        let missing = missing.filter(|point| gap.bytes.contains(&point.position));
        let missing: Vec<_> = missing.collect();
        self.points.splice(place..place, missing);
        gap.bytes.start = walk.end;
        gap.max_timestamp_ms = walk.max_timestamp_ms;
        if gap.bytes.is_empty() {
            self.gap = None;
        }
    }

    /// Takes points that a file held; `None` when they are out of order.
    pub(crate) fn from_points(points: Vec<IndexPoint>) -> Option<Self> {
        let ordered = points.windows(2).all(|pair| {
            pair[0].position < pair[1].position
                && pair[0].index < pair[1].index
                && pair[0].base_offset <= pair[1].base_offset
                && pair[0].max_timestamp_ms <= pair[1].max_timestamp_ms
        });
        ordered.then_some(Self { points, gap: None })
    }

    pub(crate) fn points(&self) -> &[IndexPoint] {
        &self.points
    }

    /// Offers the next entry; it becomes a point when the last one is a step behind.
    pub(crate) fn offer(&mut self, point: IndexPoint) {
        let due = self
            .points
            .last()
            .is_none_or(|last| point.position >= last.position + INDEX_STEP_BYTES);
        if due {
            self.points.push(point);
        }
    }

    /// Where to start reading for the entry `index`.
    pub(crate) fn position_of_index(&self, index: LogIndex) -> Option<u64> {
        self.last_where(|point| point.index <= index)
    }

    /// Where to start reading for the batch that holds `offset`.
    pub(crate) fn position_of_offset(&self, offset: Offset) -> Option<u64> {
        // Entries without records share the base offset of the batch after them.
        self.last_where(|point| point.base_offset <= offset)
    }

    /// Where to start reading for the first record at or after `timestamp_ms`.
    pub(crate) fn position_of_timestamp(&self, timestamp_ms: i64) -> Option<u64> {
        self.last_where(|point| point.max_timestamp_ms < timestamp_ms)
    }

    fn last_where(&self, holds: impl Fn(&IndexPoint) -> bool) -> Option<u64> {
        let after = self.points.partition_point(holds);
        let place = after.checked_sub(1)?;
        if floe_model::mutant!("index-shifted") && after < self.points.len() {
            return Some(self.points[after].position);
        }
        Some(self.points.get(place)?.position)
    }
}

/// What a read in file order learns about the gap of an index.
pub(crate) struct IndexWalk {
    last_point: Option<u64>,
    from: u64,
    end: u64,
    max_timestamp_ms: i64,
    points: Vec<IndexPoint>,
}

impl IndexWalk {
    /// Takes note of the entry at `position`. Those before the gap do not count.
    pub(crate) fn note(&mut self, entry: &Entry, position: u64) {
        if position != self.end {
            return;
        }
        let due = |last: u64| position >= last + INDEX_STEP_BYTES;
        if self.last_point.is_none_or(due) {
            self.last_point = Some(position);
            self.points.push(IndexPoint {
                base_offset: entry.base_offset,
                index: entry.index,
                max_timestamp_ms: self.max_timestamp_ms,
                position,
            });
        }
        let batches = entry.batches().iter();
        let timestamps = batches.map(|batch| batch.header().max_timestamp_ms);
        self.max_timestamp_ms = timestamps.fold(self.max_timestamp_ms, i64::max);
        self.end += entry.encoded_len() as u64;
    }

    /// Bytes of the gap that were passed.
    pub(crate) fn passed_bytes(&self) -> u64 {
        self.end - self.from
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn point(n: i64) -> IndexPoint {
        IndexPoint {
            base_offset: Offset(n * 10),
            index: LogIndex(n.unsigned_abs()),
            max_timestamp_ms: n * 100,
            position: n.unsigned_abs() * INDEX_STEP_BYTES,
        }
    }

    #[test]
    fn finds_the_last_point_at_or_before() {
        let mut index = SparseIndex::default();
        (0..4).for_each(|n| index.offer(point(n)));
        index.offer(IndexPoint {
            position: 3 * INDEX_STEP_BYTES + 1,
            ..point(4)
        });
        assert_eq!(index.points().len(), 4, "a point within a step is not kept");
        assert_eq!(
            index.position_of_index(LogIndex(2)),
            Some(2 * INDEX_STEP_BYTES)
        );
        assert_eq!(index.position_of_offset(Offset(19)), Some(INDEX_STEP_BYTES));
        assert_eq!(index.position_of_timestamp(200), Some(INDEX_STEP_BYTES));
        assert_eq!(index.position_of_timestamp(-5), None);
        assert_eq!(SparseIndex::from_points(vec![point(1), point(1)]), None);
    }

    fn entry(n: u64, timestamp_ms: i64) -> Entry {
        let mut builder = floe_record::BatchBuilder::new(floe_record::Compression::None);
        builder.push(&floe_record::Record {
            timestamp_ms,
            key: None,
            value: Some(vec![0; 40_000].into()),
            headers: Vec::new(),
        });
        let batch = floe_record::StampedBatch::split(builder.build()).unwrap();
        let mut entry = Entry {
            term: floe_model::Term(1),
            index: LogIndex(n),
            base_offset: Offset(-1),
            appended_at_ms: 0,
            body: floe_record::EntryBody::Data(vec![batch]),
        };
        entry.stamp_offsets(Offset(n.cast_signed()));
        entry
    }

    /// Positions, timestamps and entries of a segment, and the index that its writer had.
    fn segment() -> (Vec<(u64, Entry)>, SparseIndex, u64) {
        let (mut entries, mut index, mut at, mut max) =
            (Vec::new(), SparseIndex::default(), 64, i64::MIN);
        for n in 0..40_u64 {
            // Timestamps of producers are not in order.
            let timestamp_ms = 1000 + (n.cast_signed() * 7919) % 40;
            let entry = entry(n, timestamp_ms);
            index.offer(IndexPoint {
                base_offset: entry.base_offset,
                index: entry.index,
                max_timestamp_ms: max,
                position: at,
            });
            max = max.max(timestamp_ms);
            let len = entry.encoded_len() as u64;
            entries.push((at, entry));
            at += len;
        }
        (entries, index, at)
    }

    #[test]
    fn reads_that_pass_the_gap_restore_the_index_of_its_writer() {
        let (entries, whole, end) = segment();
        let mut index = SparseIndex::with_gap(64..end);
        let walked = |index: &SparseIndex, count: usize| {
            let gap = index.gap().unwrap();
            let mut walk = index.walk().unwrap();
            // A read starts at the last point before its target, so a little before the gap.
            let start = index.points().last().map_or(64, |point| point.position);
            let read = entries.iter().filter(|(at, _)| *at >= start);
            for (at, entry) in read.take_while(|(at, _)| *at < gap.end).take(count) {
                walk.note(entry, *at);
            }
            walk
        };
        let late = walked(&index, 5);
        while index.gap().is_some() {
            let walk = walked(&index, 7);
            index.fill(walk);
        }
        index.fill(late);
        assert_eq!(index, whole);
    }

    #[test]
    fn a_walk_that_began_behind_the_gap_or_was_overtaken_changes_nothing() {
        let (entries, _, end) = segment();
        let mut index = SparseIndex::with_gap(64..end);
        let (mut slow, mut fast) = (index.walk().unwrap(), index.walk().unwrap());
        entries[..3].iter().for_each(|(at, e)| slow.note(e, *at));
        entries[..9].iter().for_each(|(at, e)| fast.note(e, *at));
        index.fill(fast);
        let before = index.clone();
        index.fill(slow);
        assert_eq!(index, before);
        let mut astray = index.walk().unwrap();
        astray.note(&entries[20].1, entries[20].0);
        assert_eq!(astray.passed_bytes(), 0);
    }
}
