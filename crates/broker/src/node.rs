//! The life of a node: start, serve, fail, stop.

use std::net::SocketAddr;
use std::time::Duration;

use floe_env::Env;

use crate::{Broker, NodeConfig, NodeFailure, ShutdownError, StartError};

/// A running node. Dropping it does not stop it cleanly; call [`Node::shutdown`].
pub struct Node {
    broker: Broker,
    client_addr: SocketAddr,
    peer_addr: SocketAddr,
}

/// Starts a node and returns when it listens. Whether it serves yet is [`Broker::readiness`].
///
/// # Errors
/// One variant per bad input; see [`StartError`].
pub async fn start_node(config: NodeConfig, env: Env) -> Result<Node, StartError> {
    drop((config, env));
    unimplemented!()
}

impl Node {
    /// The node's services, for use in this process.
    #[must_use]
    pub fn broker(&self) -> Broker {
        self.broker.clone()
    }

    /// Where native clients connect.
    #[must_use]
    pub fn client_addr(&self) -> SocketAddr {
        self.client_addr
    }

    /// Where other nodes connect.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer_addr
    }

    /// Resolves when the node can serve no more and must be stopped.
    pub async fn failed(&self) -> NodeFailure {
        std::future::pending().await
    }

    /// Stops the node: no new work, leaders handed over, work drained, store closed.
    ///
    /// # Errors
    /// The node is stopped, but not cleanly.
    pub async fn shutdown(self, deadline: Duration) -> Result<(), ShutdownError> {
        drop(deadline);
        unimplemented!()
    }
}
