//! Moves appends of all groups to one peer, many in a call.
//!
//! There is no timer: while all calls of the window are in flight the queue grows, and the next
//! call takes what has gathered. Invariant: appends start at the receiver in the order in which
//! they were queued, as far as they are sent on one connection; each is answered or failed once;
//! the queue and the calls together hold at most the link's bytes.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::line::{Line, PeerStub};
use crate::{AppendEntries, AppendReply, CallError, LinkError, LinkLimits, PeerCalls};

/// An append on its way.
pub(crate) struct QueuedAppend {
    pub(crate) request: AppendEntries,
    pub(crate) size_bytes: usize,
    pub(crate) waiter: Waiter,
}

/// Who waits for an append's reply.
pub(crate) struct Waiter {
    pub(crate) reply: oneshot::Sender<Result<AppendReply, LinkError>>,
    /// The append's share of the link's bytes.
    pub(crate) _share: OwnedSemaphorePermit,
}

impl Waiter {
    fn tell(self, outcome: Result<AppendReply, LinkError>) {
        // Whoever stopped waiting does not want to know.
        drop(self.reply.send(outcome));
    }
}

/// The sending end of the data connection.
pub(crate) struct Pump {
    line: Arc<Line>,
    limits: LinkLimits,
    queue: mpsc::Receiver<QueuedAppend>,
    /// Taken from the queue, not sent yet.
    next: Option<QueuedAppend>,
}

impl Pump {
    pub(crate) fn new(
        line: Arc<Line>,
        limits: LinkLimits,
        queue: mpsc::Receiver<QueuedAppend>,
    ) -> Self {
        Self {
            line,
            limits,
            queue,
            next: None,
        }
    }

    /// Pumps until `stop` is cancelled or the link is dropped; then everything has failed.
    pub(crate) async fn run(mut self, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.pump() => {}
        }
        self.queue.close();
        self.fail_queued(&LinkError::Down);
    }

    async fn pump(&mut self) {
        let mut calls = FuturesUnordered::new();
        let timeout = self.limits.append_timeout;
        loop {
            let may_send = calls.len() < self.limits.append_calls.max(1);
            tokio::select! {
                // Polling the calls first also starts them in order.
                biased;
                Some(()) = calls.next(), if !calls.is_empty() => {}
                ready = self.line.ready(), if may_send && self.next.is_some() => match ready {
                    Ok(stub) => {
                        let (requests, waiters) = self.batch();
                        calls.push(send(stub.with_timeout(timeout), requests, waiters));
                    }
                    Err(error) => self.fail_queued(&error),
                },
                queued = self.queue.recv(), if self.next.is_none() => match queued {
                    Some(queued) => self.next = Some(queued),
                    None => return,
                },
            }
        }
    }

    /// Takes what fits one call.
    fn batch(&mut self) -> (Vec<AppendEntries>, Vec<Waiter>) {
        let (mut requests, mut waiters) = (Vec::new(), Vec::new());
        let mut size_bytes = 0;
        while let Some(queued) = self.next.take().or_else(|| self.queue.try_recv().ok()) {
            let fits = size_bytes + queued.size_bytes <= self.limits.call_bytes;
            if !requests.is_empty() && !fits {
                self.next = Some(queued);
                break;
            }
            size_bytes += queued.size_bytes;
            requests.push(queued.request);
            waiters.push(queued.waiter);
            if requests.len() >= self.limits.call_appends {
                break;
            }
        }
        (requests, waiters)
    }

    fn fail_queued(&mut self, error: &LinkError) {
        while let Some(queued) = self.next.take().or_else(|| self.queue.try_recv().ok()) {
            queued.waiter.tell(Err(error.clone()));
        }
    }
}

async fn send(stub: PeerStub, requests: Vec<AppendEntries>, waiters: Vec<Waiter>) {
    let context = crate::call::context(stub.timeout());
    let answered = PeerCalls::from(stub.clone())
        .append(context, requests)
        .await;
    match answered.map_err(CallError::from) {
        Ok(replies) if replies.len() == waiters.len() => {
            for (waiter, reply) in waiters.into_iter().zip(replies) {
                waiter.tell(Ok(reply));
            }
        }
        Ok(_) => {
            stub.end_connection();
            fail(waiters, &LinkError::Closed);
        }
        Err(error) => fail(waiters, &LinkError::from(error)),
    }
}

fn fail(waiters: Vec<Waiter>, error: &LinkError) {
    for waiter in waiters {
        waiter.tell(Err(error.clone()));
    }
}
