//! What a restart restores that is not the log itself.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use floe_env::{CrashPlan, Env, OpenMode, SimVfs, Vfs};
use floe_journal::{GroupKind, GroupLog, Journal, JournalConfig, StoreError};
use floe_model::{LogIndex, NodeId, Offset};
use floe_record::{Entry, EntryBody};

use crate::{GROUP, append, applied, config, create, disk, entry, id, life, open, until};

async fn command(log: &GroupLog, index: u64) -> Result<(), StoreError> {
    let (done, answer) = tokio::sync::oneshot::channel();
    let done = Box::new(move |result| drop(done.send(result)));
    let command = Entry {
        body: EntryBody::Control(Bytes::from_static(b"command")),
        ..entry(index, 1)
    };
    log.append(vec![command], done).unwrap();
    answer.await.unwrap().map(drop)
}

#[test]
fn a_saved_state_counts_after_a_crash_that_took_every_other_word_of_its_being_applied() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal
            .create_group(GROUP, GroupKind::State, Bytes::new())
            .await
            .unwrap();
        for index in 0..3 {
            command(&log, index).await.unwrap();
            applied(&log, index);
        }
        let first = Bytes::from_static(b"after 2");
        log.save_state(id(2), first).await.unwrap();
        log.purge(id(2)).unwrap();
        // No later frame says that these are applied.
        for index in 3..6 {
            command(&log, index).await.unwrap();
        }
        applied(&log, 5);
        let second = Bytes::from_static(b"after 5");
        log.save_state(id(5), second).await.unwrap();
        let first = Path::new("/data/p/00000000000003e8/00000000000000000003.state");
        let is_there = || vfs.open(first, OpenMode::READ).is_ok();
        until(|| !is_there()).await;
        assert!(log.segments().is_empty(), "nothing is written yet");
    });
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal.group(GROUP).unwrap();
        assert_eq!(log.is_damaged(), None);
        assert_eq!(log.applied_floor(), Some(id(5)));
        let state = log.latest_state();
        assert_eq!(state, Some((id(5), Bytes::from_static(b"after 5"))));
    });
}

/// A log whose last entry fills its segment, so that a state was saved right behind it; all of it
/// synced. Gives the index behind the last entry and the file of the state.
fn state_at_the_end(vfs: &SimVfs) -> (u64, PathBuf) {
    let mut index = 0;
    life(vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        let mut rolled = false;
        while !rolled {
            append(&log, index, 1000).await.unwrap();
            log.applied(id(index), &mut || {
                rolled = true;
                Bytes::from_static(b"state")
            });
            index += 1;
        }
        journal.shutdown().await.unwrap();
    });
    let name = format!("/data/p/00000000000003e8/{index:020}.state");
    (index, PathBuf::from(name))
}

async fn append_and_sync_more(env: &Env, from: u64) {
    let journal = open(env).await;
    let log = journal.group(GROUP).unwrap();
    for index in from..from + 3 {
        append(&log, index, 1000).await.unwrap();
        applied(&log, index);
    }
    journal.shutdown().await.unwrap();
}

#[test]
fn a_state_at_the_synced_position_is_not_believed_unread() {
    let vfs = disk();
    let (next, state_file) = state_at_the_end(&vfs);
    // A power cut before the sync of a state leaves anything in its file.
    assert!(vfs.flip_bit(&state_file, 66, 1));
    life(&vfs, async |env| append_and_sync_more(env, next).await);
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal.group(GROUP).unwrap();
        assert_eq!(log.advance_log_start(log.next_offset()), None);
        assert_eq!(log.is_damaged(), None);
    });
}

#[test]
fn a_state_that_a_kill_left_unsynced_is_synced_before_it_counts() {
    let vfs = disk();
    let (next, state_file) = state_at_the_end(&vfs);
    // The same bytes, but only the name of their file is durable.
    let dir = state_file.parent().unwrap();
    let file = vfs.open(&state_file, OpenMode::READ).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len_bytes().unwrap()).unwrap()];
    file.read_at(&mut bytes, 0).unwrap();
    vfs.remove_file(&state_file).unwrap();
    let file = vfs.open(&state_file, OpenMode::CREATE).unwrap();
    file.write_at(&bytes, 0).unwrap();
    vfs.sync_dir(dir).unwrap();
    vfs.crash(CrashPlan::Process);
    life(&vfs, async |env| append_and_sync_more(env, next).await);
    vfs.crash(CrashPlan::LoseUnsynced);
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal.group(GROUP).unwrap();
        assert_eq!(log.advance_log_start(log.next_offset()), Some(id(next - 1)));
        let state = log.state_at_log_start();
        assert_eq!(state, Some((id(next - 1), Bytes::from_static(b"state"))));
    });
}

const LARGE: u64 = 200;
const LARGE_BYTES: usize = 7000;

fn one_large_segment() -> JournalConfig {
    JournalConfig {
        partition_segment_bytes: 4 << 20,
        ..config()
    }
}

async fn open_large(env: &Env) -> (Journal, GroupLog) {
    let journal = Journal::open(one_large_segment(), NodeId(1), env)
        .await
        .unwrap();
    let log = match journal.group(GROUP) {
        Some(log) => log,
        None => create(&journal, GROUP).await,
    };
    (journal, log)
}

