//! A checker that looks at nothing finds nothing wrong. So each valid history is judged once
//! more with an acknowledged value taken out of every poll: that must be found.

use floe_jepsen::{Action, AnomalyKind, History, Operation, Report, Stage};

/// Operations that are judged again at most; the planted loss is among them.
const OPERATIONS_MAX: usize = 2_000;

/// Whether `look` finds a loss that is planted here. A history without an acknowledged value has
/// nowhere to plant one, and its verdict is unknown already.
pub fn is_found(history: &History, look: impl Fn(&History) -> Report) -> bool {
    let Some((key, value)) = history.operations.iter().rev().find_map(acknowledged) else {
        return true;
    };
    // The last acknowledgement is judged by the final reading, which is at the end.
    let from = history.operations.len().saturating_sub(OPERATIONS_MAX);
    let mut planted = History {
        header: history.header.clone(),
        operations: history.operations[from..].to_vec(),
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

fn acknowledged(operation: &Operation) -> Option<(floe_jepsen::Key, floe_jepsen::Value)> {
    match &operation.action {
        Action::Send(sent) if operation.outcome == Stage::Ok => {
            sent.last().map(|sent| (sent.key.clone(), sent.value))
        }
        _ => None,
    }
}
