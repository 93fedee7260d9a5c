//! Accepted connections.

use std::future::Future;
use std::io;

use floe_env::Connection;
use tarpc::ServerError;
use tokio_util::sync::CancellationToken;

use crate::handshake::HandshakeError;
use crate::{
    Channel, ClientApiRequest, ClientApiResponse, Context, PeerApiRequest, PeerApiResponse,
    PeerIdentity, Refusal, ServerLimits,
};

/// Why an accepted connection ended other than by its peer closing it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// It never came to requests.
    #[error("handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
}

/// Serves a native client until it goes or `stop` is cancelled. `handler` is
/// `move |context, request| service.clone().serve().serve(context, request)`.
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
    unimplemented!()
}

/// Serves another node on one channel until it goes or `stop` is cancelled.
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
    unimplemented!()
}
