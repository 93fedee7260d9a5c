//! The ways in which the storage contract could lose data, each shut.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use floe_env::{CrashPlan, Env, Rng, SimVfs};
use floe_journal::{GroupKind, GroupLog, Journal, JournalConfig};
use floe_model::{LogId, LogIndex, NodeId, Offset, RaftGroupId, ReplicaId, Term};
use floe_record::{Entry, EntryBody};
use openraft::RaftLogReader as _;
use openraft::storage::{RaftLogStorage as _, RaftStateMachine as _};

use super::apply::{Applier, ApplyWatch};
use super::layout::{GroupMeta, encode_meta};
use super::log_store::LogStore;
use super::type_config::{from_raft, to_raft};
use crate::{CorruptState, StateMachine};

const GROUP: RaftGroupId = RaftGroupId(1000);

struct Nothing;

impl ApplyWatch for Nothing {
    fn applied(&self, _: LogId) {}
}

impl StateMachine for Nothing {
    fn apply(&mut self, _: &Entry) -> Bytes {
        Bytes::new()
    }

    fn snapshot(&mut self) -> Bytes {
        Bytes::new()
    }

    fn restore(&mut self, _: Option<&[u8]>) -> Result<(), CorruptState> {
        Ok(())
    }
}

async fn open(env: &Env) -> Journal {
    let config = JournalConfig {
        journal_bytes: 4 << 20,
        journal_segment_bytes: 1 << 20,
        prewrite: false,
        disk_reserve_bytes: 0,
        ..JournalConfig::new(Path::new("/data"))
    };
    Journal::open(config, NodeId(1), env).await.unwrap()
}

async fn create(journal: &Journal) -> GroupLog {
    let meta = encode_meta(&GroupMeta {
        replica_id: ReplicaId(1),
        timers: false,
        founders: Vec::new(),
    });
    journal
        .create_group(GROUP, GroupKind::Data, meta)
        .await
        .unwrap()
}

fn id(index: u64) -> LogId {
    LogId {
        term: Term(1),
        index: LogIndex(index),
    }
}

fn entry(index: u64) -> Entry {
    Entry {
        term: Term(1),
        index: LogIndex(index),
        base_offset: Offset(-1),
        appended_at_ms: 0,
        body: EntryBody::Control(Bytes::from_static(b"command")),
    }
}

async fn append(log: &GroupLog, entries: std::ops::Range<u64>) {
    let (done, appended) = tokio::sync::oneshot::channel();
    let done = Box::new(move |result| drop(done.send(result)));
    log.append(entries.map(entry).collect(), done).unwrap();
    appended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_purge_that_no_state_covers_deletes_nothing() {
    let env = sim_env(&SimVfs::new(Rng::from_seed(1), 1 << 30));
    let journal = open(&env).await;
    let log = create(&journal).await;
    append(&log, 0..10).await;
    let mut store = LogStore::new(log);
    store.purge(to_raft(id(5))).await.unwrap();
    assert_eq!(store.try_get_log_entries(0..10).await.unwrap().len(), 10);
    assert!(store.purge(to_raft(id(50))).await.is_err());
    assert_eq!(store.try_get_log_entries(0..10).await.unwrap().len(), 10);
    let state = store.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, None);
}

/// Openraft applies what is submitted, not what is flushed: after a crash the applied position
/// must not be ahead of the log, or openraft would delete the log to close the gap.
#[tokio::test]
async fn applied_is_never_ahead_of_the_durable_log_after_a_crash() {
    let vfs = SimVfs::new(Rng::from_seed(7), 1 << 30);
    let env = sim_env(&vfs);
    let journal = open(&env).await;
    let log = create(&journal).await;
    append(&log, 0..10).await;
    let machine = Box::new(Nothing);
    let mut applier = Applier::restore(log.clone(), machine, Arc::new(Nothing))
        .await
        .unwrap();
    // Submitted and applied, and the machine stops before any of it is synced.
    log.append((10..20).map(entry).collect(), Box::new(|_| {}))
        .unwrap();
    let entries = LogStore::new(log).try_get_log_entries(0..20).await.unwrap();
    let entries = entries.into_iter().map(|entry| Ok((entry, None)));
    applier.apply(futures::stream::iter(entries)).await.unwrap();
    vfs.crash(CrashPlan::LoseUnsynced);
    drop((applier, journal));

    let journal = open(&sim_env(&vfs)).await;
    let log = journal.group(GROUP).unwrap();
    let last = log.last_log_id();
    let machine = Box::new(Nothing);
    let mut applier = Applier::restore(log, machine, Arc::new(Nothing))
        .await
        .unwrap();
    let (applied, _) = applier.applied_state().await.unwrap();
    assert!(last >= Some(id(9)), "{last:?}");
    assert!(
        applied.as_ref().map(from_raft) <= last,
        "{applied:?} {last:?}"
    );
}

fn sim_env(vfs: &SimVfs) -> Env {
    Env {
        vfs: Arc::new(vfs.clone()),
        spawn: floe_env::Spawn::sim(Rng::from_seed(3), std::time::Duration::from_micros(50))
            .with_disk(vfs.clone()),
        ..Env::real().unwrap()
    }
}
