//! State machines that do blocking file I/O, a bounded step at a time.
//!
//! A machine has no thread of its own. The real environment drives it on a dedicated thread, the
//! simulator in a task that lets virtual time pass between steps, so that a crash can fall
//! between any two of them. What a step wrote counts as durable only from the next step on: a
//! machine that acknowledges data does so in the step after the write.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

/// What the driver does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do.
    Again,
    /// Wait until woken.
    Idle,
    /// Wait until woken, but no longer than this.
    IdleFor(Duration),
    /// Finished; the machine is dropped.
    Done,
}

/// Blocking work in steps.
pub trait IoMachine: Send + 'static {
    /// Does one bounded piece of work.
    fn step(&mut self) -> Step;
}

/// Wakes an idle machine. Cheap when it is already awake; a wake before the wait is not lost.
#[derive(Clone, Debug, Default)]
pub struct IoWake {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Guards the flag for the blocking waiter; never held across a step.
    awake: Mutex<bool>,
    thread: Condvar,
    task: Notify,
}

impl IoWake {
    /// Makes the next or current wait return.
    pub fn wake(&self) {
        let mut awake = self.shared.awake.lock();
        if !*awake {
            *awake = true;
            self.shared.thread.notify_one();
            self.shared.task.notify_one();
        }
    }

    /// Blocks the calling thread until woken or until `limit` has passed.
    pub(crate) fn wait_blocking(&self, limit: Option<Duration>) {
        let mut awake = self.shared.awake.lock();
        if !*awake {
            match limit {
                Some(limit) => {
                    self.shared.thread.wait_for(&mut awake, limit);
                }
                None => self.shared.thread.wait(&mut awake),
            }
        }
        *awake = false;
    }

    /// The same for a task.
    pub(crate) async fn wait(&self, limit: Option<Duration>) {
        if !std::mem::take(&mut *self.shared.awake.lock()) {
            let woken = self.shared.task.notified();
            match limit {
                Some(limit) => drop(tokio::time::timeout(limit, woken).await),
                None => woken.await,
            }
            *self.shared.awake.lock() = false;
        }
    }
}
