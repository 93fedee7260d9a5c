//! The requests a server connection works on.
//!
//! Handlers start in arrival order: each is made and polled once, in the connection's own task,
//! before the next request is read, and becomes a task only if that did not finish it. Invariant: a request counts against the bounds
//! from its admission until its handler has ended or is dropped, whatever ended it.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, poll_fn};
use std::io;
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use tarpc::{Response, ServerError};
use tokio::task::{self, AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::ServerLimits;
use crate::frame::FrameError;

/// Requests being worked on by one connection.
pub(crate) struct InFlight<Resp> {
    limits: ServerLimits,
    bytes: usize,
    running: BTreeMap<u64, Running>,
    /// Request ids by task; only ever looked up.
    by_task: HashMap<task::Id, u64>,
    handlers: JoinSet<Option<Result<Resp, ServerError>>>,
}

/// What the bounds need to know of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    pub(crate) id: u64,
    /// How long the caller waits, clamped.
    pub(crate) ttl: Duration,
    /// Bytes of the request's frame.
    pub(crate) size_bytes: usize,
}

struct Running {
    handler: AbortHandle,
    size_bytes: usize,
}

impl<Resp: Send + 'static> InFlight<Resp> {
    pub(crate) fn new(limits: ServerLimits) -> Self {
        Self {
            limits,
            bytes: 0,
            running: BTreeMap::new(),
            by_task: HashMap::new(),
            handlers: JoinSet::new(),
        }
    }

    /// Whether another request may be read.
    pub(crate) fn has_room(&self) -> bool {
        let below = self.running.len() < self.limits.requests_in_flight
            && self.bytes < self.limits.bytes_in_flight;
        below || self.running.is_empty()
    }

    /// Starts the handler of a request; the reply comes now or from `finished`.
    pub(crate) async fn start<F>(
        &mut self,
        admitted: Admitted,
        handler: F,
    ) -> Result<Option<Response<Resp>>, FrameError>
    where
        F: Future<Output = Result<Resp, ServerError>> + Send + 'static,
    {
        let Admitted {
            id,
            ttl,
            size_bytes,
        } = admitted;
        if self.running.contains_key(&id) {
            return Err(FrameError::DuplicateRequest { id });
        }
        let mut work = Box::pin(bounded(ttl, handler));
        let first = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        if let Poll::Ready(message) = first {
            return Ok(message.map(|message| reply(id, message)));
        }
        let handler = self.handlers.spawn(work);
        self.by_task.insert(handler.id(), id);
        self.bytes += size_bytes;
        self.running.insert(
            id,
            Running {
                handler,
                size_bytes,
            },
        );
        Ok(None)
    }

    /// Drops the handler of a request whose caller no longer waits.
    pub(crate) fn cancel(&mut self, id: u64) {
        if let Some(running) = self.running.get(&id) {
            running.handler.abort();
        }
    }

    /// Waits for a handler to end. `None` at once when none runs; the inner one when it was
    /// cancelled or expired and there is nobody to answer.
    pub(crate) async fn finished(&mut self) -> Option<Option<Response<Resp>>> {
        let ended = self.handlers.join_next_with_id().await?;
        let task = match &ended {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let Some(id) = self.by_task.remove(&task) else {
            return Some(None);
        };
        if let Some(running) = self.running.remove(&id) {
            self.bytes -= running.size_bytes;
        }
        // Panics are caught inside: a task that did not return was cancelled.
        let message = ended.ok().and_then(|(_, message)| message);
        Some(message.map(|message| reply(id, message)))
    }

    /// Drops all handlers and waits until they are gone.
    pub(crate) async fn end(mut self) {
        self.handlers.shutdown().await;
    }
}

/// A handler that lets no panic through and is dropped, `None`, when its caller waits no more.
async fn bounded<Resp>(
    ttl: Duration,
    work: impl Future<Output = Result<Resp, ServerError>>,
) -> Option<Result<Resp, ServerError>> {
    let guarded = AssertUnwindSafe(work).catch_unwind();
    let ended = timeout(ttl, guarded).await.ok()?;
    Some(ended.unwrap_or_else(|_| Err(panic_error())))
}

fn reply<Resp>(request_id: u64, message: Result<Resp, ServerError>) -> Response<Resp> {
    Response {
        request_id,
        message,
    }
}

/// The answer to a request whose handler could not even be made.
pub(crate) fn panicked<Resp>(request_id: u64) -> Response<Resp> {
    reply(request_id, Err(panic_error()))
}

fn panic_error() -> ServerError {
    ServerError::new(io::ErrorKind::Other, "handler panicked".to_owned())
}
