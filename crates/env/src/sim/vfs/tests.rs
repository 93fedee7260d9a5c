#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

fn disk() -> SimVfs {
    SimVfs::new(Rng::from_seed(1), 1 << 20)
}

#[test]
fn a_power_cut_keeps_only_synced_bytes_and_names() {
    let vfs = disk();
    let synced = vfs.open(Path::new("/a"), OpenMode::CREATE).unwrap();
    synced.write_at(b"kept", 0).unwrap();
    synced.sync_data().unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    synced.write_at(b"lost", 4).unwrap();
    let nameless = vfs.open(Path::new("/b"), OpenMode::CREATE).unwrap();
    nameless.write_at(b"data", 0).unwrap();
    nameless.sync_data().unwrap();
    vfs.crash(CrashPlan::LoseUnsynced);

    assert!(vfs.open(Path::new("/b"), OpenMode::READ).is_err());
    let mut buffer = [0; 8];
    let file = vfs.open(Path::new("/a"), OpenMode::READ).unwrap();
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 4);
    assert_eq!(&buffer[..4], b"kept");
    assert!(
        synced.write_at(b"x", 0).is_err(),
        "a handle of before the crash is dead"
    );
}

#[test]
fn a_process_crash_keeps_what_was_written() {
    let vfs = disk();
    let file = vfs.open(Path::new("/a"), OpenMode::CREATE).unwrap();
    file.write_at(b"data", 0).unwrap();
    vfs.crash(CrashPlan::Process);
    assert_eq!(vfs.list(Path::new("/")).unwrap()[0].len_bytes, 4);
}

#[test]
fn the_last_direct_write_can_be_torn_and_earlier_ones_cannot() {
    let vfs = disk();
    let mode = OpenMode {
        direct_sync: true,
        ..OpenMode::CREATE
    };
    let file = vfs.open(Path::new("/a"), mode).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    file.write_at(&[1; 8192], 0).unwrap();
    file.write_at(&[2; 8192], 8192).unwrap();
    vfs.crash(CrashPlan::KeepRandomSectors);
    let file = vfs.open(Path::new("/a"), OpenMode::READ).unwrap();
    let mut buffer = [0; 16384];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 16384);
    assert!(buffer[..8192].iter().all(|&byte| byte == 1));
    let new = buffer[8192..].iter().filter(|&&byte| byte == 2).count();
    assert!(new > 0 && new < 8192 && new % 512 == 0);
}

#[test]
fn a_settled_direct_write_cannot_be_torn() {
    let vfs = disk();
    let mode = OpenMode {
        direct_sync: true,
        ..OpenMode::CREATE
    };
    let file = vfs.open(Path::new("/a"), mode).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    file.write_at(&[1; 8192], 0).unwrap();
    vfs.settle();
    vfs.crash(CrashPlan::LoseUnsynced);
    let file = vfs.open(Path::new("/a"), OpenMode::READ).unwrap();
    let mut buffer = [0; 8192];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 8192);
    assert!(buffer.iter().all(|&byte| byte == 1));
}

#[test]
fn what_was_cut_and_grown_again_is_zero_after_a_sync() {
    let vfs = disk();
    let file = vfs.open(Path::new("/a"), OpenMode::CREATE).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    file.write_at(&[1; 100], 0).unwrap();
    file.sync_data().unwrap();
    file.set_len(50).unwrap();
    file.write_at(&[2; 10], 70).unwrap();
    file.sync_data().unwrap();
    vfs.crash(CrashPlan::LoseUnsynced);
    let file = vfs.open(Path::new("/a"), OpenMode::READ).unwrap();
    let mut buffer = [9; 100];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 80);
    let expected = [[1; 50].as_slice(), &[0; 20], &[2; 10]].concat();
    assert_eq!(&buffer[..80], expected);
}

#[test]
fn a_full_disk_refuses_growth_and_reports_what_is_left() {
    let vfs = disk();
    let file = vfs.open(Path::new("/a"), OpenMode::CREATE).unwrap();
    vfs.set_capacity(4096);
    file.write_at(&[0; 4096], 0).unwrap();
    let error = file.write_at(&[0], 4096).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(vfs.available_bytes(Path::new("/")).unwrap(), 0);
}

#[test]
fn a_failed_sync_drops_the_data_so_that_a_second_one_would_lie() {
    let vfs = disk();
    let file = vfs.open(Path::new("/a"), OpenMode::CREATE).unwrap();
    file.write_at(b"data", 0).unwrap();
    vfs.set_fail_syncs(true);
    assert!(file.sync_data().is_err());
    vfs.set_fail_syncs(false);
    assert!(file.sync_data().is_ok());
    assert_eq!(file.len_bytes().unwrap(), 0);
}

#[test]
fn a_directory_has_one_owner_until_it_lets_go_or_crashes() {
    let vfs = disk();
    let held = vfs.lock(Path::new("/")).unwrap();
    assert!(vfs.lock(Path::new("/")).is_err());
    drop(held);
    let _held = vfs.lock(Path::new("/")).unwrap();
    vfs.crash(CrashPlan::Process);
    assert!(vfs.lock(Path::new("/")).is_ok());
}

#[test]
fn some_syncs_fail_and_those_behind_them_succeed_without_what_was_dropped() {
    let vfs = disk();
    let file = vfs.open(Path::new("/a"), OpenMode::CREATE).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    file.write_at(b"lost", 0).unwrap();
    vfs.fail_next_syncs(1);
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    vfs.crash(CrashPlan::LoseUnsynced);
    assert_eq!(vfs.list(Path::new("/")).unwrap()[0].len_bytes, 0);
}

#[test]
fn rot_flips_as_many_written_bits_as_asked_and_stays_in_its_directory() {
    let vfs = disk();
    vfs.create_dir_all(Path::new("/data")).unwrap();
    for name in ["/data/a.seg", "/data/b.log", "/c.seg"] {
        let file = vfs.open(Path::new(name), OpenMode::CREATE).unwrap();
        file.write_at(&[0xff; 4096], 0).unwrap();
        file.sync_data().unwrap();
    }
    assert_eq!(vfs.rot(Path::new("/data"), ".seg", 1), 1);
    let zeros = |name: &str| {
        let mut bytes = [0; 4096];
        let file = vfs.open(Path::new(name), OpenMode::READ).unwrap();
        file.read_at(&mut bytes, 0).unwrap();
        bytes.iter().map(|byte| byte.count_zeros()).sum::<u32>()
    };
    let hurt = ["/data/a.seg", "/data/b.log", "/c.seg"].map(zeros);
    assert_eq!(hurt, [1, 0, 0]);
    assert_eq!(vfs.rot(Path::new("/none"), "", 1), 0);
}

#[test]
fn a_crash_ends_failing_syncs_and_stalls() {
    let vfs = disk();
    vfs.fail_next_syncs(5);
    vfs.set_stall(Duration::from_millis(9));
    vfs.crash(CrashPlan::Process);
    assert_eq!(vfs.stall(), Duration::ZERO);
    vfs.sync_dir(Path::new("/")).unwrap();
}
