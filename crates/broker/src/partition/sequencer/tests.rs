#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use floe_model::{ProducerEpoch, Sequence};
use floe_record::{BatchBuilder, Compression, Record};
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::partition::producer::Producers;

const NOW: std::time::Duration = std::time::Duration::from_secs(100);
const EPOCH: LeaderEpoch = LeaderEpoch(3);

fn permit() -> Arc<OwnedSemaphorePermit> {
    Arc::new(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap())
}

fn offer(records: i32, sequence: Option<i32>) -> Offer {
    let mut builder = BatchBuilder::new(Compression::None);
    if let Some(sequence) = sequence {
        builder.producer(ProducerId(1), ProducerEpoch(0), Sequence(sequence));
    }
    for _ in 0..records {
        let value = Some(Bytes::from_static(b"v"));
        builder.push(&Record {
            timestamp_ms: 0,
            key: None,
            value,
            headers: Vec::new(),
        });
    }
    let batch = StampedBatch::split(builder.build()).unwrap();
    let identity = BatchIdentity::of(&batch.header());
    Offer {
        batch,
        identity,
        acks: Acks::Quorum,
        admitted: permit(),
    }
}

fn waiting(offered: Result<Offered, ErrorCode>) -> Answer {
    match offered.unwrap() {
        Offered::Waiting(answer) => answer,
        Offered::Placed(placed) => panic!("{placed:?} already"),
    }
}

fn outcome(answer: &mut Answer) -> Option<Result<i64, ErrorCode>> {
    let told = answer.try_recv().ok()?;
    Some(
        told.map(|placed| placed.base_offset.0)
            .map_err(|failure| failure.code),
    )
}

#[test]
fn what_waits_while_entries_are_in_flight_shares_the_next_one() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let mut answers = Vec::new();
    let mut entries = Vec::new();
    for _ in 0..ENTRIES_IN_FLIGHT_MAX + 4 {
        answers.push(waiting(sequencer.offer(offer(2, None), &none, NOW)));
        entries.extend(sequencer.next_entry());
    }
    assert_eq!(entries.len(), ENTRIES_IN_FLIGHT_MAX);
    assert!(entries.iter().all(|entry| entry.batches.len() == 1));
    sequencer.committed(&entries[0].ids, Offset(0), EPOCH);
    let shared = sequencer.next_entry().unwrap();
    assert_eq!(shared.batches.len(), 4);
    sequencer.committed(&shared.ids, Offset(6), EPOCH);
    let told: Vec<_> = answers.iter_mut().map(outcome).collect();
    assert_eq!(told[0], Some(Ok(0)));
    assert_eq!(told[1], None, "its entry is still in flight");
    assert_eq!(
        told[3..],
        [Some(Ok(6)), Some(Ok(8)), Some(Ok(10)), Some(Ok(12))]
    );
}

#[test]
fn a_duplicate_of_an_uncommitted_batch_gets_the_same_offset() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let mut first = waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
    let entry = sequencer.next_entry().unwrap();
    let mut again = waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
    assert!(sequencer.next_entry().is_none(), "nothing new to append");
    sequencer.committed(&entry.ids, Offset(40), EPOCH);
    assert_eq!(outcome(&mut first), Some(Ok(40)));
    assert_eq!(outcome(&mut again), Some(Ok(40)));
}

#[test]
fn a_batch_is_next_though_entries_before_it_are_told_out_of_order() {
    let (mut sequencer, mut applied) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let mut entries = Vec::new();
    let mut answers = Vec::new();
    for sequence in 0..2 {
        let offered = sequencer.offer(offer(1, Some(sequence)), &applied, NOW);
        answers.push(waiting(offered));
        entries.push(sequencer.next_entry().unwrap());
    }
    for sequence in 0..2 {
        let identity = offer(1, Some(sequence)).identity.unwrap();
        applied.record(&identity, Offset(sequence.into()), 0);
    }
    sequencer.committed(&entries[1].ids, Offset(1), EPOCH);
    answers.push(waiting(sequencer.offer(offer(1, Some(2)), &applied, NOW)));
    let again = sequencer.offer(offer(1, Some(0)), &applied, NOW).unwrap();
    assert!(matches!(again, Offered::Placed(at) if at.base_offset == Offset(0)));
    sequencer.committed(&entries[0].ids, Offset(0), EPOCH);
    let told: Vec<_> = answers.iter_mut().map(outcome).collect();
    assert_eq!(told, [Some(Ok(0)), Some(Ok(1)), None]);
}

