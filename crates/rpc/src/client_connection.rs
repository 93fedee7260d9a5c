//! A native client's connection to one node.
//!
//! Invariant: every call has a timeout, and a connection that stays silent past one is dropped;
//! who holds it makes a new one, since there is no reconnecting here.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use floe_env::Env;
use floe_model::ClusterId;
use floe_model::limits::FRAME_BYTES_MAX;
use tarpc::client::RpcError;
use tokio_util::task::AbortOnDropHandle;

use crate::dial::{ConnectError, dial, open};
use crate::handshake::Hello;
use crate::{
    CallError, CallStub, ClientApiClient, ClientApiRequest, ClientApiResponse, Context,
    PeerIdentity, Refusal,
};

/// Client methods with a timeout of their own.
pub type ClientCalls = ClientApiClient<CallStub<ClientApiRequest, ClientApiResponse>>;

/// A connection to a node. Clones share it; it ends with the last one.
#[derive(Clone, Debug)]
pub struct ClientConnection {
    stub: CallStub<ClientApiRequest, ClientApiResponse>,
    server: PeerIdentity,
    /// Held only so that the connection ends with its last clone.
    _driver: Arc<AbortOnDropHandle<()>>,
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
        let stub = self.stub.with_timeout(timeout);
        let context = crate::call::context(stub.timeout());
        Ok(method(ClientCalls::from(stub), context).await?)
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.stub.is_closed()
    }

    /// Waits until the connection is gone.
    pub async fn closed(&self) {
        self.stub.closed().await;
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
    let hello = Hello::Client {
        cluster_id: cluster,
    };
    let (stream, server) = dial(env, addr, &hello).await?;
    match (cluster, server.cluster_id) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            return Err(ConnectError::Refused(Refusal::WrongCluster {
                ours,
                theirs,
            }));
        }
        _ => {}
    }
    let (stub, driver) = open(stream, FRAME_BYTES_MAX);
    Ok(ClientConnection {
        stub,
        server,
        _driver: Arc::new(AbortOnDropHandle::new(env.spawn.task(driver))),
    })
}
