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
use openraft::entry::RaftEntry as _;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{OptionalSend, StorageError};
use tempfile::TempDir;

use super::apply::{Applier, ApplyWatch};
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
}

impl StoreBuilder<Types, SuiteStore, Applier, (TempDir, Journal)> for Builder {
    async fn build(
        &self,
    ) -> Result<((TempDir, Journal), SuiteStore, Applier), StorageError<Types>> {
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
        let store = SuiteStore {
            store: LogStore::new(log.clone()),
            log,
            applied: 0,
        };
        Ok(((dir, journal), store, applier.unwrap()))
    }
}

type StoreSuite = Suite<Types, SuiteStore, Applier, Builder, (TempDir, Journal)>;

/// Runs cases of the suite, each on a fresh group, and names those that failed. Left out is
/// `snapshot_meta` and `transfer_snapshot`: they snapshot entries that were never in the log.
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
    let builder = Builder {
        next: AtomicU64::new(0),
    };
    let failed = failures!(
        builder,
        last_membership_in_log_initial last_membership_in_log last_membership_in_log_multi_step get_membership_initial get_membership_from_log_and_empty_sm get_membership_from_empty_log_and_sm get_membership_from_log_le_sm_last_applied get_membership_from_log_gt_sm_last_applied_1 get_membership_from_log_gt_sm_last_applied_2 get_initial_state_without_init get_initial_state_membership_from_empty_log_and_sm get_initial_state_membership_from_sm_inlog_is_smaller get_initial_state_membership_from_log_insm_is_smaller get_initial_state_with_state get_initial_state_last_log_gt_sm get_initial_state_last_log_lt_sm get_initial_state_inverted_log_order get_initial_state_conflict_at_same_index get_initial_state_log_ids get_initial_state_re_apply_committed save_vote get_log_entries limited_get_log_entries leader_bounded_stream entries_stream try_get_log_entry log_reader_reads_new_entries initial_logs get_log_state get_log_id last_id_in_log last_applied_state purge_logs_upto_0 purge_logs_upto_5 purge_logs_upto_20 delete_logs_after_11 delete_logs_after_5 delete_logs_after_0 delete_logs_after_none append_to_log snapshot_meta_optional apply_single apply_multiple
    );
    assert!(failed.is_empty(), "{failed:#?}");
}
