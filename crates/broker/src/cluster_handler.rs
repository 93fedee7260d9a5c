//! Answers other nodes in matters of the cluster: probes, registrations, metadata proposals.

use std::sync::{Arc, OnceLock, Weak};

use floe_model::{ErrorCode, RaftGroupId};
use floe_raft::ClusterHandler;
use floe_rpc::{
    ClusterReply, ClusterRequest, Failure, Founder, Founding, Payload, PeerIdentity, SeedState,
};
use futures::future::BoxFuture;

use crate::core::Core;
use crate::core::METADATA_TIMEOUT;

/// The handler that Raft calls. It refuses until the node is put together and when it is gone:
/// the node owns Raft, so Raft must not own the node.
#[derive(Clone, Default)]
pub(crate) struct ClusterDesk {
    core: Arc<OnceLock<Weak<Core>>>,
}

impl ClusterDesk {
    pub(crate) fn open(&self, core: &Arc<Core>) {
        // Set once, by the only caller.
        drop(self.core.set(Arc::downgrade(core)));
    }
}

impl ClusterHandler for ClusterDesk {
    fn handle(
        &self,
        from: PeerIdentity,
        request: ClusterRequest,
    ) -> BoxFuture<'static, Result<ClusterReply, Failure>> {
        let core = self.core.get().and_then(Weak::upgrade);
        Box::pin(async move {
            let core = core.ok_or(ErrorCode::NotController)?;
            match request {
                ClusterRequest::ProbeSeed {
                    cluster_name: _,
                    seeds,
                } => Ok(ClusterReply::Seed(seed_state(&core, &seeds))),
                ClusterRequest::ProposeMetadata { command } => propose(&core, &from, command).await,
                ClusterRequest::MetadataReadIndex => {
                    let index = core.controller.read_index_here().await?;
                    Ok(ClusterReply::ReadIndex { index })
                }
                ClusterRequest::TransferLeaders { moves } => {
                    let count = core.transfer_leaders(moves).await;
                    Ok(ClusterReply::Transferred { count })
                }
            }
        })
    }
}

/// A node that is not registered yet may not know the controller: its command is passed on.
async fn propose(
    core: &Core,
    from: &PeerIdentity,
    command: Payload,
) -> Result<ClusterReply, Failure> {
    let registered = core.metadata.state().node(from.node_id).is_some();
    if registered || core.controller.is_here() {
        let (index, outcome) = core.controller.propose_here(command.0).await?;
        return Ok(ClusterReply::Proposed {
            index,
            outcome: outcome.into(),
        });
    }
    let passed_on = core.controller.propose_bytes(&command.0);
    let timed_out = |_| Err(ErrorCode::Timeout.into());
    let (index, outcome) = tokio::time::timeout(METADATA_TIMEOUT, passed_on)
        .await
        .unwrap_or_else(timed_out)?;
    Ok(ClusterReply::Proposed {
        index,
        outcome: outcome.into(),
    })
}

fn seed_state(core: &Core, asked_seeds: &[(floe_model::NodeId, String)]) -> SeedState {
    let command = floe_metadata::Command::RegisterNode {
        node: core.registration.clone(),
        at_ms: core.env.clock.wall_ms(),
    };
    SeedState {
        cluster_name: core.config.cluster_name.clone(),
        seeds_agree: core.seeds == asked_seeds,
        node_uuid: core.identity.node_uuid,
        registration: floe_metadata::encode(&command).into(),
        founding: founding(core),
    }
}

/// The founding as this node was told it, or as its metadata or its replica know it.
fn founding(core: &Core) -> Option<Founding> {
    if let Some(founding) = core.founding.get() {
        return Some(founding);
    }
    let cluster_id = core.journal.identity().cluster_id?;
    let state = core.metadata.state();
    let founders = match state.replica_set(RaftGroupId::METADATA) {
        Some(set) if !set.founding.is_empty() => set
            .founding
            .iter()
            .map(|replica| Founder {
                replica_id: replica.replica_id,
                node_id: replica.node_id,
                node_uuid: replica.node_uuid,
            })
            .collect(),
        Some(_) | None => core
            .controller
            .group()?
            .voters()
            .into_iter()
            .map(|voter| Founder {
                replica_id: voter.replica_id,
                node_id: voter.node_id,
                node_uuid: voter.node_uuid,
            })
            .collect(),
    };
    Some(Founding {
        cluster_id,
        founders,
    })
}
