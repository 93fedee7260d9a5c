//! The serving end of one connection, after the handshake.
//!
//! One task reads requests, starts handlers and writes replies. Invariant: reading stops while
//! the bounds are reached or the peer does not take its replies, writing never stops for
//! reading; so memory is bounded and TCP pushes back on whoever sends too fast.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use floe_env::Stream;
use futures::{Sink, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tarpc::{Response, ServerError};
use tokio::io::{ReadHalf, WriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;

use crate::codec::{Incoming, ReplyWriter, RequestReader};
use crate::frame::FrameError;
use crate::in_flight::{self, InFlight};
use crate::limits::BUFFER_BYTES;
use crate::{Context, ServerLimits};

/// One connection that is served.
pub(crate) struct Session<Req, Resp, H> {
    requests: FramedRead<ReadHalf<Stream>, RequestReader<Req>>,
    replies: FramedWrite<WriteHalf<Stream>, ReplyWriter>,
    /// Whether `replies` holds what the socket has not taken.
    unflushed: bool,
    in_flight: InFlight<Resp>,
    handler: H,
}

impl<Req, Resp, H, F> Session<Req, Resp, H>
where
    Req: DeserializeOwned,
    Resp: Serialize + Send + 'static,
    H: Fn(Context, Req) -> F,
    F: Future<Output = Result<Resp, ServerError>> + Send + 'static,
{
    pub(crate) fn new(
        stream: Stream,
        frame_bytes_max: usize,
        limits: ServerLimits,
        handler: H,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let reading = RequestReader::new(frame_bytes_max);
        let writing = ReplyWriter::new(frame_bytes_max);
        let mut replies = FramedWrite::new(writer, writing);
        replies.set_backpressure_boundary(BUFFER_BYTES);
        Self {
            requests: FramedRead::with_capacity(reader, reading, BUFFER_BYTES),
            replies,
            unflushed: false,
            in_flight: InFlight::new(limits),
            handler,
        }
    }

    /// Serves until the peer closes the connection, it breaks, or `stop` is cancelled; then no
    /// handler runs any more.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> Result<(), FrameError> {
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            outcome = self.serve() => outcome,
        };
        self.in_flight.end().await;
        outcome
    }

    async fn serve(&mut self) -> Result<(), FrameError> {
        loop {
            let may_write = self.replies.write_buffer().len() < BUFFER_BYTES;
            tokio::select! {
                biased;
                Some(reply) = self.in_flight.finished(), if may_write => {
                    if let Some(reply) = reply {
                        self.answer(reply)?;
                    }
                }
                flushed = poll_fn(|context| Sink::<Response<Resp>>::poll_flush(Pin::new(&mut self.replies), context)), if self.unflushed => {
                    flushed?;
                    self.unflushed = false;
                }
                incoming = self.requests.next(), if may_write && self.in_flight.has_room() => {
                    match incoming {
                        Some(incoming) => self.take(incoming?).await?,
                        None => return Ok(()),
                    }
                }
            }
        }
    }

    async fn take(&mut self, incoming: Incoming<Req>) -> Result<(), FrameError> {
        match incoming {
            Incoming::Cancel { id } => self.in_flight.cancel(id),
            Incoming::Request { admitted, message } => {
                let context = crate::call::context(admitted.ttl);
                let making = AssertUnwindSafe(|| (self.handler)(context, message));
                let reply = match catch_unwind(making) {
                    Ok(work) => self.in_flight.start(admitted, work).await?,
                    Err(_) => Some(in_flight::panicked(admitted.id)),
                };
                if let Some(reply) = reply {
                    self.answer(reply)?;
                }
            }
        }
        Ok(())
    }

    /// Encodes a reply into the write buffer, which has room when this is called.
    fn answer(&mut self, reply: Response<Resp>) -> Result<(), FrameError> {
        self.unflushed = true;
        Pin::new(&mut self.replies).start_send(reply)
    }
}
