//! Consumer groups as native clients and tools use them. The work is the coordinator's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use floe_group::native::{self, Answer, Event, Subscription};
use floe_group::offsets::{self, Committer, OffsetCommit};
use floe_group::{classic, consumer};
use floe_metadata::{Command, State, offsets_partition_of};
use floe_model::{
    ErrorCode, FencingToken, GroupName, LeaderEpoch, MemberId, NodeAddress, PartitionIndex,
    RaftGroupId, TopicIdPartition, TopicName,
};
use floe_raft::ReadIndexError;
use floe_rpc::{
    AssignedPartition, Assignor, CommitOffsets, CommittedOffset, Failure, FetchOffsets,
    GroupDescription, GroupHeartbeat, GroupHeartbeatReply, GroupListing, GroupMember, GroupPhase,
    JoinGroup, JoinGroupReply, LeaderHint, LeaveGroup, PartitionKey,
};

use crate::Broker;
use crate::broker::{identity, wire_key};
use crate::coordinator::{
    Ask, Described, DescribedMember, GroupState, ListedGroup, OffsetsReplica,
};
use crate::core::METADATA_TIMEOUT;

/// Epoch on the wire that stands for none.
const NO_EPOCH: LeaderEpoch = LeaderEpoch(-1);

impl Broker {
    /// Which node coordinates a group.
    ///
    /// # Errors
    /// No coordinator is known at the moment.
    pub async fn find_coordinator(&self, group: GroupName) -> Result<NodeAddress, Failure> {
        self.check_serving()?;
        let state = self.core.metadata.state();
        let raft_group = RaftGroupId::offsets(offsets_partition_of(&group));
        let (node, epoch) = self
            .leader_of(&state, raft_group)
            .ok_or(ErrorCode::NotCoordinator)?;
        let hint = LeaderHint { node, epoch };
        let unregistered = Failure::elsewhere(ErrorCode::NotCoordinator, Some(hint));
        let record = state.node(node).ok_or(unregistered)?;
        Ok(NodeAddress {
            node,
            client_addr: record.registration.client_addr.clone(),
        })
    }

    /// Joins or rejoins a group; answers at once, assignments come with heartbeats.
    ///
    /// # Errors
    /// Another node coordinates, or the request makes no sense.
    pub async fn join_group(&self, request: JoinGroup) -> Result<JoinGroupReply, Failure> {
        let join = native::Join {
            member_id: member_id(request.member_id)?,
            instance_id: request.instance_id,
            subscription: Subscription {
                topics: request.topics.into_iter().collect(),
                assignor: match request.assignor {
                    Assignor::Range => native::Assignor::Range,
                    Assignor::StickyCooperative => native::Assignor::StickyCooperative,
                    Assignor::Members => return Err(ErrorCode::InvalidRequest.into()),
                },
            },
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
        };
        match self.member(request.group, Event::Join(join)).await? {
            Answer::Joined {
                generation,
                heartbeat_interval_ms,
            } => Ok(JoinGroupReply {
                heartbeat_interval_ms,
                generation,
            }),
            Answer::Refused(code) => Err(code.into()),
            Answer::Assigned { .. } | Answer::Left => Err(ErrorCode::Internal.into()),
        }
    }

