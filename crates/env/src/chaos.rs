//! Faults on purpose: seams that break on request and heal by themselves.
//!
//! [`Faults::around`] puts a breakable network, file system and wall clock around those of an
//! [`Env`]; the handle breaks them. Invariant: a fault has a deadline of at most
//! [`Faults::LENGTH_MAX`] from the moment it is asked for, kept here and not by who asked, so
//! that whoever injects faults may die and leaves none behind. A new fault of a kind replaces
//! the former one. An `Env` that nothing was put around pays nothing.

mod clock;
mod net;
mod supervisor;
mod vfs;

pub use supervisor::{ProcessSignal, Supervisor, SupervisorRequest, signal_process};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Clock, Env};

/// What may be wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// Syncs fail with EIO, and so do writes that are durable when they return.
    SyncFails,
    /// Files cannot grow, ENOSPC; what is written in place succeeds.
    Full,
    /// Every write and sync takes this much longer.
    Slow(Duration),
}

/// How many calls a fault has changed, since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultHits {
    /// Reads, writes and connects that were held.
    pub cut: u64,
    /// File operations that failed or were slowed down.
    pub disk: u64,
    /// Readings of the wall clock that were off.
    pub clock: u64,
}

/// Breaks the seams of one node. Clones break the same ones.
#[derive(Clone)]
pub struct Faults {
    shared: Arc<Shared>,
}

struct Shared {
    /// Deadlines go by monotonic time, which no fault touches.
    clock: Arc<dyn Clock>,
    /// Read and replaced in place, never held across a call.
    active: Mutex<Active>,
    /// Wakes what a cut holds when faults change.
    changed: watch::Sender<()>,
    cut_hits: AtomicU64,
    disk_hits: AtomicU64,
    clock_hits: AtomicU64,
    supervisor: Option<Supervisor>,
}

/// The faults of now.
#[derive(Default)]
struct Active {
    cut: Option<Timed<BTreeSet<String>>>,
    disk: Option<Timed<DiskFault>>,
    wall_offset_ms: Option<Timed<i64>>,
}

struct Timed<T> {
    fault: T,
    until: Duration,
}

impl<T> Timed<T> {
    fn at(this: Option<&Self>, now: Duration) -> Option<&T> {
        this.filter(|timed| now < timed.until)
            .map(|timed| &timed.fault)
    }
}

impl Faults {
    /// Longest time that a fault lasts.
    pub const LENGTH_MAX: Duration = Duration::from_secs(60);

    /// `env` with seams that the returned handle breaks. With a supervisor the process itself
    /// can be killed and paused too.
    #[must_use]
    pub fn around(env: &Env, supervisor: Option<Supervisor>) -> (Env, Self) {
        let faults = Self {
            shared: Arc::new(Shared {
                clock: Arc::clone(&env.clock),
                active: Mutex::default(),
                changed: watch::Sender::new(()),
                cut_hits: AtomicU64::new(0),
                disk_hits: AtomicU64::new(0),
                clock_hits: AtomicU64::new(0),
                supervisor,
            }),
        };
        let breakable = Env {
            net: Arc::new(net::BreakableNet::new(&env.net, &faults)),
            vfs: Arc::new(vfs::BreakableVfs::new(&env.vfs, &faults)),
            clock: Arc::new(clock::BreakableClock::new(&env.clock, &faults)),
            ..env.clone()
        };
        (breakable, faults)
    }

    /// Who can kill and pause the process.
    #[must_use]
    pub fn supervisor(&self) -> Option<&Supervisor> {
        self.shared.supervisor.as_ref()
    }

    /// Holds everything on connections that this node made, or makes, to `addrs`: bytes wait
    /// both ways, as if lost and sent again, until the cut is over. Connections that were
    /// accepted are not touched, so a cut is one-way; cut both ends to separate two nodes.
    pub fn cut(&self, addrs: BTreeSet<String>, length: Duration) {
        let timed = self.timed(addrs, length);
        self.change(|active| active.cut = Some(timed));
    }

    /// Breaks the disk.
    pub fn break_disk(&self, fault: DiskFault, length: Duration) {
        let timed = self.timed(fault, length);
        self.change(|active| active.disk = Some(timed));
    }

    /// Moves the wall clock.
    pub fn shift_wall_clock(&self, offset_ms: i64, length: Duration) {
        let timed = self.timed(offset_ms, length);
        self.change(|active| active.wall_offset_ms = Some(timed));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.change(|active| *active = Active::default());
    }

    /// Whether any fault is on.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        let now = self.shared.clock.now();
        let active = self.shared.active.lock();
        Timed::at(active.cut.as_ref(), now).is_some()
            || Timed::at(active.disk.as_ref(), now).is_some()
            || Timed::at(active.wall_offset_ms.as_ref(), now).is_some()
    }

    /// What faults have done so far.
    #[must_use]
    pub fn hits(&self) -> FaultHits {
        FaultHits {
            cut: self.shared.cut_hits.load(Ordering::Relaxed),
            disk: self.shared.disk_hits.load(Ordering::Relaxed),
            clock: self.shared.clock_hits.load(Ordering::Relaxed),
        }
    }

    fn timed<T>(&self, fault: T, length: Duration) -> Timed<T> {
        let until = self.shared.clock.now() + length.min(Self::LENGTH_MAX);
        Timed { fault, until }
    }

    fn change(&self, edit: impl FnOnce(&mut Active)) {
        edit(&mut self.shared.active.lock());
        self.shared.changed.send_replace(());
    }

    /// How long `addr` stays cut off, if it is.
    fn cut_left(&self, addr: &str) -> Option<Duration> {
        let now = self.shared.clock.now();
        let active = self.shared.active.lock();
        let cut = active.cut.as_ref()?;
        let is_cut = now < cut.until && cut.fault.contains(addr);
        is_cut.then(|| cut.until - now)
    }

    /// Waits until `addr` can be reached.
    async fn until_reachable(self, addr: Arc<str>) {
        let mut changed = self.shared.changed.subscribe();
        let mut was_held = false;
        while let Some(left) = self.cut_left(&addr) {
            if !was_held {
                self.shared.cut_hits.fetch_add(1, Ordering::Relaxed);
                was_held = true;
            }
            // Healed, replaced or over: the next look tells.
            drop(tokio::time::timeout(left, changed.changed()).await);
        }
    }

    /// The fault of the disk, for an operation that `concerns` says it applies to.
    fn disk_fault(&self, concerns: impl FnOnce(DiskFault) -> bool) -> Option<DiskFault> {
        let now = self.shared.clock.now();
        let fault = *Timed::at(self.shared.active.lock().disk.as_ref(), now)?;
        let hit = concerns(fault);
        if hit {
            self.shared.disk_hits.fetch_add(1, Ordering::Relaxed);
        }
        hit.then_some(fault)
    }

    fn wall_offset_ms(&self) -> i64 {
        let now = self.shared.clock.now();
        match Timed::at(self.shared.active.lock().wall_offset_ms.as_ref(), now) {
            Some(offset_ms) => {
                self.shared.clock_hits.fetch_add(1, Ordering::Relaxed);
                *offset_ms
            }
            None => 0,
        }
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faults")
    }
}

#[cfg(test)]
mod tests;
