//! How a node comes to its replica of the metadata group: founds the cluster, joins one, or
//! finds what it had.
//!
//! Invariant: only the lowest seed founds, and only after every other configured seed answered
//! that it has nothing, with the same cluster name and seeds. A node that meets a founded peer
//! joins it. The cluster id is durable here before any other node can hear of it.

use std::time::Duration;

use floe_journal::{GroupKind, StoreError};
use floe_model::{ClusterId, ErrorCode, NodeId, RaftGroupId, ReplicaId};
use floe_raft::{CallError, GroupSpec, Voter};
use floe_rpc::{ClusterReply, ClusterRequest, Founder, Founding, Payload, SeedState};
use futures::stream::{FuturesUnordered, StreamExt as _};
use parking_lot::Mutex;

use crate::NodeFailure;
use crate::core::Core;

/// Most metadata voters; with fewer seeds, the largest odd number that they can fill.
const VOTERS_MAX: usize = 5;
/// Between two rounds of questions.
const POLL: Duration = Duration::from_millis(10);
/// How long one node may take to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// How long the founder waits for the others to be ready to vote for it.
const READY: Duration = Duration::from_secs(1);

/// What this node knows of the founding, for those who ask.
#[derive(Default)]
pub(crate) struct KnownFounding {
    /// Held for one look or change.
    founding: Mutex<Option<Founding>>,
}

impl KnownFounding {
    pub(crate) fn get(&self) -> Option<Founding> {
        self.founding.lock().clone()
    }

    pub(crate) fn set(&self, founding: Founding) {
        *self.founding.lock() = Some(founding);
    }
}

/// Finds out which replica of the metadata group this node is.
pub(crate) async fn form_or_join(core: &Core) -> Result<GroupSpec, NodeFailure> {
    loop {
        if let Some(spec) = round(core).await? {
            return Ok(spec);
        }
        tokio::time::sleep(core.env.rng.jitter(POLL, POLL)).await;
    }
}

async fn round(core: &Core) -> Result<Option<GroupSpec>, NodeFailure> {
    let others = core.other_seeds();
    let answers = probe(core, &others).await;
    for (peer, answer) in &answers {
        if answer.cluster_name != core.config.cluster_name {
            return Err(NodeFailure::WrongClusterName {
                peer: *peer,
                ours: core.config.cluster_name.clone(),
                theirs: answer.cluster_name.clone(),
            });
        }
    }
    if let Some(founding) = answers
        .iter()
        .find_map(|(_, answer)| answer.founding.clone())
    {
        return join(core, founding).await;
    }
    if let Some((peer, _)) = answers.iter().find(|(_, answer)| !answer.seeds_agree) {
        return Err(NodeFailure::SeedsDiffer { peer: *peer });
    }
    if core.is_lowest_seed() && answers.len() == others.len() {
        return found(core, &answers).await.map(Some);
    }
    Ok(None)
}

/// Asks the other seeds what they know; those who do not answer are left out. Ascending.
async fn probe(core: &Core, others: &[NodeId]) -> Vec<(NodeId, SeedState)> {
    let asked = others.iter().map(|&peer| async move {
        let request = ClusterRequest::ProbeSeed {
            cluster_name: core.config.cluster_name.clone(),
            seeds: core.seeds.clone(),
        };
        match core.raft.cluster_call(peer, request, ANSWER).await {
            Ok(ClusterReply::Seed(state)) => Some((peer, state)),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%peer, %error, "seed did not answer");
                None
            }
        }
    });
    let mut answers: Vec<_> = asked
        .collect::<FuturesUnordered<_>>()
        .filter_map(std::future::ready)
        .collect()
        .await;
    answers.sort_by_key(|(peer, _)| *peer);
    answers
}

async fn found(core: &Core, answers: &[(NodeId, SeedState)]) -> Result<GroupSpec, NodeFailure> {
    let mut disks = vec![(core.config.node_id, core.identity.node_uuid)];
    disks.extend(
        answers
            .iter()
            .map(|(peer, answer)| (*peer, answer.node_uuid)),
    );
    disks.sort_by_key(|(node_id, _)| *node_id);
    let voters = match disks.len().min(VOTERS_MAX) {
        even if even % 2 == 0 => even - 1,
        odd => odd,
    };
    let founder = |(place, (node_id, node_uuid)): (u64, _)| Founder {
        replica_id: ReplicaId(place + 1),
        node_id,
        node_uuid,
    };
    let founders: Vec<Founder> = (0..).zip(disks).take(voters).map(founder).collect();
    let fresh = || ClusterId(core.env.rng.bytes16());
    let cluster_id = core.journal.identity().cluster_id.unwrap_or_else(fresh);
    adopt(core, cluster_id).await?;
    tracing::info!(%cluster_id, voters, "founding the cluster");
    let founding = Founding {
        cluster_id,
        founders,
    };
    core.founding.set(founding.clone());
    // The others hear of it when they ask next. Standing before they can vote costs an election
    // timeout; waiting longer than that gains nothing.
    drop(tokio::time::timeout(READY, others_ready(core, &founding)).await);
    Ok(spec(core, ReplicaId(1), &founding))
}

