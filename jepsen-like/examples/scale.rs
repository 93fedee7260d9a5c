//! How long a million operations take to read and to check:
//! `cargo run --release -p floe-jepsen --example scale`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example fails by panicking and tells its figures"
)]

use std::time::Duration;

use floe_jepsen::{
    Action, Header, Key, Plan, Polled, Positions, Recorder, SCHEMA, Sent, Stage, Verdict, check,
    read_history,
};
use floe_model::Offset;

const OPERATIONS: usize = 1_000_000;
const KEYS: usize = 16;
/// Values of one send, and of one poll.
const BATCH: usize = 4;

/// Half of the operations send, eight at a time; the others read it all.
fn history() -> Vec<u8> {
    let plan = Plan {
        dense_offsets: true,
        ..Plan::default()
    };
    let header = Header {
        schema: SCHEMA,
        seed: 0,
        version: String::new(),
        plan,
    };
    let mut recorder = Recorder::start(Vec::new(), &header).unwrap();
    let mut time_ns = 0;
    let mut record = |process: usize, stage, action| {
        time_ns += 10_000;
        let process = u64::try_from(process).unwrap();
        recorder
            .record(time_ns, process, stage, action, None, Vec::new())
            .unwrap();
    };
    let keys: Vec<Key> = (0..KEYS).map(|key| Key(format!("orders/{key}"))).collect();
    let offset = |place: usize| Offset(i64::try_from(place).unwrap());
    let rounds = OPERATIONS / 2;
    let drain = |ends| Action::Drain(ends);
    let values = |round: usize| {
        let (log, batch) = (round % KEYS, round / KEYS);
        let first = batch * BATCH;
        (0..BATCH).map(move |place| (log, first + place))
    };
    for eight in 0..rounds / 8 {
        for stage in [Stage::Invoke, Stage::Ok] {
            for process in 0..8 {
                let sends = values(eight * 8 + process).map(|(log, place)| Sent {
                    key: keys[log].clone(),
                    value: place as u64,
                    offset: (stage == Stage::Ok).then(|| offset(place)),
                });
                record(process, stage, Action::Send(sends.collect()));
            }
        }
    }
    record(100, Stage::Invoke, drain(Positions::new()));
    for round in 0..rounds {
        record(50, Stage::Invoke, Action::Poll(Polled::new()));
        let mut polled = Polled::new();
        for (log, place) in values(round) {
            let values = polled.entry(keys[log].clone()).or_default();
            values.push((offset(place), place as u64));
        }
        record(50, Stage::Ok, Action::Poll(polled));
    }
    let end = offset(rounds / KEYS * BATCH);
    let ends = keys.iter().map(|key| (key.clone(), end)).collect();
    record(100, Stage::Ok, drain(ends));
    recorder.finish().unwrap()
}

/// Time that this thread was given by the processor: other work on the machine does not count.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let busy_ns = text.split_whitespace().next().unwrap().parse().unwrap();
    Duration::from_nanos(busy_ns)
}

fn main() {
    let bytes = history();
    let begin = busy();
    let history = read_history(bytes.as_slice()).unwrap();
    let read = busy() - begin;
    assert!(history.operations.len() >= OPERATIONS);
    let report = check(&history);
    let whole = busy() - begin;
    assert_eq!(report.verdict, Verdict::Valid, "{report:#?}");
    println!(
        "{} operations, {} values sent, {} read, {} bytes: read in {read:.1?}, checked in {:.1?}",
        report.operations,
        report.sent_ok,
        report.polled_ok,
        bytes.len(),
        whole - read
    );
}
