use floe_model::{ProducerEpoch, ProducerId};
use floe_record::StampedBatch;
use proptest::prelude::*;

use super::*;

const NOW: Duration = Duration::from_secs(1);

fn identity(id: i64) -> Option<ProducerIdentity> {
    Some(ProducerIdentity {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(0),
    })
}

fn gathered(record_count: u32) -> Gathered {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..record_count {
        builder.push(&floe_record::Record::default());
    }
    Gathered {
        builder,
        slot: BatchSlot::new(PartitionIndex(0)),
        number: 0,
        opened_at: NOW,
        charged_bytes: 0,
        is_full: true,
    }
}

/// Of each batch that is sent: producer, base sequence, record count.
fn send(lane: &mut Lane, request: u64) -> Vec<(i64, i32, i32)> {
    let sent = lane.send(request, LeaderEpoch(1), usize::MAX, usize::MAX);
    assert!(lane.arrived(request));
    let header = |batch: Payload| {
        let header = StampedBatch::split(batch.0).expect("a batch").header();
        (
            header.producer_id.0,
            header.base_sequence.0,
            header.record_count,
        )
    };
    sent.into_iter().map(header).collect()
}

fn fail(lane: &mut Lane, code: ErrorCode) -> (Vec<Settled>, Wants) {
    lane.failed(Error::code_error(code), NOW, &floe_env::Rng::from_seed(1))
}

fn lane(batches: &[u32]) -> Lane {
    let mut lane = Lane::new(Compression::None);
    assert!(lane.identify(identity(7)));
    batches.iter().for_each(|count| lane.seal(gathered(*count)));
    lane
}

#[test]
fn an_answer_that_matters_no_longer_is_told_apart() {
    let mut lane = lane(&[1]);
    lane.send(4, LeaderEpoch(1), usize::MAX, usize::MAX);
    lane.abandon(NOW);
    lane.send(5, LeaderEpoch(2), usize::MAX, usize::MAX);
    assert!(!lane.arrived(4));
    assert!(lane.arrived(5));
}

#[test]
fn a_first_refusal_costs_one_batch_and_the_next_takes_its_place() {
    let mut lane = lane(&[2]);
    assert_eq!(send(&mut lane, 1), [(7, 0, 2)]);
    lane.seal(gathered(4));
    let (settled, wants) = fail(&mut lane, ErrorCode::BatchTooLarge);
    assert_eq!((settled.len(), wants), (1, Wants::default()));
    assert!(
        !settled[0]
            .outcome
            .as_ref()
            .expect_err("refused")
            .is_outcome_unknown()
    );
    assert_eq!(send(&mut lane, 2), [(7, 0, 4)]);
    lane.acknowledged(&[Offset(0)]);
    lane.seal(gathered(1));
    lane.seal(gathered(1));
    assert_eq!(send(&mut lane, 3), [(7, 4, 1), (7, 5, 1)]);
}

#[test]
fn a_refusal_of_several_is_narrowed_down_and_no_sequence_is_used_twice() {
    let mut lane = lane(&[2, 3, 4]);
    assert_eq!(send(&mut lane, 1), [(7, 0, 2), (7, 2, 3), (7, 5, 4)]);
    assert!(fail(&mut lane, ErrorCode::BatchTooLarge).0.is_empty());
    assert_eq!(send(&mut lane, 2), [(7, 0, 2)]);
    assert_eq!(lane.acknowledged(&[Offset(0)]).len(), 1);
    assert_eq!(send(&mut lane, 3), [(7, 2, 3)]);
    let (settled, wants) = fail(&mut lane, ErrorCode::BatchTooLarge);
    assert!(wants.identity);
    assert_eq!(settled.len(), 2);
    for settled in settled {
        assert!(settled.outcome.expect_err("given up").is_outcome_unknown());
    }
    assert!(!lane.identify(identity(7)), "the sequence is lost");
}

#[test]
fn a_batch_larger_than_the_topic_accepts_goes_alone() {
    let mut lane = lane(&[1, 100, 1]);
    let small = lane.unacked[0].batch.len();
    let mut send = |request| {
        let sent = lane.send(request, LeaderEpoch(1), usize::MAX, small);
        assert!(lane.arrived(request));
        drop(lane.acknowledged(&vec![Offset(0); sent.len()]));
        sent.len()
    };
    assert_eq!([send(1), send(2), send(3)], [1, 1, 1]);
}

