//! The life of a node: start, serve, fail, stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use floe_env::{Env, Listener};
use floe_journal::{Journal, JournalConfig, NodeIdentity, StoreStatus};
use floe_metadata::NodeRegistration;
use floe_raft::{RaftConfig, RaftNode};
use floe_rpc::PeerIdentity;

use crate::cluster_handler::ClusterDesk;
use crate::core::Core;
use crate::{
    Broker, NodeConfig, NodeFailure, ShutdownError, StartError, bootstrap, client_listener,
    metadata, retention,
};

/// A running node. Dropping it does not stop it cleanly; call [`Node::shutdown`].
pub struct Node {
    core: Arc<Core>,
    client_addr: SocketAddr,
    peer_addr: SocketAddr,
}

/// Starts a node and returns when it listens. Whether it serves yet is [`Broker::readiness`].
///
/// # Errors
/// One variant per bad input; see [`StartError`]. What turns out about the cluster later comes
/// through [`Node::failed`].
pub async fn start_node(config: NodeConfig, env: Env) -> Result<Node, StartError> {
    check(&config)?;
    let client_listener = listen(&env, &config.client_listen).await?;
    let peer_listener = listen(&env, &config.peer_listen).await?;
    let (client_addr, peer_addr) = (client_listener.local_addr(), peer_listener.local_addr());
    let dir = config.data_dir.clone();
    let settings = JournalConfig {
        dir: dir.clone(),
        ..config.journal.clone()
    };
    let begun = env.clock.now();
    let journal = Journal::open(settings, config.node_id, &env)
        .await
        .map_err(|source| StartError::Store { dir, source })?;
    let recovered_in = env.clock.now().saturating_sub(begun);
    let stored = journal.identity();
    let registration = registration(&config, &stored, client_addr, peer_addr);
    let identity = identity(&config, &stored);
    let desk = ClusterDesk::default();
    let raft = RaftNode::start(
        raft_config(&config),
        env.clone(),
        journal.clone(),
        identity.clone(),
        peer_listener,
        Arc::new(desk.clone()),
    )
    .await?;
    let (publisher, view) = metadata::publisher();
    let core = Core::new(config, env, journal, raft, identity, registration, view);
    core.metrics.recovered(recovered_in);
    let core = Arc::new(core);
    core.raft.set_peers(core.seed_peers());
    desk.open(&core);
    core.spawn(client_listener::run(Arc::clone(&core), client_listener));
    core.spawn_until_stop(watch_store(Arc::clone(&core)));
    core.spawn_until_stop(metadata::confirm_rounds(Arc::clone(&core)));
    core.spawn_until_stop(retention::run(Arc::clone(&core)));
    core.spawn_until_stop(bootstrap::run(Arc::clone(&core), publisher));
    Ok(Node {
        core,
        client_addr,
        peer_addr,
    })
}

