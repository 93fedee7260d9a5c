//! Changes the metadata from any node: proposes to the controller, wherever it is.
//!
//! A command is repeated until its outcome is known or time is up, so it may be applied twice:
//! every command either names what it makes by a fresh id, or compares before it sets, and its
//! proposer reads the second refusal as the success of the first. When a call returns, the
//! outcome is applied on this node, too.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use floe_metadata::{Applied, Command, Refusal};
use floe_model::{ErrorCode, LogIndex, NodeId, RaftGroupId};
use floe_raft::{CallError, Proposal, ProposeError, RaftGroup, RaftNode, ReadIndexError};
use floe_rpc::{Awaited, ClusterReply, ClusterRequest, Failure, LeaderHint, Payload};

use super::view::{MetadataView, MetadataWatch};
use crate::failure_facts::{metadata_refusal, timed_out};
use crate::partition::refusal;

/// How long one node may take to answer before the leader is looked up again.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Between two attempts when nothing else says that the leader changed.
const RETRY: Duration = Duration::from_millis(20);

/// Why a command did not take effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    /// The state machine refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It did not get there, or its outcome is unknown.
    #[error("no outcome: {0}")]
    NoOutcome(#[from] Failure),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Refused(refusal) => metadata_refusal(&refusal),
            Rejected::NoOutcome(failure) => failure,
        }
    }
}

/// The way to the controller.
pub(crate) struct Controller {
    node_id: NodeId,
    raft: RaftNode,
    view: MetadataWatch,
    /// This node's replica of the metadata group, once it has one.
    group: OnceLock<RaftGroup>,
}

impl Controller {
    pub(crate) fn new(node_id: NodeId, raft: RaftNode, view: MetadataWatch) -> Self {
        Self {
            node_id,
            raft,
            view,
            group: OnceLock::new(),
        }
    }

    /// Hands over the node's replica of the metadata group.
    pub(crate) fn set_group(&self, group: RaftGroup) {
        assert_eq!(
            group.id(),
            RaftGroupId::METADATA,
            "only metadata has a controller"
        );
        // A second call would bring the same group: the journal has one per id.
        drop(self.group.set(group));
    }

    pub(crate) fn group(&self) -> Option<&RaftGroup> {
        self.group.get()
    }

