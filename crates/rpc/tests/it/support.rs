//! Nodes for tests: a listener whose connections are served by a closure.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use floe_env::{Env, Listener};
use floe_model::{ClusterId, Incarnation, NodeId, NodeUuid};
use floe_rpc::{
    Channel, ClientApiRequest, ClientApiResponse, ConnectionError, Context, PeerApiRequest,
    PeerApiResponse, PeerIdentity, ServerError, ServerLimits, serve_client, serve_peer,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, shorter than anybody's patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn env() -> Env {
    Env::real().unwrap()
}

pub(crate) fn identity(node: u32) -> PeerIdentity {
    PeerIdentity {
        cluster_id: Some(ClusterId([7; 16])),
        cluster_name: "test".to_owned(),
        node_id: NodeId(node),
        node_uuid: NodeUuid([node as u8; 16]),
        incarnation: Incarnation(1),
    }
}

/// A listener that is served until this is dropped or stopped.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    /// How each connection ended.
    pub(crate) ended: mpsc::Receiver<Result<(), ConnectionError>>,
    stop: CancellationToken,
    acceptor: JoinSet<()>,
}

impl Node {
    /// Ends all connections and frees the port.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.acceptor.join_next().await.is_some() {}
    }
}

async fn bind(addr: &str) -> Box<dyn Listener> {
    env().net.listen(addr).await.unwrap()
}

fn accepting<S, F>(mut listener: Box<dyn Listener>, serve: S) -> Node
where
    S: Fn(floe_env::Connection, CancellationToken) -> F + Send + 'static,
    F: Future<Output = Result<(), ConnectionError>> + Send + 'static,
{
    let (report, ended) = mpsc::channel(1024);
    let stop = CancellationToken::new();
    let addr = listener.local_addr();
    let mut acceptor = JoinSet::new();
    let stopped = stop.clone();
    acceptor.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped.cancelled() => break,
                accepted = listener.accept() => {
                    let serving = serve(accepted.unwrap(), stopped.clone());
                    let report = report.clone();
                    connections.spawn(async move { drop(report.send(serving.await).await) });
                }
            }
        }
        while connections.join_next().await.is_some() {}
    });
    Node {
        addr,
        ended,
        stop,
        acceptor,
    }
}

pub(crate) async fn client_node<H, F>(limits: ServerLimits, handler: H) -> Node
where
    H: Fn(Context, ClientApiRequest) -> F + Clone + Send + 'static,
    F: Future<Output = Result<ClientApiResponse, ServerError>> + Send + 'static,
{
    accepting(bind("127.0.0.1:0").await, move |connection, stop| {
        let handler = handler.clone();
        async move { serve_client(connection, &identity(1), limits, handler, stop).await }
    })
}

pub(crate) async fn peer_node<H, F>(addr: &str, me: PeerIdentity, handler: H) -> Node
where
    H: Fn(Channel, PeerApiRequest) -> F + Clone + Send + 'static,
    F: Future<Output = PeerApiResponse> + Send + 'static,
{
    accepting(bind(addr).await, move |connection, stop| {
        let (handler, me) = (handler.clone(), me.clone());
        let make_handler = move |_, channel| {
            move |_: Context, request| {
                let work = handler(channel, request);
                async move { Ok(work.await) }
            }
        };
        async move {
            let limits = ServerLimits::default();
            serve_peer(connection, &me, limits, |_, _| Ok(()), make_handler, stop).await
        }
    })
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(held.is_ok(), "{what}");
}
