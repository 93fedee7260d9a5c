//! Single faults and bounds, each with what must follow.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use floe_env::{CrashPlan, Env, RealNet, Rng, SimClock, SimVfs, Spawn};
use floe_journal::{
    AppendError, Damage, GroupKind, GroupLog, Journal, JournalConfig, OpenError, StoreError,
    StoreStatus,
};
use floe_model::{ClusterId, LogId, LogIndex, NodeId, Offset, RaftGroupId, Term};
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

/// Fills the journal several times over through `log`, applying as it goes.
async fn wrap_journal(log: &GroupLog, from: u64) -> u64 {
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

/// Two groups, `count` entries each, one commit group per entry; then the process is gone.
fn two_groups(vfs: &SimVfs, count: u64) {
    life(vfs, async |env| {
        let journal = open(env).await;
        let (one, two) = (
            create(&journal, GROUP).await,
            create(&journal, RaftGroupId(1001)).await,
        );
        for index in 0..count {
            append(&one, index, 100).await.unwrap();
            append(&two, index, 100).await.unwrap();
        }
    });
    vfs.crash(CrashPlan::Process);
}

/// Journal position of the commit group that holds entry `index` of the first group: two groups
/// are created, then entries alternate, each in a block of its own.
fn block_of(index: u64) -> u64 {
    4096 * (1 + 2 + 2 * index)
}

#[test]
fn a_flipped_bit_in_the_middle_damages_the_group_it_hits_and_truncates_nothing() {
    let vfs = disk();
    two_groups(&vfs, 2);
    let journal_file = Path::new("/data/journal/0000.seg");
    assert!(vfs.flip_bit(journal_file, block_of(0) + 48 + 48 + 100, 3));
    life(&vfs, async |env| {
        let journal = open(env).await;
        let hurt = journal.group(GROUP).unwrap();
        assert!(matches!(
            hurt.is_damaged(),
            Some(Damage::Journal { seg_seq: 1, .. })
        ));
        let refused = hurt.append(vec![entry(2, 1)], Box::new(|_| {}));
        assert!(matches!(refused, Err(AppendError::Damaged(_))));
        let whole = journal.group(RaftGroupId(1001)).unwrap();
        assert_eq!(
            (whole.is_damaged(), whole.last_log_id()),
            (None, Some(id(1)))
        );
        // The damage outlives the journal segments it was found in.
        let next = wrap_journal(&whole, 2).await;
        assert!(next > 2 && journal.metrics().checkpoints > 0);
        journal.shutdown().await.unwrap();
    });
    life(&vfs, async |env| {
        let journal = open(env).await;
        assert!(journal.group(GROUP).unwrap().is_damaged().is_some());
    });
}

#[test]
fn unreadable_headers_in_the_middle_damage_every_group() {
    let vfs = disk();
    two_groups(&vfs, 2);
    assert!(vfs.flip_bit(Path::new("/data/journal/0000.seg"), block_of(0) + 20, 3));
    life(&vfs, async |env| {
        let journal = open(env).await;
        for group in journal.groups() {
            assert!(journal.group(group).unwrap().is_damaged().is_some());
        }
    });
}

#[test]
fn a_lost_creation_is_not_an_unknown_group() {
    let vfs = disk();
    two_groups(&vfs, 2);
    assert!(vfs.flip_bit(Path::new("/data/journal/0000.seg"), 4096 + 48 + 48, 3));
    life(&vfs, async |env| {
        let journal = open(env).await;
        assert_eq!(journal.groups(), [RaftGroupId(1001)]);
        assert_eq!(journal.lost_groups()[0].0, GROUP);
        let refused = journal
            .create_group(GROUP, GroupKind::Data, Bytes::new())
            .await;
        assert!(matches!(
            refused,
            Err(StoreError::Lost { group: GROUP, .. })
        ));
    });
}

#[test]
fn rot_in_the_last_commit_group_reads_as_torn() {
    let vfs = disk();
    two_groups(&vfs, 2);
    let last = block_of(1) + 4096;
    assert!(vfs.flip_bit(Path::new("/data/journal/0000.seg"), last + 48 + 48 + 100, 3));
    life(&vfs, async |env| {
        let journal = open(env).await;
        let two = journal.group(RaftGroupId(1001)).unwrap();
        assert_eq!((two.is_damaged(), two.last_log_id()), (None, Some(id(0))));
        // Nothing is appended behind a torn end: the next life sees the same.
        append(&two, 1, 10).await.unwrap();
    });
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        let two = journal.group(RaftGroupId(1001)).unwrap();
        assert_eq!((two.is_damaged(), two.last_log_id()), (None, Some(id(1))));
    });
}

#[test]
fn an_idle_journal_vouches_for_its_last_commit_group() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        append(&log, 0, 100).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    });
    vfs.crash(CrashPlan::Process);
    assert!(vfs.flip_bit(
        Path::new("/data/journal/0000.seg"),
        2 * 4096 + 48 + 48 + 90,
        3
    ));
    life(&vfs, async |env| {
        let journal = open(env).await;
        assert!(
            journal.group(GROUP).unwrap().is_damaged().is_some(),
            "not torn: vouched for"
        );
    });
}

/// A group with several sealed segments, all synced.
fn sealed_segments(vfs: &SimVfs) {
    life(vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        for index in 0..40 {
            append(&log, index, 1000).await.unwrap();
            applied(&log, index);
        }
        journal.shutdown().await.unwrap();
    });
}

#[test]
fn rot_in_a_sealed_segment_is_damage_when_it_is_read() {
    let vfs = disk();
    sealed_segments(&vfs);
    let segment = Path::new("/data/p/00000000000003e8/00000000000000000000.log");
    assert!(vfs.flip_bit(segment, 1500, 1));
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal.group(GROUP).unwrap();
        let read = log.read_entries(LogIndex(0)..LogIndex(5), 1 << 20).await;
        assert!(read.is_err(), "{read:?}");
        assert!(log.is_damaged().is_some());
        assert!(
            log.read_entries(LogIndex(20)..LogIndex(21), 1)
                .await
                .is_ok()
        );
    });
}

#[test]
fn repair_gives_up_what_is_damaged_and_nothing_else() {
    let vfs = disk();
    two_groups(&vfs, 2);
    let journal_file = Path::new("/data/journal/0000.seg");
    assert!(vfs.flip_bit(journal_file, block_of(1) + 48 + 48 + 100, 3));
    life(&vfs, async |env| {
        let given_up = floe_journal::repair::repair(Path::new("/data"), env)
            .await
            .unwrap();
        assert_eq!(given_up.len(), 1, "{given_up:?}");
        assert_eq!(
            (given_up[0].group, given_up[0].from_index),
            (GROUP, LogIndex(1))
        );
        assert!(!given_up[0].is_beyond_repair);
    });
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal.group(GROUP).unwrap();
        assert_eq!((log.is_damaged(), log.last_log_id()), (None, Some(id(0))));
        append(&log, 1, 10).await.unwrap();
        let whole = journal.group(RaftGroupId(1001)).unwrap();
        assert_eq!(
            (whole.is_damaged(), whole.last_log_id()),
            (None, Some(id(1)))
        );
    });
}

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
