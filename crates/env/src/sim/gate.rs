//! Holds a simulated process still, as SIGSTOP does a real one.
//!
//! Invariant: while the gate is shut nothing that passes through it goes on, and time does: what
//! waits for a moment finds it gone by when the gate opens. Tasks, I/O threads and sockets of a
//! host pass through the gate of its process.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;

/// The gate of one process. Clones are the same gate, which is open at first.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    is_shut: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Holds everything from now on.
    pub fn shut(&self) {
        self.state.lock().is_shut = true;
    }

    /// Lets everything go on.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.is_shut = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether everything is held.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.state.lock().is_shut
    }

    /// Ready while the gate is open.
    pub fn poll_pass(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.is_shut {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if !state.waiting.iter().any(|known| known.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        Poll::Pending
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        poll_fn(|context| self.poll_pass(context)).await;
    }

    /// The same future, which is polled only while the gate is open.
    pub async fn hold<F: Future>(self, held: F) -> F::Output {
        let mut held = pin!(held);
        poll_fn(move |context| {
            ready!(self.poll_pass(context));
            held.as_mut().poll(context)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_held_goes_on_when_the_gate_opens_and_finds_that_time_has_passed() {
        let gate = Gate::default();
        let begun = tokio::time::Instant::now();
        let work = async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            begun.elapsed()
        };
        let held = tokio::spawn(gate.clone().hold(work));
        tokio::time::sleep(Duration::from_millis(1)).await;
        gate.shut();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(gate.is_shut() && !held.is_finished());
        gate.open();
        let elapsed = held.await.unwrap();
        assert!(elapsed >= Duration::from_millis(51), "{elapsed:?}");
    }
}
