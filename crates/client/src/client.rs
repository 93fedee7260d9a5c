//! The entry: one client per cluster, shared by everything that talks to it.
//!
//! Producers and consumers hold a clone, so that layout and identity of the cluster are learned
//! once; each has connections of its own, so that none waits behind another's answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use floe_env::Env;
use parking_lot::Mutex;

use crate::admin::Admin;
use crate::connection::{Connections, Dialler};
use crate::consumer::{ConsumerBuilder, ReaderBuilder};
use crate::error::Cause;
use crate::layout::Layouts;
use crate::producer::ProducerBuilder;
use crate::{Error, seeds};

/// How long `connect` looks for a node before it gives up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a cluster. Clones share it; it ends with the last clone, producer and consumer.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # // Runs where a cluster does; scripts/test starts one for it.
/// # let Ok(server) = std::env::var("FLOE_EXAMPLE_SERVER") else { return Ok(()) };
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use floe_client::Client;
///
/// // Some of the nodes are enough; the client learns the others and follows the leaders.
/// let client = Client::connect(&server).await?;
/// let cluster = client.admin().cluster().await?;
/// println!("{} has {} nodes", cluster.name, cluster.nodes.len());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) core: Arc<Core>,
}

/// What all clones share.
pub(crate) struct Core {
    pub(crate) env: Env,
    pub(crate) seeds: Vec<String>,
    pub(crate) layouts: Layouts,
    pub(crate) retries: AtomicU64,
    pub(crate) dialler: Arc<Dialler>,
    /// The node to ask first what any node knows: the one that answered last.
    pub(crate) preferred: Mutex<Option<String>>,
    /// For administration and group coordination; small answers only.
    pub(crate) control: Connections,
}

/// Events that the client hid from its caller, since it connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Connections made.
    pub connects: u64,
    /// Partitions seen to change their leader.
    pub leader_moves: u64,
    /// Requests, or parts of one, that were tried again.
    pub retries: u64,
}

impl Client {
    /// Finds the cluster behind `seeds`, a list `host:port[,host:port...]`. One reachable node
    /// is enough.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed list; `Unavailable` naming each address and what came of it.
    pub async fn connect(seeds: &str) -> Result<Self, Error> {
        let env = Env::real().map_err(Cause::Randomness)?;
        Self::connect_in(env, seeds).await
    }

    /// [`Client::connect`] in a given environment, such as the simulator's.
    ///
    /// # Errors
    /// Those of [`Client::connect`].
    pub async fn connect_in(env: Env, seeds: &str) -> Result<Self, Error> {
        let seeds = seeds::parse(seeds)?;
        let dialler = Arc::new(Dialler::new(env.clone()));
        let core = Core {
            control: Connections::new(Arc::clone(&dialler)),
            seeds,
            layouts: Layouts::default(),
            retries: AtomicU64::new(0),
            dialler,
            preferred: Mutex::new(None),
            env,
        };
        let client = Self {
            core: Arc::new(core),
        };
        client.find_cluster(CONNECT_TIMEOUT).await?;
        Ok(client)
    }

    /// Builds a producer for one topic.
    pub fn producer(&self, topic: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder::new(self.clone(), topic.into())
    }

    /// Builds a member of a consumer group.
    pub fn consumer(&self, group: impl Into<String>) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), group.into())
    }

    /// Builds a reader of chosen partitions, outside any group.
    pub fn reader(&self) -> ReaderBuilder {
        ReaderBuilder::new(self.clone())
    }

    /// Topics, groups, nodes.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }

    /// What the client has hidden so far.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        ClientStats {
            connects: self.core.dialler.connects(),
            leader_moves: self.core.layouts.leader_moves(),
            retries: self.core.retries.load(Ordering::Relaxed),
        }
    }
}

impl Core {
    /// Asks somebody else first from now on.
    pub(crate) fn prefer_another(&self) {
        let addrs = self.layouts.addrs();
        let place = self
            .env
            .rng
            .below(u64::try_from(addrs.len()).unwrap_or(u64::MAX));
        let place = usize::try_from(place).unwrap_or(0);
        *self.preferred.lock() = addrs.get(place).cloned();
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("seeds", &self.core.seeds)
            .finish_non_exhaustive()
    }
}
