//! Hand-made histories: for each anomaly one that has it and near misses that do not.
#![allow(clippy::unwrap_used)]

use floe_model::Offset;

use super::*;
use crate::{Header, Operation, Plan, Recorder, SCHEMA, Sent, Value, read_history};

/// Builds histories of one key in which every operation completes before the next begins.
struct Story {
    plan: Plan,
    operations: Vec<Operation>,
    next_index: u64,
}

fn key() -> Key {
    Key("t/0".to_owned())
}

impl Story {
    fn new() -> Self {
        let plan = Plan {
            dense_offsets: true,
            ..Plan::default()
        };
        Self {
            plan,
            operations: Vec::new(),
            next_index: 0,
        }
    }

    fn act(mut self, process: u64, outcome: Stage, action: Action) -> Self {
        let (invoked, completed) = (self.next_index, Some(self.next_index + 1));
        self.next_index += 2;
        let rebalanced = Vec::new();
        let operation = Operation {
            invoked,
            completed,
            process,
            outcome,
            action,
            rebalanced,
        };
        self.operations.push(operation);
        self
    }

    /// An acknowledged send of one value by process 1.
    fn send(self, value: Value, offset: i64) -> Self {
        self.send_as(1, Stage::Ok, &[(value, Some(offset))])
    }

    fn send_as(self, process: u64, outcome: Stage, values: &[(Value, Option<i64>)]) -> Self {
        let sent = |&(value, offset): &(Value, Option<i64>)| Sent {
            key: key(),
            value,
            offset: offset.map(Offset),
        };
        self.act(
            process,
            outcome,
            Action::Send(values.iter().map(sent).collect()),
        )
    }

    /// A successful poll by process 2.
    fn poll(self, values: &[(i64, Value)]) -> Self {
        self.poll_as(2, Stage::Ok, values)
    }

    fn poll_as(self, process: u64, outcome: Stage, values: &[(i64, Value)]) -> Self {
        let values = values
            .iter()
            .map(|&(offset, value)| (Offset(offset), value))
            .collect();
        self.act(process, outcome, Action::Poll([(key(), values)].into()))
    }

    fn commit(self, generation: i64, outcome: Stage) -> Self {
        self.commit_at(generation, outcome, 0)
    }

    fn commit_at(self, generation: i64, outcome: Stage, offset: i64) -> Self {
        let (group, offsets) = ("g".to_owned(), [(key(), Offset(offset))].into());
        self.act(
            3,
            outcome,
            Action::Commit {
                group,
                generation,
                offsets,
            },
        )
    }

    fn committed(self, offsets: &[(Key, Offset)]) -> Self {
        let (group, offsets) = ("g".to_owned(), offsets.iter().cloned().collect());
        self.act(8, Stage::Ok, Action::Committed { group, offsets })
    }

    fn drain(self, end: i64) -> Self {
        self.act(9, Stage::Ok, Action::Drain([(key(), Offset(end))].into()))
    }

    fn fault(self, outcome: Stage) -> Self {
        let (kind, target) = ("kill".to_owned(), "1".to_owned());
        self.act(0, outcome, Action::Fault { kind, target })
    }

    fn history(self) -> History {
        let version = "0.0.0".to_owned();
        let header = Header {
            schema: SCHEMA,
            seed: 7,
            version,
            plan: self.plan,
        };
        History {
            header,
            operations: self.operations,
        }
    }

