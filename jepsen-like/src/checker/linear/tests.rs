//! Orders of accesses to one register, and agreement with trying all of them.

use proptest::prelude::*;

use super::*;

fn call(invoked: u64, completed: Option<u64>, access: Access) -> Call {
    Call {
        operation: OperationIndex(invoked),
        completed,
        access,
    }
}

fn read(value: u64) -> Access {
    let value = (value > 0).then_some(value);
    Access::Read { value }
}

fn write(value: u64) -> Access {
    Access::Write { value: Some(value) }
}

fn cas(from: u64, to: u64, applied: bool) -> Access {
    let state = |value: u64| (value > 0).then_some(value);
    let (from, to) = (state(from), state(to));
    Access::Cas { from, to, applied }
}

#[test]
fn concurrent_accesses_may_stand_in_any_order() {
    let calls = |value| {
        [
            call(0, Some(5), write(1)),
            call(1, Some(4), write(2)),
            call(6, Some(7), read(value)),
        ]
    };
    assert_eq!(search(&calls(1)), Outcome::Linearizable);
    assert_eq!(search(&calls(2)), Outcome::Linearizable);
    let refuted = Outcome::Refuted {
        operation: OperationIndex(6),
        concurrent: vec![OperationIndex(0)],
    };
    assert_eq!(search(&calls(3)), refuted);
}

#[test]
fn a_refused_replacement_saw_another_state() {
    let calls = |applied| {
        [
            call(0, Some(1), write(1)),
            call(2, Some(3), cas(1, 2, applied)),
        ]
    };
    assert_eq!(search(&calls(true)), Outcome::Linearizable);
    assert!(matches!(search(&calls(false)), Outcome::Refuted { .. }));
    // Something that may have happened explains it, though nobody read it.
    let mut explained = calls(false).to_vec();
    explained.insert(1, call(2, None, write(7)));
    explained[2].operation = OperationIndex(4);
    explained[2].completed = Some(5);
    assert_eq!(search(&explained), Outcome::Linearizable);
}

#[test]
fn many_accesses_that_may_have_happened_are_no_burden_unless_seen() {
    let mut calls: Vec<Call> = (0..200)
        .map(|index| call(index, None, write(index + 10)))
        .collect();
    calls.push(call(300, Some(301), read(0)));
    calls.push(call(302, Some(303), read(15)));
    assert_eq!(search(&calls), Outcome::Linearizable);
    // Each of these was seen in an order that nobody can give.
    let mut calls: Vec<Call> = (0..40)
        .map(|index| call(index, None, write(index + 10)))
        .collect();
    calls.extend((0..40).map(|index| call(100 + index, Some(500), read(index + 10))));
    for (index, call) in (500..).zip(calls.iter_mut().skip(40)) {
        call.completed = Some(index);
    }
    calls.push(call(600, Some(601), read(99)));
    assert_eq!(search(&calls), Outcome::Exhausted);
}

/// Whether any order of any of the optional calls fits: all are tried.
fn any_order(calls: &[Call], done: &mut Vec<usize>, state: State) -> bool {
    let is_open = |place: &usize| !done.contains(place);
    let open: Vec<usize> = (0..calls.len()).filter(is_open).collect();
    if open.iter().all(|place| calls[*place].completed.is_none()) {
        return true;
    }
    for &next in &open {
        let must_follow = |other: &usize| {
            calls[*other]
                .completed
                .is_some_and(|completed| completed < calls[next].operation.0)
        };
        if open.iter().any(must_follow) {
            continue;
        }
        if let Some(after) = apply(&calls[next], state) {
            done.push(next);
            if any_order(calls, done, after) {
                return true;
            }
            done.pop();
        }
    }
    false
}

fn any_access() -> impl Strategy<Value = Access> {
    prop_oneof![
        (0..3_u64).prop_map(read),
        (1..3_u64).prop_map(write),
        (0..3_u64, 0..3_u64, any::<bool>()).prop_map(|(from, to, applied)| cas(from, to, applied)),
    ]
}

proptest! {
    #[test]
    fn the_search_agrees_with_trying_all_orders(
        accesses in prop::collection::vec((any_access(), 1..6_u64, 0..4_u8), 1..7),
    ) {
        let mut calls = Vec::new();
        for (index, (access, length, certainty)) in (0..).zip(accesses) {
            let invoked = index * 2;
            // Completions are odd and do not collide.
            let completed = (certainty > 0).then_some(invoked + length * 20 + 1);
            calls.push(call(invoked * 10, completed.map(|at| at * 10 + index), access));
        }
        let expected = any_order(&calls, &mut Vec::new(), None);
        prop_assert_eq!(search(&calls) == Outcome::Linearizable, expected, "{:?}", calls);
    }
}
