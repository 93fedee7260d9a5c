//! Rot: found, named, never cut away silently, and given up only on request.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use floe_env::{CrashPlan, OpenMode, SimVfs, Vfs};
use floe_journal::{AppendError, Damage, GroupKind, StoreError};
use floe_model::{LogIndex, RaftGroupId};

use crate::pressure::wrap_journal;
use crate::{GROUP, append, applied, create, disk, entry, id, life, open};

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
pub(crate) fn sealed_segments(vfs: &SimVfs) {
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
fn repair_continues_the_readable_prefix_from_the_rescue_file() {
    let vfs = disk();
    two_groups(&vfs, 2);
    let journal_file = Path::new("/data/journal/0000.seg");
    assert!(vfs.flip_bit(journal_file, block_of(1) + 48 + 48 + 100, 3));
    life(&vfs, async |env| {
        let journal = open(env).await;
        // What the journal had of the damaged group is overwritten.
        let whole = journal.group(RaftGroupId(1001)).unwrap();
        wrap_journal(&whole, 2).await;
        journal.shutdown().await.unwrap();
    });
    let rescue_file = Path::new("/data/p/00000000000003e8/rescue");
    let is_there = || vfs.open(rescue_file, OpenMode::READ).is_ok();
    life(&vfs, async |env| {
        let given_up = floe_journal::repair::repair(Path::new("/data"), env)
            .await
            .unwrap();
        let of_group: Vec<_> = given_up
            .iter()
            .map(|given_up| (given_up.group, given_up.from_index))
            .collect();
        assert_eq!(of_group, [(GROUP, LogIndex(1))]);
        assert!(is_there(), "until a start has seen the repaired group");
    });
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal.group(GROUP).unwrap();
        assert_eq!((log.is_damaged(), log.last_log_id()), (None, Some(id(0))));
        let read = log.read_entries(LogIndex(0)..LogIndex(1), 1 << 20).await;
        assert_eq!(read.unwrap().len(), 1);
        assert!(!is_there());
        append(&log, 1, 10).await.unwrap();
    });
}