#[test]
fn a_stale_leader_that_forgot_the_producer_is_not_believed() {
    let mut lane = lane(&[2]);
    send(&mut lane, 1);
    lane.acknowledged(&[Offset(0)]);
    lane.seal(gathered(3));
    send(&mut lane, 2);
    fail(&mut lane, ErrorCode::Timeout);
    assert_eq!(send(&mut lane, 3), [(7, 2, 3)]);
    assert!(!fail(&mut lane, ErrorCode::UnknownProducer).1.identity);
    assert_eq!(send(&mut lane, 4), [(7, 2, 3)]);
}

#[test]
fn a_forgotten_producer_starts_at_zero_under_another_identity() {
    let mut lane = lane(&[2]);
    send(&mut lane, 1);
    lane.acknowledged(&[Offset(0)]);
    lane.seal(gathered(3));
    lane.seal(gathered(1));
    assert_eq!(send(&mut lane, 2), [(7, 2, 3), (7, 5, 1)]);
    assert!(fail(&mut lane, ErrorCode::UnknownProducer).1.identity);
    assert!(
        !lane.identify(identity(7)),
        "the lost identity is not taken again"
    );
    assert!(lane.identify(identity(8)));
    assert_eq!(send(&mut lane, 3), [(8, 0, 3), (8, 3, 1)]);
}

#[test]
fn what_expires_after_an_unknown_outcome_is_said_to_be_unknown() {
    for (code, is_unknown) in [(ErrorCode::Timeout, true), (ErrorCode::NotLeader, false)] {
        let mut lane = lane(&[1]);
        send(&mut lane, 1);
        lane.seal(gathered(1));
        fail(&mut lane, code);
        assert!(lane.expire(NOW - Duration::from_millis(1), NOW).is_empty());
        let settled = lane.expire(NOW, NOW);
        assert_eq!(settled.len(), 2);
        let error = settled[0].outcome.as_ref().expect_err("expired");
        assert_eq!(error.is_outcome_unknown(), is_unknown, "{code}");
        assert!(!lane.identify(identity(7)));
    }
}

#[test]
fn a_sequence_wraps_to_zero() {
    assert_eq!(after(Sequence(i32::MAX), 1), Sequence(0));
    assert_eq!(after(Sequence(i32::MAX - 1), 1), Sequence(i32::MAX));
    assert_eq!(after(Sequence(i32::MAX - 1), 5), Sequence(3));
}

proptest! {
    /// Whatever happens to requests, a partition that checks sequences accepts every batch, once
    /// and in order. (It forgets producers after days, so never while an outcome is unknown.)
    #[test]
    fn a_partition_gets_each_batch_once_and_in_order(
        steps in proptest::collection::vec((1_u32..4, 0_u8..5), 1..60)
    ) {
        let mut lane = lane(&[]);
        let mut next_id = 8;
        let (mut accepted, mut sealed) = (Vec::new(), Vec::new());
        // What the partition knows: producer, next sequence.
        let mut known: Option<(i64, i32)> = None;
        for (request, (count, fate)) in (0..).zip(steps) {
            if lane.unacked.len() < limits::PRODUCER_BATCHES_KEPT && lane.last_error.is_none() {
                lane.seal(gathered(count));
                sealed.push(count);
            }
            let sent = send(&mut lane, request);
            let mut refused = None;
            if fate == 4 && !lane.has_doubt() {
                known = None;
            }
            for (producer, sequence, records) in &sent {
                let expected = known.filter(|(id, _)| id == producer);
                match expected {
                    Some((_, next)) if *sequence < next => continue,
                    Some((_, next)) if *sequence == next => {}
                    None if *sequence == 0 => {}
                    None => refused = Some(ErrorCode::UnknownProducer),
                    Some(_) => refused = Some(ErrorCode::OutOfOrderSequence),
                }
                if refused.is_some() || fate == 1 {
                    break;
                }
                accepted.push(records.unsigned_abs());
                known = Some((*producer, sequence + records));
            }
            let code = match (refused, fate) {
                (Some(code), _) => Some(code),
                (None, 1) => Some(ErrorCode::Busy),
                (None, 2) => Some(ErrorCode::Timeout),
                (None, _) => None,
            };
            match code {
                None => drop(lane.acknowledged(&vec![Offset(0); sent.len()])),
                Some(code) => {
                    prop_assert_ne!(code, ErrorCode::OutOfOrderSequence);
                    let (settled, wants) = fail(&mut lane, code);
                    prop_assert!(settled.is_empty());
                    if wants.identity {
                        prop_assert!(lane.identify(identity(next_id)));
                        next_id += 1;
                    }
                }
            }
        }
        let left = lane.unacked.len();
        prop_assert!(accepted.len() + left >= sealed.len());
        prop_assert_eq!(&accepted[..], &sealed[..accepted.len()]);
    }
}
