//! The log of one Raft group as plain memory: what a real store must look like from outside.
//!
//! Invariant: indexes are contiguous, terms never fall, every entry's offsets follow from the
//! entries before it. Misuse panics: a test that asks for the impossible is wrong.

use std::collections::VecDeque;
use std::ops::Range;

use floe_model::{LogId, LogIndex, Offset, Term};
use floe_record::{Entry, EntryBody, StampedBatch};

/// A point of a log: what comes next there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Index of the next entry.
    pub next_index: LogIndex,
    /// Offset of the next record.
    pub next_offset: Offset,
    /// The entry before, none at the start of the group.
    pub last: Option<LogId>,
}

/// A log of one Raft group, with a commit point and a trim point.
#[derive(Clone, Debug, Default)]
pub struct ModelLog {
    /// Where the kept entries begin: everything before is purged.
    start: Place,
    entries: VecDeque<Entry>,
    /// End of the committed entries.
    committed: LogIndex,
    log_start_offset: Offset,
}

impl ModelLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends as a leader: gives `body` the next index and offsets. Returns the entry.
    ///
    /// # Panics
    /// If `term` is below the last entry's.
    pub fn append(&mut self, term: Term, appended_at_ms: i64, body: EntryBody) -> &Entry {
        let Place {
            next_index: index,
            next_offset: base_offset,
            ..
        } = self.end();
        let mut entry = Entry {
            term,
            index,
            base_offset,
            appended_at_ms,
            body,
        };
        entry.stamp_offsets(base_offset);
        self.push(entry)
    }

    /// Appends as a follower.
    ///
    /// # Panics
    /// If the entry is not the next one, or its stamps are not what the log gives.
    pub fn push(&mut self, entry: Entry) -> &Entry {
        let end = self.end();
        assert_eq!(entry.index, end.next_index, "entry is not the next one");
        assert!(
            end.last.is_none_or(|last| last.term <= entry.term),
            "term falls"
        );
        entry
            .verify_offsets(end.next_offset)
            .expect("stamps follow from the log");
        self.entries.push_back(entry);
        self.entries.back().expect("just pushed")
    }

    /// Removes the entries from `index` on.
    ///
    /// # Panics
    /// If one of them is committed.
    pub fn truncate_from(&mut self, index: LogIndex) {
        assert!(index >= self.committed, "truncates a committed entry");
        let keep = self.position(index).min(self.entries.len());
        self.entries.truncate(keep);
    }

    /// Commits the entries before `end`.
    ///
    /// # Panics
    /// If some of them are not in the log.
    pub fn commit_before(&mut self, end: LogIndex) {
        assert!(end <= self.end().next_index, "commits what is not there");
        self.committed = self.committed.max(end);
    }

    /// Moves the start of what may be read, never back.
    ///
    /// # Panics
    /// If `offset` is above the high watermark.
    pub fn trim_before(&mut self, offset: Offset) {
        assert!(
            offset <= self.high_watermark(),
            "trims what is not committed"
        );
        self.log_start_offset = self.log_start_offset.max(offset);
    }

    /// Forgets the entries before `index`.
    ///
    /// # Panics
    /// If one of them is not committed.
    pub fn purge_before(&mut self, index: LogIndex) {
        assert!(index <= self.committed, "purges what is not committed");
        while self.start.next_index < index {
            let entry = self
                .entries
                .pop_front()
                .expect("committed entries are in the log");
            self.start = after(&entry);
        }
    }

    /// What comes first of what is kept.
    #[must_use]
    pub fn start(&self) -> Place {
        self.start
    }

    /// What comes next.
    #[must_use]
    pub fn end(&self) -> Place {
        self.entries.back().map_or(self.start, after)
    }

    /// End of the committed entries.
    #[must_use]
    pub fn committed_before(&self) -> LogIndex {
        self.committed
    }

    /// First offset not yet committed.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        match self.position(self.committed).checked_sub(1) {
            Some(last) => self.entries[last].next_offset(),
            None => self.start.next_offset,
        }
    }

    /// First offset that may be read.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.log_start_offset
    }

    /// One entry, if it is kept.
    #[must_use]
    pub fn entry(&self, index: LogIndex) -> Option<&Entry> {
        let place = index.0.checked_sub(self.start.next_index.0)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// The kept entries with an index in `range`.
    pub fn entries(&self, range: Range<LogIndex>) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| range.contains(&entry.index))
    }

    /// The committed batches that hold an offset in `range` not below `log_start_offset`.
    pub fn committed_batches(&self, range: Range<Offset>) -> impl Iterator<Item = &StampedBatch> {
        let start = range.start.max(self.log_start_offset);
        self.entries
            .iter()
            .take(self.position(self.committed))
            .flat_map(|entry| entry.batches())
            .filter(move |batch| batch.next_offset() > start && batch.base_offset() < range.end)
    }

    /// How many kept entries are before `index`, were the log long enough.
    fn position(&self, index: LogIndex) -> usize {
        let place = index.0.saturating_sub(self.start.next_index.0);
        usize::try_from(place).unwrap_or(usize::MAX)
    }
}

fn after(entry: &Entry) -> Place {
    Place {
        next_index: entry.index.next(),
        next_offset: entry.next_offset(),
        last: Some(entry.log_id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch;

    fn data(first: u64, count: u32) -> EntryBody {
        EntryBody::Data(vec![batch(first, count, 10), batch(first, 1, 10)])
    }

    fn filled() -> ModelLog {
        let mut log = ModelLog::new();
        log.append(Term(1), 1, EntryBody::Blank);
        log.append(Term(1), 2, data(0, 3));
        log.append(Term(2), 3, data(3, 2));
        log
    }

    #[test]
    fn offsets_are_dense_and_roll_back_with_truncation() {
        let mut log = filled();
        assert_eq!(log.end().next_offset, Offset(7));
        log.truncate_from(LogIndex(2));
        assert_eq!(log.end().next_offset, Offset(4));
        assert_eq!(
            log.end().last,
            Some(LogId {
                term: Term(1),
                index: LogIndex(1)
            })
        );
        assert_eq!(log.append(Term(3), 4, data(9, 1)).base_offset, Offset(4));
    }

    #[test]
    fn only_committed_batches_above_the_trim_are_read() {
        let mut log = filled();
        log.commit_before(LogIndex(2));
        assert_eq!(log.high_watermark(), Offset(4));
        let bases = |log: &ModelLog, range: Range<i64>| -> Vec<i64> {
            log.committed_batches(Offset(range.start)..Offset(range.end))
                .map(|batch| batch.base_offset().0)
                .collect()
        };
        assert_eq!(bases(&log, 0..100), [0, 3]);
        log.trim_before(Offset(3));
        assert_eq!(bases(&log, 0..100), [3]);
        assert_eq!(bases(&log, 0..3), [] as [i64; 0]);
    }

    #[test]
    fn purging_keeps_the_place() {
        let mut log = filled();
        log.commit_before(LogIndex(3));
        log.purge_before(LogIndex(3));
        assert_eq!(log.start(), log.end());
        assert_eq!(log.end().next_offset, Offset(7));
        assert_eq!(log.high_watermark(), Offset(7));
        assert_eq!(log.entry(LogIndex(2)), None);
        assert_eq!(log.append(Term(2), 4, EntryBody::Blank).index, LogIndex(3));
    }
}
