//! The short way of an entry: append, durable, applied, read.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use floe_env::Env;
use floe_journal::{GroupKind, Journal, JournalConfig};
use floe_model::{LogIndex, NodeId, Offset, RaftGroupId, Term};
use floe_record::{BatchBuilder, Compression, Entry, EntryBody, Record, StampedBatch};
use tokio::sync::oneshot;

fn entry(index: u64, term: u64, records: usize) -> Entry {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..records {
        builder.push(&Record {
            timestamp_ms: 1,
            key: None,
            value: Some(Bytes::from_static(b"value")),
            headers: Vec::new(),
        });
    }
    Entry {
        term: Term(term),
        index: LogIndex(index),
        base_offset: Offset(-1),
        appended_at_ms: 5,
        body: EntryBody::Data(vec![StampedBatch::split(builder.build()).unwrap()]),
    }
}

#[tokio::test]
async fn appended_entries_are_durable_and_readable() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig {
        journal_segment_bytes: 1 << 20,
        journal_bytes: 8 << 20,
        prewrite: true,
        ..JournalConfig::new(dir.path())
    };
    let env = Env::real().unwrap();
    let journal = Journal::open(config, NodeId(1), &env).await.unwrap();
    let group = journal
        .create_group(RaftGroupId(1000), GroupKind::Data, Bytes::new())
        .await
        .unwrap();
    let (done, durable) = oneshot::channel();
    let entries = vec![entry(0, 1, 2), entry(1, 1, 3)];
    group
        .append(entries, Box::new(|result| drop(done.send(result))))
        .unwrap();
    let read = group
        .read_entries(LogIndex(0)..LogIndex(9), 1 << 20)
        .await
        .unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read[1].base_offset, Offset(2));
    durable.await.unwrap().unwrap();
    assert_eq!(group.durable_log_id(), group.last_log_id());
    let mut watch = group.watch_high_watermark();
    group.applied(read[1].log_id(), &mut Bytes::new);
    assert_eq!(*watch.borrow_and_update(), Offset(5));
    assert!(journal.metrics().syncs >= 1);
    journal.shutdown().await.unwrap();
}
