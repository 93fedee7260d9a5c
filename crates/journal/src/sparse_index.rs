//! Finds a place in a partition segment without reading it from the start.
//!
//! One point per 64 KiB of entries. Invariant: all columns are non-decreasing, so each is one
//! binary search; a point's `max_timestamp_ms` covers everything *before* it, so a search by
//! timestamp may start at the last point below it. A missing stretch only makes reads longer.

use floe_model::{LogIndex, Offset};

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
}

impl SparseIndex {
    /// Takes points that a file held; `None` when they are out of order.
    pub(crate) fn from_points(points: Vec<IndexPoint>) -> Option<Self> {
        let ordered = points.windows(2).all(|pair| {
            pair[0].position < pair[1].position
                && pair[0].index < pair[1].index
                && pair[0].base_offset <= pair[1].base_offset
                && pair[0].max_timestamp_ms <= pair[1].max_timestamp_ms
        });
        ordered.then_some(Self { points })
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
        Some(self.points.get(after.checked_sub(1)?)?.position)
    }
}

#[cfg(test)]
mod tests {
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
}