    /// The node that leads the metadata group, if known.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.group.get()?.role().leader
    }

    /// Whether this node is the controller and may act as such.
    pub(crate) fn is_here(&self) -> bool {
        self.group
            .get()
            .is_some_and(|group| group.role().serving_epoch().is_some())
    }

    /// Proposes `command` and waits until its outcome is applied here.
    pub(crate) async fn propose(
        &self,
        command: &Command,
        timeout: Duration,
    ) -> Result<Applied, Rejected> {
        let bytes = Bytes::from(floe_metadata::encode(command));
        let attempts = async {
            let (index, outcome) = self.propose_bytes(&bytes).await?;
            self.view.applied(Some(index)).await;
            Ok::<_, Failure>(outcome)
        };
        let outcome = tokio::time::timeout(timeout, attempts)
            .await
            .unwrap_or_else(|_| Err(timed_out(Awaited::Controller, timeout)))?;
        match floe_metadata::decode_outcome(&outcome) {
            Ok(outcome) => Ok(outcome?),
            Err(error) => {
                tracing::error!(%error, "unreadable metadata outcome");
                Err(Failure::from(ErrorCode::Internal).into())
            }
        }
    }

    /// Proposes an encoded command until its outcome is known; the caller bounds the time.
    pub(crate) async fn propose_bytes(
        &self,
        command: &Bytes,
    ) -> Result<(LogIndex, Bytes), Failure> {
        loop {
            match self.propose_once(command).await {
                Ok(done) => return Ok(done),
                Err(failure) if failure.code.is_retriable() => self.pause().await,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Waits until the state here holds everything acknowledged before the call.
    pub(crate) async fn confirm(&self, timeout: Duration) -> Result<MetadataView, Failure> {
        let attempts = async {
            loop {
                match self.read_index_once().await {
                    Ok(index) => break Ok(self.view.applied(index).await),
                    Err(failure) if failure.code.is_retriable() => self.pause().await,
                    Err(failure) => break Err(failure),
                }
            }
        };
        tokio::time::timeout(timeout, attempts)
            .await
            .unwrap_or_else(|_| Err(timed_out(Awaited::Controller, timeout)))
    }

    /// Answers another node's proposal. Only the controller does.
    pub(crate) async fn propose_here(&self, command: Bytes) -> Result<(LogIndex, Bytes), Failure> {
        let group = self.group.get().ok_or(ErrorCode::NotController)?;
        let role = group.role();
        let epoch = role.serving_epoch().ok_or_else(|| self.not_controller())?;
        match group.propose(epoch, Proposal::Control(command)).await {
            Ok(applied) => Ok((applied.log_id.index, applied.outcome)),
            Err(ProposeError::NotLeader { .. }) => Err(self.not_controller()),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Answers another node's read: how far its state must be. Only the controller does.
    pub(crate) async fn read_index_here(&self) -> Result<Option<LogIndex>, Failure> {
        let group = self.group.get().ok_or(ErrorCode::NotController)?;
        match group.read_index().await {
            Ok(()) => Ok(self.view.view().applied),
            Err(ReadIndexError::NotLeader { .. }) => Err(self.not_controller()),
            Err(ReadIndexError::NoQuorum) => Err(ErrorCode::NotController.into()),
            Err(ReadIndexError::ShuttingDown) => Err(ErrorCode::ShuttingDown.into()),
        }
    }

    async fn propose_once(&self, command: &Bytes) -> Result<(LogIndex, Bytes), Failure> {
        let leader = self.leader().ok_or(ErrorCode::NotController)?;
        if leader == self.node_id {
            return self.propose_here(command.clone()).await;
        }
        let request = ClusterRequest::ProposeMetadata {
            command: Payload(command.clone()),
        };
        match self.call(leader, request).await? {
            ClusterReply::Proposed { index, outcome } => Ok((index, outcome.0)),
            ClusterReply::Seed(_)
            | ClusterReply::ReadIndex { .. }
            | ClusterReply::Transferred { .. } => Err(ErrorCode::Internal.into()),
        }
    }

    async fn read_index_once(&self) -> Result<Option<LogIndex>, Failure> {
        let leader = self.leader().ok_or(ErrorCode::NotController)?;
        if leader == self.node_id {
            return self.read_index_here().await;
        }
        match self.call(leader, ClusterRequest::MetadataReadIndex).await? {
            ClusterReply::ReadIndex { index } => Ok(index),
            ClusterReply::Seed(_)
            | ClusterReply::Proposed { .. }
            | ClusterReply::Transferred { .. } => Err(ErrorCode::Internal.into()),
        }
    }

    async fn call(&self, to: NodeId, request: ClusterRequest) -> Result<ClusterReply, Failure> {
        self.raft
            .cluster_call(to, request, ATTEMPT)
            .await
            .map_err(|error| match error {
                CallError::Failed { failure, .. } => failure,
                CallError::NotAPeer(_) | CallError::Down(_) | CallError::Refused { .. } => {
                    ErrorCode::NotController.into()
                }
                CallError::NoAnswer(_) => ErrorCode::Timeout.into(),
            })
    }

    /// Waits for another leader, or a little.
    async fn pause(&self) {
        // Running out is the ordinary case.
        drop(tokio::time::timeout(RETRY, self.role_changed()).await);
    }

    /// Waits until this node's replica changes its role from what it is now. Pending for ever
    /// without a replica, and when it closed: callers wait for something else as well.
    pub(crate) async fn role_changed(&self) {
        let Some(group) = self.group.get() else {
            return std::future::pending().await;
        };
        let mut role = group.watch_role();
        role.mark_unchanged();
        if role.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn not_controller(&self) -> Failure {
        let role = self.group.get().map(RaftGroup::role);
        let hint = role.and_then(|role| {
            role.leader.map(|node| LeaderHint {
                node,
                epoch: role.epoch,
            })
        });
        Failure::elsewhere(ErrorCode::NotController, hint)
    }
}
