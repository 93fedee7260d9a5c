//! Which term each index of a log has, without keeping the entries.
//!
//! Terms only grow along a log, so the index is the list of places where they change: a few
//! words per leader that ever wrote. Invariant: strictly ascending in both columns.

use floe_model::{LogIndex, Term};

/// The first index of each term in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TermIndex {
    starts: Vec<(LogIndex, Term)>,
}

impl TermIndex {
    /// Notes that the entry at `index`, the next of the log, has `term`.
    pub(crate) fn push(&mut self, index: LogIndex, term: Term) {
        if self.starts.last().is_none_or(|(_, last)| *last < term) {
            self.starts.push((index, term));
        }
    }

    /// Forgets entries from `index` on.
    pub(crate) fn truncate_from(&mut self, index: LogIndex) {
        while self.starts.last().is_some_and(|(start, _)| *start >= index) {
            self.starts.pop();
        }
    }

    /// Forgets entries below `index`.
    pub(crate) fn purge_before(&mut self, index: LogIndex) {
        let gone = self.starts.partition_point(|(start, _)| *start <= index);
        // The term that covers `index` itself stays, from there on.
        if gone > 1 {
            self.starts.drain(..gone - 1);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.starts.clear();
    }

    /// The term of an index that the caller knows to be in the log.
    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        let after = self.starts.partition_point(|(start, _)| *start <= index);
        let (_, term) = self.starts.get(after.checked_sub(1)?)?;
        Some(*term)
    }

    /// The places where the term changes within `from..to`, the start included.
    pub(crate) fn between(&self, from: LogIndex, to: LogIndex) -> Vec<(LogIndex, Term)> {
        let mut starts = Vec::new();
        if let Some(term) = self.term_at(from).filter(|_| from < to) {
            starts.push((from, term));
        }
        let inside = |(start, _): &&(LogIndex, Term)| *start > from && *start < to;
        starts.extend(self.starts.iter().filter(inside));
        starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> TermIndex {
        let mut index = TermIndex::default();
        for (at, term) in [(0, 1), (1, 1), (2, 3), (3, 3), (4, 4)] {
            index.push(LogIndex(at), Term(term));
        }
        index
    }

    #[test]
    fn finds_the_term_of_every_index() {
        let terms = [1, 1, 3, 3, 4].map(|term| Some(Term(term)));
        let found = [0, 1, 2, 3, 4].map(|at| index().term_at(LogIndex(at)));
        assert_eq!(found, terms);
    }

    #[test]
    fn truncating_and_purging_keep_the_rest() {
        let mut cut = index();
        cut.truncate_from(LogIndex(3));
        assert_eq!(cut.starts, [(LogIndex(0), Term(1)), (LogIndex(2), Term(3))]);
        let mut purged = index();
        purged.purge_before(LogIndex(3));
        assert_eq!(purged.term_at(LogIndex(3)), Some(Term(3)));
        assert_eq!(purged.term_at(LogIndex(1)), None);
        assert_eq!(
            index().between(LogIndex(1), LogIndex(4)),
            [(LogIndex(1), Term(1)), (LogIndex(2), Term(3))]
        );
    }
}
