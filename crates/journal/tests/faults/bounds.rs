//! What is refused before anything changes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use floe_env::CrashPlan;
use floe_journal::{AppendError, Journal, OpenError, StoreError};
use floe_model::{ClusterId, LogIndex, NodeId, Offset, Term};
use floe_record::{Entry, EntryBody};

use crate::{GROUP, append, applied, config, create, disk, entry, id, life, open, until};

#[test]
fn a_directory_in_use_foreign_or_newer_is_refused_untouched() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let second = Journal::open(config(), NodeId(1), env).await;
        assert!(matches!(second, Err(OpenError::InUse { .. })));
        let cluster = ClusterId([1; 16]);
        journal.set_cluster_id(cluster).await.unwrap();
        let other = journal.set_cluster_id(ClusterId([2; 16])).await;
        assert!(matches!(other, Err(StoreError::ForeignCluster { found }) if found == cluster));
        let before = journal.identity();
        journal.shutdown().await.unwrap();

        let foreign = Journal::open(config(), NodeId(2), env).await;
        assert!(matches!(
            foreign,
            Err(OpenError::ForeignNode {
                found: NodeId(1),
                ..
            })
        ));
        let again = open(env).await.identity();
        assert_eq!(
            (again.node_uuid, again.cluster_id),
            (before.node_uuid, Some(cluster))
        );
        assert!(again.incarnation > before.incarnation);
    });
    assert!(vfs.flip_bit(Path::new("/data/node.meta"), 4, 1));
    vfs.crash(CrashPlan::Process);
    life(&vfs, async |env| {
        let damaged = Journal::open(config(), NodeId(1), env).await;
        assert!(matches!(damaged, Err(OpenError::Damaged { .. })));
    });
}

#[test]
fn bounds_and_order_are_checked_before_anything_changes() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        append(&log, 0, 10).await.unwrap();
        let none = || Box::new(|_: Result<_, _>| panic!("refused appends are not answered"));
        let gap = log.append(vec![entry(1, 1), entry(3, 1)], none());
        assert!(matches!(
            gap,
            Err(AppendError::Gap {
                got: LogIndex(3),
                ..
            })
        ));
        let large = log.append(vec![entry(1, 8 << 10)], none());
        assert!(matches!(large, Err(AppendError::TooLarge { .. })));
        let stamped = Entry {
            base_offset: Offset(7),
            ..entry(1, 1)
        };
        let wrong = log.append(vec![stamped], none());
        assert!(matches!(
            wrong,
            Err(AppendError::OffsetMismatch {
                expected: Offset(1),
                ..
            })
        ));
        let old = Entry {
            term: Term(0),
            ..entry(1, 1)
        };
        assert!(matches!(
            log.append(vec![old], none()),
            Err(AppendError::Term { .. })
        ));
        assert_eq!(log.last_log_id(), Some(id(0)));

        let answered = Arc::new(AtomicU64::new(0));
        let mut index = 1;
        while log.admit(2000).is_ok() {
            let answered = answered.clone();
            let done = Box::new(move |_: Result<_, _>| {
                answered.fetch_add(1, Ordering::Relaxed);
            });
            log.append(vec![entry(index, 2000)], done).unwrap();
            index += 1;
        }
        assert!(
            index > 5 && index < 12,
            "the group's bound is 16 KiB: {index}"
        );
        until(|| answered.load(Ordering::Relaxed) == index - 1).await;
        assert!(log.admit(2000).is_err(), "durable is not applied");
        (0..index).for_each(|index| applied(&log, index));
        log.admit(2000).unwrap();
        let purged = log.purge(id(3));
        assert!(
            matches!(purged, Err(AppendError::NotCovered { .. })),
            "{purged:?}"
        );
        assert!(matches!(
            log.truncate_from(LogIndex(3)),
            Err(AppendError::Applied { .. })
        ));
        journal.shutdown().await.unwrap();
        let closed = log.append(vec![entry(index, 1)], none());
        assert!(matches!(closed, Err(AppendError::Closed)));
    });
}

#[test]
fn an_entry_is_charged_the_buffer_that_it_keeps_alive() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        let large = |index| {
            let mut large = entry(index, 1000);
            if let EntryBody::Data(batches) = &mut large.body {
                let batch = batches.remove(0);
                let buffer_bytes = 4 * batch.body().len();
                batches.push(batch.held_in(buffer_bytes));
            }
            large
        };
        let mut index = 0;
        while log.admit(1000).is_ok() {
            log.append(vec![large(index)], Box::new(|_| {})).unwrap();
            index += 1;
        }
        assert!(
            (3..=4).contains(&index),
            "the group's bound is 16 KiB, each holds more than 4: {index}"
        );
        assert!(journal.metrics().tail_bytes > index * 4000);
        until(|| log.durable_log_id() == Some(id(index - 1))).await;
        (0..index).for_each(|index| applied(&log, index));
        until(|| journal.metrics().unwritten_bytes == 0).await;
        journal.shutdown().await.unwrap();
    });
}
