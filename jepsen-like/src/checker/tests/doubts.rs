//! Runs that could not have shown anything.

use super::*;

#[test]
fn a_run_without_acknowledgements_or_a_final_reading_is_unknown() {
    Story::new().shows_nothing(&Doubt::NothingSent);
    let unread = || Story::new().send(10, 0).poll(&[(0, 10)]);
    unread().shows_nothing(&Doubt::NotDrained { key: key() });
    unread().drain(1).is(&[]);
    // Acknowledged after the final reading began.
    let late = unread().drain(1).send(13, 1);
    late.shows_nothing(&Doubt::NotDrained { key: key() });
}

#[test]
fn a_run_that_mostly_failed_or_did_little_is_unknown() {
    let mut failing = sound();
    for _ in 0..1000 {
        failing = failing.act(4, Stage::Fail, Action::Send(vec![]));
    }
    failing.shows_nothing(&Doubt::MostlyFailed { ok: 5, all: 1005 });
    let mut little = sound();
    little.plan.operations_min = 6;
    little.shows_nothing(&Doubt::TooFewOperations { ok: 5, planned: 6 });
    let mut enough = sound();
    enough.plan.operations_min = 5;
    enough.is(&[]);
}

#[test]
fn a_run_without_its_faults_is_unknown() {
    let missing = |landed, planned| Doubt::FaultsMissing { landed, planned };
    let mut calm = sound().fault(Stage::Fail).fault(Stage::Ok);
    calm.plan.faults_min = 2;
    calm.shows_nothing(&missing(1, 2));
    // A nemesis that never lands anything, whatever the plan asks for.
    let mut idle = sound().fault(Stage::Fail);
    idle.plan.nemesis.push("kill".to_owned());
    idle.shows_nothing(&missing(0, 1));
    let mut landed = sound().fault(Stage::Ok);
    landed.plan.nemesis.push("kill".to_owned());
    landed.is(&[]);
}

#[test]
fn a_run_that_missed_what_it_must_provoke_is_unknown() {
    let seen = |story: Story, count| {
        let what = "election".to_owned();
        story.act(0, Stage::Ok, Action::Seen { what, count })
    };
    let planned = |mut story: Story, what: &str, count| {
        story.plan.coverage_min.insert(what.to_owned(), count);
        story
    };
    let missed = |what: &str, seen, planned| Doubt::CoverageMissed {
        what: what.to_owned(),
        seen,
        planned,
    };
    planned(sound(), "election", 1).shows_nothing(&missed("election", 0, 1));
    planned(seen(sound(), 2), "election", 3).shows_nothing(&missed("election", 2, 3));
    planned(sound().fault(Stage::Fail), "fault:kill", 1).shows_nothing(&missed("fault:kill", 0, 1));
    planned(seen(seen(sound(), 2), 1), "election", 3).is(&[]);
    planned(sound().fault(Stage::Ok), "fault:kill", 1).is(&[]);
    seen(sound(), 0).is(&[]);
}

#[test]
fn an_anomaly_outweighs_all_doubts() {
    let story = Story::new().send(10, 0).poll(&[(0, 10), (1, 99)]);
    let report = check(&story.history());
    assert!(!report.doubts.is_empty());
    assert_eq!(report.verdict, Verdict::Invalid);
    let codes = [Verdict::Valid, Verdict::Invalid, Verdict::Unknown].map(Verdict::exit_code);
    assert_eq!(codes, [0, 1, 5]);
}

#[test]
fn findings_are_counted_beyond_the_examples() {
    let polled: Vec<_> = (0..50).zip(1000..).collect();
    let report = check(&Story::new().poll(&polled).history());
    let findings = &report.anomalies[&AnomalyKind::Phantom];
    let counts = (findings.count, findings.examples.len());
    assert_eq!(counts, (50, EXAMPLES_MAX));
}
