//! What a request handler may use: the node, its machine, and who asks.

use std::net::SocketAddr;
use std::sync::Arc;

use floe_broker::Broker;
use floe_env::Env;

use crate::endpoints::Endpoints;
use crate::fetch_sessions::FetchSessions;

/// What all connections of a gateway share.
pub(crate) struct Shared {
    pub(crate) broker: Broker,
    pub(crate) env: Env,
    pub(crate) fetch_sessions: FetchSessions,
}

/// One request's surroundings. Handlers keep no state between requests but in [`Shared`].
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub(crate) shared: Arc<Shared>,
    /// How the client calls itself.
    pub(crate) client_id: Option<Arc<str>>,
    /// Where it connects from.
    pub(crate) peer_addr: SocketAddr,
}

impl RequestContext {
    /// The node that serves the request.
    pub(crate) fn broker(&self) -> &Broker {
        &self.shared.broker
    }

    /// The machine.
    pub(crate) fn env(&self) -> &Env {
        &self.shared.env
    }

    /// Where Kafka clients reach each node now.
    pub(crate) fn endpoints(&self) -> Endpoints {
        Endpoints::of(&self.shared.broker.nodes())
    }
}
