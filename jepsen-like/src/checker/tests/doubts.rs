//! TODO
use super::*;

#[test]
fn a_run_that_could_show_nothing_is_unknown() {
    Story::new().shows_nothing(&Doubt::NothingSent);
    let unread = || Story::new().send(10, 0).poll(&[(0, 10)]);
    unread().shows_nothing(&Doubt::NotDrained { key: key() });
    // Acknowledged after the drain began.
    sound()
        .send(13, 3)
        .shows_nothing(&Doubt::NotDrained { key: key() });
    let mut failing = sound();
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
