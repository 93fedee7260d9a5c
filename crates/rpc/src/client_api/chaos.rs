//! Messages about faults that a node makes itself suffer, where its configuration allows it.

use floe_model::{Incarnation, NodeId};
use serde::{Deserialize, Serialize};

/// What to do about faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChaosRequest {
    /// Nothing: answer with the state.
    Describe,
    /// Suffer a fault, which ends by itself.
    Inject {
        /// Which.
        fault: ChaosFault,
        /// For how long, milliseconds; a node has an upper limit.
        length_ms: u32,
    },
    /// End all faults that last.
    Heal,
}

/// A fault of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChaosFault {
    /// The process dies as by SIGKILL and is started again after the length.
    Kill,
    /// The process stands still as by SIGSTOP.
    Pause,
    /// Nothing passes on the connections that the node makes to these others.
    Cut {
        /// The nodes that it cannot reach.
        from: Vec<NodeId>,
    },
    /// Syncs of its disk fail; it stops by itself and is started again.
    DiskSyncFails,
    /// Its disk is full.
    DiskFull,
    /// Its disk is slow.
    DiskSlow {
        /// Added to each write and sync, milliseconds.
        delay_ms: u32,
    },
    /// Its wall clock is off.
    ClockOffset {
        /// By this much, milliseconds.
        offset_ms: i64,
    },
}

/// A node as a tester of it sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChaosState {
    /// Whether its configuration allows faults.
    pub allowed: bool,
    /// Whether it has a supervisor, without which it can be neither killed nor paused.
    pub supervised: bool,
    /// Whether it serves.
    pub ready: bool,
    /// Whether a fault is on that lasts.
    pub broken: bool,
    /// Its start: grows with each.
    pub incarnation: Incarnation,
    /// Calls that faults have changed since its start.
    pub hits: ChaosHits,
}

/// Evidence that faults took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChaosHits {
    /// Reads, writes and connects that a cut held.
    pub cut: u64,
    /// File operations that failed or were slowed down.
    pub disk: u64,
    /// Readings of the wall clock that were off.
    pub clock: u64,
}
