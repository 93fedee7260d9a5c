//! One call: its deadline, its timeout and what its failure means.
//!
//! Invariant: no call outlives the time its caller gave it. A call that expires while nothing
//! at all was received ends its connection, since a silent connection is taken for dead; a
//! connection on which other replies arrive goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tarpc::client::stub::Stub;
use tarpc::client::{self, RpcError};
use tarpc::{RequestName, ServerError, context};
use tokio_util::sync::CancellationToken;

use crate::limits::TTL_MAX;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer in time; the outcome is unknown.
    #[error("no answer in time")]
    Timeout,
    /// The connection is gone; the outcome is unknown.
    #[error("connection lost")]
    Closed,
    /// The request is larger than a frame; it was not sent.
    #[error("request too large")]
    TooLarge,
    /// The server has no answer: its handler failed, or the answer is larger than a frame.
    #[error("server failed: {0}")]
    Server(ServerError),
}

impl From<RpcError> for CallError {
    fn from(error: RpcError) -> Self {
        match error {
            RpcError::DeadlineExceeded => Self::Timeout,
            RpcError::Shutdown | RpcError::Channel(_) => Self::Closed,
            RpcError::Send(_) => Self::TooLarge,
            RpcError::Server(error) => Self::Server(error),
        }
    }
}

/// A request and how long its caller waits.
#[derive(Debug)]
pub struct Timed<Req> {
    pub(crate) ttl: Duration,
    pub(crate) request: Req,
}

impl<Req: RequestName> RequestName for Timed<Req> {
    fn name(&self) -> &str {
        self.request.name()
    }
}

/// Makes the calls of one service on one connection, each with the same timeout.
#[derive(Debug)]
pub struct CallStub<Req, Resp> {
    channel: client::Channel<Timed<Req>, Resp>,
    timeout: Duration,
    pulse: Pulse,
}

/// Whether a connection is heard, and the way to end it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse {
    /// Grows whenever bytes arrive.
    pub(crate) received: Arc<AtomicU64>,
    /// Cancelled to end the connection.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the connection has ended.
    pub(crate) closed: CancellationToken,
}

/// tarpc's own deadline reads the real clock; this keeps it behind ours, which does not.
const DEADLINE_SLACK: Duration = Duration::from_secs(5);
/// What `context::current` grants outside of a handler.
const CONTEXT_DEFAULT: Duration = Duration::from_secs(10);

/// A context that expires `ttl` from now; `ttl` is a few minutes at most.
pub(crate) fn context(ttl: Duration) -> context::Context {
    let mut context = context::current();
    context.deadline = context.deadline - CONTEXT_DEFAULT + ttl;
    context
}

impl<Req, Resp> CallStub<Req, Resp> {
    pub(crate) fn new(channel: client::Channel<Timed<Req>, Resp>, pulse: Pulse) -> Self {
        Self {
            channel,
            timeout: Duration::ZERO,
            pulse,
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pulse.stop.is_cancelled() || self.pulse.closed.is_cancelled()
    }

    pub(crate) async fn closed(&self) {
        self.pulse.closed.cancelled().await;
    }

    /// Ends the connection, and with it all its calls.
    pub(crate) fn end_connection(&self) {
        self.pulse.stop.cancel();
    }

    /// The same connection with another timeout, at most two minutes: no server works longer.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            timeout: timeout.min(TTL_MAX),
            ..self.clone()
        }
    }
}

impl<Req, Resp> Clone for CallStub<Req, Resp> {
    fn clone(&self) -> Self {
        Self {
            channel: self.channel.clone(),
            timeout: self.timeout,
            pulse: self.pulse.clone(),
        }
    }
}

impl<Req: RequestName, Resp> Stub for CallStub<Req, Resp> {
    type Req = Req;
    type Resp = Resp;

    /// The context's deadline is replaced by the stub's timeout.
    async fn call(&self, _: context::Context, request: Req) -> Result<Resp, RpcError> {
        let received = self.pulse.received.load(Ordering::Relaxed);
        let timed = Timed {
            ttl: self.timeout,
            request,
        };
        let call = self
            .channel
            .call(context(self.timeout + DEADLINE_SLACK), timed);
        let timeout = if floe_model::mutant!("calls-never-time-out") {
            TTL_MAX
        } else {
            self.timeout
        };
        match tokio::time::timeout(timeout, call).await {
            Ok(outcome) => {
                if let Err(RpcError::Shutdown | RpcError::Channel(_)) = outcome {
                    self.end_connection();
                }
                outcome
            }
            Err(_) => {
                if self.pulse.received.load(Ordering::Relaxed) == received {
                    self.end_connection();
                }
                Err(RpcError::DeadlineExceeded)
            }
        }
    }
}
