#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use floe_model::{LogIndex, ProducerEpoch, ProducerId, Sequence, Term};
use floe_record::{BatchBuilder, Compression, Record, StampedBatch};
use proptest::prelude::*;

use super::*;
use crate::partition::snapshot;

fn batch(count: usize, producer: Option<(i64, i32)>) -> StampedBatch {
    let mut builder = BatchBuilder::new(Compression::None);
    if let Some((id, sequence)) = producer {
        builder.producer(ProducerId(id), ProducerEpoch(0), Sequence(sequence));
    }
    for _ in 0..count {
        let value = Some(Bytes::from_static(b"v"));
        builder.push(&Record {
            timestamp_ms: 0,
            key: None,
            value,
            headers: Vec::new(),
        });
    }
    StampedBatch::split(builder.build()).unwrap()
}

fn entry(state: &PartitionState, term: u64, at_ms: i64, body: EntryBody) -> Entry {
    let mut entry = Entry {
        term: Term(term),
        index: LogIndex(0),
        base_offset: Offset(-1),
        appended_at_ms: at_ms,
        body,
    };
    entry.stamp_offsets(state.next_offset);
    entry
}

fn apply(state: &mut PartitionState, term: u64, at_ms: i64, body: EntryBody) {
    let entry = entry(state, term, at_ms, body);
    state.apply(&entry);
}

#[test]
fn epochs_map_to_the_first_offset_of_their_records() {
    let mut state = PartitionState::default();
    apply(&mut state, 1, 0, EntryBody::Blank);
    apply(
        &mut state,
        1,
        0,
        EntryBody::Data(vec![batch(3, None), batch(2, None)]),
    );
    apply(&mut state, 4, 0, EntryBody::Blank);
    apply(&mut state, 6, 0, EntryBody::Blank);
    apply(&mut state, 6, 0, EntryBody::Data(vec![batch(1, None)]));
    assert_eq!(
        state.epochs,
        [(LeaderEpoch(1), Offset(0)), (LeaderEpoch(6), Offset(5))]
    );
    assert_eq!(state.next_offset, Offset(6));
}

#[test]
fn the_log_start_moves_forward_only_and_never_past_the_end() {
    let mut state = PartitionState::default();
    let trim = |offset| EntryBody::Control(Control::TrimBefore(Offset(offset)).encode());
    apply(&mut state, 1, 0, EntryBody::Data(vec![batch(4, None)]));
    apply(&mut state, 2, 0, EntryBody::Data(vec![batch(4, None)]));
    apply(&mut state, 2, 0, trim(5));
    assert_eq!(state.log_start_offset, Offset(5));
    assert_eq!(
        state.epochs,
        [(LeaderEpoch(2), Offset(4))],
        "the epoch of the start stays"
    );
    apply(&mut state, 2, 0, trim(2));
    assert_eq!(state.log_start_offset, Offset(5));
    apply(&mut state, 2, 0, trim(99));
    assert_eq!(state.log_start_offset, Offset(8));
}

#[test]
fn log_time_never_goes_back() {
    let mut state = PartitionState::default();
    apply(&mut state, 1, 500, EntryBody::Blank);
    apply(&mut state, 1, 300, EntryBody::Blank);
    assert_eq!(state.log_time_ms, 500);
}

#[test]
fn a_state_has_these_bytes() {
    let mut state = PartitionState::default();
    apply(
        &mut state,
        2,
        9,
        EntryBody::Data(vec![batch(3, Some((7, 0)))]),
    );
    let expected: Vec<u8> = [
        &[1][..],
        &0_i64.to_le_bytes(),
        &3_i64.to_le_bytes(),
        &9_i64.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &2_i32.to_le_bytes(),
        &0_i64.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &7_i64.to_le_bytes(),
        &0_i16.to_le_bytes(),
        &9_i64.to_le_bytes(),
        &[1],
        &0_i32.to_le_bytes(),
        &2_i32.to_le_bytes(),
        &0_i64.to_le_bytes(),
    ]
    .concat();
    assert_eq!(&snapshot::encode(&state)[..], &expected[..]);
}

fn bodies() -> impl Strategy<Value = EntryBody> {
    let data = prop::collection::vec((1..4_usize, prop::option::of((0..4_i64, 0..9_i32))), 1..4)
        .prop_map(|batches| {
            EntryBody::Data(
                batches
                    .into_iter()
                    .map(|(count, by)| batch(count, by))
                    .collect(),
            )
        });
    let trim = (0..40_i64)
        .prop_map(|offset| EntryBody::Control(Control::TrimBefore(Offset(offset)).encode()));
    prop_oneof![4 => data, 1 => trim, 1 => Just(EntryBody::Blank)]
}

proptest! {
    /// A replica that restores a snapshot at any point goes on exactly as the others.
    #[test]
    fn a_snapshot_stands_for_the_entries_before_it(
        history in prop::collection::vec((bodies(), 0..3_u64, 0..200_000_000_i64), 1..30),
        cut in 0..30_usize,
    ) {
        let mut state = PartitionState::default();
        let (mut term, mut at_ms) = (1, 0);
        let mut restored = None;
        for (place, (body, terms, step_ms)) in history.into_iter().enumerate() {
            if place == cut {
                restored = Some(snapshot::decode(&snapshot::encode(&state)).unwrap());
            }
            term += terms;
            at_ms += step_ms;
            let entry = entry(&state, term, at_ms, body);
            state.apply(&entry);
            if let Some(restored) = &mut restored {
                restored.apply(&entry);
                prop_assert_eq!(&*restored, &state);
            }
            prop_assert!(state.log_start_offset <= state.next_offset);
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(snapshot::decode(&bytes));
        let mut bytes = bytes;
        bytes.insert(0, 1);
        drop(snapshot::decode(&bytes));
    }
}
