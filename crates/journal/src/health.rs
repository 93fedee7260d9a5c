//! Whether the store works, and the one place where it stops for ever.
//!
//! Invariant: after the first `poison` the cause never changes and the status never goes back.
//! Disk and journal pressure are two independent flags; produce is refused while either is up.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{PoisonCause, StoreStatus};

/// The state of the store, shared by everything in it.
pub(crate) struct Health {
    poisoned: AtomicBool,
    full: AtomicBool,
    /// Held for one change.
    facts: Mutex<Facts>,
    status: watch::Sender<StoreStatus>,
}

#[derive(Default)]
struct Facts {
    cause: Option<PoisonCause>,
    disk: bool,
    journal: bool,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            poisoned: AtomicBool::new(false),
            full: AtomicBool::new(false),
            facts: Mutex::new(Facts::default()),
            status: watch::Sender::new(StoreStatus::Healthy),
        }
    }

    /// Stops the store because of an I/O error on `path`.
    pub(crate) fn poison(&self, path: &Path, source: io::Error) -> PoisonCause {
        let mut facts = self.facts.lock();
        if let Some(cause) = &facts.cause {
            return cause.clone();
        }
        tracing::error!(path = %path.display(), error = %source, "store stopped after a failed write");
        let cause = PoisonCause {
            path: path.to_owned(),
            source: Arc::new(source),
        };
        facts.cause = Some(cause.clone());
        self.poisoned.store(true, Ordering::Release);
        self.publish(&facts);
        cause
    }

    /// Why the store is stopped, if it is.
    pub(crate) fn poisoned(&self) -> Option<PoisonCause> {
        if !self.poisoned.load(Ordering::Acquire) {
            return None;
        }
        self.facts.lock().cause.clone()
    }

    /// Whether produce is refused.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether the disk was found full and not seen with room since.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.facts.lock().disk
    }

    /// Notes that the disk has or has not its reserve.
    pub(crate) fn set_disk_full(&self, disk: bool) {
        let mut facts = self.facts.lock();
        if facts.disk != disk {
            facts.disk = disk;
            self.publish(&facts);
            if disk {
                tracing::warn!("the disk is full: produce is refused until there is space again");
            } else {
                tracing::info!("the disk has space again");
            }
        }
    }

    /// Notes that only the journal's reserve is left, or not.
    pub(crate) fn set_journal_full(&self, journal: bool) {
        let mut facts = self.facts.lock();
        if facts.journal != journal {
            facts.journal = journal;
            self.publish(&facts);
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<StoreStatus> {
        self.status.subscribe()
    }

    fn publish(&self, facts: &Facts) {
        self.full
            .store(facts.disk || facts.journal, Ordering::Relaxed);
        let status = match &facts.cause {
            Some(cause) => StoreStatus::Poisoned {
                cause: cause.clone(),
            },
            None if facts.disk || facts.journal => StoreStatus::Full {
                disk: facts.disk,
                journal: facts.journal,
            },
            None => StoreStatus::Healthy,
        };
        self.status.send_replace(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poison_is_for_ever_and_keeps_its_first_cause() {
        let health = Health::new();
        health.set_disk_full(true);
        assert!(health.is_full() && health.poisoned().is_none());
        health.set_disk_full(false);
        assert!(matches!(*health.watch().borrow(), StoreStatus::Healthy));
        health.poison(Path::new("/first"), io::ErrorKind::Other.into());
        health.poison(Path::new("/second"), io::ErrorKind::Other.into());
        health.set_journal_full(true);
        assert!(matches!(&*health.watch().borrow(),
            StoreStatus::Poisoned { cause } if cause.path == Path::new("/first")));
    }
}
