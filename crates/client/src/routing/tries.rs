//! The attempts at one request and the time they have together.

use std::sync::atomic::Ordering;
use std::time::Duration;

use floe_model::ErrorCode;

use crate::backoff::Backoff;
use crate::error::Cause;
use crate::{Client, Error};

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_millis(500);

/// Attempts at one request.
pub(crate) struct Tries<'a> {
    client: &'a Client,
    timeout: Duration,
    deadline: Duration,
    backoff: Backoff,
    /// Whether an attempt may have been carried out.
    pub(crate) is_unsure: bool,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(client: &'a Client, timeout: Duration) -> Self {
        Self {
            client,
            timeout,
            deadline: client.core.env.clock.now() + timeout,
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
            is_unsure: false,
        }
    }

    /// Time left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline
            .saturating_sub(self.client.core.env.clock.now())
    }

    /// Waits before the next attempt; fails, saying why, when there is no time for one.
    pub(crate) async fn pause(&mut self, error: Error) -> Result<(), Error> {
        let pause = self.backoff.next(&self.client.core.env.rng);
        if pause >= self.left() {
            return Err(Cause::DeadlineExceeded {
                after: self.timeout,
                is_unsure: self.is_unsure,
                last: Some(error),
            }
            .into());
        }
        self.client.core.retries.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%error, pause_ms = pause.as_millis(), "trying again");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Whether another attempt cannot help.
pub(crate) fn is_final(error: &Error) -> bool {
    match error.code() {
        // A node that has not heard of a topic yet says so; it is for the layout to judge.
        Some(code) => !code.is_retriable() || code == ErrorCode::RebalanceInProgress,
        None => !error.is_retriable(),
    }
}