/// A growing segment of 1.4 MB, all of it synced, and a checkpoint image that says so.
fn large_growing_segment(vfs: &SimVfs) {
    life(vfs, async |env| {
        let (journal, log) = open_large(env).await;
        for index in 0..LARGE {
            while log.admit(LARGE_BYTES as u64).is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            append(&log, index, LARGE_BYTES).await.unwrap();
            applied(&log, index);
        }
        until(|| log.size_bytes() > LARGE * LARGE_BYTES as u64).await;
        journal.shutdown().await.unwrap();
    });
}

/// Reads one record by offset, index and timestamp, and says how many bytes that took.
async fn read_each_way(vfs: &SimVfs, log: &GroupLog, index: u64) -> u64 {
    let before = vfs.bytes_read();
    let offset = Offset(index.cast_signed());
    let fetched = log.fetch(offset, 1, offset + 1).await.unwrap();
    assert_eq!(fetched[0].base_offset(), offset);
    let entries = LogIndex(index)..LogIndex(index + 1);
    let entries = log.read_entries(entries, 1).await.unwrap();
    assert_eq!(entries[0].index, LogIndex(index));
    // The timestamp of a record is its index.
    let found = log.offset_for_timestamp(index.cast_signed()).await;
    assert_eq!(found.unwrap(), Some((offset, index.cast_signed())));
    vfs.bytes_read() - before
}

/// Three reads of one chunk each.
const FEW_BYTES: u64 = 3 * (256 << 10);

#[test]
fn reads_of_the_older_part_of_a_growing_segment_are_short_after_a_restart() {
    let vfs = disk();
    large_growing_segment(&vfs);
    life(&vfs, async |env| {
        let (_journal, log) = open_large(env).await;
        let first = read_each_way(&vfs, &log, LARGE - 20).await;
        assert!(first > 1 << 20, "the first read looks for its way: {first}");
        for index in [1, LARGE / 2, LARGE - 30, LARGE - 20] {
            let bytes = read_each_way(&vfs, &log, index).await;
            assert!(bytes <= FEW_BYTES, "{bytes} bytes read for {index}");
        }
    });
}

#[test]
fn the_index_of_a_segment_that_is_sealed_after_a_restart_is_whole() {
    let vfs = disk();
    large_growing_segment(&vfs);
    life(&vfs, async |env| {
        let journal = Journal::open(config(), NodeId(1), env).await.unwrap();
        let log = journal.group(GROUP).unwrap();
        // With the smaller size that holds now the segment is full at once.
        for index in LARGE..LARGE + 3 {
            append(&log, index, LARGE_BYTES).await.unwrap();
            applied(&log, index);
        }
        until(|| log.segments().len() > 1).await;
        journal.shutdown().await.unwrap();
    });
    life(&vfs, async |env| {
        let (_journal, log) = open_large(env).await;
        for index in [LARGE - 20, 1, LARGE / 2] {
            let bytes = read_each_way(&vfs, &log, index).await;
            assert!(bytes <= FEW_BYTES, "{bytes} bytes read for {index}");
        }
    });
}

#[test]
fn a_damaged_index_file_costs_one_read_of_its_segment() {
    let vfs = disk();
    large_growing_segment(&vfs);
    life(&vfs, async |env| {
        let journal = Journal::open(config(), NodeId(1), env).await.unwrap();
        let log = journal.group(GROUP).unwrap();
        for index in LARGE..LARGE + 3 {
            append(&log, index, LARGE_BYTES).await.unwrap();
            applied(&log, index);
        }
        until(|| log.segments().len() > 1).await;
        journal.shutdown().await.unwrap();
    });
    let index_file = Path::new("/data/p/00000000000003e8/00000000000000000000.idx");
    // In the first point, behind the summary.
    assert!(vfs.flip_bit(index_file, 130, 1));
    life(&vfs, async |env| {
        let (_journal, log) = open_large(env).await;
        let first = read_each_way(&vfs, &log, LARGE - 20).await;
        assert!(first > 1 << 20, "{first}");
        let bytes = read_each_way(&vfs, &log, LARGE - 20).await;
        assert!(bytes <= FEW_BYTES, "{bytes}");
    });
}

#[test]
fn a_read_of_a_deleted_group_ends() {
    let vfs = disk();
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = create(&journal, GROUP).await;
        for index in 0..40 {
            append(&log, index, 1000).await.unwrap();
            applied(&log, index);
        }
        journal.shutdown().await.unwrap();
    });
    life(&vfs, async |env| {
        let journal = open(env).await;
        let log = journal.group(GROUP).unwrap();
        journal.delete_group(GROUP).await.unwrap();
        until(|| log.segments().is_empty() || !has_files(&vfs)).await;
        let limit = std::time::Duration::from_secs(60);
        let read = log.read_entries(LogIndex(0)..LogIndex(5), 1 << 20);
        assert!(tokio::time::timeout(limit, read).await.unwrap().is_err());
        let read = log.fetch(Offset(0), 1 << 20, Offset(5));
        let read = tokio::time::timeout(limit, read).await.unwrap();
        assert!(read.is_err() || read.is_ok_and(|batches| batches.is_empty()));
    });
}

fn has_files(vfs: &SimVfs) -> bool {
    let group = Path::new("/data/p").join(format!("{:016x}", GROUP.0));
    vfs.list(&group).is_ok_and(|names| !names.is_empty())
}