impl Node {
    /// The node's services, for use in this process.
    #[must_use]
    pub fn broker(&self) -> Broker {
        Broker::new(Arc::clone(&self.core))
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
        let mut failure = self.core.failure.subscribe();
        let failed = failure
            .wait_for(Option::is_some)
            .await
            .map(|failure| failure.clone());
        match failed {
            Ok(Some(failure)) => failure,
            // The sender lives in the core, which this node holds.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Stops the node: no new work, leaders handed over, work drained, store closed. Takes about
    /// `deadline` at most.
    ///
    /// # Errors
    /// The node is stopped, but not cleanly.
    pub async fn shutdown(self, deadline: Duration) -> Result<(), ShutdownError> {
        let core = self.core;
        // 1. Requests that begin now are refused; readiness says so.
        core.draining.cancel();
        // 2. Others lead what this node led, so that its clients go on elsewhere. What was
        //    proposed here is answered meanwhile.
        core.raft.transfer_all(deadline / 3).await;
        // 3. Connections and background tasks end; every one of them watches `stop`.
        core.stop.cancel();
        core.tasks.close();
        let drained = tokio::time::timeout(deadline / 3, core.tasks.wait()).await;
        // 4. No replica is in use any more: groups close, then the store under them.
        core.partitions.clear();
        core.coordinators.clear();
        core.raft.clone().shutdown().await;
        core.journal.clone().shutdown().await?;
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        drained.map_err(|_| ShutdownError::Deadline { deadline_ms })
    }
}

/// Turns the first failure of the store into the failure of the node.
async fn watch_store(core: Arc<Core>) {
    let mut status = core.journal.status();
    let poisoned = status
        .wait_for(|status| matches!(status, StoreStatus::Poisoned { .. }))
        .await;
    let cause = match poisoned.as_deref() {
        Ok(StoreStatus::Poisoned { cause }) => cause.clone(),
        Ok(StoreStatus::Healthy | StoreStatus::Full { .. }) | Err(_) => return,
    };
    drop(poisoned);
    core.fail(NodeFailure::StorePoisoned { cause });
}

fn check(config: &NodeConfig) -> Result<(), StartError> {
    let node_id = config.node_id;
    if !(1..=i32::MAX.unsigned_abs()).contains(&node_id.0) {
        return Err(StartError::InvalidNodeId { node_id });
    }
    for (place, seed) in config.seeds.iter().enumerate() {
        let same = |other: &crate::Seed| {
            other.node_id == seed.node_id || other.peer_addr == seed.peer_addr
        };
        if config.seeds[..place].iter().any(same) {
            return Err(StartError::DuplicateSeed {
                node_id: seed.node_id,
            });
        }
    }
    let listeners = [
        (&config.client_listen, &config.client_advertised),
        (&config.peer_listen, &config.peer_advertised),
    ];
    for (addr, advertised) in listeners {
        let wildcard = addr
            .parse::<SocketAddr>()
            .is_ok_and(|addr| addr.ip().is_unspecified());
        if wildcard && advertised.is_none() {
            return Err(StartError::WildcardWithoutAdvertised { addr: addr.clone() });
        }
    }
    Ok(())
}

async fn listen(env: &Env, addr: &str) -> Result<Box<dyn Listener>, StartError> {
    let bound = env.net.listen(addr).await;
    bound.map_err(|source| StartError::Listen {
        addr: addr.to_owned(),
        source,
    })
}

/// How the node registers: advertised addresses, else the configured ones, else what was bound.
fn registration(
    config: &NodeConfig,
    stored: &NodeIdentity,
    client_addr: SocketAddr,
    peer_addr: SocketAddr,
) -> NodeRegistration {
    let told = |advertised: &Option<String>, listen: &str, bound: SocketAddr| {
        let chosen_by_system = listen.ends_with(":0");
        let listen = if chosen_by_system {
            bound.to_string()
        } else {
            listen.to_owned()
        };
        advertised.clone().unwrap_or(listen)
    };
    NodeRegistration {
        node_id: config.node_id,
        node_uuid: stored.node_uuid,
        incarnation: stored.incarnation,
        client_addr: told(
            &config.client_advertised,
            &config.client_listen,
            client_addr,
        ),
        peer_addr: told(&config.peer_advertised, &config.peer_listen, peer_addr),
        kafka_addr: config.kafka_advertised.clone(),
        http_addr: config.http_advertised.clone(),
        rack: config.rack.clone(),
    }
}

fn identity(config: &NodeConfig, stored: &NodeIdentity) -> PeerIdentity {
    PeerIdentity {
        cluster_id: stored.cluster_id,
        cluster_name: config.cluster_name.clone(),
        node_id: stored.node_id,
        node_uuid: stored.node_uuid,
        incarnation: stored.incarnation,
    }
}

fn raft_config(config: &NodeConfig) -> RaftConfig {
    RaftConfig {
        beat_interval: config.raft.beat_interval,
        suspect_after: config.raft.suspect_after,
        fence_after: config.raft.fence_after,
        ..RaftConfig::new(config.node_id)
    }
}
