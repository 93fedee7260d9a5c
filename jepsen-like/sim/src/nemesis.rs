//! Carries out a plan on the simulation, and takes each fault back in time.
//!
//! It works between two steps of the simulation. Every fault is an operation of the history,
//! from its beginning to its end; one that could not land is a failed one.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_jepsen::{Action, Stage};
use turmoil::Sim;

use crate::book::{Book, Open};
use crate::cluster::node_name;
use crate::plan::{Fault, NemesisPlan, TimedFault};

mod machines;

pub use machines::Machines;
use machines::{Landing, Undo};

/// After this long a process that ended by itself is started again.
const SUPERVISOR_PAUSE: Duration = Duration::from_millis(300);
/// A fault waits so long for its moment.
const MOMENT_LIMIT_MS: u64 = 500;

/// The state of the machines as the nemesis made it.
pub struct Nemesis {
    machines: Machines,
    book: Book,
    /// Faults to come, the next one last.
    planned: Vec<TimedFault>,
    /// Faults in effect.
    running: Vec<Running>,
    /// When the supervisor starts a node again that ended by itself.
    restarts: BTreeMap<u32, Duration>,
    landed: BTreeMap<String, u64>,
}

struct Running {
    until: Duration,
    open: Open,
    action: Action,
    undo: Undo,
}

impl Nemesis {
    /// Nothing is broken yet.
    pub fn new(machines: Machines, book: Book) -> Self {
        Self {
            machines,
            book,
            planned: Vec::new(),
            running: Vec::new(),
            restarts: BTreeMap::new(),
            landed: BTreeMap::new(),
        }
    }

    /// Takes up a plan whose times count from now.
    pub fn begin(&mut self, plan: &NemesisPlan, now: Duration) {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.planned = plan.faults.clone();
        for timed in &mut self.planned {
            timed.at_ms += now_ms;
        }
        self.planned
            .sort_by_key(|timed| std::cmp::Reverse(timed.at_ms));
    }

    /// Whether something is about to happen to a machine.
    pub fn is_due(&self, now: Duration) -> bool {
        let planned = self.planned.last();
        planned.is_some_and(|timed| Duration::from_millis(timed.at_ms) <= now)
            || self.running.iter().any(|running| running.until <= now)
    }

    /// Does what is due.
    pub fn step(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        let mut still = Vec::new();
        for running in std::mem::take(&mut self.running) {
            if running.until <= now {
                self.end(sim, running);
            } else {
                still.push(running);
            }
        }
        self.running = still;
        let mut waiting = Vec::new();
        let is_due = |timed: &TimedFault| Duration::from_millis(timed.at_ms) <= now;
        while self.planned.last().is_some_and(is_due) {
            let Some(timed) = self.planned.pop() else {
                break;
            };
            let limit = Duration::from_millis(timed.at_ms + MOMENT_LIMIT_MS);
            if limit <= now || self.machines.is_moment_for(timed.fault) {
                self.inflict(sim, timed.fault, Duration::from_millis(timed.for_ms));
            } else {
                waiting.push(timed);
            }
        }
        // They are looked at again in the next step, before what comes later.
        self.planned.extend(waiting.into_iter().rev());
        self.supervise(sim);
    }

    /// Ends all faults now and plans none.
    pub fn heal(&mut self, sim: &mut Sim<'_>) {
        self.planned.clear();
        for running in std::mem::take(&mut self.running) {
            self.end(sim, running);
        }
    }

    /// Inflicts one fault now.
    pub fn inflict(&mut self, sim: &mut Sim<'_>, fault: Fault, lasts: Duration) {
        let before = self.machines.fingerprint(sim);
        let (target, undo) = match self.machines.land(sim, fault) {
            // Only what can be seen has landed.
            Landing::Landed { target, .. } if self.machines.fingerprint(sim) == before => {
                (target, None)
            }
            Landing::Landed { target, undo } => (target, Some(undo)),
            Landing::Missed { target } => (target, None),
        };
        let kind = fault.name().to_owned();
        tracing::info!(kind, target, landed = undo.is_some(), "fault");
        let action = Action::Fault { kind, target };
        let now = sim.elapsed();
        let open = self
            .book
            .begin_at(now, self.book.new_process(), action.clone());
        let Some(undo) = undo else {
            self.book.end_at(now, open, Stage::Fail, action);
            return;
        };
        *self.landed.entry(fault.name().to_owned()).or_default() += 1;
        self.running.push(Running {
            until: now + lasts,
            open,
            action,
            undo,
        });
    }

    /// Faults that landed, by kind.
    pub fn landed(&self) -> &BTreeMap<String, u64> {
        &self.landed
    }

    fn end(&mut self, sim: &mut Sim<'_>, running: Running) {
        self.machines.undo(sim, &running.undo);
        self.book
            .end_at(sim.elapsed(), running.open, Stage::Ok, running.action);
    }

    /// Starts processes that ended by themselves, after a pause, as systemd would.
    fn supervise(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        for node in self.machines.nodes() {
            let name = node_name(node);
            if sim.is_host_running(name.as_str()) {
                self.restarts.remove(&node);
                continue;
            }
            self.machines.links.set_process_down(&name, true);
            if self.running.iter().any(|running| running.undo.starts(node)) {
                continue;
            }
            let due = *self.restarts.entry(node).or_insert(now + SUPERVISOR_PAUSE);
            if due <= now {
                self.machines.start(sim, node);
            }
        }
    }
}
