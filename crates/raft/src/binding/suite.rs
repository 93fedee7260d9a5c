//! Openraft's own storage suite over the journal.

#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use floe_env::Env;
use floe_journal::{GroupKind, GroupLog, Journal, JournalConfig};
use floe_model::{LogId, LogIndex, NodeId, Offset, RaftGroupId, ReplicaId};
use floe_record::Entry;
use futures::stream::{self, Stream, StreamExt as _};
use openraft::entry::RaftEntry as _;
use openraft::storage::{EntryResponder, IOFlushed, LogState, RaftLogStorage, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{OptionalSend, StorageError};
use tempfile::TempDir;

use super::apply::{Applier, ApplyWatch, SnapshotBuilder};
use super::layout::{self, GroupMeta, GroupState, encode_meta};
use super::log_store::LogStore;
use super::type_config::{LogEntry, RaftLogId, RaftVote, StoredMembership, Types, from_raft};
use crate::{CorruptState, StateMachine};

struct Ignored;

impl ApplyWatch for Ignored {
    fn applied(&self, _: LogId) {}
}

/// Counts entries; enough to see that a snapshot carries the state.
#[derive(Default)]
struct Counter(u64);

impl StateMachine for Counter {
    fn apply(&mut self, _: &Entry) -> Bytes {
        self.0 += 1;
        Bytes::new()
    }

    fn snapshot(&mut self) -> Bytes {
        Bytes::copy_from_slice(&self.0.to_le_bytes())
    }

    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), CorruptState> {
        self.0 = match state {
            None => 0,
            Some(bytes) => u64::from_le_bytes(bytes.try_into().map_err(|_| CorruptState {
                reason: "not a counter",
            })?),
        };
        Ok(())
    }
}

/// The store, made to take what only the suite does: logs that do not start at index 0, and
/// purges of entries that no state covers.
struct SuiteStore {
    store: LogStore,
    log: GroupLog,
    applied: u64,
}

impl SuiteStore {
    fn next_index(&self) -> u64 {
        let last = self.log.last_log_id().or_else(|| self.log.log_start());
        last.map_or(0, |id| id.index.0 + 1)
    }
}

impl RaftLogStorage<Types> for SuiteStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        self.store.get_log_state().await
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.store.get_log_reader().await
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        self.store.save_vote(vote).await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        let first = entries.first().map_or(0, LogEntry::index);
        let blank = |index| LogEntry::new_blank(RaftLogId::new(0.into(), index));
        let before = (self.next_index()..first).map(blank);
        let all: Vec<_> = before.chain(entries).collect();
        self.store.append(all, callback).await
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> io::Result<()> {
        self.store.truncate_after(last).await
    }

    async fn purge(&mut self, upto: RaftLogId) -> io::Result<()> {
        let id = from_raft(&upto);
        if self.log.log_start() >= Some(id) {
            return Ok(());
        }
        let state = layout::encode_state(&GroupState {
            membership: StoredMembership::default(),
            next_offset: Offset::ZERO,
            machine: Bytes::from_static(&[0; 8]),
        });
        if self.log.log_id_at(id.index) == Some(id) {
            // A log is purged only behind a state of durable entries; the suite does not wait.
            let (synced, until_synced) = tokio::sync::oneshot::channel();
            let done = Box::new(move |result| drop(synced.send(result)));
            self.log
                .append(Vec::new(), done)
                .map_err(io::Error::other)?;
            until_synced
                .await
                .map_err(io::Error::other)?
                .map_err(io::Error::other)?;
            // A state can only be of entries that were applied.
            for index in std::mem::replace(&mut self.applied, id.index.0 + 1)..=id.index.0 {
                let id = self.log.log_id_at(LogIndex(index)).unwrap();
                self.log.applied(id, &mut Bytes::new);
            }
            self.log
                .save_state(id, state)
                .await
                .map_err(io::Error::other)?;
        } else {
            let reset = self.log.reset(id, Offset::ZERO, state).await;
            reset.map_err(io::Error::other)?;
        }
        self.store.purge(upto).await
    }
}

struct Builder {
    next: AtomicU64,
    /// Only what is in the log can be saved as a state; only some cases build snapshots.
    logs_applied: bool,
}

/// The state machine, made to take what only the suite applies: entries that never were in the
/// log.
struct SuiteMachine {
    applier: Applier,
    logs_applied: bool,
    store: SuiteStore,
}

impl SuiteMachine {
    /// Puts an entry, and what is missing before it, into the log.
    async fn log_up_to(&mut self, id: RaftLogId) -> io::Result<Vec<LogEntry>> {
        let first = self.store.next_index();
        if !self.logs_applied || id.index() < first {
            return Ok(Vec::new());
        }
        let blank = |index| LogEntry::new_blank(RaftLogId::new(*id.committed_leader_id(), index));
        let entries: Vec<_> = (first..=id.index()).map(blank).collect();
        let (synced, until_synced) = tokio::sync::oneshot::channel();
        let done = Box::new(move |result| drop(synced.send(result)));
        let log = entries.into_iter().map(LogEntry::into_entry).collect();
        self.store.log.append(log, done).map_err(io::Error::other)?;
        let synced = until_synced.await.map_err(io::Error::other)?;
        synced.map_err(io::Error::other)?;
        Ok((first..id.index()).map(blank).collect())
    }
}

