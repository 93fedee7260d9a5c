//! What could not be written, and for how long.

use super::*;
use crate::{Downtime, Moment};

/// A log is healed at event 20 and then written with these outcomes, 100 events apart.
fn healed(outcomes: &[Stage]) -> Story {
    let mut story = Story::new().send(10, 0).fault(Stage::Ok).wait(14);
    story = story.act(0, Stage::Ok, Action::Phase("heal".to_owned()));
    for (value, outcome) in (11..).zip(outcomes) {
        story = story.send_as(value, *outcome, &[(value, None)]).wait(98);
    }
    let next = 99;
    story = story
        .send_as(30, Stage::Info, &[(next, None)])
        .until(story_end(outcomes));
    story.plan.available_within_ms = Some(150);
    story
}

fn story_end(outcomes: &[Stage]) -> u64 {
    20 + 100 * outcomes.len() as u64 + 50
}

fn kinds(story: Story) -> Vec<AnomalyKind> {
    check(&story.history()).anomalies.into_keys().collect()
}

#[test]
fn a_healed_log_is_writable_in_time() {
    use Stage::{Fail, Info, Ok};
    let late = [AnomalyKind::Unavailable];
    assert_eq!(kinds(healed(&[Info, Info, Info, Ok])), late);
    assert_eq!(kinds(healed(&[Ok, Fail, Fail, Fail, Ok])), late);
    assert_eq!(kinds(healed(&[Info, Info, Info])), late);
    assert_eq!(kinds(healed(&[Info, Ok, Info, Ok])), []);
    assert_eq!(kinds(healed(&[Ok, Ok, Ok])), []);
    let mut unbound = healed(&[Info, Info, Info, Ok]);
    unbound.plan.available_within_ms = None;
    assert_eq!(kinds(unbound), []);
    // A topic that comes and goes may be gone.
    let mut life = healed(&[Info, Info, Info, Ok]);
    for operation in &mut life.operations {
        if let Action::Send(sends) = &mut operation.action {
            sends.iter_mut().for_each(|sent| sent.key = named("t#1/0"));
        }
    }
    assert_eq!(kinds(life), []);
}

#[test]
fn faults_excuse_a_log_that_cannot_be_written() {
    let story = Story::new()
        .send_as(1, Stage::Info, &[(10, None)])
        .wait(900)
        .send(11, 0);
    let mut story = story
        .act(0, Stage::Ok, Action::Phase("heal".to_owned()))
        .send(12, 1);
    story.plan.available_within_ms = Some(10);
    story.poll(&[(0, 11), (1, 12)]).drain(2).is(&[]);
}

#[test]
fn nobody_tried_is_no_proof_of_anything() {
    let mut story = sound().act(0, Stage::Ok, Action::Phase("heal".to_owned()));
    story.plan.available_within_ms = Some(10);
    story.shows_nothing(&Doubt::NotTriedAfterHeal { key: key() });
    // Nor does the time after somebody gave up count.
    let paused = Story::new()
        .send_as(1, Stage::Fail, &[(10, None)])
        .wait(5000);
    let mut paused = paused.send(11, 0).poll(&[(0, 11)]).drain(1);
    paused.plan.available_within_ms = Some(100);
    paused.is(&[]);
}

#[test]
fn downtime_lasts_from_the_first_attempt_to_the_next_success() {
    let story = Story::new().send(10, 0);
    // Attempts at 2, 302 and 602 ms, of which the last is acknowledged at 603 ms.
    let story = story.send_as(1, Stage::Info, &[(11, None)]).wait(298);
    let story = story
        .send_as(4, Stage::Fail, &[(12, None)])
        .wait(298)
        .send(13, 1);
    let story = story.poll(&[(0, 10), (1, 13)]).drain(2);
    let report = check(&story.history());
    let expected = Downtime {
        windows: 1,
        longest_ms: 601,
        total_ms: 601,
    };
    assert_eq!(report.downtime[&key()], expected);
}

#[test]
fn a_finding_names_the_first_that_waited() {
    let report = check(&healed(&[Stage::Info, Stage::Info, Stage::Info, Stage::Ok]).history());
    let example = &report.anomalies[&AnomalyKind::Unavailable].examples[0];
    let expected = Anomaly::Unavailable {
        key: key(),
        from: Moment(20 * STEP_NS),
        until: Some(Moment(321 * STEP_NS)),
        within_ms: 150,
        operation: crate::OperationIndex(20),
    };
    assert_eq!(example, &expected);
}
