//! Idempotent producers: gaps, repetitions and zombies.

use super::*;

fn by(offset: i64, count: u32, producer: Identity) -> Batch {
    Batch {
        producer: Some(producer),
        ..batch(offset, count)
    }
}

/// Three batches of two records in the log, made by these.
fn stored(producers: [Identity; 3]) -> Story {
    let batches: Vec<Batch> = (0..)
        .step_by(2)
        .zip(producers)
        .map(|(offset, producer)| by(offset, 2, producer))
        .collect();
    sound().batches(&batches)
}

#[test]
fn sequences_have_no_gaps() {
    let gap = [AnomalyKind::SequenceGap];
    let of = |sequences: [i32; 3]| stored(sequences.map(|sequence| identity(7, 0, sequence)));
    of([0, 2, 5]).is(&gap);
    of([0, 3, 5]).is(&gap);
    of([i32::MAX - 1, 1, 3]).is(&gap);
    of([0, 2, 4]).is(&[]);
    of([10, 12, 14]).is(&[]);
    of([i32::MAX - 1, 0, 2]).is(&[]);
    // Another producer and a new epoch count for themselves.
    stored([identity(7, 0, 0), identity(8, 0, 5), identity(7, 0, 2)]).is(&[]);
    stored([identity(7, 0, 8), identity(7, 1, 0), identity(7, 1, 2)]).is(&[]);
    let batches = [by(0, 2, identity(7, 0, 0)), by(2, 1, identity(7, 0, 4))];
    sound().replica(1, 3, &batches).is(&gap);
}

#[test]
fn sequences_do_not_repeat() {
    let repeat = [AnomalyKind::SequenceRepeat];
    let of = |sequences: [i32; 3]| stored(sequences.map(|sequence| identity(7, 0, sequence)));
    of([0, 2, 2]).is(&repeat);
    of([0, 2, 3]).is(&repeat);
    let batches = [by(0, 2, identity(7, 0, 0)), by(2, 1, identity(7, 0, 1))];
    sound().replica(1, 3, &batches).is(&repeat);
    // One that names no producer has none.
    stored([
        identity(-1, -1, -1),
        identity(-1, -1, -1),
        identity(7, 0, 0),
    ])
    .is(&[]);
    of([0, 2, 4])
        .batches(&[by(0, 2, identity(7, 0, 0))])
        .is(&[]);
    sound().batches(&[batch(0, 2), batch(2, 2)]).is(&[]);
}

/// Batches of one record each that were acknowledged at these offsets.
fn acknowledged(batches: &[(Identity, Value, i64)]) -> Story {
    let mut story = Story::new();
    for (producer, value, offset) in batches {
        story = story.produce(Stage::Ok, *producer, &[*value], Some(*offset));
    }
    story
}

#[test]
fn acknowledged_batches_have_the_places_that_their_sequences_demand() {
    let first = (identity(7, 0, 0), 10, 0);
    let end = |story: Story| story.poll(&[(0, 10), (1, 11)]).drain(2);
    // A success beyond a gap.
    let beyond = acknowledged(&[first, (identity(7, 0, 2), 11, 1)]);
    end(beyond).is(&[AnomalyKind::SequenceGap]);
    let failed = acknowledged(&[first]).produce(Stage::Fail, identity(7, 0, 1), &[12], None);
    let failed = failed.produce(Stage::Ok, identity(7, 0, 2), &[11], Some(1));
    end(failed).is(&[AnomalyKind::SequenceGap]);
    // What may be there fills it.
    let unsure = acknowledged(&[first]).produce(Stage::Info, identity(7, 0, 1), &[12], None);
    let unsure = unsure.produce(Stage::Ok, identity(7, 0, 2), &[11], Some(1));
    end(unsure).is(&[]);
    end(acknowledged(&[first, (identity(7, 0, 1), 11, 1)])).is(&[]);
    end(acknowledged(&[first, (identity(7, 1, 0), 11, 1)])).is(&[]);
}

#[test]
fn a_batch_sent_again_has_one_place() {
    let first = (identity(7, 0, 0), 10, 0);
    let second = (identity(7, 0, 1), 11, 1);
    let end = |story: Story| story.poll(&[(0, 10), (1, 11)]).drain(2);
    end(acknowledged(&[first, second, first])).is(&[]);
    let retry = Story::new().produce(Stage::Info, first.0, &[10], None);
    end(retry
        .produce(Stage::Ok, first.0, &[10], Some(0))
        .send(11, 1))
    .is(&[]);
    let twice = acknowledged(&[first, second, (first.0, 10, 5)]);
    let found = check(&end(twice).history()).anomalies;
    assert!(
        found.contains_key(&AnomalyKind::SequenceRepeat),
        "{found:?}"
    );
    assert!(found.contains_key(&AnomalyKind::Duplicate), "{found:?}");
    // A later sequence before an earlier one.
    let swapped = acknowledged(&[(first.0, 10, 1), (second.0, 11, 0)]);
    let swapped = swapped.poll(&[(0, 11), (1, 10)]).drain(2);
    let found = check(&swapped.history()).anomalies;
    assert!(
        found.contains_key(&AnomalyKind::SequenceRepeat),
        "{found:?}"
    );
}

#[test]
fn an_old_epoch_has_no_success_after_a_new_one() {
    let zombie = [AnomalyKind::ZombieProduce];
    let new = || Story::new().produce(Stage::Ok, identity(7, 1, 0), &[10], Some(0));
    let end = |story: Story| story.poll(&[(0, 10), (1, 11)]).drain(2);
    let old = |story: Story, outcome| story.produce(outcome, identity(7, 0, 5), &[11], Some(1));
    end(old(new(), Stage::Ok)).is(&zombie);
    stored([identity(7, 0, 0), identity(7, 1, 0), identity(7, 0, 2)]).is(&zombie);
    let batches = [by(0, 2, identity(7, 1, 0)), by(2, 1, identity(7, 0, 0))];
    sound().replica(1, 3, &batches).is(&zombie);
    // At once, by another producer, or refused.
    end(old(new().until(6), Stage::Ok).wait(3)).is(&[]);
    let other = new().produce(Stage::Ok, identity(8, 0, 0), &[11], Some(1));
    end(other).is(&[]);
    let refused = new().produce(Stage::Fail, identity(7, 0, 5), &[12], None);
    refused.poll(&[(0, 10)]).drain(1).is(&[]);
}
