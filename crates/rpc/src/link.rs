//! The link to one other node.

use std::future::Future;
use std::time::Duration;

use floe_env::Env;
use floe_model::{NodeId, NodeUuid};
use tarpc::client::RpcError;
use tokio::sync::watch;

use crate::{
    AppendEntries, AppendReply, CallError, CallStub, Context, LinkLimits, PeerApiClient,
    PeerApiRequest, PeerApiResponse, PeerIdentity, Refusal,
};

/// Whom a link is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTarget {
    /// The node.
    pub node_id: NodeId,
    /// Its peer listener, `host:port`.
    pub addr: String,
    /// Its disk, when on record; another one is refused.
    pub node_uuid: Option<NodeUuid>,
}

/// Whether the peer can be reached. Follows the control connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Connected.
    Up {
        /// Who answered.
        identity: PeerIdentity,
    },
    /// Not connected.
    Down {
        /// Nobody listens at the peer's port: its process is gone.
        refused: bool,
        /// Why the peer, or this side, refused the other at the last attempt.
        refusal: Option<Refusal>,
    },
}

/// Why a message has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no connection; the message was not sent.
    #[error("link down")]
    Down,
    /// No answer in time; the outcome is unknown.
    #[error("no answer in time")]
    Timeout,
    /// The connection was lost; the outcome is unknown.
    #[error("connection lost")]
    Closed,
    /// Too many bytes wait already; the message was not sent.
    #[error("link full")]
    Full,
    /// The message is larger than a frame; it was not sent.
    #[error("message too large")]
    TooLarge,
    /// The peer's handler failed.
    #[error("peer failed")]
    Failed,
    /// The handshake was refused; the message was not sent.
    #[error("refused: {0}")]
    Refused(Refusal),
}

/// Peer methods with a timeout of their own.
pub type PeerCalls = PeerApiClient<CallStub<PeerApiRequest, PeerApiResponse>>;

/// The link to one other node. Clones share it.
#[derive(Clone, Debug)]
pub struct PeerLink {}

impl PeerLink {
    /// Starts the link; `me` is what this node says of itself at each handshake.
    #[must_use]
    pub fn start(
        env: &Env,
        me: watch::Receiver<PeerIdentity>,
        target: PeerTarget,
        limits: LinkLimits,
    ) -> Self {
        unimplemented!()
    }

    /// Queues an append; it is in order with earlier ones when this returns.
    pub fn append(
        &self,
        request: AppendEntries,
    ) -> impl Future<Output = Result<AppendReply, LinkError>> + Send + 'static {
        async { unimplemented!() }
    }

    /// Makes a call on the control connection, such as
    /// `|api, context| async move { api.vote(context, request).await }`.
    ///
    /// # Errors
    /// There is no connection, or no answer within `timeout`.
    pub async fn control<T, F>(
        &self,
        timeout: Duration,
        method: impl FnOnce(PeerCalls, Context) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = Result<T, RpcError>>,
    {
        unimplemented!()
    }

    /// Makes a call on the bulk connection.
    ///
    /// # Errors
    /// There is no connection, or no answer within `timeout`.
    pub async fn bulk<T, F>(
        &self,
        timeout: Duration,
        method: impl FnOnce(PeerCalls, Context) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = Result<T, RpcError>>,
    {
        unimplemented!()
    }

    /// Whether the peer can be reached.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        unimplemented!()
    }

    /// The peer was heard of otherwise: dial now, without waiting for the back-off.
    pub fn redial_now(&self) {}

    /// Ends the connections and waits for their tasks.
    pub async fn shutdown(self) {}
}

impl From<CallError> for LinkError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Timeout => Self::Timeout,
            CallError::Closed => Self::Closed,
            CallError::TooLarge => Self::TooLarge,
            CallError::Server(_) => Self::Failed,
        }
    }
}
