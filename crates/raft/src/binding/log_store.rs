//! Openraft's log storage over one group of the journal.
//!
//! What it keeps: appends complete only after their sync, in order; a vote is durable before it
//! is answered; nothing is purged that no state file covers (the journal refuses, and the group
//! stops loudly rather than lose data); a read starts exactly where it was asked to, or fails.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use floe_journal::{AppendError, GroupLog, ReadError, StoreError};
use floe_model::{LogIndex, Offset};
use floe_record::Entry;
use futures::Stream;
use futures::stream;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::layout;
use super::type_config::{LogEntry, RaftLogId, RaftVote, Types, from_raft, invalid_data, to_raft};

use crate::LocallyDurable;

/// Bytes of entries that one read brings into memory.
const READ_BYTES_MAX: usize = 4 << 20;
/// An append refused for lack of room is tried again after this. An error would end the group.
const FULL_RETRY: Duration = Duration::from_millis(10);

/// The log of one replica.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: GroupLog,
}

impl LogStore {
    pub(crate) fn new(log: GroupLog) -> Self {
        if floe_model::mutant!("suffix-cut-at-open") {
            let applied = log.applied_floor().or_else(|| log.log_start());
            let from = applied.map_or(LogIndex(0), |id| id.index.next());
            if log.last_log_id().is_some_and(|last| last.index >= from) {
                drop(log.truncate_from(from));
            }
        }
        Self { log }
    }

    fn last_log_id(&self) -> Option<RaftLogId> {
        let last = self.log.last_log_id().or_else(|| self.log.log_start());
        last.map(to_raft)
    }

    fn first_index(&self) -> u64 {
        self.log.log_start().map_or(0, |id| id.index.0 + 1)
    }

    fn next_index(&self) -> u64 {
        let last = self.log.last_log_id();
        last.map_or_else(|| self.first_index(), |id| id.index.0 + 1)
    }

    /// One contiguous run of entries that starts at `start`.
    async fn read(&self, start: u64, end: u64) -> io::Result<Vec<LogEntry>> {
        let range = LogIndex(start)..LogIndex(end);
        let entries = self.log.read_entries(range, READ_BYTES_MAX).await;
        convert(entries.map_err(invalid_data)?)
    }

    async fn append_all(&self, entries: Vec<Entry>, waiting: Waiting) -> io::Result<()> {
        // Shared between tries; the journal calls it once, for the try it accepts.
        let waiting = Arc::new(Mutex::new(Some(waiting)));
        let early = floe_model::mutant!("ack-before-sync").then(|| waiting.clone());
        loop {
            let waiting = waiting.clone();
            let done = Box::new(move |result: Result<_, StoreError>| {
                let waiting = waiting.lock().take();
                if let Some(waiting) = waiting {
                    waiting.complete(result.map(|_| ()));
                }
            });
            match self.log.append(entries.clone(), done) {
                Err(AppendError::Full) => tokio::time::sleep(FULL_RETRY).await,
                result => {
                    if let Some(waiting) = early.and_then(|early| early.lock().take()) {
                        waiting.complete(Ok(()));
                    }
                    return result.map_err(io::Error::other);
                }
            }
        }
    }
}

/// Who waits for an append to be durable.
struct Waiting {
    callback: IOFlushed<Types>,
    /// Proposers of its entries that asked to be told.
    local: Vec<(oneshot::Sender<LocallyDurable>, LocallyDurable)>,
}