    /// Keeps a membership alive and learns what to own or give up.
    ///
    /// # Errors
    /// Another node coordinates, or the group has no such member.
    pub async fn group_heartbeat(
        &self,
        request: GroupHeartbeat,
    ) -> Result<GroupHeartbeatReply, Failure> {
        let event = Event::Heartbeat {
            member_id: member_id(request.member_id)?,
            generation: request.generation,
            held: request.held.into_iter().map(identity).collect(),
        };
        match self.member(request.group, event).await? {
            Answer::Assigned {
                generation,
                partitions,
                rebalancing,
            } => {
                let assigned = self.name_partitions(partitions);
                Ok(GroupHeartbeatReply {
                    generation,
                    assigned,
                    rebalancing,
                })
            }
            Answer::Refused(code) => Err(code.into()),
            Answer::Joined { .. } | Answer::Left => Err(ErrorCode::Internal.into()),
        }
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// Another node coordinates, or the group has no such member.
    pub async fn leave_group(&self, request: LeaveGroup) -> Result<(), Failure> {
        let event = Event::Leave {
            member_id: member_id(request.member_id)?,
        };
        match self.member(request.group, event).await? {
            Answer::Left => Ok(()),
            Answer::Refused(code) => Err(code.into()),
            Answer::Joined { .. } | Answer::Assigned { .. } => Err(ErrorCode::Internal.into()),
        }
    }

    /// Stores offsets, all or none: one token that is not the owner's refuses the whole commit.
    ///
    /// # Errors
    /// The committer is not who may commit, another node coordinates, or time is up.
    pub async fn commit_offsets(&self, request: CommitOffsets) -> Result<(), Failure> {
        self.check_serving()?;
        let (replica, epoch) = self.core.coordinators.of(&request.group)?;
        let committer = if request.member_id.is_empty() {
            let group = request.group.clone();
            self.standalone(&replica, group).await?;
            Committer::Standalone
        } else {
            Committer::Native
        };
        let commit = |one: floe_rpc::OffsetToCommit| OffsetCommit {
            partition: identity(one.key),
            offset: one.offset,
            leader_epoch: Some(one.leader_epoch).filter(|epoch| epoch.0 >= 0),
            metadata: String::new(),
            token: one.token,
        };
        let command = offsets::Command::Commit {
            group: request.group,
            committer,
            at_ms: self.core.env.clock.wall_ms(),
            offsets: request.offsets.into_iter().map(commit).collect(),
        };
        let offsets::Applied::Done = replica.command(epoch, &command).await?;
        Ok(())
    }

    /// Reads stored offsets, linearizably.
    ///
    /// # Errors
    /// Another node coordinates.
    pub async fn fetch_offsets(
        &self,
        request: FetchOffsets,
    ) -> Result<Vec<CommittedOffset>, Failure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(&request.group)?;
        read_index(&replica).await?;
        let wanted: Option<BTreeSet<TopicIdPartition>> = request
            .partitions
            .map(|keys| keys.into_iter().map(identity).collect());
        Ok(committed(&replica, &request.group, wanted.as_ref()))
    }

    /// The groups this node coordinates, of every kind.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, Failure> {
        let listing = |one: ListedGroup| GroupListing {
            group: one.group,
            phase: wire_phase(one.state),
            members: u32::try_from(one.members).unwrap_or(u32::MAX),
        };
        let groups = self.listed_groups().await?;
        Ok(groups.into_iter().map(listing).collect())
    }

    /// One group in full, of whatever kind.
    ///
    /// # Errors
    /// There is no such group, or another node coordinates.
    pub async fn describe_group(&self, group: GroupName) -> Result<GroupDescription, Failure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(&group)?;
        read_index(&replica).await?;
        let name = group.clone();
        let described = replica
            .ask(|reply| Ask::Describe { group: name, reply })
            .await?;
        let (phase, generation, assignor, members) = match described {
            Described::Native(native) => (
                native.phase.into(),
                native.generation,
                wire_assignor(native.assignor),
                native.members.into_iter().map(native_member).collect(),
            ),
            Described::Classic(classic) => (
                classic.phase.into(),
                classic.generation,
                Assignor::Members,
                classic
                    .members
                    .into_iter()
                    .map(|member| self.classic_group_member(member))
                    .collect(),
            ),
            Described::Consumer(consumer) => (
                consumer.phase.into(),
                consumer.generation,
                wire_assignor(consumer.assignor),
                consumer.members.into_iter().map(consumer_member).collect(),
            ),
        };
        Ok(GroupDescription {
            phase: wire_phase(phase),
            generation,
            assignor,
            coordinator: self.core.config.node_id,
            members,
            offsets: committed(&replica, &group, None),
            group,
        })
    }

    /// What a classic member reads and owns, as far as it says so in the words of consumers.
    fn classic_group_member(&self, member: classic::DescribedMember) -> GroupMember {
        let state = self.core.metadata.state();
        let topics = classic::subscribed_topics(&member.metadata).unwrap_or_default();
        let assigned = classic::assigned_partitions(&member.assignment).unwrap_or_default();
        let keys = assigned.into_iter().filter_map(|(topic, partitions)| {
            let topic_id = state.topic_named(&TopicName::new(topic).ok()?)?.topic_id;
            let key = move |index: u32| PartitionKey {
                topic_id,
                partition: PartitionIndex(index),
            };
            Some(partitions.into_iter().map(key))
        });
        GroupMember {
            member_id: member.member_id.into(),
            instance_id: member.instance_id,
            topics: topics
                .into_iter()
                .filter_map(|topic| TopicName::new(topic).ok())
                .collect(),
            partitions: keys.flatten().collect(),
        }
    }

    /// Deletes an empty group and its offsets.
    ///
    /// # Errors
    /// There is no such group, it has members, or another node coordinates.
    pub async fn delete_group(&self, group: GroupName) -> Result<(), Failure> {
        self.check_serving()?;
        let (replica, epoch) = self.core.coordinators.of(&group)?;
        let state = self.core.metadata.state();
        let known = state.group(&group).is_some() || replica.state.lock().fenced(&group).is_some();
        if !known {
            return Err(ErrorCode::UnknownGroup.into());
        }
        self.standalone(&replica, group.clone()).await?;
        let command = Command::DeleteGroup {
            group: group.clone(),
            coordinator_epoch: epoch,
        };
        let proposed = self.core.controller.propose(&command, METADATA_TIMEOUT);
        proposed.await?;
        let generation = self.core.metadata.state().generation_of(&group);
        let command = offsets::Command::DeleteGroup {
            group: group.clone(),
            generation,
        };
        replica.command(epoch, &command).await?;
        replica.forget(group).await;
        Ok(())
    }

    async fn member(&self, group: GroupName, event: Event) -> Result<Answer, Failure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(&group)?;
        replica
            .ask(|reply| Ask::Native {
                group,
                event,
                reply,
            })
            .await
    }

    /// Waits until outsiders may commit to the group.
    pub(crate) async fn standalone(
        &self,
        replica: &Arc<OffsetsReplica>,
        group: GroupName,
    ) -> Result<(), Failure> {
        let asked = replica.ask(|reply| Ask::Standalone { group, reply });
        let timed_out = |_| Err(ErrorCode::CoordinatorLoading.into());
        tokio::time::timeout(METADATA_TIMEOUT, asked)
            .await
            .unwrap_or_else(timed_out)
    }

    fn name_partitions(
        &self,
        partitions: BTreeMap<TopicIdPartition, FencingToken>,
    ) -> Vec<AssignedPartition> {
        let state: Arc<State> = self.core.metadata.state();
        let named = partitions.into_iter().filter_map(|(id, token)| {
            // A topic that was deleted meanwhile is taken out of the group by its coordinator.
            let topic = state.topic(&id.topic_id)?.name.clone();
            Some(AssignedPartition {
                key: wire_key(&id),
                topic,
                token,
            })
        });
        named.collect()
    }
}

