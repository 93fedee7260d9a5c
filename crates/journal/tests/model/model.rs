//! What one group should hold, and what it may hold after a crash.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use floe_journal::GroupKind;
use floe_model::{LogId, LogIndex, Offset, RaftGroupId};
use floe_record::Entry;

/// The log as it stands after one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFacts {
    pub(crate) start: Option<LogId>,
    pub(crate) start_offset: Offset,
    pub(crate) entries: Vec<Entry>,
}

impl LogFacts {
    pub(crate) fn last(&self) -> Option<LogId> {
        self.entries.last().map(Entry::log_id).or(self.start)
    }

    pub(crate) fn next_index(&self) -> LogIndex {
        self.last().map_or(LogIndex(0), |id| id.index.next())
    }

    pub(crate) fn next_offset(&self) -> Offset {
        self.entries
            .last()
            .map_or(self.start_offset, Entry::next_offset)
    }

    pub(crate) fn get(&self, index: LogIndex) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.index == index)
    }
}

/// One group.
pub(crate) struct ModelGroup {
    pub(crate) id: RaftGroupId,
    pub(crate) kind: GroupKind,
    pub(crate) meta: Bytes,
    /// The log after each operation; the last is now.
    pub(crate) history: Vec<LogFacts>,
    pub(crate) votes: Vec<Option<Bytes>>,
    /// Places in `history` and `votes` that were answered.
    pub(crate) acked: Arc<Mutex<Acked>>,
    pub(crate) applied: Option<LogId>,
    pub(crate) created: bool,
    pub(crate) deleting: bool,
    /// The meta data under which it is to begin anew; what it holds does not matter any more.
    pub(crate) successor: Option<Bytes>,
}

#[derive(Default)]
pub(crate) struct Acked {
    pub(crate) log: usize,
    pub(crate) vote: usize,
}

impl ModelGroup {
    pub(crate) fn new(id: RaftGroupId, kind: GroupKind, meta: Bytes) -> Self {
        let empty = LogFacts {
            start: None,
            start_offset: Offset::ZERO,
            entries: Vec::new(),
        };
        Self {
            id,
            kind,
            meta,
            history: vec![empty],
            votes: vec![None],
            acked: Arc::default(),
            applied: None,
            created: false,
            deleting: false,
            successor: None,
        }
    }

    pub(crate) fn now(&self) -> &LogFacts {
        self.history.last().unwrap()
    }

    /// Records a new state of the log and returns its place.
    pub(crate) fn push(&mut self, facts: LogFacts) -> usize {
        self.history.push(facts);
        self.history.len() - 1
    }

    /// The recovered log must be one of those that were possible; the model goes on from it.
    pub(crate) fn settle(&mut self, log: LogFacts, vote: Option<Bytes>, context: &str) {
        let acked = self.acked.lock().unwrap();
        let place = self
            .history
            .iter()
            .skip(acked.log)
            .position(|facts| *facts == log);
        assert!(
            place.is_some(),
            "{context}: group {} recovered {:?}, acked {:?}, last {:?}",
            self.id,
            brief(&log),
            brief(&self.history[acked.log]),
            brief(self.now()),
        );
        let known = self
            .votes
            .iter()
            .skip(acked.vote)
            .any(|known| *known == vote);
        assert!(
            known,
            "{context}: group {} recovered vote {vote:?}",
            self.id
        );
        drop(acked);
        self.history = vec![log];
        self.votes = vec![vote];
        self.acked = Arc::default();
    }
}

/// Enough of a log to see what is wrong.
pub(crate) fn brief(facts: &LogFacts) -> (Option<LogId>, Vec<(u64, u64, i64)>) {
    let entries = facts.entries.iter();
    let entries = entries.map(|entry| (entry.index.0, entry.term.0, entry.base_offset.0));
    (facts.start, entries.collect())
}
