//! The HTTP server of one node: one acceptor task that owns all its connections.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use floe_broker::Broker;
use floe_env::{Connection, Env, Listener};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::answer::answer;

/// Connections at a time; the next one waits until another ends.
const CONNECTIONS_MAX: usize = 64;
/// A request's head must arrive within this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest life of a connection, however its client behaves.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// Bytes of one connection's read buffer, and so the largest request head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Pause after a failed accept, so that running out of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running HTTP server.
pub struct Console {
    local_addr: SocketAddr,
    stop: CancellationToken,
    acceptor: JoinHandle<()>,
}

impl Console {
    /// Serves `broker` on a bound listener.
    #[must_use]
    pub fn start(listener: Box<dyn Listener>, broker: Broker, env: &Env) -> Self {
        let local_addr = listener.local_addr();
        let stop = CancellationToken::new();
        let acceptor = env.spawn.task(accept(listener, broker, stop.clone()));
        Self {
            local_addr,
            stop,
            acceptor,
        }
    }

    /// The bound address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Closes the listener and every connection.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.acceptor.await {
            tracing::warn!(%error, "the HTTP server ended badly");
        }
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

async fn accept(mut listener: Box<dyn Listener>, broker: Broker, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let full = connections.len() >= CONNECTIONS_MAX;
        tokio::select! {
            () = stop.cancelled() => break,
            _ = connections.join_next(), if full => {}
            accepted = listener.accept(), if !full => match accepted {
                Ok(connection) => {
                    connections.spawn(serve(connection, broker.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "an HTTP connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn serve(connection: Connection, broker: Broker) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let response = answer(request.method(), request.uri().path(), &broker);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(connection.stream), service);
    // How a scrape ends concerns its client only.
    drop(tokio::time::timeout(CONNECTION_LIMIT, connection).await);
}