    #[track_caller]
    fn is(self, kinds: &[AnomalyKind]) {
        let report = check(&self.history());
        let found: Vec<_> = report.anomalies.keys().copied().collect();
        assert_eq!(found, kinds, "{report:#?}");
        let expected = if kinds.is_empty() {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        assert_eq!(report.verdict, expected, "{report:#?}");
    }

    #[track_caller]
    fn shows_nothing(self, doubt: &Doubt) {
        let report = check(&self.history());
        assert_eq!(report.verdict, Verdict::Unknown, "{report:#?}");
        assert!(report.doubts.contains(doubt), "{report:#?}");
    }
}

/// Three values sent and read.
fn sound() -> Story {
    Story::new()
        .send(10, 0)
        .send(11, 1)
        .send(12, 2)
        .poll(&[(0, 10), (1, 11), (2, 12)])
}

#[test]
fn a_sound_history_is_valid() {
    sound().drain(3).is(&[]);
    let several = sound()
        .poll_as(4, Stage::Ok, &[(0, 10)])
        .poll_as(4, Stage::Ok, &[(1, 11)]);
    several.drain(3).is(&[]);
}

#[test]
fn a_value_overtaken_by_a_reader_is_lost() {
    let story = Story::new().send(10, 0).send(11, 1).send(12, 2);
    let lost = [AnomalyKind::LostWrite, AnomalyKind::InternalPollSkip];
    story.poll(&[(0, 10), (2, 12)]).is(&lost);
    // Not yet read is not lost.
    let story = Story::new()
        .send(10, 0)
        .send(11, 1)
        .send(12, 2)
        .poll(&[(0, 10), (1, 11)]);
    assert_eq!(check(&story.history()).verdict, Verdict::Unknown);
    // Neither is what was never acknowledged.
    let unknown = Story::new()
        .send(10, 0)
        .send_as(4, Stage::Info, &[(11, None)])
        .send(12, 1);
    unknown.poll(&[(0, 10), (1, 12)]).drain(2).is(&[]);
}

#[test]
fn what_was_acknowledged_of_an_info_send_must_be_there() {
    let sends = [(10, Some(0)), (11, Some(1)), (12, None)];
    let story = Story::new().send_as(1, Stage::Info, &sends).send(13, 2);
    let lost = [AnomalyKind::LostWrite, AnomalyKind::Unseen];
    story
        .poll(&[(0, 10)])
        .poll_as(4, Stage::Ok, &[(2, 13)])
        .drain(3)
        .is(&lost);
    let story = Story::new().send_as(1, Stage::Info, &sends).send(13, 2);
    story.poll(&[(0, 10), (1, 11), (2, 13)]).drain(3).is(&[]);
}

#[test]
fn an_acknowledged_value_missing_at_the_end_is_unseen() {
    let story = Story::new()
        .send(10, 0)
        .send_as(1, Stage::Ok, &[(11, None)]);
    story.poll(&[(0, 10)]).drain(1).is(&[AnomalyKind::Unseen]);
    let failed = Story::new()
        .send(10, 0)
        .send_as(1, Stage::Fail, &[(11, None)]);
    failed.poll(&[(0, 10)]).drain(1).is(&[]);
}

#[test]
fn a_value_at_two_offsets_is_a_duplicate() {
    let story = Story::new().send(10, 0).poll(&[(0, 10), (1, 10)]);
    story.drain(2).is(&[AnomalyKind::Duplicate]);
    let twice_read = sound().poll_as(4, Stage::Ok, &[(0, 10), (1, 11), (2, 12)]);
    twice_read.drain(3).is(&[]);
}

#[test]
fn an_offset_with_two_values_is_inconsistent() {
    let story = Story::new()
        .send(10, 0)
        .send_as(4, Stage::Ok, &[(11, Some(0))]);
    story
        .poll(&[(0, 10)])
        .poll_as(5, Stage::Ok, &[(0, 11)])
        .drain(1)
        .is(&[AnomalyKind::InconsistentOffset]);
    // Polls of unknown outcome bear witness too.
    let story = Story::new()
        .send(10, 0)
        .send_as(4, Stage::Info, &[(11, None)]);
    let story = story.poll(&[(0, 10)]).poll_as(5, Stage::Info, &[(0, 11)]);
    story.drain(1).is(&[AnomalyKind::InconsistentOffset]);
}

#[test]
fn a_read_of_a_failed_write_is_an_aborted_read() {
    let story = |outcome| Story::new().send(9, 0).send_as(4, outcome, &[(10, None)]);
    let read = [(0, 9), (1, 10)];
    story(Stage::Fail)
        .poll(&read)
        .drain(2)
        .is(&[AnomalyKind::AbortedRead]);
    story(Stage::Info).poll(&read).drain(2).is(&[]);
    // A failed poll proves nothing.
    story(Stage::Fail)
        .poll(&[(0, 9)])
        .poll_as(5, Stage::Fail, &[(1, 10)])
        .drain(2)
        .is(&[]);
}

#[test]
fn a_value_nobody_sent_is_a_phantom() {
    let story = Story::new().send(10, 0).poll(&[(0, 10), (1, 99)]);
    story.drain(2).is(&[AnomalyKind::Phantom]);
}

#[test]
fn one_poll_neither_skips_nor_goes_back() {
    let whole = || sound().drain(3);
    let skip = [AnomalyKind::InternalPollSkip];
    whole().poll_as(4, Stage::Ok, &[(0, 10), (2, 12)]).is(&skip);
    let back = [AnomalyKind::InternalNonmonotonicPoll];
    whole().poll_as(4, Stage::Ok, &[(1, 11), (0, 10)]).is(&back);
    whole().poll_as(4, Stage::Ok, &[(1, 11), (1, 11)]).is(&back);
    whole().poll_as(4, Stage::Info, &[(1, 11), (0, 10)]).is(&[]);
    let mut rebalanced = whole().poll_as(4, Stage::Ok, &[(1, 11), (0, 10)]);
    rebalanced
        .operations
        .last_mut()
        .unwrap()
        .rebalanced
        .push(key());
    rebalanced.is(&[]);
}

#[test]
fn offsets_that_nobody_ever_saw_are_not_skipped_but_gaps() {
    let story = || {
        Story::new()
            .send(10, 0)
            .send(11, 5)
            .poll(&[(0, 10), (5, 11)])
            .drain(6)
    };
    story().is(&[AnomalyKind::OffsetGap]);
    let mut sparse = story();
    sparse.plan.dense_offsets = false;
    sparse.is(&[]);
}

#[test]
fn polls_of_one_process_neither_skip_nor_go_back() {
    let whole = || sound().drain(3).poll_as(4, Stage::Ok, &[(0, 10)]);
    whole()
        .poll_as(4, Stage::Ok, &[(2, 12)])
        .is(&[AnomalyKind::PollSkip]);
    whole()
        .poll_as(4, Stage::Ok, &[(0, 10)])
        .is(&[AnomalyKind::NonmonotonicPoll]);
    whole()
        .poll_as(4, Stage::Ok, &[])
        .poll_as(4, Stage::Ok, &[(1, 11)])
        .is(&[]);
    whole().poll_as(5, Stage::Ok, &[(2, 12)]).is(&[]);
    // A poll of unknown outcome moves nothing.
    whole()
        .poll_as(4, Stage::Info, &[(1, 11)])
        .poll_as(4, Stage::Ok, &[(1, 11)])
        .is(&[]);
}

#[test]
fn assignment_keeps_positions_and_subscription_forgets_them() {
    let whole = || sound().drain(3).poll_as(4, Stage::Ok, &[(0, 10)]);
    let kept = whole().act(4, Stage::Ok, Action::Assign(vec![key()]));
    kept.poll_as(4, Stage::Ok, &[(2, 12)])
        .is(&[AnomalyKind::PollSkip]);
    let left = whole().act(4, Stage::Ok, Action::Assign(vec![]));
    left.poll_as(4, Stage::Ok, &[(2, 12)]).is(&[]);
    let member = whole().act(4, Stage::Ok, Action::Subscribe(vec!["t".to_owned()]));
    let member = member
        .poll_as(4, Stage::Ok, &[(2, 12)])
        .poll_as(4, Stage::Ok, &[(0, 10)]);
    member.is(&[]);
}

#[test]
fn sends_of_one_process_stand_in_order() {
    let read = [(0, 10), (1, 11)];
    let within = Story::new().send_as(1, Stage::Ok, &[(11, Some(1)), (10, Some(0))]);
    within
        .poll(&read)
        .drain(2)
        .is(&[AnomalyKind::InternalNonmonotonicSend]);
    let across = Story::new().send(11, 1).send(10, 0);
    across
        .poll(&read)
        .drain(2)
        .is(&[AnomalyKind::NonmonotonicSend]);
    let others = Story::new()
        .send(11, 1)
        .send_as(4, Stage::Ok, &[(10, Some(0))]);
    others.poll(&read).drain(2).is(&[]);
}

#[test]
fn a_commit_that_falls_behind_an_acknowledged_one_is_a_regression() {
    let read = || {
        let subscribe = Action::Subscribe(vec!["t".to_owned()]);
        let member = sound().drain(3).act(5, Stage::Ok, subscribe);
        member.poll_as(5, Stage::Ok, &[(0, 10), (1, 11), (2, 12)])
    };
    let committed = |offset| {
        let first = read().commit_at(1, Stage::Ok, 2);
        first.commit_at(2, Stage::Ok, offset)
    };
    committed(2).is(&[]);
    committed(1).is(&[AnomalyKind::CommitRegression]);
    committed(3).committed(&[(key(), Offset(3))]).is(&[]);
    let lost = [AnomalyKind::CommitRegression];
    committed(3).committed(&[(key(), Offset(2))]).is(&lost);
    committed(3).committed(&[]).is(&lost);
    let unsure = read().commit_at(1, Stage::Info, 2);
    unsure.committed(&[]).is(&[]);
}

#[test]
fn a_group_must_have_read_what_it_committed_past() {
    let subscribe = || Action::Subscribe(vec!["t".to_owned()]);
    let member = || sound().drain(3).act(5, Stage::Ok, subscribe());
    let read = member().poll_as(5, Stage::Ok, &[(0, 10), (1, 11)]);
    read.commit_at(1, Stage::Ok, 2).is(&[]);
    let skipped = member().poll_as(5, Stage::Ok, &[(1, 11)]);
    skipped
        .commit_at(1, Stage::Ok, 2)
        .is(&[AnomalyKind::GroupSkip]);
    let by_two = member()
        .poll_as(5, Stage::Ok, &[(0, 10)])
        .act(6, Stage::Ok, subscribe());
    by_two
        .poll_as(6, Stage::Ok, &[(1, 11)])
        .commit_at(1, Stage::Ok, 2)
        .is(&[]);
}

#[test]
fn a_commit_of_an_old_generation_is_a_zombies() {
    let commits = |late| {
        sound()
            .drain(3)
            .commit(1, Stage::Ok)
            .commit(2, Stage::Ok)
            .commit(1, late)
    };
    commits(Stage::Ok).is(&[AnomalyKind::ZombieCommit]);
    commits(Stage::Fail).is(&[]);
    // Concurrent commits may go either way.
    let mut concurrent = commits(Stage::Ok);
    concurrent.operations[6].completed = Some(20);
    concurrent.is(&[]);
}

#[test]
fn a_run_that_could_show_nothing_is_unknown() {
    Story::new().shows_nothing(&Doubt::NothingSent);
    sound().shows_nothing(&Doubt::NotDrained { key: key() });
    // Acknowledged after the drain began.
    sound()
        .drain(3)
        .send(13, 3)
        .shows_nothing(&Doubt::NotDrained { key: key() });
    let mut failing = sound().drain(3);
    for _ in 0..1000 {
        failing = failing.act(4, Stage::Fail, Action::Send(vec![]));
    }
    failing.shows_nothing(&Doubt::MostlyFailed { ok: 5, all: 1005 });
    let mut calm = sound().fault(Stage::Fail).fault(Stage::Ok).drain(3);
    calm.plan.faults_min = 2;
    calm.shows_nothing(&Doubt::FaultsMissing {
        landed: 1,
        planned: 2,
    });
}

#[test]
fn findings_are_counted_beyond_the_examples() {
    let polled: Vec<_> = (0..50).zip(1000..).collect();
    let report = check(&Story::new().poll(&polled).history());
    let findings = &report.anomalies[&AnomalyKind::Phantom];
    assert_eq!(
        (findings.count, findings.examples.len()),
        (50, EXAMPLES_MAX)
    );
}

fn written(history: &History) -> Vec<u8> {
    let mut recorder = Recorder::start(Vec::new(), &history.header).unwrap();
    for operation in &history.operations {
        let Operation {
            process,
            outcome,
            action,
            ..
        } = operation.clone();
        let blank = match action.clone() {
            Action::Poll(_) => Action::Poll(BTreeMap::new()),
            Action::Send(mut sends) => {
                sends.iter_mut().for_each(|sent| sent.offset = None);
                Action::Send(sends)
            }
            other => other,
        };
        recorder
            .record(5, process, Stage::Invoke, blank, None, vec![])
            .unwrap();
        let error = (outcome != Stage::Ok).then(|| "timeout".to_owned());
        recorder
            .record(3, process, outcome, action, error, vec![])
            .unwrap();
    }
    recorder.finish().unwrap()
}

#[test]
fn a_recorded_history_reads_as_it_was() {
    let history = sound()
        .send_as(4, Stage::Info, &[(13, None)])
        .act(4, Stage::Ok, Action::Subscribe(vec!["t".to_owned()]))
        .commit(1, Stage::Ok)
        .fault(Stage::Ok)
        .drain(3)
        .history();
    let text = written(&history);
    assert_eq!(read_history(text.as_slice()).unwrap(), history);
    let lines: Vec<_> = std::str::from_utf8(&text).unwrap().lines().collect();
    let send = r#"{"i":1,"t":5,"p":1,"type":"ok","f":"send","v":[{"k":"t/0","v":10,"o":0}]}"#;
    assert_eq!(lines[2], send);
    let poll = r#"{"i":7,"t":5,"p":2,"type":"ok","f":"poll","v":{"t/0":[[0,10],[1,11],[2,12]]}}"#;
    assert_eq!(lines[8], poll);
}

#[test]
fn malformed_histories_are_refused() {
    use crate::HistoryError::{Empty, Order, Parse, Schema, Unpaired, ValueReused};
    let text = String::from_utf8(written(&sound().history())).unwrap();
    let read = |text: &str| read_history(text.as_bytes()).unwrap_err();
    assert!(matches!(read(""), Empty));
    assert!(matches!(read("{}"), Parse { line: 1, .. }));
    assert!(matches!(
        read(&text.replace(r#""schema":1"#, r#""schema":2"#)),
        Schema { schema: 2 }
    ));
    assert!(matches!(
        read(&text.replace(r#""i":3,"t":5"#, r#""i":4,"t":5"#)),
        Order { index: 4 }
    ));
    assert!(matches!(
        read(&text.replace(r#""i":3,"t":5"#, r#""i":3,"t":4"#)),
        Order { index: 3 }
    ));
    let foreign = text.replace(r#""i":1,"t":5,"p":1"#, r#""i":1,"t":5,"p":8"#);
    assert!(matches!(
        read(&foreign),
        Unpaired {
            index: 1,
            process: 8
        }
    ));
    let changed = text.replace(r#""v":10,"o":0"#, r#""v":19,"o":0"#);
    assert!(matches!(
        read(&changed),
        Unpaired {
            index: 1,
            process: 1
        }
    ));
    let reused = text.replace(r#""v":11"#, r#""v":10"#);
    assert!(matches!(
        read(&reused),
        ValueReused {
            index: 2,
            value: 10,
            ..
        }
    ));
    let cut = &text[..text.len() - 5];
    assert!(matches!(read(cut), Parse { line: 9, .. }));
}
