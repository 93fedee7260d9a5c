//! What all parts of a running node share. Immutable itself; each part owns its own state.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_env::Env;
use floe_journal::Journal;
use floe_metadata::NodeRegistration;
use floe_model::NodeId;
use floe_raft::{PeerAddr, RaftNode};
use floe_rpc::PeerIdentity;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::coordinator::Coordinators;
use crate::formation::KnownFounding;
use crate::metadata::{Confirmer, Controller, MetadataWatch};
use crate::metrics::Metrics;
use crate::partitions::Partitions;
use crate::producer_ids::ProducerIds;
use crate::retention::DueQueue;
use crate::{NodeConfig, NodeFailure};

/// How long the node itself waits for a metadata change before it tries anew.
pub(crate) const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// One node, as its parts see it.
pub(crate) struct Core {
    pub(crate) config: NodeConfig,
    pub(crate) env: Env,
    pub(crate) journal: Journal,
    pub(crate) raft: RaftNode,
    /// Who this process is at its start; the cluster id may come later.
    pub(crate) identity: PeerIdentity,
    pub(crate) registration: NodeRegistration,
    /// The configured seeds with their peer addresses, ascending; this node alone when none are.
    pub(crate) seeds: Vec<(NodeId, String)>,
    pub(crate) founding: KnownFounding,
    pub(crate) metadata: MetadataWatch,
    pub(crate) controller: Controller,
    pub(crate) confirmer: Confirmer,
    pub(crate) partitions: Partitions,
    pub(crate) coordinators: Coordinators,
    pub(crate) due: DueQueue,
    pub(crate) admission: Admission,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) metrics: Metrics,
    /// Replicas that metadata places here and that are not open; `None` before the first look.
    pub(crate) unopened: watch::Sender<Option<usize>>,
    /// A replica here must be opened anew or is damaged: the layout has to look again.
    pub(crate) look_again: Notify,
    /// Changes when this node begins to lead a group.
    pub(crate) led: watch::Sender<()>,
    /// Why the node must stop, once it must.
    pub(crate) failure: watch::Sender<Option<NodeFailure>>,
    /// Cancelled when the node takes no new work.
    pub(crate) draining: CancellationToken,
    /// Cancelled when background work ends.
    pub(crate) stop: CancellationToken,
    /// Every task of the node but those of journal, raft and rpc.
    pub(crate) tasks: TaskTracker,
}

impl Core {
    /// Puts a node together. Nothing runs yet.
    pub(crate) fn new(
        config: NodeConfig,
        env: Env,
        journal: Journal,
        raft: RaftNode,
        identity: PeerIdentity,
        registration: NodeRegistration,
        metadata: MetadataWatch,
    ) -> Self {
        Self {
            seeds: seeds(&config, &registration),
            founding: KnownFounding::default(),
            controller: Controller::new(config.node_id, raft.clone(), metadata.clone()),
            confirmer: Confirmer::new(),
            metadata,
            partitions: Partitions::default(),
            coordinators: Coordinators::default(),
            due: DueQueue::default(),
            admission: Admission::new(config.produce_bytes_max),
            producer_ids: ProducerIds::default(),
            metrics: Metrics::new(env.clock.now(), config.commit),
            unopened: watch::Sender::new(None),
            look_again: Notify::new(),
            led: watch::Sender::new(()),
            failure: watch::Sender::new(None),
            draining: CancellationToken::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config,
            env,
            journal,
            raft,
            identity,
            registration,
        }
    }

    /// Starts a task that the node joins when it stops. It must end soon after `stop`.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // The tracker joins it.
        drop(self.env.spawn.task(self.tasks.track_future(task)));
    }

    /// Starts a task that ends, wherever it is, when the node stops.
    pub(crate) fn spawn_until_stop(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.spawn(async move {
            // Stopping in the middle is what the caller agreed to.
            let _finished = stop.run_until_cancelled(task).await;
        });
    }

    /// The node can serve no more. The first reason stands.
    pub(crate) fn fail(&self, failure: NodeFailure) {
        self.failure.send_if_modified(|reason| {
            let first = reason.is_none();
            if first {
                tracing::error!(%failure, "node failed");
                *reason = Some(failure);
            }
            first
        });
    }

    pub(crate) fn other_seeds(&self) -> Vec<NodeId> {
        let ids = self.seeds.iter().map(|(node_id, _)| *node_id);
        ids.filter(|&node_id| node_id != self.config.node_id)
            .collect()
    }

    pub(crate) fn is_lowest_seed(&self) -> bool {
        self.seeds
            .first()
            .is_some_and(|(node_id, _)| *node_id == self.config.node_id)
    }

    /// The other seeds as peers, before metadata knows who is one.
    pub(crate) fn seed_peers(&self) -> BTreeMap<NodeId, PeerAddr> {
        let others = self
            .seeds
            .iter()
            .filter(|(node_id, _)| *node_id != self.config.node_id);
        let peer = |(node_id, addr): &(NodeId, String)| {
            let (addr, node_uuid) = (addr.clone(), None);
            (*node_id, PeerAddr { addr, node_uuid })
        };
        others.map(peer).collect()
    }

    /// Who this process is now.
    pub(crate) fn identity_now(&self) -> PeerIdentity {
        let cluster_id = self.journal.identity().cluster_id;
        PeerIdentity {
            cluster_id,
            ..self.identity.clone()
        }
    }
}

fn seeds(config: &NodeConfig, registration: &NodeRegistration) -> Vec<(NodeId, String)> {
    if config.seeds.is_empty() {
        return vec![(config.node_id, registration.peer_addr.clone())];
    }
    let mut seeds: Vec<_> = config
        .seeds
        .iter()
        .map(|seed| (seed.node_id, seed.peer_addr.clone()))
        .collect();
    seeds.sort();
    seeds
}
