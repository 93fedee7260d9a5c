//! One connection: requests in, answers out in the same order.
//!
//! A reader takes frames and queues what will answer them; a writer takes the answers in order.
//! Produce begins when it is read, so that pipelined batches are appended in the order sent and
//! share a journal write. Every other request begins when all before it on its connection are
//! answered, as on a Kafka broker: a client may rely on the effects of the one before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use floe_env::Connection;
use floe_kafka_codec::{ApiKey, RequestHeader};
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::GatewayLimits;
use crate::context::{RequestContext, Shared};
use crate::dispatch::{self, Answer, Received};
use crate::frame_reader::{FrameReader, ReadEnd};
use crate::frame_writer::write_frame;
use crate::request_room::RequestRoom;

/// What a connection needs of its gateway.
#[derive(Clone)]
pub(crate) struct ConnectionSetting {
    pub(crate) shared: Arc<Shared>,
    pub(crate) limits: GatewayLimits,
    /// For requests in progress on all connections.
    pub(crate) room: RequestRoom,
    /// Cancelled when no more requests are taken.
    pub(crate) draining: CancellationToken,
}

/// A request whose answer leaves when its turn comes.
struct Pending {
    answer: BoxFuture<'static, Answer>,
    /// Its room in memory, and its place in the pipeline.
    _room: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// Serves a connection until it ends or the gateway drains.
pub(crate) async fn serve(connection: Connection, setting: ConnectionSetting) {
    let peer_addr = connection.peer_addr;
    let (limits, draining) = (setting.limits, setting.draining.clone());
    let shared = Arc::clone(&setting.shared);
    let _counted = Counted::new(&shared);
    let (from, to) = split(connection.stream);
    let (queue, pending) = mpsc::channel(limits.pipeline_max);
    let reading =
        draining.run_until_cancelled_owned(read_requests(from, queue, peer_addr, setting));
    let writing = write_answers(to, pending, limits.stall_limit, &shared);
    tokio::pin!(reading, writing);
    tokio::select! {
        biased;
        () = &mut writing => {}
        end = &mut reading => {
            log_end(peer_addr, end);
            // The reader let go of the queue: the writer ends behind what is in it.
            if tokio::time::timeout(limits.drain_limit, writing).await.is_err() {
                tracing::debug!(%peer_addr, "answers left behind");
            }
        }
    }
}

/// One open connection in the node's metrics.
struct Counted<'a>(&'a Shared);

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.broker.gateway_metrics().opened();
        Self(shared)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.broker.gateway_metrics().closed();
    }
}

fn log_end(peer_addr: SocketAddr, end: Option<ReadEnd>) {
    match end {
        Some(end @ (ReadEnd::FrameSize { .. } | ReadEnd::Stalled { .. })) => {
            tracing::warn!(%peer_addr, %end, "Kafka connection closed");
        }
        Some(end) => tracing::debug!(%peer_addr, %end, "Kafka connection ended"),
        None => {}
    }
}

async fn read_requests<R: AsyncRead + Unpin>(
    stream: R,
    queue: mpsc::Sender<Pending>,
    peer_addr: SocketAddr,
    setting: ConnectionSetting,
) -> ReadEnd {
    let limits = setting.limits;
    let places = Arc::new(Semaphore::new(limits.pipeline_max));
    let mut reader = FrameReader::new(stream, setting.room, limits);
    let mut cx = RequestContext {
        shared: setting.shared,
        client_id: None,
        peer_addr,
    };
    let (mut wait, mut size_max) = (limits.first_request_limit, limits.first_frame_bytes_max);
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let place = place.expect("nobody closes the pipeline");
        let size = match reader.size(wait, size_max).await {
            // Silent while it waits for an answer: that is no idling.
            Err(ReadEnd::Idle(_)) if places.available_permits() + 1 < limits.pipeline_max => {
                continue;
            }
            Err(end) => return end,
            Ok(size) => size,
        };
        let frame = match reader.body(size).await {
            Err(end) => return end,
            Ok(frame) => frame,
        };
        let answer = match RequestHeader::decode(&frame.bytes) {
            Ok((header, body)) => {
                if header.api() == Some(ApiKey::Produce) {
                    // A full node lets its producers wait here: what they send stays in their
                    // sockets, and nothing is refused that would have to come again in order.
                    let broker = &cx.shared.broker;
                    broker.produce_room(size, limits.produce_room_limit).await;
                }
                begin(&mut cx, header, body)
            }
            Err(error) => {
                tracing::warn!(%peer_addr, %error, "not a Kafka request");
                Box::pin(std::future::ready(Answer::Close))
            }
        };
        let pending = Pending {
            answer,
            _room: frame.room,
            _place: place,
        };
        if queue.send(pending).await.is_err() {
            return ReadEnd::Closed;
        }
        (wait, size_max) = (limits.idle_limit, limits.frame_bytes_max);
    }
}

fn begin(
    cx: &mut RequestContext,
    header: RequestHeader,
    body: bytes::Bytes,
) -> BoxFuture<'static, Answer> {
    if cx.client_id.as_deref() != header.client_id.as_deref() {
        cx.client_id = header.client_id.as_deref().map(Arc::from);
    }
    dispatch::begin(cx.clone(), Received { header, body })
}

async fn write_answers<W: AsyncWrite + Unpin>(
    mut stream: W,
    mut pending: mpsc::Receiver<Pending>,
    stall_limit: Duration,
    shared: &Shared,
) {
    while let Some(mut next) = pending.recv().await {
        let frame = match (&mut next.answer).await {
            Answer::Frame(frame) => frame,
            Answer::Nothing => continue,
            Answer::Close => {
                shared.broker.gateway_metrics().refused();
                break;
            }
        };
        shared.broker.gateway_metrics().sent(frame.size_bytes());
        if let Err(end) = write_frame(&mut stream, frame, stall_limit).await {
            tracing::debug!(%end, "answer not delivered");
            return;
        }
    }
    // The peer may be gone already.
    drop(tokio::time::timeout(stall_limit, stream.shutdown()).await);
}
