//! What the director of a run tells the workload, and what it hears back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use floe_model::Offset;
use parking_lot::Mutex;

/// Where a run stands. Later phases are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The cluster forms and the topic is made.
    Setup,
    /// Everybody works, faults happen.
    Faults,
    /// Everything is healed; every partition must be written again.
    Converge,
    /// Workers finish what they began.
    Stop,
    /// Everything is read from the start.
    Drain,
}

/// Between two looks of a waiting worker.
const LOOK: Duration = Duration::from_millis(10);

/// The shared signals; clones are the same.
#[derive(Clone, Debug)]
pub struct Signals {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    is_topic_ready: bool,
    /// Partitions acknowledged since everything was healed.
    converged: BTreeSet<u32>,
    /// Partitions that the group committed since everything was healed.
    consumed: BTreeSet<u32>,
    /// Acknowledged since the oracle looked: partition and offset.
    placed: Vec<(u32, Offset)>,
    /// How many faults want leaderships to move.
    storms: u32,
    /// Client hosts whose workers have finished.
    finished: u32,
}

impl Signals {
    /// A run that begins.
    pub fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                phase: Phase::Setup,
                is_topic_ready: false,
                converged: BTreeSet::new(),
                consumed: BTreeSet::new(),
                placed: Vec::new(),
                storms: 0,
                finished: 0,
            })),
        }
    }

    /// The present phase.
    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// Goes on to `phase`.
    pub fn enter(&self, phase: Phase) {
        tracing::info!(?phase, "phase");
        self.state.lock().phase = phase;
    }

    /// Waits until `phase` has come.
    pub async fn until(&self, phase: Phase) {
        while self.phase() < phase {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The topic can be written.
    pub fn topic_is_ready(&self) {
        self.state.lock().is_topic_ready = true;
    }

    /// Whether the topic can be written.
    pub fn is_topic_ready(&self) -> bool {
        self.state.lock().is_topic_ready
    }

    /// The group committed a partition.
    pub fn consumed(&self, partition: u32) {
        let mut state = self.state.lock();
        if state.phase == Phase::Converge {
            state.consumed.insert(partition);
        }
    }

    /// How many partitions the group committed since everything was healed.
    pub fn consumed_count(&self) -> usize {
        self.state.lock().consumed.len()
    }

    /// What was acknowledged since the last call.
    pub fn take_placed(&self) -> Vec<(u32, Offset)> {
        std::mem::take(&mut self.state.lock().placed)
    }

    /// Whether leaderships are to be moved now.
    pub fn is_storm(&self) -> bool {
        self.state.lock().storms > 0
    }

    /// Begins or ends moving leaderships.
    pub fn set_storm(&self, storm: bool) {
        let mut state = self.state.lock();
        state.storms = if storm {
            state.storms + 1
        } else {
            state.storms.saturating_sub(1)
        };
    }

    /// A partition acknowledged a record at this offset.
    pub fn acknowledged(&self, partition: u32, offset: Offset) {
        let mut state = self.state.lock();
        state.placed.push((partition, offset));
        if state.phase == Phase::Converge {
            state.converged.insert(partition);
        }
    }

    /// How many partitions acknowledged since everything was healed.
    pub fn converged(&self) -> usize {
        self.state.lock().converged.len()
    }

    /// A client host has stopped.
    pub fn worker_finished(&self) {
        self.state.lock().finished += 1;
    }

    /// How many client hosts have stopped.
    pub fn finished(&self) -> u32 {
        self.state.lock().finished
    }
}
