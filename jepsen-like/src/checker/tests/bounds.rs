//! High watermarks, log starts and offsets by time.

use super::*;

#[test]
fn bounds_do_not_fall() {
    let fall = [AnomalyKind::WatermarkRegression];
    let told = |one, two| sound().watermarks(one).watermarks(two);
    told(watermarks(0, 5, None), watermarks(0, 4, None)).is(&fall);
    told(watermarks(2, 5, None), watermarks(1, 5, None)).is(&fall);
    told(watermarks(0, 5, Some(3)), watermarks(0, 4, Some(4))).is(&fall);
    told(watermarks(0, 5, None), watermarks(0, 5, None)).is(&[]);
    told(watermarks(0, 5, None), watermarks(3, 6, None)).is(&[]);
    // A deposed leader speaks of the past, and answers at once may come in any order.
    told(watermarks(0, 5, Some(4)), watermarks(0, 4, Some(3))).is(&[]);
    let concurrent = sound().watermarks(watermarks(0, 5, None)).until(40);
    concurrent.watermarks(watermarks(0, 4, None)).is(&[]);
}

#[test]
fn nothing_is_read_above_the_high_watermark() {
    let above = [AnomalyKind::AboveHighWatermark];
    sound().watermarks(watermarks(0, 2, None)).is(&above);
    sound().watermarks(watermarks(0, 0, Some(9))).is(&above);
    // What was acknowledged is committed too.
    let acknowledged = Story::new().send(10, 0).watermarks(watermarks(0, 0, None));
    acknowledged.poll(&[(0, 10)]).drain(1).is(&above);
    sound().watermarks(watermarks(0, 3, None)).is(&[]);
    sound().watermarks(watermarks(0, 9, None)).is(&[]);
    let early = Story::new().watermarks(watermarks(0, 0, None)).send(10, 0);
    early.poll(&[(0, 10)]).drain(1).is(&[]);
    // The acknowledgement was under way.
    let slow = Story::new()
        .send(10, 0)
        .until(8)
        .watermarks(watermarks(0, 0, None))
        .wait(6);
    slow.poll(&[(0, 10)]).drain(1).is(&[]);
}

#[test]
fn bounds_stand_in_order() {
    let crossed = [AnomalyKind::WatermarksCrossed];
    let told = |start, stable, high| {
        let told = watermarks(start, high, None);
        let stable = Some(Offset(stable));
        sound().watermarks(Watermarks { stable, ..told })
    };
    told(4, 3, 9).is(&crossed);
    told(0, 10, 9).is(&crossed);
    sound().watermarks(watermarks(4, 3, None)).is(&crossed);
    told(0, 3, 9).is(&[]);
    told(9, 9, 9).is(&[]);
    sound().watermarks(watermarks(3, 3, None)).is(&[]);
}

/// Answers to one question.
fn times(story: Story, answers: &[(i64, Option<i64>)]) -> Story {
    let answers = answers
        .iter()
        .map(|(at_ms, offset)| (*at_ms, offset.map(Offset)));
    story.act(
        13,
        Stage::Ok,
        Action::Times([(key(), answers.collect())].into()),
    )
}

#[test]
fn later_times_are_not_at_smaller_offsets() {
    let back = [AnomalyKind::TimeLookupRegression];
    times(sound(), &[(100, Some(2)), (200, Some(1))]).is(&back);
    times(sound(), &[(200, Some(1)), (100, Some(2))]).is(&back);
    let asked = |answers: &[(i64, Option<i64>)]| times(times(sound(), &[(100, Some(2))]), answers);
    asked(&[(100, Some(1))]).is(&back);
    asked(&[(150, Some(0))]).is(&back);
    asked(&[(100, Some(2)), (200, Some(2)), (300, None)]).is(&[]);
    asked(&[(50, Some(1))]).is(&[]);
    // What was found first may be trimmed by now.
    asked(&[(100, Some(3))]).is(&[]);
    let concurrent = times(sound(), &[(100, Some(2))]).until(40);
    times(concurrent, &[(100, Some(1))]).is(&[]);
}

#[test]
fn log_time_does_not_fall() {
    let back = [AnomalyKind::TimestampRegression];
    let timed = |times: [Option<i64>; 3]| -> Vec<Batch> {
        let timed = (0..).zip(times);
        timed
            .map(|(offset, at_ms)| Batch {
                appended_at_ms: at_ms,
                ..batch(offset, 1)
            })
            .collect()
    };
    sound().batches(&timed([Some(5), Some(4), None])).is(&back);
    sound().batches(&timed([Some(5), None, Some(4)])).is(&back);
    sound()
        .replica(1, 3, &timed([Some(5), Some(6), Some(5)]))
        .is(&back);
    sound().batches(&timed([Some(5), Some(5), Some(6)])).is(&[]);
    sound().batches(&timed([None, None, Some(6)])).is(&[]);
    sound()
        .replica(1, 3, &timed([Some(5), Some(6), Some(7)]))
        .is(&[]);
}
