//! What a membership asks for, carried out: proposals to metadata and to the offsets log.

use std::collections::BTreeMap;
use std::sync::Arc;

use floe_group::native::{Event, Failure as Unconfirmed, Owned, Ownership, ProposedRebalance};
use floe_group::offsets::{self, Fence};
use floe_group::{RecordedMember, classic, consumer};
use floe_metadata::{Applied, Command, GroupRecord, MemberRecord, Rebalance, Refusal, State};
use floe_model::{ErrorCode, Generation, GroupKind, GroupName, LeaderEpoch, MemberId};
use floe_raft::{Proposal, ProposeError};
use floe_rpc::Failure;

use super::OffsetsReplica;
use crate::core::{Core, METADATA_TIMEOUT};
use crate::failure_facts::offsets_refusal;
use crate::metadata::Rejected;
use crate::partition::refusal;

/// Proposes a rebalance of a native group to metadata.
pub(super) async fn complete_rebalance(
    core: &Core,
    group: GroupName,
    coordinator_epoch: LeaderEpoch,
    proposed: ProposedRebalance,
) -> Event {
    let rebalance = Rebalance {
        group,
        expected_generation: proposed.expected_generation,
        coordinator_epoch,
        kind: GroupKind::Native,
        protocol: proposed.protocol,
        members: proposed
            .members
            .into_iter()
            .map(|(id, member)| (id, record(member)))
            .collect(),
        owners: proposed.owners,
    };
    match propose(core, Command::CompleteRebalance(rebalance)).await {
        Ok(Applied::Rebalanced { generation, tokens }) => {
            Event::RebalanceCommitted { generation, tokens }
        }
        Ok(_) => Event::RebalanceFailed(Unconfirmed::Unknown),
        Err(failure) => Event::RebalanceFailed(failure),
    }
}

/// Proposes what a classic group decided to metadata.
pub(super) async fn propose_classic(
    core: &Core,
    group: GroupName,
    coordinator_epoch: LeaderEpoch,
    proposal: classic::Proposal,
) -> classic::Event {
    let (command, generation) = match proposal {
        classic::Proposal::Rebalance {
            expected,
            protocol,
            members,
        } => {
            let members = members.into_iter().map(|(id, one)| (id, record(one)));
            let rebalance = Rebalance {
                group,
                expected_generation: expected,
                coordinator_epoch,
                kind: GroupKind::Classic,
                protocol,
                members: members.collect(),
                owners: BTreeMap::new(),
            };
            (Command::CompleteRebalance(rebalance), expected)
        }
        classic::Proposal::Assignments {
            generation,
            assignments,
        } => {
            let command = Command::StoreAssignment {
                group,
                generation,
                coordinator_epoch,
                assignments,
            };
            (command, generation)
        }
        classic::Proposal::Replacement {
            generation,
            former,
            heir,
            record: member,
        } => {
            let command = Command::ReplaceMember {
                group,
                generation,
                coordinator_epoch,
                former,
                heir,
                record: record(member),
            };
            (command, generation)
        }
    };
    match propose(core, command).await {
        Ok(Applied::Rebalanced { generation, .. }) => classic::Event::ProposalCommitted(generation),
        Ok(_) => classic::Event::ProposalCommitted(generation),
        Err(failure) => classic::Event::ProposalFailed(failure),
    }
}

/// Proposes what a consumer group decided to metadata.
pub(super) async fn propose_consumer(
    core: &Core,
    group: GroupName,
    coordinator_epoch: LeaderEpoch,
    proposal: consumer::Proposal,
) -> consumer::Event {
    let members = proposal.members.into_iter();
    let rebalance = Rebalance {
        group,
        expected_generation: proposal.expected,
        coordinator_epoch,
        kind: GroupKind::Consumer,
        protocol: proposal.protocol,
        members: members.map(|(id, one)| (id, record(one))).collect(),
        owners: BTreeMap::new(),
    };
    match propose(core, Command::CompleteRebalance(rebalance)).await {
        Ok(Applied::Rebalanced { generation, .. }) => {
            consumer::Event::ProposalCommitted(generation)
        }
        Ok(_) => consumer::Event::ProposalFailed(Unconfirmed::Unknown),
        Err(failure) => consumer::Event::ProposalFailed(failure),
    }
}