#[test]
fn a_refusal_takes_everything_behind_it_along() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let mut first = waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
    let entry = sequencer.next_entry().unwrap();
    let mut second = waiting(sequencer.offer(offer(1, Some(1)), &none, NOW));
    sequencer.refused(&entry.ids, &ErrorCode::Busy.into(), EPOCH, NOW);
    assert_eq!(outcome(&mut first), Some(Err(ErrorCode::Busy)));
    assert_eq!(outcome(&mut second), Some(Err(ErrorCode::Busy)));
    sequencer.enter(EPOCH, NOW).unwrap();
    let third = sequencer.offer(offer(1, Some(2)), &none, NOW).unwrap_err();
    assert_eq!(third, ErrorCode::NotLeader, "it would be behind a gap");
    waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
}

#[test]
fn an_unknown_outcome_closes_the_epoch_and_a_new_one_forgets_the_overlay() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let mut first = waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
    let entry = sequencer.next_entry().unwrap();
    sequencer.unknown(&entry.ids, &ErrorCode::Timeout.into(), EPOCH, NOW);
    assert_eq!(outcome(&mut first), Some(Err(ErrorCode::Timeout)));
    assert_eq!(sequencer.enter(EPOCH, NOW), Err(ErrorCode::NotLeader));
    let next = LeaderEpoch(EPOCH.0 + 1);
    sequencer.enter(next, NOW).unwrap();
    waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
    assert_eq!(sequencer.next_entry().unwrap().epoch, next);
}

#[test]
fn acks_leader_is_told_at_the_own_disk_and_quorum_at_the_commit() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let early = Offer {
        acks: Acks::Leader,
        ..offer(2, None)
    };
    let mut early = waiting(sequencer.offer(early, &none, NOW));
    let entry = sequencer.next_entry().unwrap();
    sequencer.local(&entry.ids, Offset(7), EPOCH);
    assert_eq!(outcome(&mut early), Some(Ok(7)));
    sequencer.committed(&entry.ids, Offset(7), EPOCH);
    assert!(sequencer.accepted.is_empty());
}

#[test]
fn an_epoch_that_is_over_is_not_entered_again() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
    assert_eq!(
        sequencer.enter(LeaderEpoch(EPOCH.0 - 1), NOW),
        Err(ErrorCode::NotLeader)
    );
    let again = sequencer.offer(offer(1, Some(0)), &none, NOW);
    assert!(
        matches!(again, Ok(Offered::Waiting(_))),
        "it is still on its way"
    );
    assert_eq!(sequencer.next_entry().unwrap().batches.len(), 1);
}

#[test]
fn who_lets_go_answers_at_once_and_waits_for_what_is_in_flight() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let mut first = waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
    let entry = sequencer.next_entry().unwrap();
    let mut second = waiting(sequencer.offer(offer(1, Some(1)), &none, NOW));
    sequencer.let_go(NOW);
    assert_eq!(outcome(&mut first), Some(Err(ErrorCode::Timeout)));
    assert_eq!(outcome(&mut second), Some(Err(ErrorCode::NotLeader)));
    assert_eq!(sequencer.enter(EPOCH, NOW), Err(ErrorCode::NotLeader));
    sequencer.committed(&entry.ids, Offset(0), EPOCH);
    sequencer.enter(EPOCH, NOW).unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Retry(usize),
    Propose,
    Commit,
    Refuse,
    Lose,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Send),
        2 => (0..4_usize).prop_map(Step::Retry),
        4 => Just(Step::Propose),
        3 => Just(Step::Commit),
        1 => Just(Step::Refuse),
        1 => Just(Step::Lose),
    ]
}

/// A log that one idempotent producer writes through leaders that come and go.
#[derive(Default)]
struct World {
    sequencer: Sequencer,
    producers: Producers,
    epoch: i32,
    in_flight: VecDeque<NextEntry>,
    /// Base sequence of each batch in the log, in log order; the place is the offset.
    log: Vec<i32>,
    sent: i32,
    answers: Vec<(i32, Answer)>,
}

