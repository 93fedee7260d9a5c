//! When each log could not be written, as its writers saw it.
//!
//! Invariant: a window lasts from the first attempt that got no answer to the next
//! acknowledgement by anybody. An acknowledgement proves the log available at that moment, so
//! that an attempt that goes on waiting counts from there.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Action, History, Key, Operation, OperationIndex, Stage};

/// Nobody waits any more when nobody has tried for this long.
const PATIENCE_NS: u64 = 1_000_000_000;

/// Somebody waited, and nobody was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// When the wait began.
    pub(crate) from_ns: u64,
    /// When the next was served, or everybody had given up; none if some still wait at the end.
    pub(crate) until_ns: Option<u64>,
    /// Who waited first.
    pub(crate) waiter: OperationIndex,
}

impl Window {
    /// How long it lasted, up to the end of the run if it never ended.
    pub(crate) fn length_ns(&self, end_ns: u64) -> u64 {
        let until = self.until_ns.unwrap_or(end_ns);
        until.saturating_sub(self.from_ns)
    }
}

/// When everything was healed: the last `heal` phase, or the end of the last fault that landed.
pub(crate) fn healed_at_ns(history: &History) -> u64 {
    let phase =
        |operation: &&Operation| matches!(&operation.action, Action::Phase(name) if name == "heal");
    let heals = history.operations.iter().filter(phase);
    if let Some(heal) = heals.map(|heal| heal.invoked_ns).max() {
        return heal;
    }
    let faults = history.operations.iter().filter(|operation| {
        matches!(operation.action, Action::Fault { .. }) && operation.outcome != Stage::Fail
    });
    let ends = faults.map(|fault| fault.completed_ns.unwrap_or(fault.invoked_ns));
    ends.max().unwrap_or(0)
}

/// Whether a key was tried to be written, and the windows in which that did not work.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// All windows, however short, in order of time.
    pub(crate) windows: Vec<Window>,
    /// When the last attempt began.
    pub(crate) last_attempt_ns: u64,
    waiting: Option<(u64, OperationIndex)>,
    in_flight: BTreeSet<u64>,
    /// When the last attempt ended while no other was in flight.
    idle_since_ns: u64,
}

impl Writes {
    fn begin(&mut self, operation: &Operation) {
        let now_ns = operation.invoked_ns;
        if self.in_flight.is_empty() && now_ns.saturating_sub(self.idle_since_ns) > PATIENCE_NS {
            self.close();
        }
        self.last_attempt_ns = now_ns;
        self.in_flight.insert(operation.invoked);
        self.waiting
            .get_or_insert((now_ns, OperationIndex(operation.invoked)));
    }

    fn end(&mut self, operation: &Operation, now_ns: u64, is_served: bool) {
        self.in_flight.remove(&operation.invoked);
        if self.in_flight.is_empty() {
            self.idle_since_ns = now_ns;
        }
        if !is_served {
            return;
        }
        self.push(Some(now_ns));
        let next = self.in_flight.first();
        self.waiting = next.map(|next| (now_ns, OperationIndex(*next)));
    }

    /// Ends a wait that nobody goes on with.
    fn close(&mut self) {
        let is_idle = self.in_flight.is_empty();
        self.push(is_idle.then_some(self.idle_since_ns));
    }

    fn push(&mut self, until_ns: Option<u64>) {
        if let Some((from_ns, waiter)) = self.waiting.take() {
            self.windows.push(Window {
                from_ns,
                until_ns,
                waiter,
            });
        }
    }
}

/// Follows all writes through a history.
pub(crate) fn writes(operations: &[Operation]) -> BTreeMap<Key, Writes> {
    let mut edges: Vec<(u64, usize, bool)> = Vec::new();
    for (place, operation) in operations.iter().enumerate() {
        if !matches!(
            operation.action,
            Action::Send(_) | Action::Produce(_) | Action::Txn(_)
        ) {
            continue;
        }
        edges.push((operation.invoked, place, true));
        if let Some(completed) = operation.completed {
            edges.push((completed, place, false));
        }
    }
    edges.sort_unstable();
    let mut writes: BTreeMap<Key, Writes> = BTreeMap::new();
    for (_, place, is_begin) in edges {
        let operation = &operations[place];
        let mut keys: BTreeMap<&Key, bool> = BTreeMap::new();
        operation.action.each_sent(|key, _, offset| {
            *keys.entry(key).or_default() |= operation.outcome_of(offset) == Stage::Ok;
        });
        for (key, is_served) in keys {
            let writes = match writes.get_mut(key) {
                Some(writes) => writes,
                None => writes.entry(key.clone()).or_default(),
            };
            match operation.completed_ns {
                Some(now_ns) if !is_begin => writes.end(operation, now_ns, is_served),
                _ => writes.begin(operation),
            }
        }
    }
    writes.values_mut().for_each(Writes::close);
    writes
}
