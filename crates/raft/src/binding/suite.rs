//! Openraft's own storage suite over the journal.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use floe_env::Env;
use floe_journal::{GroupKind, Journal, JournalConfig};
use floe_model::{LogId, NodeId, RaftGroupId, ReplicaId};
use floe_record::Entry;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::apply::{Applier, ApplyWatch};
use super::layout::{GroupMeta, encode_meta};
use super::log_store::LogStore;
use super::types::Types;
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

struct Builder {
    kind: GroupKind,
    next: AtomicU64,
}

impl StoreBuilder<Types, LogStore, Applier, (TempDir, Journal)> for Builder {
    async fn build(&self) -> Result<((TempDir, Journal), LogStore, Applier), StorageError<Types>> {
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
        let log = journal.create_group(group, self.kind, meta).await.unwrap();
        let machine = Box::new(Counter::default());
        let applier = Applier::restore(log.clone(), machine, Arc::new(Ignored)).await;
        let store = LogStore::new(log);
        Ok(((dir, journal), store, applier.unwrap()))
    }
}

/// Runs cases of the suite, each on a fresh group.
macro_rules! run {
    ($builder:expr, $($case:ident)*) => {$({
        let (_guard, store, applier) = $builder.build().await.unwrap();
        let case = StoreSuite::$case(store, applier).await;
        assert!(case.is_ok(), "{}: {:?}", stringify!($case), case.err());
    })*};
}

type StoreSuite = Suite<Types, LogStore, Applier, Builder, (TempDir, Journal)>;

/// All of openraft's cases but those that purge entries no state covers
/// (`purge_logs_upto_*` and the like): this store refuses them, see the tests beside it.
async fn contract(kind: GroupKind) {
    let builder = Builder {
        kind,
        next: AtomicU64::new(0),
    };
    run!(builder,
        last_membership_in_log_initial last_membership_in_log last_membership_in_log_multi_step
        get_membership_initial get_membership_from_log_and_empty_sm
        get_membership_from_empty_log_and_sm get_membership_from_log_le_sm_last_applied
        get_membership_from_log_gt_sm_last_applied_1 get_membership_from_log_gt_sm_last_applied_2
        get_initial_state_without_init get_initial_state_membership_from_empty_log_and_sm
        get_initial_state_membership_from_sm_inlog_is_smaller
        get_initial_state_membership_from_log_insm_is_smaller get_initial_state_with_state
        get_initial_state_last_log_gt_sm get_initial_state_last_log_lt_sm
        get_initial_state_inverted_log_order get_initial_state_conflict_at_same_index
        get_initial_state_log_ids get_initial_state_re_apply_committed save_vote get_log_entries
        limited_get_log_entries leader_bounded_stream entries_stream try_get_log_entry
        log_reader_reads_new_entries initial_logs get_log_state get_log_id last_id_in_log
        last_applied_state delete_logs_after_11 delete_logs_after_5 delete_logs_after_0
        delete_logs_after_none append_to_log snapshot_meta snapshot_meta_optional apply_single
        apply_multiple
    );
    StoreSuite::transfer_snapshot(&builder).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_storage_contract_holds_for_state_groups() {
    contract(GroupKind::State).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_storage_contract_holds_for_data_groups() {
    contract(GroupKind::Data).await;
}
