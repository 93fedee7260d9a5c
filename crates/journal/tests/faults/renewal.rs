//! A damaged group begins anew: nothing of before comes back, whenever the process ends.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use floe_env::{CrashPlan, OpenMode, SimVfs, Vfs};
use floe_journal::{GroupKind, GroupLog, Journal, StoreError};
use floe_model::{LogIndex, RaftGroupId};

use crate::damage::sealed_segments;
use crate::{GROUP, append, applied, create, disk, id, life, open, until};

const META: Bytes = Bytes::from_static(b"second life");
const SEGMENT: &str = "/data/p/00000000000003e8/00000000000000000000.log";

async fn renew(journal: &Journal) -> Result<GroupLog, StoreError> {
    journal.renew_group(GROUP, GroupKind::Data, META).await
}

/// Waits until the next start knows of the damage.
async fn recorded(journal: &Journal) {
    until(|| journal.damaged_groups() == [(GROUP, true)]).await;
}

fn damaged(journal: &Journal) -> Vec<RaftGroupId> {
    let groups = journal.damaged_groups().into_iter();
    groups.map(|(group, _)| group).collect()
}

/// One entry more than `count`, each on disk.
async fn fill(log: &GroupLog, count: u64) {
    for index in 0..=count {
        append(log, index, 1000).await.unwrap();
        applied(log, index);
    }
}

async fn is_whole(log: &GroupLog, last: u64) {
    assert_eq!((log.is_damaged(), log.meta()), (None, META));
    assert_eq!(log.last_log_id(), Some(id(last)));
    let read = log.read_entries(LogIndex(0)..LogIndex(last + 1), 1 << 20);
    assert!(!read.await.unwrap().is_empty());
}

#[test]
fn a_renewed_group_is_empty_and_what_it_was_is_kept_beside() {
    let vfs = disk();
    sealed_segments(&vfs);
    let before = vfs.open(Path::new(SEGMENT), OpenMode::READ).unwrap();
    let before_bytes = before.len_bytes().unwrap();
    assert!(vfs.flip_bit(Path::new(SEGMENT), 1500, 1));
    life(&vfs, async |env| {
        let journal = open(env).await;
        let old = journal.group(GROUP).unwrap();
        let read = old.read_entries(LogIndex(0)..LogIndex(5), 1 << 20).await;
        assert!(read.is_err());
        recorded(&journal).await;
        let log = renew(&journal).await.unwrap();
        assert_eq!(journal.damaged_groups(), []);
        assert_eq!((log.last_log_id(), log.vote()), (None, None));
        assert!(old.read_entries(LogIndex(0)..LogIndex(5), 1).await.is_err());
        fill(&log, 2).await;
        // Again with the same meta is the same group.
        is_whole(&renew(&journal).await.unwrap(), 2).await;
        journal.shutdown().await.unwrap();
    });
    let kept = Path::new("/data/damaged/00000000000003e8.2/00000000000000000000.log");
    let kept = vfs.open(kept, OpenMode::READ).unwrap();
    assert_eq!(kept.len_bytes().unwrap(), before_bytes);
    life(&vfs, async |env| {
        let journal = open(env).await;
        is_whole(&journal.group(GROUP).unwrap(), 2).await;
        journal.delete_group(GROUP).await.unwrap();
        let gone = || vfs.list(Path::new("/data/damaged")).unwrap().is_empty();
        until(gone).await;
        assert!(matches!(
            renew(&journal).await,
            Err(StoreError::Deleted(GROUP))
        ));
    });
}

#[test]
fn a_whole_group_is_not_renewed() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        let refused = renew(&journal).await;
        assert!(matches!(refused, Err(StoreError::NotDamaged(GROUP))));
        append(&log, 0, 100).await.unwrap();
    });
}

#[test]
fn damage_counts_as_recorded_when_the_next_start_knows_it() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        create(&journal, GROUP).await.mark_damaged();
        assert_eq!(journal.damaged_groups(), [(GROUP, false)]);
        recorded(&journal).await;
    });
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        assert!(journal.group(GROUP).unwrap().is_damaged().is_some());
        // Found again, and told to the next start again.
        recorded(&journal).await;
    });
}

