//! Metadata is linearizable: every register by itself, and the lives of every topic's name.

use std::collections::BTreeMap;

use super::Found;
use super::linear::{Call, Outcome, search};
use crate::{Access, Action, Anomaly, Doubt, Operation, OperationIndex, Stage, TopicChange};

/// Searches an order for the accesses to each piece of metadata. A topic's name is a register
/// whose state is the incarnation that has it.
pub(super) fn check(operations: &[Operation], found: &mut Found) {
    let mut registers: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for operation in operations {
        let (name, access) = match &operation.action {
            Action::Register { name, access } => (name.clone(), access.clone()),
            Action::Topic {
                change,
                topic,
                incarnation,
            } => (format!("topic {topic}"), life(*change, *incarnation)),
            _ => continue,
        };
        if operation.outcome != Stage::Fail {
            registers.entry(name).or_default().push(Call {
                operation: OperationIndex(operation.invoked),
                completed: operation.acknowledged(),
                access,
            });
        }
    }
    for (name, calls) in registers {
        match search(&calls) {
            Outcome::Linearizable => {}
            Outcome::Refuted {
                operation,
                concurrent,
            } => found.add(Anomaly::NotLinearizable {
                name,
                operation,
                concurrent,
            }),
            Outcome::Exhausted => found.doubts.push(Doubt::SearchExhausted { name }),
        }
    }
}

/// A change of a topic as an access to its name: a life begins where none is, and only it ends.
fn life(change: TopicChange, incarnation: u64) -> Access {
    let (from, to) = match change {
        TopicChange::Create => (None, Some(incarnation)),
        TopicChange::Delete => (Some(incarnation), None),
    };
    Access::Cas {
        from,
        to,
        applied: true,
    }
}