impl World {
    fn offer(&mut self, sequence: i32) -> Option<ErrorCode> {
        if let Err(code) = self.sequencer.enter(LeaderEpoch(self.epoch), NOW) {
            return Some(code);
        }
        match self
            .sequencer
            .offer(offer(1, Some(sequence)), &self.producers, NOW)
        {
            Ok(Offered::Placed(placed)) => {
                let at = usize::try_from(placed.base_offset.0).unwrap();
                assert_eq!(self.log[at], sequence, "a duplicate names another batch");
                None
            }
            Ok(Offered::Waiting(answer)) => {
                self.answers.push((sequence, answer));
                None
            }
            Err(code) => Some(code),
        }
    }

    fn append(&mut self, entry: &NextEntry) -> Offset {
        let base = Offset(i64::try_from(self.log.len()).unwrap());
        for batch in &entry.batches {
            let identity = BatchIdentity::of(&batch.header()).unwrap();
            let offset = Offset(i64::try_from(self.log.len()).unwrap());
            self.producers.record(&identity, offset, 0);
            self.log.push(identity.base_sequence.0);
        }
        base
    }

    /// The leader is lost: of what is in flight a prefix is in the log, unknown to this node.
    fn lose(&mut self) {
        let entries = std::mem::take(&mut self.in_flight);
        let kept = entries.len() / 2;
        for entry in entries.iter().take(kept) {
            self.append(entry);
        }
        for entry in entries {
            self.sequencer
                .unknown(&entry.ids, &ErrorCode::Timeout.into(), entry.epoch, NOW);
        }
        self.epoch += 1;
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send => {
                if self.offer(self.sent).is_none() {
                    self.sent += 1;
                }
            }
            Step::Retry(back) => {
                let back = i32::try_from(*back).unwrap();
                let _ = self.offer((self.sent - 1 - back).max(0));
                self.sent = self.sent.max(1);
            }
            Step::Propose => {
                let Some(entry) = self.sequencer.next_entry() else {
                    return;
                };
                if entry.epoch == LeaderEpoch(self.epoch) {
                    self.in_flight.push_back(entry);
                } else {
                    // Raft takes nothing that was judged in another epoch.
                    let moved = ErrorCode::NotLeader.into();
                    self.sequencer.refused(&entry.ids, &moved, entry.epoch, NOW);
                }
            }
            Step::Commit => {
                if let Some(entry) = self.in_flight.pop_front() {
                    let base = self.append(&entry);
                    self.sequencer.committed(&entry.ids, base, entry.epoch);
                }
            }
            // Only the newest proposal can be refused: earlier ones are in the log already.
            Step::Refuse => {
                if let Some(entry) = self.in_flight.pop_back() {
                    let busy = ErrorCode::Busy.into();
                    self.sequencer.refused(&entry.ids, &busy, entry.epoch, NOW);
                }
            }
            Step::Lose => self.lose(),
        }
    }

    fn check(&mut self) {
        let in_order: Vec<i32> = (0..i32::try_from(self.log.len()).unwrap()).collect();
        assert_eq!(
            self.log, in_order,
            "doubled, lost in between or out of order"
        );
        for (sequence, answer) in &mut self.answers {
            if let Some(Ok(offset)) = outcome(answer) {
                assert_eq!(self.log[usize::try_from(offset).unwrap()], *sequence);
            }
        }
    }
}

proptest! {
    /// Whatever is retried, refused or lost with a leader: the log has every batch once, in the
    /// producer's order, and every answer names the place where the batch is.
    #[test]
    fn the_log_has_each_batch_once_and_in_order(steps in prop::collection::vec(steps(), 0..120)) {
        let mut world = World::default();
        for step in &steps {
            world.step(step);
            world.check();
        }
    }
}

#[test]
fn a_second_batch_never_overtakes_the_first_of_a_new_producer() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let early = sequencer.offer(offer(1, Some(1)), &none, NOW).unwrap_err();
    assert_eq!(early, ErrorCode::NotLeader, "to be tried again, no gap");
    waiting(sequencer.offer(offer(1, Some(0)), &none, NOW));
    waiting(sequencer.offer(offer(1, Some(1)), &none, NOW));
}

#[test]
fn a_forgotten_producer_goes_on_where_it_was() {
    let (mut sequencer, none) = (Sequencer::default(), Producers::default());
    sequencer.enter(EPOCH, NOW).unwrap();
    let first_try = sequencer.offer(offer(1, Some(70)), &none, NOW).unwrap_err();
    assert_eq!(first_try, ErrorCode::NotLeader);
    let later = NOW + std::time::Duration::from_secs(120);
    waiting(sequencer.offer(offer(1, Some(70)), &none, later));
}
