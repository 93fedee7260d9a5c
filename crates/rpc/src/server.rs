//! Accepted connections: handshake, then a session.

use std::future::Future;

use floe_env::Connection;
use floe_model::limits::FRAME_BYTES_MAX;
use tarpc::ServerError;
use tokio_util::sync::CancellationToken;

use crate::frame::FrameError;
use crate::handshake::{self, HandshakeError, Hello, same_cluster};
use crate::session::Session;
use crate::{
    Channel, ClientApiRequest, ClientApiResponse, Context, PeerApiRequest, PeerApiResponse,
    PeerIdentity, Refusal, ServerLimits,
};

/// Why an accepted connection ended, other than by its peer closing it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// It never came to requests.
    #[error("handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// It broke, or its peer sent what is no request.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Serves a native client until it goes or `stop` is cancelled. `handler` is
/// `move |context, request| service.clone().serve().serve(context, request)`; handlers start in
/// arrival order up to their first wait, then run concurrently.
///
/// # Errors
/// The handshake failed, the connection broke, or the client sent garbage.
pub async fn serve_client<H, F>(
    connection: Connection,
    me: &PeerIdentity,
    limits: ServerLimits,
    handler: H,
    stop: CancellationToken,
) -> Result<(), ConnectionError>
where
    H: Fn(Context, ClientApiRequest) -> F + Send,
    F: Future<Output = Result<ClientApiResponse, ServerError>> + Send + 'static,
{
    let mut stream = connection.stream;
    let judge = |hello| match hello {
        Hello::Client { cluster_id } => match (me.cluster_id, cluster_id) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                Err(Refusal::WrongCluster { ours, theirs })
            }
            (None, Some(_)) => Err(Refusal::NotReady),
            (Some(_) | None, None) | (Some(_), Some(_)) => Ok(()),
        },
        Hello::Peer { .. } => Err(Refusal::WrongListener),
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        accepted = handshake::accept(&mut stream, me, judge) => accepted?,
    }
    let session = Session::new(stream, FRAME_BYTES_MAX, limits, handler);
    Ok(session.run(&stop).await?)
}

/// Serves another node on one channel until it goes or `stop` is cancelled. `verify` judges what
/// the handshake cannot: whether this disk is the node's. The handler is called, and its future
/// polled once, in arrival order; with `PeerLink::append` this makes appends FIFO from queueing
/// at one node to the handler at the other, as long as one connection lasts.
///
/// # Errors
/// The handshake failed, the connection broke, or the peer sent garbage.
pub async fn serve_peer<V, M, H, F>(
    connection: Connection,
    me: &PeerIdentity,
    limits: ServerLimits,
    verify: V,
    make_handler: M,
    stop: CancellationToken,
) -> Result<(), ConnectionError>
where
    V: FnOnce(&PeerIdentity, Channel) -> Result<(), Refusal> + Send,
    M: FnOnce(PeerIdentity, Channel) -> H + Send,
    H: Fn(Context, PeerApiRequest) -> F + Send,
    F: Future<Output = Result<PeerApiResponse, ServerError>> + Send + 'static,
{
    let mut stream = connection.stream;
    let judge = |hello| match hello {
        Hello::Peer {
            channel,
            identity,
            to,
        } => {
            if to != me.node_id {
                return Err(Refusal::WrongNode {
                    expected: to,
                    actual: me.node_id,
                });
            }
            same_cluster(me, &identity)?;
            verify(&identity, channel)?;
            Ok((identity, channel))
        }
        Hello::Client { .. } => Err(Refusal::WrongListener),
    };
    let (identity, channel) = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        accepted = handshake::accept(&mut stream, me, judge) => accepted?,
    };
    let handler = make_handler(identity, channel);
    let session = Session::new(stream, channel.frame_bytes_max(), limits, handler);
    Ok(session.run(&stop).await?)
}
