#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const PRODUCER: ProducerId = ProducerId(7);

fn identity(epoch: i16, base: i32, count: i32) -> BatchIdentity {
    BatchIdentity {
        producer_id: PRODUCER,
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: Sequence(base),
        last_sequence: advance(Sequence(base), count - 1),
    }
}

fn applied(batches: &[(i16, i32, i32, i64)]) -> Producers {
    let mut producers = Producers::default();
    for &(epoch, base, count, offset) in batches {
        producers.record(&identity(epoch, base, count), Offset(offset), 0);
    }
    producers
}

fn verdict(
    producers: &Producers,
    unapplied: &[(u32, BatchIdentity)],
    batch: BatchIdentity,
) -> Verdict<u32> {
    let unapplied = unapplied
        .iter()
        .map(|&(id, identity)| UnappliedBatch { id, identity });
    judge(&batch, producers.get(PRODUCER), &unapplied.collect())
}

#[test]
fn an_unknown_producer_begins_at_zero() {
    let none = Producers::default();
    assert_eq!(verdict(&none, &[], identity(0, 0, 3)), Verdict::Append);
    assert_eq!(
        verdict(&none, &[], identity(0, 3, 3)),
        Verdict::UnknownProducer
    );
}

#[test]
fn the_next_sequence_is_appended_and_every_other_is_not() {
    let producers = applied(&[(0, 0, 3, 100)]);
    assert_eq!(verdict(&producers, &[], identity(0, 3, 1)), Verdict::Append);
    assert_eq!(
        verdict(&producers, &[], identity(0, 4, 1)),
        Verdict::OutOfOrder
    );
    assert_eq!(
        verdict(&producers, &[], identity(0, 2, 1)),
        Verdict::OutOfOrder
    );
}

#[test]
fn a_repeated_batch_is_found_among_the_last_five_and_on_its_way() {
    let six: Vec<_> = (0..6).map(|n| (0, n * 2, 2, i64::from(n) * 10)).collect();
    let producers = applied(&six);
    assert_eq!(
        verdict(&producers, &[], identity(0, 0, 2)),
        Verdict::OutOfOrder,
        "the sixth last"
    );
    for n in 1..6 {
        let again = verdict(&producers, &[], identity(0, n * 2, 2));
        assert_eq!(again, Verdict::Applied(Offset(i64::from(n) * 10)));
    }
    let on_its_way = [(1, identity(0, 12, 2)), (2, identity(0, 14, 2))];
    assert_eq!(
        verdict(&producers, &on_its_way, identity(0, 12, 2)),
        Verdict::OnItsWay(1)
    );
    assert_eq!(
        verdict(&producers, &on_its_way, identity(0, 14, 2)),
        Verdict::OnItsWay(2)
    );
    assert_eq!(
        verdict(&producers, &on_its_way, identity(0, 10, 2)),
        Verdict::Applied(Offset(50))
    );
    assert_eq!(
        verdict(&producers, &on_its_way, identity(0, 16, 1)),
        Verdict::Append
    );
    assert_eq!(
        verdict(&producers, &on_its_way, identity(0, 12, 1)),
        Verdict::OutOfOrder
    );
}

#[test]
fn a_newer_epoch_begins_anew_and_fences_the_older() {
    let producers = applied(&[(1, 0, 3, 100)]);
    assert_eq!(verdict(&producers, &[], identity(0, 3, 1)), Verdict::Fenced);
    assert_eq!(
        verdict(&producers, &[], identity(2, 3, 1)),
        Verdict::OutOfOrder
    );
    assert_eq!(verdict(&producers, &[], identity(2, 0, 1)), Verdict::Append);
    let newer = [(1, identity(2, 0, 1))];
    assert_eq!(
        verdict(&producers, &newer, identity(1, 3, 1)),
        Verdict::Fenced
    );
    assert_eq!(
        verdict(&producers, &newer, identity(2, 1, 1)),
        Verdict::Append
    );
    assert_eq!(
        verdict(&producers, &newer, identity(2, 3, 1)),
        Verdict::OutOfOrder
    );
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(advance(Sequence(i32::MAX), 1), Sequence(0));
    assert_eq!(advance(Sequence(i32::MAX - 1), 5), Sequence(3));
    let producers = applied(&[(0, 0, 1, 0), (0, i32::MAX - 1, 2, 1)]);
    assert_eq!(verdict(&producers, &[], identity(0, 0, 4)), Verdict::Append);
}

#[test]
fn a_producer_is_forgotten_by_log_time_alone() {
    let mut producers = Producers::default();
    producers.record(&identity(0, 0, 1), Offset(0), 1_000);
    producers.expire(1_000 + PRODUCER_EXPIRATION_MS);
    assert!(producers.get(PRODUCER).is_some());
    producers.record(&identity(0, 1, 1), Offset(1), 5_000);
    producers.expire(1_001 + PRODUCER_EXPIRATION_MS);
    assert!(producers.get(PRODUCER).is_some(), "its last batch counts");
    producers.expire(5_001 + PRODUCER_EXPIRATION_MS);
    assert!(producers.get(PRODUCER).is_none());
    assert!(producers.by_time.is_empty());
}

proptest! {
    /// A producer that sends its batches in order, some again, with any of the applied prefix
    /// and the rest on its way: each is appended once, and each repetition within the last five
    /// names the place of the first.
    #[test]
    fn retries_never_append_twice(
        counts in prop::collection::vec(1..5_i32, 1..12),
        applied_count in 0..12_usize,
        start in prop_oneof![Just(0), Just(i32::MAX - 7)],
    ) {
        let mut producers = Producers::default();
        if start > 0 {
            producers.record(&identity(3, start - 1, 1), Offset(-5), 0);
        }
        let mut unapplied = VecDeque::new();
        let (mut next, mut offset) = (Sequence(start), 0);
        let mut sent: Vec<(BatchIdentity, Verdict<usize>)> = Vec::new();
        for (place, &count) in counts.iter().enumerate() {
            let batch = identity(3, next.0, count);
            let judged = judge(&batch, producers.get(PRODUCER), &unapplied);
            prop_assert_eq!(judged, Verdict::Append);
            if place < applied_count {
                producers.record(&batch, Offset(offset), 0);
                sent.push((batch, Verdict::Applied(Offset(offset))));
            } else {
                unapplied.push_back(UnappliedBatch { id: place, identity: batch });
                sent.push((batch, Verdict::OnItsWay(place)));
            }
            next = advance(next, count);
            offset += i64::from(count);
            for (age, (again, place_of_first)) in sent.iter().rev().enumerate() {
                let judged = judge(again, producers.get(PRODUCER), &unapplied);
                prop_assert_ne!(judged, Verdict::Append);
                if age < PRODUCER_BATCHES_KEPT {
                    prop_assert_eq!(judged, *place_of_first);
                }
            }
        }
    }
}
