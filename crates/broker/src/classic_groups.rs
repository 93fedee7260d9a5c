//! Consumer groups as Kafka clients use them, for the gateway in this process. The work is the
//! coordinator's.
//!
//! Offsets are shared by all kinds of groups: whoever passes the fence of the group stores them,
//! and anybody reads them.

use std::collections::BTreeSet;

use floe_group::classic::{self, Answer, Claim, Join, Joined, Leaving, Refused, Sync, Synced};
use floe_group::consumer;
use floe_group::offsets::{self, Committer, OffsetCommit};
use floe_model::{
    ErrorCode, Generation, GroupKind, GroupName, LeaderEpoch, MemberId, NodeId, Offset,
    TopicIdPartition,
};
use floe_rpc::Failure;

use crate::Broker;
use crate::coordinator::{
    Ask, ClassicQuestion, Described, DescribedNative, GroupState, ListedGroup, Readership,
};
use crate::groups::read_index;

/// Why a Kafka group did not do as it was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GroupFailure {
    /// The group says no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The consumer group says no.
    #[error(transparent)]
    Consumer(#[from] consumer::Refused),
    /// The node cannot, or not now.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What became of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinOutcome {
    /// In the generation.
    Joined(Joined),
    /// To be repeated under this id.
    MemberIdRequired(MemberId),
}

/// Who commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimant {
    /// Nobody's member: only while the group is empty.
    Standalone,
    /// A member.
    Member(Claim),
}

/// An offset as Kafka clients store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOffset {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record read, if known.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Free text.
    pub metadata: String,
}

/// A group of any kind in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// How it coordinates.
    pub kind: GroupKind,
    /// Where it stands.
    pub state: GroupState,
    /// Its generation.
    pub generation: Generation,
    /// What a classic group is for; empty where nobody said so.
    pub protocol_type: String,
    /// The chosen way to assign; empty while there is none.
    pub protocol: String,
    /// Its members.
    pub members: Vec<classic::DescribedMember>,
}

impl Broker {
    /// The node that coordinates a group, whatever the state of its address.
    ///
    /// # Errors
    /// No coordinator is known at the moment.
    pub async fn coordinator_of(&self, group: GroupName) -> Result<NodeId, Failure> {
        Ok(self.find_coordinator(group).await?.node)
    }

    /// Joins a classic group; waits for the generation.
    ///
    /// # Errors
    /// The group refuses the member, or another node coordinates.
    pub async fn join_classic_group(
        &self,
        group: GroupName,
        join: Join,
    ) -> Result<JoinOutcome, GroupFailure> {
        match self.classic(group, ClassicQuestion::Join(join)).await? {
            Answer::Joined(joined) => Ok(JoinOutcome::Joined(joined)),
            Answer::MemberIdRequired(id) => Ok(JoinOutcome::MemberIdRequired(id)),
            answer => Err(unexpected(&answer)),
        }
    }

    /// Brings or asks for assignments; waits until the leader brought them.
    ///
    /// # Errors
    /// The group refuses the member, or another node coordinates.
    pub async fn sync_classic_group(
        &self,
        group: GroupName,
        sync: Sync,
    ) -> Result<Synced, GroupFailure> {
        match self.classic(group, ClassicQuestion::Sync(sync)).await? {
            Answer::Synced(synced) => Ok(synced),
            answer => Err(unexpected(&answer)),
        }
    }

    /// Keeps a membership alive.
    ///
    /// # Errors
    /// The generation does not stand, or another node coordinates.
    pub async fn classic_heartbeat(
        &self,
        group: GroupName,
        claim: Claim,
    ) -> Result<(), GroupFailure> {
        let question = ClassicQuestion::Heartbeat(claim);
        match self.classic(group, question).await? {
            Answer::Alive => Ok(()),
            answer => Err(unexpected(&answer)),
        }
    }