async fn propose(core: &Core, command: Command) -> Result<Applied, Unconfirmed> {
    match core.controller.propose(&command, METADATA_TIMEOUT).await {
        Ok(applied) => {
            if matches!(applied, Applied::Rebalanced { .. }) {
                core.metrics.group_rebalances.inc();
            }
            Ok(applied)
        }
        Err(Rejected::Refused(Refusal::CoordinatorFenced { .. })) => {
            Err(Unconfirmed::NotCoordinator)
        }
        Err(rejected) => {
            tracing::info!(%rejected, "change of a group not confirmed");
            Err(Unconfirmed::Unknown)
        }
    }
}

/// Proposes a fence to the offsets log.
pub(super) async fn fence(
    replica: &OffsetsReplica,
    epoch: LeaderEpoch,
    fence: Fence,
) -> Result<Generation, Unconfirmed> {
    let generation = fence.generation;
    match replica
        .propose(epoch, &offsets::Command::Fence(fence))
        .await
    {
        Ok(Ok(_)) => Ok(generation),
        Ok(Err(refused)) => {
            tracing::warn!(%refused, "fence refused");
            Err(Unconfirmed::NotCoordinator)
        }
        Err(ProposeError::NotLeader { .. }) => Err(Unconfirmed::NotCoordinator),
        Err(error) => {
            tracing::info!(%error, "fence not confirmed");
            Err(Unconfirmed::Unknown)
        }
    }
}

/// The metadata as it is for certain.
pub(super) async fn confirmed(core: &Core) -> Result<Arc<State>, Unconfirmed> {
    match core.controller.confirm(METADATA_TIMEOUT).await {
        Ok(view) => Ok(view.state),
        Err(failure) => {
            tracing::info!(%failure, "record of a group not read");
            Err(Unconfirmed::Unknown)
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

/// A classic group's record in the words of its membership; an empty one where there is none or
/// where it is of another kind, which has no members then.
pub(super) fn classic_record(state: &State, group: &GroupName) -> classic::Record {
    let generation = state.generation_of(group);
    match state.group(group) {
        Some(record) if record.kind == GroupKind::Classic => classic::Record {
            generation,
            protocol: record.protocol.clone(),
            members: members(record),
            assignments: record.assignments.clone(),
        },
        Some(_) | None => classic::Record {
            generation,
            ..classic::Record::default()
        },
    }
}

/// A consumer group's record in the words of its membership; without members where there is none
/// or where it is of another kind.
pub(super) fn consumer_record(state: &State, group: &GroupName) -> consumer::Record {
    let record = state.group(group);
    let record = record.filter(|record| record.kind == GroupKind::Consumer);
    consumer::Record {
        generation: state.generation_of(group),
        members: record.map(members).unwrap_or_default(),
    }
}

fn record(member: RecordedMember) -> MemberRecord {
    MemberRecord {
        instance_id: member.instance_id,
        session_timeout_ms: member.session_timeout_ms,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        subscription: member.subscription,
        member_epoch: member.member_epoch,
    }
}

fn members(record: &GroupRecord) -> BTreeMap<MemberId, RecordedMember> {
    let member = |member: &MemberRecord| RecordedMember {
        instance_id: member.instance_id.clone(),
        session_timeout_ms: member.session_timeout_ms,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        subscription: member.subscription.clone(),
        member_epoch: member.member_epoch,
    };
    let members = record.members.iter();
    members.map(|(id, one)| (id.clone(), member(one))).collect()
}

fn of_record(record: &GroupRecord) -> Ownership {
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
        members: members(record),
        owners,
    }
}
