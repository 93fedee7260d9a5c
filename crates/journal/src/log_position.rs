//! A place in a group's log, with what the log's prefix up to there determines.
//!
//! The three values always travel together: whoever knows where a log ends must also know which
//! offset and which log time come next, or an append could not be a pure function of the prefix.

use floe_model::{LogId, LogIndex, Offset};

/// The place after entry `id`; before the first entry when there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub(crate) id: Option<LogId>,
    /// The offset that the next record gets.
    pub(crate) next_offset: Offset,
    /// Log time of the last entry; `i64::MIN` before the first.
    pub(crate) appended_at_ms: i64,
}

impl LogPosition {
    /// Before the first entry of a log that starts at index 0.
    pub(crate) const ORIGIN: Self = Self {
        id: None,
        next_offset: Offset::ZERO,
        appended_at_ms: i64::MIN,
    };

    /// The index of the next entry.
    pub(crate) fn next_index(&self) -> LogIndex {
        next_index(self.id)
    }
}

/// The index after `id`.
pub(crate) fn next_index(id: Option<LogId>) -> LogIndex {
    id.map_or(LogIndex(0), |id| id.index.next())
}