    /// Takes members out, each with its own outcome.
    ///
    /// # Errors
    /// There is no such group, or another node coordinates.
    pub async fn leave_classic_group(
        &self,
        group: GroupName,
        leaving: Vec<Leaving>,
    ) -> Result<Vec<Result<(), Refused>>, GroupFailure> {
        let question = ClassicQuestion::Leave(leaving);
        match self.classic(group, question).await? {
            Answer::Left(outcomes) => Ok(outcomes),
            answer => Err(unexpected(&answer)),
        }
    }

    /// Stores offsets of a group of Kafka's kinds, all or none.
    ///
    /// # Errors
    /// The committer may not, another node coordinates, or time is up.
    pub async fn store_offsets(
        &self,
        group: GroupName,
        claimant: Claimant,
        offsets: Vec<StoredOffset>,
    ) -> Result<(), GroupFailure> {
        self.check_serving()?;
        let (replica, epoch) = self.core.coordinators.of(&group)?;
        let committer = match claimant {
            Claimant::Standalone => {
                let waited = self.standalone(&replica, group.clone()).await;
                waited.map_err(|failure| match failure.code {
                    ErrorCode::GroupNotEmpty => GroupFailure::Refused(Refused::UnknownMember),
                    _ => failure.into(),
                })?;
                Committer::Standalone
            }
            Claimant::Member(claim) => {
                let name = group.clone();
                let asked = replica.ask(|reply| Ask::Committer {
                    group: name,
                    claim,
                    reply,
                });
                asked.await??
            }
        };
        let commit = |one: StoredOffset| OffsetCommit {
            partition: one.partition,
            offset: one.offset,
            leader_epoch: one.leader_epoch,
            metadata: one.metadata,
            token: None,
        };
        let is_consumer = matches!(committer, Committer::Consumer { .. });
        let command = offsets::Command::Commit {
            group,
            committer,
            at_ms: self.core.env.clock.wall_ms(),
            offsets: offsets.into_iter().map(commit).collect(),
        };
        match replica.command(epoch, &command).await {
            Ok(offsets::Applied::Done) => Ok(()),
            Err(failure) if is_consumer => Err(consumer_refusal(failure)),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Reads stored offsets, linearizably: of these partitions or of all. Those without one are
    /// absent.
    ///
    /// # Errors
    /// Another node coordinates.
    pub async fn stored_offsets(
        &self,
        group: &GroupName,
        wanted: Option<&BTreeSet<TopicIdPartition>>,
    ) -> Result<Vec<StoredOffset>, Failure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(group)?;
        read_index(&replica).await?;
        let state = replica.state.lock();
        let stored = state
            .committed_by(group)
            .filter(|(id, _)| wanted.is_none_or(|wanted| wanted.contains(id)))
            .map(|(&partition, stored)| StoredOffset {
                partition,
                offset: stored.offset,
                leader_epoch: stored.leader_epoch,
                metadata: stored.metadata.clone(),
            });
        Ok(stored.collect())
    }

    /// Which of `topics` members of a group read.
    ///
    /// # Errors
    /// There is no such group, its members are no consumers, or another node coordinates.
    pub async fn readership(
        &self,
        group: GroupName,
        topics: Vec<String>,
    ) -> Result<Readership, Failure> {
        self.check_known(&group)?;
        let (replica, _) = self.core.coordinators.of(&group)?;
        let asked = replica.ask(|reply| Ask::Readership {
            group,
            topics,
            reply,
        });
        asked.await
    }

    /// Forgets offsets of a group, of partitions that by its readership no member reads.
    ///
    /// # Errors
    /// Who reads what changed meanwhile, or another node coordinates.
    pub async fn delete_offsets(
        &self,
        group: GroupName,
        readership: &Readership,
        partitions: BTreeSet<TopicIdPartition>,
    ) -> Result<(), Failure> {
        self.check_serving()?;
        let (replica, epoch) = self.core.coordinators.of(&group)?;
        let command = match readership.generation {
            Some(generation) => offsets::Command::DeleteUnread {
                group,
                generation,
                partitions,
            },
            None => {
                self.standalone(&replica, group.clone()).await?;
                offsets::Command::DeleteOffsets { group, partitions }
            }
        };
        match replica.command(epoch, &command).await {
            Ok(offsets::Applied::Done) => Ok(()),
            // The group rebalances.
            Err(failure) if failure.code == ErrorCode::IllegalGeneration => {
                Err(ErrorCode::CoordinatorLoading.into())
            }
            Err(failure) => Err(failure),
        }
    }

    /// A group of any kind.
    ///
    /// # Errors
    /// There is no such group, or another node coordinates.
    pub async fn group_snapshot(&self, group: GroupName) -> Result<GroupSnapshot, Failure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(&group)?;
        read_index(&replica).await?;
        let described = replica.ask(|reply| Ask::Describe { group, reply }).await?;
        Ok(match described {
            Described::Classic(group) => GroupSnapshot {
                kind: GroupKind::Classic,
                state: group.phase.into(),
                generation: group.generation,
                protocol_type: group.protocol_type,
                protocol: group.protocol.unwrap_or_default(),
                members: group.members,
            },
            Described::Native(group) => native_snapshot(group),
            // Its members say nothing in the words of classic groups.
            Described::Consumer(group) => GroupSnapshot {
                kind: GroupKind::Consumer,
                state: group.phase.into(),
                generation: group.generation,
                protocol_type: String::new(),
                protocol: String::new(),
                members: Vec::new(),
            },
        })
    }