impl RaftStateMachine<Types> for SuiteMachine {
    type SnapshotData = Bytes;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<RaftLogId>, StoredMembership)> {
        self.applier.applied_state().await
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let before = self.log_up_to(entry.log_id()).await?;
            let before = before.into_iter().map(|entry| Ok((entry, None)));
            let all = before.chain([Ok((entry, responder))]);
            self.applier.apply(stream::iter(all)).await?;
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        self.applier.try_create_snapshot_builder(force).await
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        self.applier.get_snapshot_builder().await
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<Types>,
        snapshot: Bytes,
    ) -> io::Result<()> {
        self.applier.install_snapshot(meta, snapshot).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types, Bytes>>> {
        self.applier.get_current_snapshot().await
    }
}

impl StoreBuilder<Types, SuiteStore, SuiteMachine, (TempDir, Journal)> for Builder {
    async fn build(
        &self,
    ) -> Result<((TempDir, Journal), SuiteStore, SuiteMachine), StorageError<Types>> {
        let dir = TempDir::new().unwrap();
        let config = JournalConfig {
            journal_bytes: 4 << 20,
            journal_segment_bytes: 1 << 20,
            prewrite: false,
            disk_reserve_bytes: 0,
            ..JournalConfig::new(dir.path())
        };
        let env = Env::real().unwrap();
        let journal = Journal::open(config, NodeId(1), &env).await.unwrap();
        let group = RaftGroupId(1000 + self.next.fetch_add(1, Ordering::Relaxed));
        let meta = encode_meta(&GroupMeta {
            replica_id: ReplicaId(0),
            timers: false,
            founders: Vec::new(),
        });
        let log = journal
            .create_group(group, GroupKind::State, meta)
            .await
            .unwrap();
        let machine = Box::new(Counter::default());
        let applier = Applier::restore(log.clone(), machine, Arc::new(Ignored)).await;
        let store = || SuiteStore {
            store: LogStore::new(log.clone()),
            log: log.clone(),
            applied: 0,
        };
        let machine = SuiteMachine {
            applier: applier.unwrap(),
            logs_applied: self.logs_applied,
            store: store(),
        };
        Ok(((dir, journal), store(), machine))
    }
}

type StoreSuite = Suite<Types, SuiteStore, SuiteMachine, Builder, (TempDir, Journal)>;

/// Runs cases of the suite, each on a fresh group, and names those that failed.
macro_rules! failures {
    ($builder:expr, $($case:ident)*) => {{
        let mut failed = Vec::new();
        $({
            let (_guard, store, applier) = $builder.build().await.unwrap();
            if let Err(error) = StoreSuite::$case(store, applier).await {
                failed.push(format!("{}: {error}", stringify!($case)));
            }
        })*
        failed
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_storage_contract_holds() {
    let builder = |logs_applied| Builder {
        next: AtomicU64::new(0),
        logs_applied,
    };
    let failed = failures!(builder(true), snapshot_meta);
    assert!(failed.is_empty(), "{failed:#?}");
    StoreSuite::transfer_snapshot(&builder(true)).await.unwrap();
    let builder = builder(false);
    let failed = failures!(
        builder,
        last_membership_in_log_initial last_membership_in_log last_membership_in_log_multi_step get_membership_initial get_membership_from_log_and_empty_sm get_membership_from_empty_log_and_sm get_membership_from_log_le_sm_last_applied get_membership_from_log_gt_sm_last_applied_1 get_membership_from_log_gt_sm_last_applied_2 get_initial_state_without_init get_initial_state_membership_from_empty_log_and_sm get_initial_state_membership_from_sm_inlog_is_smaller get_initial_state_membership_from_log_insm_is_smaller get_initial_state_with_state get_initial_state_last_log_gt_sm get_initial_state_last_log_lt_sm get_initial_state_inverted_log_order get_initial_state_conflict_at_same_index get_initial_state_log_ids get_initial_state_re_apply_committed save_vote get_log_entries limited_get_log_entries leader_bounded_stream entries_stream try_get_log_entry log_reader_reads_new_entries initial_logs get_log_state get_log_id last_id_in_log last_applied_state purge_logs_upto_0 purge_logs_upto_5 purge_logs_upto_20 delete_logs_after_11 delete_logs_after_5 delete_logs_after_0 delete_logs_after_none append_to_log snapshot_meta_optional apply_single apply_multiple
    );
    assert!(failed.is_empty(), "{failed:#?}");
}
