//! The listener of a node for Kafka clients: one acceptor task that owns all its connections.

use std::net::SocketAddr;
use std::sync::Arc;

use floe_broker::Broker;
use floe_env::{Env, Listener};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::GatewayLimits;
use crate::connection::{ConnectionSetting, serve};
use crate::context::Shared;
use crate::fetch_sessions::FetchSessions;
use crate::request_room::RequestRoom;

/// Pause after a failed accept, so that running out of descriptors does not spin.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// A running gateway.
pub struct Gateway {
    local_addr: SocketAddr,
    draining: CancellationToken,
    acceptor: JoinHandle<()>,
}

impl Gateway {
    /// Serves `broker` on a bound listener.
    #[must_use]
    pub fn start(
        listener: Box<dyn Listener>,
        broker: Broker,
        env: &Env,
        limits: GatewayLimits,
    ) -> Self {
        let local_addr = listener.local_addr();
        let draining = CancellationToken::new();
        let shared = Arc::new(Shared {
            broker,
            env: env.clone(),
            fetch_sessions: FetchSessions::default(),
        });
        let setting = ConnectionSetting {
            shared,
            limits,
            room: RequestRoom::new(&limits),
            draining: draining.clone(),
        };
        let acceptor = env.spawn.task(accept(listener, setting));
        Self {
            local_addr,
            draining,
            acceptor,
        }
    }

    /// The bound address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Takes no more connections and requests, answers what was read, and closes. Ends within
    /// `GatewayLimits::drain_limit` and a moment.
    pub async fn shutdown(self) {
        self.draining.cancel();
        if let Err(error) = self.acceptor.await {
            tracing::warn!(%error, "the Kafka gateway ended badly");
        }
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

async fn accept(mut listener: Box<dyn Listener>, setting: ConnectionSetting) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = setting
            .draining
            .run_until_cancelled(listener.accept())
            .await;
        match accepted {
            None => break,
            Some(Ok(connection)) if connections.len() < setting.limits.connections_max => {
                connections.spawn(serve(connection, setting.clone()));
            }
            Some(Ok(connection)) => {
                tracing::warn!(peer_addr = %connection.peer_addr, "too many Kafka connections");
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a Kafka connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let limit = setting.limits.drain_limit * 2;
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, drained).await.is_err() {
        connections.shutdown().await;
    }
}
