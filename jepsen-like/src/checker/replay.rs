//! What had certainly happened when an operation began.
//!
//! Invariant: `earlier` has seen exactly the operations that had completed as ok before the one
//! that `later` is given was invoked. Concurrent operations may have happened in either order, so
//! no check compares them.

use crate::{Operation, Stage};

/// Places of the operations that happened, in the order of their completions.
pub(super) fn completions(operations: &[Operation]) -> Vec<usize> {
    let places = operations.iter().enumerate();
    let ok = places.filter(|(_, operation)| operation.outcome == Stage::Ok);
    let mut order: Vec<(u64, usize)> = ok
        .filter_map(|(place, operation)| Some((operation.completed?, place)))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, place)| place).collect()
}

/// Gives each operation to `later` in the order of the invocations, and each that happened to
/// `earlier` before all that were invoked after its completion.
pub(super) fn replay<'a, S>(
    operations: &'a [Operation],
    completions: &[usize],
    state: &mut S,
    mut earlier: impl FnMut(&mut S, &'a Operation),
    mut later: impl FnMut(&mut S, &'a Operation),
) {
    let completed = completions
        .iter()
        .filter_map(|place| operations.get(*place));
    let mut completed = completed.peekable();
    for operation in operations {
        let has_happened = |before: &&Operation| {
            before
                .completed
                .is_some_and(|index| index < operation.invoked)
        };
        while let Some(before) = completed.next_if(has_happened) {
            earlier(state, before);
        }
        later(state, operation);
    }
}
