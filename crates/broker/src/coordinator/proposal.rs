//! What a membership asks for, carried out: proposals to metadata and to the offsets log.

use std::collections::BTreeMap;

use floe_group::RecordedMember;
use floe_group::native::{Event, Failure as Unconfirmed, Owned, Ownership, ProposedRebalance};
use floe_group::offsets::{self, Fence};
use floe_metadata::{Applied, Command, GroupRecord, MemberRecord, Rebalance, Refusal, State};
use floe_model::{ErrorCode, GroupKind, GroupName, LeaderEpoch};
use floe_raft::{Proposal, ProposeError};
use floe_rpc::Failure;

use super::OffsetsReplica;
use crate::core::{Core, METADATA_TIMEOUT};
use crate::failure_facts::offsets_refusal;
use crate::metadata::Rejected;
use crate::partition::refusal;

/// Proposes a rebalance to metadata.
pub(super) async fn complete_rebalance(
    core: &Core,
    group: GroupName,
    coordinator_epoch: LeaderEpoch,
    proposed: ProposedRebalance,
) -> Event {
    let record = |member: RecordedMember| MemberRecord {
        instance_id: member.instance_id,
        session_timeout_ms: member.session_timeout_ms,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        subscription: member.subscription,
        member_epoch: 0,
    };
    let members = proposed
        .members
        .into_iter()
        .map(|(id, member)| (id, record(member)));
    let command = Command::CompleteRebalance(Rebalance {
        group: group.clone(),
        expected_generation: proposed.expected_generation,
        coordinator_epoch,
        kind: GroupKind::Native,
        protocol: proposed.protocol,
        members: members.collect(),
        owners: proposed.owners,
    });
    match core.controller.propose(&command, METADATA_TIMEOUT).await {
        Ok(Applied::Rebalanced { generation, tokens }) => {
            core.metrics.group_rebalances.inc();
            Event::RebalanceCommitted { generation, tokens }
        }
        Err(Rejected::Refused(Refusal::CoordinatorFenced { .. })) => {
            Event::RebalanceFailed(Unconfirmed::NotCoordinator)
        }
        other => {
            tracing::info!(%group, ?other, "rebalance not confirmed");
            Event::RebalanceFailed(Unconfirmed::Unknown)
        }
    }
}

/// Proposes a fence to the offsets log.
pub(super) async fn fence(replica: &OffsetsReplica, epoch: LeaderEpoch, fence: Fence) -> Event {
    let generation = fence.generation;
    match replica
        .propose(epoch, &offsets::Command::Fence(fence))
        .await
    {
        Ok(Ok(_)) => Event::FenceApplied { generation },
        Ok(Err(refused)) => {
            tracing::warn!(%refused, "fence refused");
            Event::FenceFailed(Unconfirmed::NotCoordinator)
        }
        Err(ProposeError::NotLeader { .. }) => Event::FenceFailed(Unconfirmed::NotCoordinator),
        Err(error) => {
            tracing::info!(%error, "fence not confirmed");
            Event::FenceFailed(Unconfirmed::Unknown)
        }
    }
}

/// Reads a group's record as it is for certain.
pub(super) async fn read_ownership(core: &Core, group: &GroupName) -> Event {
    match core.controller.confirm(METADATA_TIMEOUT).await {
        Ok(view) => Event::OwnershipRead(ownership(&view.state, group)),
        Err(failure) => {
            tracing::info!(%group, %failure, "ownership not read");
            Event::RebalanceFailed(Unconfirmed::Unknown)
        }
    }
}

impl OffsetsReplica {
    /// Proposes a command as the coordinator of `epoch`, for a client.
    pub(crate) async fn command(
        &self,
        epoch: LeaderEpoch,
        command: &offsets::Command,
    ) -> Result<offsets::Applied, Failure> {
        match self.propose(epoch, command).await {
            Ok(Ok(applied)) => Ok(applied),
            Ok(Err(refused)) => Err(offsets_refusal(&refused)),
            Err(ProposeError::NotLeader { .. }) => Err(ErrorCode::NotCoordinator.into()),
            Err(error) => Err(refusal(&error)),
        }
    }

    async fn propose(
        &self,
        epoch: LeaderEpoch,
        command: &offsets::Command,
    ) -> Result<offsets::Outcome, ProposeError> {
        let bytes = offsets::encode(command).into();
        let proposed = self.raft.propose(epoch, Proposal::Control(bytes));
        let unknown = |_| Err(ProposeError::Unknown);
        let applied = tokio::time::timeout(METADATA_TIMEOUT, proposed)
            .await
            .unwrap_or_else(unknown)?;
        offsets::decode_outcome(&applied.outcome).map_err(|error| {
            tracing::error!(%error, "unreadable outcome of an offsets command");
            ProposeError::Unknown
        })
    }
}

/// A group's record in the words of its membership; an empty one where there is none.
pub(super) fn ownership(state: &State, group: &GroupName) -> Ownership {
    match state.group(group) {
        Some(record) => of_record(record),
        None => Ownership {
            generation: state.generation_of(group),
            ..Ownership::default()
        },
    }
}

fn of_record(record: &GroupRecord) -> Ownership {
    let member = |member: &MemberRecord| RecordedMember {
        instance_id: member.instance_id.clone(),
        session_timeout_ms: member.session_timeout_ms,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        subscription: member.subscription.clone(),
    };
    let members = record
        .members
        .iter()
        .map(|(id, one)| (id.clone(), member(one)));
    let owners: BTreeMap<_, _> = record
        .owners
        .iter()
        .map(|(&id, owner)| {
            (
                id,
                Owned {
                    member_id: owner.member_id.clone(),
                    token: owner.token,
                },
            )
        })
        .collect();
    Ownership {
        generation: record.generation,
        members: members.collect(),
        owners,
    }
}
