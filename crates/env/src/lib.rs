//! The seams between Floe and the machine: network, files, clock, randomness and tasks.
//!
//! Invariant: no other crate reads a clock, draws a random number, opens a socket or a file, or
//! starts a thread or task except through an [`Env`]. A node is an ordinary async function of its
//! configuration and an `Env`, so several run in one process and the simulator can own them all.

#![allow(
    clippy::disallowed_methods,
    reason = "these are the calls that the seams stand for"
)]

mod chaos;
mod clock;
mod io_machine;
mod net;
mod rng;
mod sim;
mod spawn;
mod vfs;

pub use chaos::{
    DiskFault, FaultHits, Faults, ProcessSignal, Supervisor, SupervisorRequest, signal_process,
};
pub use clock::{Clock, RealClock, SimClock};
pub use io_machine::{IoMachine, IoWake, Step};
pub use net::{Connection, Listener, Net, RealNet, Stream};
pub use rng::Rng;
pub use sim::{CrashPlan, Gate, SimVfs};
pub use spawn::{IoThread, Spawn};
pub use vfs::{DirEntry, DirLock, OpenMode, RealVfs, Vfs, VfsFile};

use std::sync::Arc;

/// Everything a node may ask of the machine. Cloning is cheap; clones share the machine.
#[derive(Clone)]
pub struct Env {
    /// Sockets.
    pub net: Arc<dyn Net>,
    /// Files.
    pub vfs: Arc<dyn Vfs>,
    /// Monotonic and wall time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Rng,
    /// Tasks and I/O threads.
    pub spawn: Spawn,
}

impl Env {
    /// The real machine.
    ///
    /// # Errors
    /// The operating system has no random numbers to give.
    pub fn real() -> std::io::Result<Self> {
        Ok(Self {
            net: Arc::new(RealNet),
            vfs: Arc::new(RealVfs),
            clock: Arc::new(RealClock::new()),
            rng: Rng::from_os()?,
            spawn: Spawn::real(),
        })
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}