#[test]
fn a_lost_group_is_renewed_and_an_unknown_one_is_not() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        append(&log, 0, 100).await.unwrap();
        append(&log, 1, 100).await.unwrap();
    });
    vfs.crash(CrashPlan::Process);
    // The payload of the frame that created it.
    assert!(vfs.flip_bit(Path::new("/data/journal/0000.seg"), 4096 + 48 + 48, 3));
    life(&vfs, async |env| {
        let journal = open(env).await;
        assert_eq!(damaged(&journal), [GROUP]);
        let unknown = journal.renew_group(RaftGroupId(7), GroupKind::Data, META);
        assert!(matches!(
            unknown.await,
            Err(StoreError::UnknownGroup(RaftGroupId(7)))
        ));
        fill(&renew(&journal).await.unwrap(), 1).await;
    });
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        assert_eq!(journal.lost_groups(), []);
        is_whole(&journal.group(GROUP).unwrap(), 1).await;
    });
}

/// The frames of both lives stand in one journal segment, and an image knows the second one.
fn two_lives_and_an_image(vfs: &SimVfs, is_damaged_again: bool) {
    life(vfs, async |env| {
        let journal = open(env).await;
        let first = create(&journal, GROUP).await;
        fill(&first, 1).await;
        first.mark_damaged();
        recorded(&journal).await;
        let second = renew(&journal).await.unwrap();
        fill(&second, 0).await;
        if is_damaged_again {
            second.mark_damaged();
        }
        let checkpoints = journal.metrics().checkpoints;
        until(|| journal.metrics().checkpoints > checkpoints).await;
        if is_damaged_again {
            recorded(&journal).await;
        }
    });
    vfs.crash(CrashPlan::LoseUnsynced);
}

#[test]
fn frames_of_before_do_nothing_to_the_image_of_the_new_life() {
    let vfs = disk();
    two_lives_and_an_image(&vfs, false);
    life(&vfs, async |env| {
        let journal = open(env).await;
        is_whole(&journal.group(GROUP).unwrap(), 0).await;
    });
}

#[test]
fn damage_of_the_new_life_is_remembered_though_its_beginning_is_read_again() {
    let vfs = disk();
    two_lives_and_an_image(&vfs, true);
    life(&vfs, async |env| {
        let journal = open(env).await;
        assert!(journal.group(GROUP).unwrap().is_damaged().is_some());
    });
}

#[test]
fn a_crash_at_any_boundary_of_a_renewal_leaves_one_life_or_the_other() {
    for plan in [
        CrashPlan::Process,
        CrashPlan::LoseUnsynced,
        CrashPlan::KeepRandomSectors,
    ] {
        let boundaries = (0..).take_while(|boundary| !renewed_within(plan, *boundary));
        assert!(boundaries.count() > 10, "the budget was never the limit");
    }
}

/// Renews with a disk that fails after `budget` changes; says whether that was enough.
fn renewed_within(plan: CrashPlan, budget: u64) -> bool {
    let vfs = disk();
    sealed_segments(&vfs);
    let mut renewed = false;
    life(&vfs, async |env| {
        let journal = open(env).await;
        journal.group(GROUP).unwrap().mark_damaged();
        recorded(&journal).await;
        vfs.set_budget(Some(budget));
        if let Ok(log) = renew(&journal).await {
            renewed = append(&log, 0, 1000).await.is_ok();
            applied(&log, 0);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    vfs.crash(plan);
    let within = renewed;
    // Twice: what is moved and not yet durable must not come back later.
    for _ in 0..2 {
        life(&vfs, async |env| {
            let journal = open(env).await;
            let log = journal.group(GROUP).unwrap();
            if log.meta() == META {
                assert_eq!(log.is_damaged(), None, "{plan:?} {budget}");
            } else {
                assert!(!renewed, "{plan:?} {budget}");
                recorded(&journal).await;
            }
            let log = renew(&journal).await.unwrap();
            let last = log.last_log_id();
            assert!(last <= Some(id(0)) && (last.is_some() || !renewed));
            if last.is_none() {
                append(&log, 0, 1000).await.unwrap();
            }
            is_whole(&log, 0).await;
            renewed = true;
        });
        vfs.crash(CrashPlan::LoseUnsynced);
    }
    within
}