async fn others_ready(core: &Core, founding: &Founding) {
    let others: Vec<_> = founding
        .founders
        .iter()
        .map(|founder| founder.node_id)
        .collect();
    let others: Vec<_> = others
        .into_iter()
        .filter(|&id| id != core.config.node_id)
        .collect();
    loop {
        let answers = probe(core, &others).await;
        if answers
            .iter()
            .filter(|(_, answer)| answer.founding.is_some())
            .count()
            == others.len()
        {
            return;
        }
        tokio::time::sleep(POLL / 2).await;
    }
}

async fn join(core: &Core, founding: Founding) -> Result<Option<GroupSpec>, NodeFailure> {
    adopt(core, founding.cluster_id).await?;
    let me = |founder: &&Founder| {
        founder.node_id == core.config.node_id && founder.node_uuid == core.identity.node_uuid
    };
    if let Some(founder) = founding.founders.iter().find(me) {
        return Ok(Some(spec(core, founder.replica_id, &founding)));
    }
    let Some(replica_id) = ask_for_replica(core).await? else {
        return Ok(None);
    };
    let founding = Founding {
        founders: Vec::new(),
        ..founding
    };
    Ok(Some(spec(core, replica_id, &founding)))
}

/// Registers with the controller, which answers with this disk's replica of the metadata group.
async fn ask_for_replica(core: &Core) -> Result<Option<ReplicaId>, NodeFailure> {
    let command = floe_metadata::Command::RegisterNode {
        node: core.registration.clone(),
        at_ms: core.env.clock.wall_ms(),
    };
    let command = Payload::from(floe_metadata::encode(&command));
    for peer in core.other_seeds() {
        let request = ClusterRequest::ProposeMetadata {
            command: command.clone(),
        };
        let outcome = match core.raft.cluster_call(peer, request, ANSWER).await {
            Ok(ClusterReply::Proposed { outcome, .. }) => outcome,
            Ok(_) => continue,
            Err(CallError::Failed { failure, .. }) if failure.code != ErrorCode::NotController => {
                tracing::warn!(%peer, code = %failure.code, "registration failed");
                continue;
            }
            Err(_) => continue,
        };
        match floe_metadata::decode_outcome(&outcome) {
            Ok(Ok(floe_metadata::Applied::NodeRegistered {
                metadata_replica, ..
            })) => {
                return Ok(Some(metadata_replica));
            }
            Ok(Err(floe_metadata::Refusal::NotFormed)) => {}
            Ok(Err(refusal)) => {
                return Err(NodeFailure::Rejected {
                    node_id: core.config.node_id,
                    node_uuid: core.identity.node_uuid,
                    refusal,
                });
            }
            Ok(Ok(applied)) => tracing::error!(?applied, "a registration had another outcome"),
            Err(error) => tracing::error!(%error, "unreadable outcome of a registration"),
        }
    }
    Ok(None)
}

/// Makes this disk part of the cluster, durably.
async fn adopt(core: &Core, cluster_id: ClusterId) -> Result<(), NodeFailure> {
    match core.journal.set_cluster_id(cluster_id).await {
        Ok(()) => {
            core.raft.set_cluster_id(cluster_id);
            Ok(())
        }
        Err(StoreError::ForeignCluster { found }) => Err(NodeFailure::WrongCluster {
            ours: found,
            theirs: cluster_id,
        }),
        Err(source) => Err(NodeFailure::Store(source)),
    }
}

fn spec(core: &Core, replica_id: ReplicaId, founding: &Founding) -> GroupSpec {
    let voter = |founder: &Founder| Voter {
        replica_id: founder.replica_id,
        node_id: founder.node_id,
        node_uuid: founder.node_uuid,
    };
    core.founding.set(founding.clone());
    GroupSpec {
        group: RaftGroupId::METADATA,
        kind: GroupKind::State,
        timers: true,
        replica_id,
        founders: founding.founders.iter().map(voter).collect(),
    }
}