impl Waiting {
    fn complete(self, result: Result<(), StoreError>) {
        if result.is_ok() {
            for (waiting, durable) in self.local {
                // A proposer that gave up needs no answer.
                drop(waiting.send(durable));
            }
        }
        self.callback.io_completed(result.map_err(io::Error::other));
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<LogEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        // What is there of the range, unlike the reads of replication and apply below.
        let start = self.start_of(&range).max(self.first_index());
        let end = self.end_of(&range);
        let mut entries = Vec::new();
        let mut next = start;
        while next < end {
            let run = self.read(next, end).await?;
            next += run.len() as u64;
            entries.extend(run);
        }
        Ok(entries)
    }

    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<LogEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = (self.start_of(&range), self.end_of(&range));
        let runs = stream::unfold((self.clone(), start), move |(store, next)| async move {
            if next >= end {
                return None;
            }
            match store.read(next, end).await {
                Ok(run) => {
                    let next = next + run.len() as u64;
                    Some((run.into_iter().map(Ok).collect(), (store, next)))
                }
                Err(error) => Some((vec![Err(error)], (store, end))),
            }
        });
        Box::pin(futures::StreamExt::flat_map(runs, stream::iter))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<LogEntry>> {
        if start >= end {
            return Ok(Vec::new());
        }
        let range = LogIndex(start)..LogIndex(end);
        match self.log.read_entries(range, READ_BYTES_MAX).await {
            Ok(entries) => convert(entries),
            // Truncated by a new leader, or purged, since the range was chosen. An error would
            // end this replica; nothing makes openraft look again, and first of all whether it
            // still leads.
            Err(ReadError::Gap { .. } | ReadError::Purged { .. }) => Ok(Vec::new()),
            Err(error) => Err(invalid_data(error)),
        }
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVote>> {
        let vote = self.log.vote();
        vote.map(|bytes| layout::decode_vote(&bytes).map_err(invalid_data))
            .transpose()
    }

    /// The last log id of each term in the range, from the journal's term index.
    async fn get_key_log_ids(
        &mut self,
        range: RangeInclusive<RaftLogId>,
    ) -> io::Result<Vec<RaftLogId>> {
        let (first, last) = (from_raft(range.start()), from_raft(range.end()));
        let mut keys = Vec::new();
        let mut low = first;
        while low.term < last.term {
            // The last index whose term is `low.term`: binary search between `low` and `last`.
            let (mut here, mut beyond) = (low, last);
            while here.index.next() < beyond.index {
                let middle = LogIndex(here.index.0.midpoint(beyond.index.0));
                let id = self.log.log_id_at(middle).ok_or_else(|| missing(middle))?;
                if id.term == low.term {
                    here = id;
                } else {
                    beyond = id;
                }
            }
            keys.push(to_raft(here));
            low = beyond;
        }
        keys.push(to_raft(last));
        Ok(keys)
    }
}

impl LogStore {
    fn start_of(&self, range: &impl RangeBounds<u64>) -> u64 {
        match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => self.first_index(),
        }
    }

    /// Never beyond the end of the log: the trait allows ranges that reach over it.
    fn end_of(&self, range: &impl RangeBounds<u64>) -> u64 {
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        end.min(self.next_index())
    }
}

fn convert(entries: Vec<Entry>) -> io::Result<Vec<LogEntry>> {
    let entries = entries.into_iter();
    entries
        .map(|entry| LogEntry::from_entry(entry).map_err(invalid_data))
        .collect()
}

fn missing(index: LogIndex) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("the term index does not know entry {index}"),
    )
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        Ok(LogState {
            last_purged_log_id: self.log.log_start().map(to_raft),
            last_log_id: self.last_log_id(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        let (done, saved) = oneshot::channel();
        let done = Box::new(move |result| drop(done.send(result)));
        let vote = layout::encode_vote(vote);
        self.log.save_vote(vote, done).map_err(io::Error::other)?;
        let saved = saved.await.map_err(io::Error::other)?;
        saved.map(|_| ()).map_err(io::Error::other)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut next_offset = self.log.next_offset();
        let mut local = Vec::new();
        let entries = entries.into_iter().map(|mut entry| {
            let waiting = entry.take_local();
            let entry = entry.into_entry();
            let durable = LocallyDurable {
                log_id: entry.log_id(),
                base_offset: next_offset,
                offset_count: entry.offset_count(),
            };
            next_offset = Offset(next_offset.0.saturating_add_unsigned(durable.offset_count));
            local.extend(waiting.map(|waiting| (waiting, durable)));
            entry
        });
        let entries: Vec<_> = entries.collect();
        let waiting = Waiting { callback, local };
        if entries.is_empty() {
            waiting.complete(Ok(()));
            return Ok(());
        }
        self.append_all(entries, waiting).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<RaftLogId>) -> io::Result<()> {
        let from = last_log_id.map_or(self.first_index(), |id| id.index() + 1);
        if from >= self.next_index() {
            return Ok(());
        }
        let truncated = self.log.truncate_from(LogIndex(from));
        truncated.map_err(io::Error::other)
    }

    async fn purge(&mut self, log_id: RaftLogId) -> io::Result<()> {
        let upto = from_raft(&log_id);
        if self.log.log_start().is_some_and(|start| start >= upto) {
            return Ok(());
        }
        let purged = self.log.purge(upto);
        if purged.is_err() && self.log.log_id_at(upto.index) == Some(upto) {
            // No state covers entries that are all here: keeping them is harmless.
            return Ok(());
        }
        purged.map_err(|error| {
            let group = self.log.id();
            tracing::error!(%group, ?upto, %error, "purge refused: it would lose entries");
            io::Error::other(error)
        })
    }
}
