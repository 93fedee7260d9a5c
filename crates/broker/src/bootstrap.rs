//! From a started process to a member of the cluster: metadata replica, founding, registration.

use std::sync::Arc;

use floe_metadata::{Command, NodeRegistration, Refusal};
use floe_model::{NodeId, RaftGroupId};
use floe_raft::{CallError, OpenGroupError};
use floe_rpc::{ClusterReply, ClusterRequest};
use std::time::Duration;

use crate::NodeFailure;
use crate::core::{Core, METADATA_TIMEOUT};
use crate::formation::form_or_join;
use crate::metadata::{MetadataMachine, MetadataPublisher, Rejected};
use crate::{layout, leadership, membership};

/// Between two attempts to complete the founding.
const RETRY: Duration = Duration::from_millis(10);
/// Between two attempts to register.
const REGISTER_RETRY: Duration = Duration::from_millis(100);
/// How long one seed may take to answer.
const ANSWER: Duration = Duration::from_secs(1);

/// Brings the node into the cluster, then starts what keeps it there.
pub(crate) async fn run(core: Arc<Core>, publisher: MetadataPublisher) {
    if let Err(failure) = join(&core, publisher).await {
        core.fail(failure);
        return;
    }
    core.spawn_until_stop(complete_founding(Arc::clone(&core)));
    core.spawn_until_stop(layout::run(Arc::clone(&core)));
    core.spawn_until_stop(leadership::run(Arc::clone(&core)));
    core.spawn_until_stop(membership::run(Arc::clone(&core)));
    if let Err(failure) = register(&core).await {
        core.fail(failure);
    }
}

async fn join(core: &Core, publisher: MetadataPublisher) -> Result<(), NodeFailure> {
    let spec = match core.raft.stored_spec(RaftGroupId::METADATA) {
        Some(spec) => spec,
        None => form_or_join(core).await?,
    };
    let machine = Box::new(MetadataMachine::new(publisher));
    match core.raft.open_group(spec, machine).await {
        Ok(group) => {
            core.controller.set_group(group);
            Ok(())
        }
        Err(OpenGroupError::ShuttingDown) => Ok(()),
        Err(error) => Err(NodeFailure::Metadata(Arc::new(error))),
    }
}

/// As the first controller, writes the founding down. Needs an answer from every seed.
async fn complete_founding(core: Arc<Core>) {
    loop {
        if core.metadata.state().formation().is_some() {
            return;
        }
        if core.controller.is_here()
            && let Some(command) = founding_command(&core).await
        {
            match core.controller.propose(&command, METADATA_TIMEOUT).await {
                Ok(_) | Err(Rejected::Refused(Refusal::AlreadyFormed)) => {}
                Err(error) => tracing::warn!(%error, "founding not written"),
            }
            continue;
        }
        if core.controller.is_here() {
            tokio::time::sleep(RETRY).await;
            continue;
        }
        // Somebody else founds, or this node becomes the controller.
        let formed = core
            .metadata
            .wait_for(|view| view.state.formation().is_some());
        tokio::select! {
            _ = formed => {}
            () = core.controller.role_changed() => {}
        }
    }
}

async fn founding_command(core: &Core) -> Option<Command> {
    let mut seeds = vec![core.registration.clone()];
    for peer in core.other_seeds() {
        seeds.push(ask_registration(core, peer).await?);
    }
    Some(Command::Form {
        cluster_id: core.journal.identity().cluster_id?,
        name: core.config.cluster_name.clone(),
        seeds,
        at_ms: core.env.clock.wall_ms(),
    })
}

async fn ask_registration(core: &Core, peer: NodeId) -> Option<NodeRegistration> {
    let request = ClusterRequest::ProbeSeed {
        cluster_name: core.config.cluster_name.clone(),
        seeds: core.seeds.clone(),
    };
    let Ok(ClusterReply::Seed(state)) = core.raft.cluster_call(peer, request, ANSWER).await else {
        return None;
    };
    match floe_metadata::decode(&state.registration) {
        Ok(Command::RegisterNode { node, .. }) => Some(node),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%peer, %error, "unreadable registration");
            None
        }
    }
}

/// Makes this start of this disk known to the cluster, unless it is.
async fn register(core: &Core) -> Result<(), NodeFailure> {
    let node_id = core.config.node_id;
    core.metadata
        .wait_for(|view| view.state.formation().is_some())
        .await;
    loop {
        let state = core.metadata.state();
        if state
            .node(node_id)
            .is_some_and(|node| node.registration == core.registration)
        {
            return Ok(());
        }
        let command = Command::RegisterNode {
            node: core.registration.clone(),
            at_ms: core.env.clock.wall_ms(),
        };
        match core.controller.propose(&command, METADATA_TIMEOUT).await {
            Ok(_) => return Ok(()),
            Err(Rejected::Refused(refusal)) => {
                let node_uuid = core.identity.node_uuid;
                return Err(NodeFailure::Rejected {
                    node_id,
                    node_uuid,
                    refusal,
                });
            }
            Err(Rejected::NoOutcome(failure)) => {
                if let Some(failure) = foreign_disk(core).await {
                    return Err(failure);
                }
                tracing::warn!(%failure, "not registered yet");
                tokio::time::sleep(REGISTER_RETRY).await;
            }
        }
    }
}

/// Whether most seeds refuse this node as one of another cluster: then it is this disk, or this
/// configuration, that is in the wrong place. One foreign seed among ours is that seed's trouble.
async fn foreign_disk(core: &Core) -> Option<NodeFailure> {
    let disk = core.journal.identity().cluster_id?;
    let mut refusals = Vec::new();
    for peer in core.other_seeds() {
        let request = ClusterRequest::ProbeSeed {
            cluster_name: core.config.cluster_name.clone(),
            seeds: core.seeds.clone(),
        };
        let answer = core.raft.cluster_call(peer, request, ANSWER).await;
        let Err(CallError::Refused { refusal, .. }) = answer else {
            continue;
        };
        // Either side may have been the one that refused.
        let failure = match refusal {
            floe_rpc::Refusal::WrongCluster { ours, theirs } => NodeFailure::WrongCluster {
                ours: disk,
                theirs: if ours == disk { theirs } else { ours },
            },
            floe_rpc::Refusal::WrongClusterName { ours, theirs } => NodeFailure::WrongClusterName {
                peer,
                ours: core.config.cluster_name.clone(),
                theirs: if ours == core.config.cluster_name {
                    theirs
                } else {
                    ours
                },
            },
            _ => continue,
        };
        refusals.push(failure);
    }
    let is_most = 2 * refusals.len() > core.seeds.len();
    refusals.pop().filter(|_| is_most)
}
