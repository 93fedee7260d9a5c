//! A native client's connection to one node.

use std::future::Future;
use std::io;
use std::time::Duration;

use floe_env::Env;
use floe_model::ClusterId;
use tarpc::client::RpcError;
use tokio_util::sync::CancellationToken;

use crate::handshake::HandshakeError;
use crate::{
    CallError, CallStub, ClientApiClient, ClientApiRequest, ClientApiResponse, Context,
    PeerIdentity, Refusal,
};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens at this address.
    #[error("connection refused")]
    ConnectionRefused,
    /// The network failed.
    #[error("cannot connect: {0}")]
    Io(io::Error),
    /// Nobody answered in time.
    #[error("no answer in time")]
    Timeout,
    /// The node, or this side, refused the other.
    #[error("refused: {0}")]
    Refused(Refusal),
}

/// Client methods with a timeout of their own.
pub type ClientCalls = ClientApiClient<CallStub<ClientApiRequest, ClientApiResponse>>;

/// A connection to a node. Clones share it; it ends with the last one.
#[derive(Clone, Debug)]
pub struct ClientConnection {
    stub: CallStub<ClientApiRequest, ClientApiResponse>,
    server: PeerIdentity,
    closed: CancellationToken,
}

impl ClientConnection {
    /// Who answered.
    #[must_use]
    pub fn server(&self) -> &PeerIdentity {
        &self.server
    }

    /// Makes one call, such as `|api, context| async move { api.fetch(context, fetch).await }`.
    ///
    /// # Errors
    /// No answer within `timeout`, or none at all.
    pub async fn call<T, F>(
        &self,
        timeout: Duration,
        method: impl FnOnce(ClientCalls, Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, RpcError>>,
    {
        let calls = ClientCalls::from(self.stub.with_timeout(timeout));
        Ok(method(calls, crate::call::context(timeout)).await?)
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Waits until the connection is gone.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(refusal) => Self::Refused(refusal),
            HandshakeError::Timeout => Self::Timeout,
            HandshakeError::Io(error) => Self::Io(error),
        }
    }
}

/// Connects to the native listener at `addr`; with `cluster`, only if it belongs to that one.
///
/// # Errors
/// No node that accepts answers there within seconds.
pub async fn connect_client(
    env: &Env,
    addr: &str,
    cluster: Option<ClusterId>,
) -> Result<ClientConnection, ConnectError> {
    unimplemented!()
}
