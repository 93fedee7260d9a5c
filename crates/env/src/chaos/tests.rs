#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;

use rustix::io::Errno;
use rustix::process::set_parent_process_death_signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{OpenMode, Stream};

const LONG: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(50);

fn broken() -> (Env, Faults) {
    Faults::around(&Env::real().unwrap(), None)
}

/// A connection that `env` made, its other end, and the address it was made to.
async fn connected(env: &Env) -> (Stream, Stream, String) {
    let mut listener = env.net.listen("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().to_string();
    let (made, accepted) = tokio::join!(env.net.connect(&addr), listener.accept());
    (made.unwrap().stream, accepted.unwrap().stream, addr)
}

async fn is_held(stream: &mut Stream) -> bool {
    let mut byte = [0];
    tokio::time::timeout(MOMENT, stream.read_exact(&mut byte))
        .await
        .is_err()
}

#[tokio::test]
async fn a_cut_holds_bytes_both_ways_and_loses_none() {
    let (env, faults) = broken();
    let (mut ours, mut theirs, addr) = connected(&env).await;
    faults.cut(BTreeSet::from([addr]), LONG);
    theirs.write_all(b"a").await.unwrap();
    assert!(is_held(&mut ours).await);
    let writing = tokio::time::timeout(MOMENT, ours.write_all(b"b")).await;
    assert!(writing.is_err(), "a write went through a cut");
    faults.heal();
    let mut byte = [0];
    ours.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"a");
    ours.write_all(b"b").await.unwrap();
    theirs.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"b");
    assert!(faults.hits().cut >= 2);
}

#[tokio::test]
async fn a_cut_is_one_way_and_hits_only_whom_it_names() {
    let (env, faults) = broken();
    let (mut cut, _far, addr) = connected(&env).await;
    let (mut spared, mut near, _) = connected(&env).await;
    faults.cut(BTreeSet::from([addr.clone()]), LONG);
    near.write_all(b"x").await.unwrap();
    let mut byte = [0];
    spared.read_exact(&mut byte).await.unwrap();
    assert!(is_held(&mut cut).await);
    // New connections wait too, and are made when the cut is over.
    let mut listener = env.net.listen("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().to_string();
    faults.cut(BTreeSet::from([other.clone()]), LONG);
    let dialling = tokio::time::timeout(MOMENT, env.net.connect(&other)).await;
    assert!(dialling.is_err(), "a connection was made through a cut");
    faults.heal();
    let (made, accepted) = tokio::join!(env.net.connect(&other), listener.accept());
    assert!(made.is_ok() && accepted.is_ok());
}

#[tokio::test]
async fn a_cut_ends_at_its_deadline_by_itself() {
    let (env, faults) = broken();
    let (mut ours, mut theirs, addr) = connected(&env).await;
    faults.cut(BTreeSet::from([addr]), MOMENT);
    theirs.write_all(b"a").await.unwrap();
    let mut byte = [0];
    let reading = tokio::time::timeout(LONG, ours.read_exact(&mut byte)).await;
    reading.unwrap().unwrap();
    assert_eq!(faults.hits().cut, 1);
    assert!(!faults.is_broken());
}

#[test]
fn no_fault_lasts_longer_than_the_limit() {
    let (_env, faults) = broken();
    faults.cut(
        BTreeSet::from(["a:1".to_owned()]),
        Duration::from_secs(3_600),
    );
    assert!(faults.cut_left("a:1").unwrap() <= Faults::LENGTH_MAX);
}

#[test]
fn failing_syncs_fail_what_must_be_durable_and_nothing_else() {
    let (env, faults) = broken();
    let dir = tempfile::tempdir().unwrap();
    let file = env
        .vfs
        .open(&dir.path().join("f"), OpenMode::CREATE)
        .unwrap();
    file.write_at(b"before", 0).unwrap();
    faults.break_disk(DiskFault::SyncFails, LONG);
    file.write_at(b"buffer", 0).unwrap();
    let eio = Errno::IO.raw_os_error();
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(eio));
    assert_eq!(
        env.vfs.sync_dir(dir.path()).unwrap_err().raw_os_error(),
        Some(eio)
    );
    assert_eq!(faults.hits().disk, 2);
    faults.heal();
    file.sync_data().unwrap();
}

#[test]
fn a_full_disk_takes_what_is_written_in_place_and_says_that_it_is_full() {
    let (env, faults) = broken();
    let dir = tempfile::tempdir().unwrap();
    let file = env
        .vfs
        .open(&dir.path().join("f"), OpenMode::CREATE)
        .unwrap();
    file.write_at(&[1; 100], 0).unwrap();
    faults.break_disk(DiskFault::Full, LONG);
    file.write_at(&[2; 100], 0).unwrap();
    let refused = file.write_at(&[3; 100], 1).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    assert_eq!(file.len_bytes().unwrap(), 100);
    assert_eq!(env.vfs.available_bytes(dir.path()).unwrap(), 0);
    file.sync_data().unwrap();
    faults.heal();
    file.write_at(&[3; 100], 1).unwrap();
    assert!(env.vfs.available_bytes(dir.path()).unwrap() > 0);
}

#[test]
fn a_slow_disk_takes_its_time() {
    let (env, faults) = broken();
    let dir = tempfile::tempdir().unwrap();
    let file = env
        .vfs
        .open(&dir.path().join("f"), OpenMode::CREATE)
        .unwrap();
    faults.break_disk(DiskFault::Slow(MOMENT), LONG);
    let begun = env.clock.now();
    file.write_at(b"x", 0).unwrap();
    file.sync_data().unwrap();
    assert!(env.clock.now() - begun >= MOMENT * 2);
}

#[test]
fn the_wall_clock_jumps_there_and_back_and_monotonic_time_does_not() {
    let (env, faults) = broken();
    let (wall_ms, now) = (env.clock.wall_ms(), env.clock.now());
    faults.shift_wall_clock(3_600_000, LONG);
    assert!(env.clock.wall_ms() >= wall_ms + 3_600_000);
    assert!(env.clock.now() - now < LONG);
    assert_eq!(faults.hits().clock, 1);
    faults.heal();
    assert!(env.clock.wall_ms() < wall_ms + 3_600_000);
}

#[test]
fn requests_to_a_supervisor_survive_their_line() {
    let (down, length) = (Duration::from_millis(7), Duration::from_millis(1_500));
    for request in [
        SupervisorRequest::Kill { down },
        SupervisorRequest::Pause { length },
        SupervisorRequest::MayFail,
    ] {
        assert_eq!(
            SupervisorRequest::parse(&request.to_string()),
            Some(request)
        );
    }
    for line in ["", "kill", "kill x", "hello"] {
        assert_eq!(SupervisorRequest::parse(line), None, "{line:?}");
    }
}

#[test]
fn a_process_whose_parent_is_another_is_not_attached() {
    // This process stays as it is: its parent is the test runner, not process 1 of this number.
    assert!(Supervisor::attach(u32::MAX).is_err());
    set_parent_process_death_signal(None).unwrap();
}
