//! Single faults and bounds, each with what must follow.
#![allow(clippy::unwrap_used)]

mod bounds;
mod damage;
mod pressure;
mod renewal;
mod restart;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floe_env::{Env, RealNet, Rng, SimClock, SimVfs, Spawn};
use floe_journal::{GroupKind, GroupLog, Journal, JournalConfig, StoreError};
use floe_model::{LogId, LogIndex, NodeId, Offset, RaftGroupId, Term};
use floe_record::{BatchBuilder, Compression, Entry, EntryBody, Record, StampedBatch};

const GROUP: RaftGroupId = RaftGroupId(1000);

fn disk() -> SimVfs {
    SimVfs::new(Rng::from_seed(7), 64 << 20)
}

fn life(vfs: &SimVfs, work: impl AsyncFnOnce(&Env)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let rng = Rng::from_seed(3);
        let spawn = Spawn::sim(rng.fork(), Duration::from_micros(50));
        let env = Env {
            net: Arc::new(RealNet),
            vfs: Arc::new(vfs.clone()),
            clock: Arc::new(SimClock::new(1_000_000)),
            rng,
            spawn: spawn.with_disk(vfs.clone()),
        };
        work(&env).await;
    });
}

fn config() -> JournalConfig {
    JournalConfig {
        journal_bytes: 8 * (32 << 10),
        journal_segment_bytes: 32 << 10,
        partition_segment_bytes: 8 << 10,
        tail_bytes: 256 << 10,
        uncommitted_group_bytes: 16 << 10,
        disk_reserve_bytes: 64 << 10,
        checkpoint_interval_ms: 50,
        ..JournalConfig::new("/data")
    }
}

async fn open(env: &Env) -> Journal {
    Journal::open(config(), NodeId(1), env).await.unwrap()
}

async fn create(journal: &Journal, id: RaftGroupId) -> GroupLog {
    journal
        .create_group(id, GroupKind::Data, Bytes::new())
        .await
        .unwrap()
}

fn entry(index: u64, value_bytes: usize) -> Entry {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&Record {
        timestamp_ms: i64::try_from(index).unwrap(),
        key: None,
        value: Some(Bytes::from(vec![b'v'; value_bytes])),
        headers: Vec::new(),
    });
    Entry {
        term: Term(1),
        index: LogIndex(index),
        base_offset: Offset(-1),
        appended_at_ms: 5,
        body: EntryBody::Data(vec![StampedBatch::split(builder.build()).unwrap()]),
    }
}

fn id(index: u64) -> LogId {
    LogId {
        term: Term(1),
        index: LogIndex(index),
    }
}

/// Appends and waits for the disk.
async fn append(log: &GroupLog, index: u64, value_bytes: usize) -> Result<(), StoreError> {
    let (done, answer) = tokio::sync::oneshot::channel();
    let done = Box::new(move |result| drop(done.send(result)));
    log.append(vec![entry(index, value_bytes)], done).unwrap();
    answer.await.unwrap().map(drop)
}

fn applied(log: &GroupLog, index: u64) {
    log.applied(id(index), &mut || Bytes::from_static(b"state"));
}

/// Waits in virtual time until `holds`.
async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to hold");
}
