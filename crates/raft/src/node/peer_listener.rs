//! Accepts the other nodes' connections.
//!
//! Anybody who reaches the port can connect, so what is held is bounded: connections that have
//! not said who they are, all connections together, and one per peer and channel. A peer dials
//! again only when its old connection is lost to it, so the newest one is the one that lives; the
//! other end of the old one may not know for a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use floe_env::{Connection, Listener};
use floe_model::NodeId;
use floe_rpc::{Channel, PeerIdentity, Refusal, ServerLimits, serve_peer};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::core::NodeCore;
use super::service::PeerService;

/// Time to wait before accepting again after the listener failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections before their handshake is done, which takes them two seconds at most.
const STRANGERS_MAX: usize = 64;
/// Connections in all: three of each of some hundred nodes.
const CONNECTIONS_MAX: usize = 1024;

/// The accepted connections.
pub(crate) struct PeerConnections {
    strangers: Arc<Semaphore>,
    all: Arc<Semaphore>,
    /// The newest connection of each peer on each channel, and the way to end it.
    newest: Mutex<BTreeMap<(NodeId, Channel), CancellationToken>>,
}

impl PeerConnections {
    pub(crate) fn new() -> Self {
        Self {
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            all: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            newest: Mutex::default(),
        }
    }

    /// Room for one more connection, and for one that is not known yet.
    fn admit(&self) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let place = self.all.clone().try_acquire_owned().ok()?;
        let stranger = self.strangers.clone().try_acquire_owned().ok()?;
        Some((place, stranger))
    }

    /// A peer said who it is: its connection before this one on the channel ends.
    fn identified(&self, node: NodeId, channel: Channel, stop: &CancellationToken) {
        let mut newest = self.newest.lock();
        // Ended ones are of no use but to be replaced; a node's ids are few, a liar's are not.
        newest.retain(|_, stop| !stop.is_cancelled());
        if let Some(before) = newest.insert((node, channel), stop.clone()) {
            before.cancel();
        }
    }
}

pub(crate) async fn accept_peers(core: Arc<NodeCore>, mut listener: Box<dyn Listener>) {
    loop {
        let accepted = tokio::select! {
            () = core.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(connection) => match core.connections.admit() {
                Some((place, stranger)) => {
                    let serving = serve(core.clone(), connection, stranger);
                    core.spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                None => tracing::debug!(peer_addr = %connection.peer_addr, "too many connections"),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(core: Arc<NodeCore>, connection: Connection, stranger: OwnedSemaphorePermit) {
    let (me, peer_addr) = (core.links.me(), connection.peer_addr);
    let stop = core.stop.child_token();
    // However it ends, its place on its channel is free then.
    let _ended = stop.clone().drop_guard();
    let verify = |peer: &PeerIdentity, _: Channel| core.admit(peer);
    let make_handler = |peer: PeerIdentity, channel: Channel| {
        drop(stranger);
        core.connections.identified(peer.node_id, channel, &stop);
        // A handshake is a sign of life, and tells of a restart before the first beat does.
        let now = core.now();
        let effects = core.liveness.lock().met(&peer, now);
        core.carry_out(&effects);
        if let Some(link) = core.links.get(peer.node_id) {
            link.redial_now();
        }
        let service = PeerService::new(core.clone(), peer);
        move |context, request| service.handle(context, request)
    };
    let limits = ServerLimits::default();
    let served = serve_peer(connection, &me, limits, verify, make_handler, stop.clone()).await;
    if let Err(error) = served {
        tracing::debug!(%peer_addr, %error, "peer connection ended");
    }
}

impl NodeCore {
    /// Whether a peer may connect: its disk must be the one on record.
    fn admit(&self, peer: &PeerIdentity) -> Result<(), Refusal> {
        let node_id = peer.node_id;
        let known = self
            .links
            .target(node_id)
            .and_then(|target| target.node_uuid);
        match known {
            Some(expected) if expected != peer.node_uuid => Err(Refusal::ForeignDisk {
                node_id,
                expected,
                actual: peer.node_uuid,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId(2);

    #[test]
    fn strangers_are_bounded_and_an_identified_peer_makes_room() {
        let connections = PeerConnections::new();
        let mut held: Vec<_> = (0..STRANGERS_MAX).map(|_| connections.admit()).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(connections.admit().is_none());
        let (place, stranger) = held.pop().flatten().unwrap();
        drop(stranger);
        assert!(connections.admit().is_some());
        drop(place);
    }

    #[test]
    fn all_connections_together_are_bounded() {
        let connections = PeerConnections::new();
        let places = (0..CONNECTIONS_MAX).map(|_| connections.admit().map(|(place, _)| place));
        let places: Vec<_> = places.collect();
        assert!(places.iter().all(Option::is_some));
        assert!(connections.admit().is_none());
    }

    #[test]
    fn a_peers_newest_connection_on_a_channel_ends_the_one_before() {
        let connections = PeerConnections::new();
        let tokens: Vec<_> = (0..3).map(|_| CancellationToken::new()).collect();
        connections.identified(PEER, Channel::Data, &tokens[0]);
        connections.identified(PEER, Channel::Control, &tokens[1]);
        assert!(!tokens[0].is_cancelled());
        connections.identified(PEER, Channel::Data, &tokens[2]);
        let ended: Vec<_> = tokens.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(ended, [true, false, false]);
        tokens[2].cancel();
        connections.identified(PEER, Channel::Bulk, &CancellationToken::new());
        assert_eq!(connections.newest.lock().len(), 2);
    }
}