    /// The groups of every kind that this node coordinates.
    ///
    /// # Errors
    /// The node is stopping, or a coordinator here is not ready.
    pub async fn listed_groups(&self) -> Result<Vec<ListedGroup>, Failure> {
        self.check_serving()?;
        let mut groups = Vec::new();
        for replica in self.core.coordinators.all() {
            if replica.serving_epoch().is_ok() {
                groups.extend(replica.ask(|reply| Ask::List { reply }).await?);
            }
        }
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(groups)
    }

    /// Whether metadata or the offsets log has the group.
    fn check_known(&self, group: &GroupName) -> Result<(), Failure> {
        let (replica, _) = self.core.coordinators.of(group)?;
        let is_recorded = self.core.metadata.state().group(group).is_some();
        match is_recorded || replica.state.lock().fenced(group).is_some() {
            true => Ok(()),
            false => Err(ErrorCode::UnknownGroup.into()),
        }
    }

    async fn classic(
        &self,
        group: GroupName,
        question: ClassicQuestion,
    ) -> Result<Answer, GroupFailure> {
        self.check_serving()?;
        let (replica, _) = self.core.coordinators.of(&group)?;
        let asked = replica.ask(|reply| Ask::Classic {
            group,
            question,
            reply,
        });
        match asked.await? {
            Answer::Refused(refused) => Err(refused.into()),
            answer => Ok(answer),
        }
    }
}

/// The fence moved on between the coordinator's look and the log's.
fn consumer_refusal(failure: Failure) -> GroupFailure {
    match failure.code {
        ErrorCode::IllegalGeneration => consumer::Refused::StaleMemberEpoch.into(),
        ErrorCode::UnknownMember => consumer::Refused::UnknownMember.into(),
        _ => failure.into(),
    }
}

fn unexpected(answer: &Answer) -> GroupFailure {
    tracing::error!(?answer, "a classic group answered another question");
    GroupFailure::Failed(ErrorCode::Internal.into())
}

/// A native group as Kafka tools can show it: without the bytes of Kafka's members.
fn native_snapshot(group: DescribedNative) -> GroupSnapshot {
    let member = |member: crate::coordinator::DescribedMember| classic::DescribedMember {
        member_id: member.member_id,
        instance_id: member.instance_id,
        client_id: String::new(),
        client_host: String::new(),
        metadata: Vec::new(),
        assignment: Vec::new(),
    };
    GroupSnapshot {
        kind: GroupKind::Native,
        state: group.phase.into(),
        generation: group.generation,
        protocol_type: String::new(),
        protocol: group.assignor.to_string(),
        members: group.members.into_iter().map(member).collect(),
    }
}
