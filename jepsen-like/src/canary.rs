//! A checker that looks at nothing finds nothing wrong. So a history in which nothing is wrong is
//! judged once more with an acknowledged value taken out of every poll: that must be found.

use crate::{
    Action, AnomalyKind, Doubt, History, Key, Operation, Report, Stage, Value, Verdict, check,
};

/// Operations that are judged again at most; the planted loss is among them.
const OPERATIONS_MAX: usize = 2_000;

/// Judges a history, and doubts the judgement if it does not see a loss that is planted.
#[must_use]
pub fn judge(history: &History) -> Report {
    judge_with(history, check)
}

fn judge_with(history: &History, look: impl Fn(&History) -> Report) -> Report {
    let mut report = look(history);
    if report.anomalies.is_empty() && !finds_planted_loss(history, look) {
        report.doubts.push(Doubt::PlantedLossMissed);
        report.verdict = Verdict::Unknown;
    }
    report
}

/// Whether `look` finds a loss that is planted here. A history without an acknowledged value has
/// nowhere to plant one, and its verdict is unknown already.
#[must_use]
pub fn finds_planted_loss(history: &History, look: impl Fn(&History) -> Report) -> bool {
    let Some((key, value)) = history.operations.iter().rev().find_map(acknowledged) else {
        return true;
    };
    // The last acknowledgement is judged by the final reading, which is at the end.
    let from = history.operations.len().saturating_sub(OPERATIONS_MAX);
    let mut planted = History {
        header: history.header.clone(),
        operations: history.operations.get(from..).unwrap_or_default().to_vec(),
    };
    for operation in &mut planted.operations {
        if let Action::Poll(polled) = &mut operation.action
            && let Some(values) = polled.get_mut(&key)
        {
            values.retain(|(_, one)| *one != value);
        }
    }
    let anomalies = look(&planted).anomalies;
    let kinds = [AnomalyKind::Unseen, AnomalyKind::LostWrite];
    kinds.iter().any(|kind| anomalies.contains_key(kind))
}

fn acknowledged(operation: &Operation) -> Option<(Key, Value)> {
    match &operation.action {
        Action::Send(sent) if operation.outcome == Stage::Ok => {
            sent.last().map(|sent| (sent.key.clone(), sent.value))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;

    fn history() -> History {
        let sent = Story::new().send(10, 0).send(11, 1);
        sent.poll(&[(0, 10), (1, 11)]).drain(2).history()
    }

    #[test]
    fn a_checker_that_sees_the_planted_loss_is_not_doubted() {
        assert!(judge(&history()).doubts.is_empty());
        assert_eq!(judge(&history()).verdict, check(&history()).verdict);
    }

    #[test]
    fn a_checker_that_skips_anomalies_says_nothing_that_counts() {
        let blind = |history: &History| {
            let mut report = check(history);
            report.anomalies.clear();
            report.verdict = Verdict::Valid;
            report
        };
        let report = judge_with(&history(), blind);
        assert_eq!(report.verdict, Verdict::Unknown);
        assert_eq!(report.doubts, [Doubt::PlantedLossMissed]);
    }
}
