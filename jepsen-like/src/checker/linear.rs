//! Whether accesses to one register have an order in which each returned what it must.
//!
//! Wing and Gong's search, as Lowe arranged it: events in order, and of every access only what
//! its return makes necessary. A configuration is a state with the open accesses that already
//! took effect; equal ones are looked at once, so that the search is linear in the history as
//! long as few accesses are open at a time.

use std::collections::BTreeSet;

use crate::{Access, OperationIndex, Value};

/// Configurations of one register looked at before the search gives up.
const CONFIGURATIONS_MAX: usize = 200_000;
/// Open accesses that a finding names.
const CONCURRENT_MAX: usize = 8;

/// The state of a register; it begins with none.
type State = Option<Value>;

/// One access with its time.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) operation: OperationIndex,
    /// Index of the completion of one that happened; none of one that may have happened.
    pub(super) completed: Option<u64>,
    pub(super) access: Access,
}

/// What the search says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is an order.
    Linearizable,
    /// There is none that explains `operation`, whatever came of those open at its end.
    Refuted {
        operation: OperationIndex,
        concurrent: Vec<OperationIndex>,
    },
    /// Too many orders.
    Exhausted,
}

/// A state, and the open calls (by place) that took effect before it.
type Configuration = (State, Vec<usize>);

/// Searches for an order of `calls`, which come in the order of their invocations.
pub(super) fn search(calls: &[Call]) -> Outcome {
    let calls = without_unseen(calls);
    // By index: the call, and whether it begins.
    let mut events: Vec<(u64, usize, bool)> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        events.push((call.operation.0, place, true));
        events.extend(call.completed.map(|completed| (completed, place, false)));
    }
    events.sort_unstable();
    let mut open: Vec<usize> = Vec::new();
    let mut last_fitting: Option<OperationIndex> = None;
    let mut configurations = BTreeSet::from([(None, Vec::new())]);
    let mut left = CONFIGURATIONS_MAX;
    for (_, place, is_begin) in events {
        if is_begin {
            open.push(place);
            continue;
        }
        let Some(next) = returns(&calls, &open, place, configurations, &mut left) else {
            return Outcome::Exhausted;
        };
        let operation = calls[place].operation;
        open.retain(|other| *other != place);
        if next.is_empty() {
            let open = open.iter().map(|place| calls[*place].operation);
            let concurrent = last_fitting.into_iter().chain(open);
            return Outcome::Refuted {
                operation,
                concurrent: concurrent.take(CONCURRENT_MAX).collect(),
            };
        }
        last_fitting = Some(operation);
        configurations = next;
    }
    Outcome::Linearizable
}

/// The configurations in which `place` took effect before it returned; none if there are too
/// many to look at.
fn returns(
    calls: &[Call],
    open: &[usize],
    place: usize,
    configurations: BTreeSet<Configuration>,
    left: &mut usize,
) -> Option<BTreeSet<Configuration>> {
    let mut next = BTreeSet::new();
    let mut work: Vec<Configuration> = configurations.iter().cloned().collect();
    let mut known = configurations;
    while let Some((state, done)) = work.pop() {
        *left = left.checked_sub(1)?;
        if done.contains(&place) {
            let others = done.into_iter().filter(|other| *other != place);
            next.insert((state, others.collect()));
            continue;
        }
        let is_left = |other: &&usize| !done.contains(other);
        // What changes nothing and fits may always come first: it stands in nobody's way.
        let idle = open.iter().filter(is_left).find(|other| {
            let call = &calls[**other];
            !changes(call) && apply(call, state).is_some()
        });
        let choices: Vec<usize> = match idle {
            Some(idle) => vec![*idle],
            None => open.iter().filter(is_left).copied().collect(),
        };
        for other in choices {
            let Some(after) = apply(&calls[other], state) else {
                continue;
            };
            let mut done = done.clone();
            done.insert(done.partition_point(|known| *known < other), other);
            let configuration = (after, done);
            if known.insert(configuration.clone()) {
                work.push(configuration);
            }
        }
    }
    Some(next)
}

/// Whether a call may change the state.
fn changes(call: &Call) -> bool {
    !matches!(
        call.access,
        Access::Read { .. } | Access::Cas { applied: false, .. }
    ) || call.completed.is_none()
}

/// The state after a call; none if the call cannot have happened in `state`.
fn apply(call: &Call, state: State) -> Option<State> {
    match call.access {
        Access::Read { value } => (state == value).then_some(state),
        Access::Write { value } => Some(value),
        Access::Cas { from, to, applied } => match (state == from, call.completed.is_some()) {
            (true, true) => applied.then_some(to),
            (true, false) => Some(to),
            (false, true) => (!applied).then_some(state),
            // It may have found this and changed nothing: as if it had never been.
            (false, false) => None,
        },
    }
}

/// Leaves out what may have happened and cannot have been seen: each would double the orders.
/// In any order that contains such a call, the next change follows it with nothing in between
/// that depends on it.
fn without_unseen(calls: &[Call]) -> Vec<Call> {
    let mut seen: BTreeSet<State> = BTreeSet::new();
    let mut is_difference_seen = false;
    for call in calls {
        match (&call.access, call.completed.is_some()) {
            (Access::Read { value }, true) => drop(seen.insert(*value)),
            (Access::Cas { applied: false, .. }, true) => is_difference_seen = true,
            (Access::Cas { from, .. }, _) => drop(seen.insert(*from)),
            (Access::Read { .. }, false) | (Access::Write { .. }, _) => {}
        }
    }
    let matters = |call: &&Call| match (&call.access, call.completed) {
        (_, Some(_)) => true,
        (Access::Read { .. }, None) => false,
        (Access::Write { value: to } | Access::Cas { to, .. }, None) => {
            is_difference_seen || seen.contains(to)
        }
    };
    calls.iter().filter(matters).cloned().collect()
}

#[cfg(test)]
mod tests;