pub(crate) async fn read_index(replica: &OffsetsReplica) -> Result<(), Failure> {
    let read = tokio::time::timeout(METADATA_TIMEOUT, replica.raft.read_index()).await;
    match read {
        Ok(Ok(())) => Ok(()),
        Ok(Err(ReadIndexError::NotLeader { .. } | ReadIndexError::NoQuorum)) => {
            Err(ErrorCode::NotCoordinator.into())
        }
        Ok(Err(ReadIndexError::ShuttingDown)) => Err(ErrorCode::ShuttingDown.into()),
        Err(_) => Err(ErrorCode::Timeout.into()),
    }
}

fn committed(
    replica: &OffsetsReplica,
    group: &GroupName,
    wanted: Option<&BTreeSet<TopicIdPartition>>,
) -> Vec<CommittedOffset> {
    let state = replica.state.lock();
    let listed = state
        .committed_by(group)
        .filter(|(id, _)| wanted.is_none_or(|wanted| wanted.contains(id)))
        .map(|(id, stored)| CommittedOffset {
            key: wire_key(id),
            offset: stored.offset,
            leader_epoch: stored.leader_epoch.unwrap_or(NO_EPOCH),
        });
    listed.collect()
}

fn wire_phase(state: GroupState) -> GroupPhase {
    match state {
        GroupState::Empty => GroupPhase::Empty,
        GroupState::PreparingRebalance
        | GroupState::CompletingRebalance
        | GroupState::Reconciling => GroupPhase::Rebalancing,
        GroupState::Stable => GroupPhase::Stable,
    }
}

fn wire_assignor(assignor: native::Assignor) -> Assignor {
    match assignor {
        native::Assignor::Range => Assignor::Range,
        native::Assignor::StickyCooperative => Assignor::StickyCooperative,
    }
}

fn consumer_member(member: consumer::DescribedMember) -> GroupMember {
    GroupMember {
        member_id: member.member_id.into(),
        instance_id: member.instance_id,
        topics: member.topics.into_iter().collect(),
        partitions: member.assigned.iter().map(wire_key).collect(),
    }
}

fn native_member(member: DescribedMember) -> GroupMember {
    GroupMember {
        member_id: member.member_id.into(),
        instance_id: member.instance_id,
        topics: member.subscription.topics.into_iter().collect(),
        partitions: member.partitions.iter().map(wire_key).collect(),
    }
}

fn member_id(id: String) -> Result<MemberId, Failure> {
    MemberId::new(id).map_err(|_| ErrorCode::InvalidRequest.into())
}
