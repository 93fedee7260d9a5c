//! A failing disk, a full disk, a full journal.

use std::time::Duration;

use bytes::Bytes;
use floe_env::CrashPlan;
use floe_journal::{AppendError, GroupLog, StoreError, StoreStatus};
use floe_model::{LogIndex, Offset, RaftGroupId};

use crate::{GROUP, append, applied, create, disk, entry, id, life, open, until};

#[test]
fn after_a_failed_write_everything_is_refused_and_reads_go_on() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        append(&log, 0, 10).await.unwrap();
        until(|| journal.metrics().free_journal_segments >= 2).await;
        vfs.set_budget(Some(0));
        let refused = append(&log, 1, 10).await;
        assert!(
            matches!(refused, Err(StoreError::Poisoned(_))),
            "{refused:?}"
        );
        vfs.set_budget(None);
        let again = log.append(vec![entry(2, 10)], Box::new(|_| {}));
        assert!(matches!(again, Err(AppendError::Poisoned(_))), "{again:?}");
        let vote = log.save_vote(Bytes::new(), Box::new(|_| {}));
        assert!(matches!(vote, Err(AppendError::Poisoned(_))));
        assert!(matches!(
            *journal.status().borrow(),
            StoreStatus::Poisoned { .. }
        ));
        let read = log.read_entries(LogIndex(0)..LogIndex(1), 1).await.unwrap();
        assert_eq!((read.len(), log.durable_log_id()), (1, Some(id(0))));
        assert!(matches!(
            journal.shutdown().await,
            Err(StoreError::Poisoned(_))
        ));
    });
}

#[test]
fn a_failed_checkpoint_sync_poisons() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        append(&log, 0, 10).await.unwrap();
        until(|| journal.metrics().free_journal_segments >= 2).await;
        vfs.set_fail_syncs(true);
        applied(&log, 0);
        until(|| matches!(*journal.status().borrow(), StoreStatus::Poisoned { .. })).await;
    });
}

#[test]
fn a_full_disk_refuses_produce_keeps_votes_and_heals_by_itself() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        until(|| journal.metrics().free_journal_segments >= 2).await;
        // Past the first segment, which grows, into one that was written ahead.
        for index in 0..12 {
            append(&log, index, 1000).await.unwrap();
        }
        vfs.set_capacity(1);
        (0..12).for_each(|index| applied(&log, index));
        until(|| {
            matches!(
                *journal.status().borrow(),
                StoreStatus::Full { disk: true, .. }
            )
        })
        .await;
        assert!(matches!(log.admit(10), Err(AppendError::Full)));
        let (done, voted) = tokio::sync::oneshot::channel();
        let done = Box::new(move |result| drop(done.send(result)));
        log.save_vote(Bytes::from_static(b"vote"), done).unwrap();
        voted.await.unwrap().unwrap();
        assert_eq!(log.fetch(Offset(0), 1, Offset(1)).await.unwrap().len(), 1);
        vfs.set_capacity(64 << 20);
        until(|| matches!(*journal.status().borrow(), StoreStatus::Healthy)).await;
        log.admit(10).unwrap();
        until(|| !log.segments().is_empty()).await;
        journal.shutdown().await.unwrap();
    });
}

#[test]
fn a_full_disk_without_a_reserve_is_looked_at_again_only_now_and_then() {
    let vfs = disk();
    life(&vfs, async |env| {
        let config = floe_journal::JournalConfig {
            disk_reserve_bytes: 0,
            ..crate::config()
        };
        let journal = floe_journal::Journal::open(config, floe_model::NodeId(1), env)
            .await
            .unwrap();
        let log = create(&journal, GROUP).await;
        until(|| journal.metrics().free_journal_segments >= 2).await;
        for index in 0..12 {
            append(&log, index, 1000).await.unwrap();
        }
        vfs.set_capacity(1);
        let mut status = journal.status();
        let counting = async {
            let mut changes = 0;
            while status.changed().await.is_ok() {
                changes += 1;
                assert!(changes < 100, "found full and free in turn");
            }
        };
        (0..12).for_each(|index| applied(&log, index));
        let watched = tokio::time::timeout(Duration::from_secs(5), counting).await;
        assert!(watched.is_err(), "the journal ended");
        vfs.set_capacity(64 << 20);
        until(|| matches!(*journal.status().borrow(), StoreStatus::Healthy)).await;
        journal.shutdown().await.unwrap();
    });
}

/// Fills the journal several times over through `log`, applying as it goes.
pub(crate) async fn wrap_journal(log: &GroupLog, from: u64) -> u64 {
    let count = 4 * 8 * (32 << 10) / 4000;
    for index in from..from + count {
        while log.admit(2000).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        append(log, index, 2000).await.unwrap();
        applied(log, index);
    }
    from + count
}

#[test]
fn groups_that_stay_idle_after_a_kill_do_not_pin_the_journal() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        for place in 0..20 {
            let log = create(&journal, RaftGroupId(1000 + place)).await;
            append(&log, 0, 100).await.unwrap();
            applied(&log, 0);
        }
        // Written to segments, not synced by a checkpoint yet.
        tokio::time::sleep(Duration::from_millis(30)).await;
    });
    vfs.crash(CrashPlan::Process);
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal.group(GROUP).unwrap();
        let next = tokio::time::timeout(Duration::from_secs(60), wrap_journal(&log, 1)).await;
        assert!(next.is_ok(), "the journal is full for ever");
        assert!(journal.metrics().used_journal_segments <= 8);
    });
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        for place in 0..20 {
            let log = journal.group(RaftGroupId(1000 + place)).unwrap();
            assert_eq!(log.is_damaged(), None);
            assert!(log.applied_floor() >= Some(id(0)));
        }
    });
}

#[test]
fn a_group_without_quorum_does_not_pin_the_journal_and_keeps_its_entries() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let stuck = create(&journal, GROUP).await;
        let busy = create(&journal, RaftGroupId(1001)).await;
        let mut next = 0;
        for index in 0..12 {
            append(&stuck, index, 1000).await.unwrap();
            append(&busy, next, 7000).await.unwrap();
            applied(&busy, next);
            next += 1;
        }
        let wrapped = tokio::time::timeout(Duration::from_secs(60), wrap_journal(&busy, next));
        assert!(wrapped.await.is_ok(), "the journal is full for ever");
        assert!(
            journal.metrics().frames_reappended > 12,
            "more than one round"
        );
    });
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        let stuck = journal.group(GROUP).unwrap();
        assert_eq!(
            (stuck.is_damaged(), stuck.last_log_id()),
            (None, Some(id(11)))
        );
        assert_eq!(stuck.applied_floor(), None);
        let read = stuck
            .read_entries(LogIndex(0)..LogIndex(12), 1 << 20)
            .await
            .unwrap();
        assert_eq!(read.len(), 12);
    });
}
