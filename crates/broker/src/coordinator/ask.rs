//! What others want of a coordinator.

use floe_group::classic::{self, Claim, Join, Leaving, Sync};
use floe_group::consumer;
use floe_group::native;
use floe_group::offsets::Committer;
use floe_model::{Generation, GroupKind, GroupName, MemberId, TopicIdPartition};
use floe_rpc::Failure;
use tokio::sync::oneshot;

use crate::classic_groups::GroupFailure;

/// Where an answer goes. Whoever left does not get it.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// A question to a coordinator.
pub(crate) enum Ask {
    /// A native member's join, heartbeat or leave.
    Native {
        group: GroupName,
        event: native::Event,
        reply: Reply<native::Answer>,
    },
    /// Something of a classic member.
    Classic {
        group: GroupName,
        question: ClassicQuestion,
        reply: Reply<classic::Answer>,
    },
    /// A heartbeat of a member of a consumer group.
    Consumer {
        group: GroupName,
        beat: Box<consumer::Heartbeat>,
        reply: Reply<consumer::Answer>,
    },
    /// By what right a member of a group of Kafka's kinds commits.
    Committer {
        group: GroupName,
        claim: Claim,
        reply: Reply<Result<Committer, GroupFailure>>,
    },
    /// Whether a member may read offsets: in a consumer group only in its epoch.
    Reader {
        group: GroupName,
        member_id: MemberId,
        member_epoch: i32,
        reply: Reply<Result<(), consumer::Refused>>,
    },
    /// Wait until the group is empty for certain, so that outsiders may commit.
    Standalone { group: GroupName, reply: Reply<()> },
    /// The group in full.
    Describe {
        group: GroupName,
        reply: Reply<Described>,
    },
    /// Which of these topics members of the group read.
    Readership {
        group: GroupName,
        topics: Vec<String>,
        reply: Reply<Readership>,
    },
    /// Every group of this coordinator.
    List { reply: Reply<Vec<ListedGroup>> },
    /// Drop the membership of a group that was deleted.
    Forget { group: GroupName },
}

/// What a classic member may ask for.
pub(crate) enum ClassicQuestion {
    Join(Join),
    Sync(Sync),
    Heartbeat(Claim),
    Leave(Vec<Leaving>),
}

/// Which topics the members of a group read.
pub struct Readership {
    /// In which generation; none while the group has no members.
    pub(crate) generation: Option<Generation>,
    /// Of each topic asked about, by place, whether a member reads it.
    pub is_read: Vec<bool>,
}

/// A group as its coordinator knows it.
pub(crate) enum Described {
    Native(DescribedNative),
    Classic(classic::Described),
    Consumer(consumer::Described),
}

/// A native group.
pub(crate) struct DescribedNative {
    pub(crate) phase: native::Phase,
    pub(crate) generation: Generation,
    pub(crate) assignor: native::Assignor,
    pub(crate) members: Vec<DescribedMember>,
}

/// A native member.
pub(crate) struct DescribedMember {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<String>,
    pub(crate) subscription: native::Subscription,
    pub(crate) partitions: Vec<TopicIdPartition>,
}

/// Where a group of any kind stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members.
    Empty,
    /// Members join, or give partitions up.
    PreparingRebalance,
    /// Classic: the leader assigns.
    CompletingRebalance,
    /// Consumer: members give up and get partitions.
    Reconciling,
    /// Every member has its partitions.
    Stable,
}

/// One line of a list of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group: GroupName,
    /// How it coordinates; of an empty one, how it did last.
    pub kind: GroupKind,
    /// What a classic group is for; empty where nobody said so.
    pub protocol_type: String,
    /// Where it stands.
    pub state: GroupState,
    /// Number of members.
    pub members: usize,
}

impl From<native::Phase> for GroupState {
    fn from(phase: native::Phase) -> Self {
        match phase {
            native::Phase::Empty => Self::Empty,
            native::Phase::Rebalancing => Self::PreparingRebalance,
            native::Phase::Stable => Self::Stable,
        }
    }
}

impl From<classic::Phase> for GroupState {
    fn from(phase: classic::Phase) -> Self {
        match phase {
            classic::Phase::Empty => Self::Empty,
            classic::Phase::Preparing => Self::PreparingRebalance,
            classic::Phase::Completing => Self::CompletingRebalance,
            classic::Phase::Stable => Self::Stable,
        }
    }
}

impl From<consumer::Phase> for GroupState {
    fn from(phase: consumer::Phase) -> Self {
        match phase {
            consumer::Phase::Empty => Self::Empty,
            consumer::Phase::Reconciling => Self::Reconciling,
            consumer::Phase::Stable => Self::Stable,
        }
    }
}

impl Ask {
    /// Answers that this node cannot, for now.
    pub(super) fn refuse(self, code: floe_model::ErrorCode) {
        let failure = Failure::from(code);
        match self {
            Self::Native { reply, .. } => drop(reply.send(Err(failure))),
            Self::Classic { reply, .. } => drop(reply.send(Err(failure))),
            Self::Consumer { reply, .. } => drop(reply.send(Err(failure))),
            Self::Reader { reply, .. } => drop(reply.send(Err(failure))),
            Self::Committer { reply, .. } => drop(reply.send(Err(failure))),
            Self::Standalone { reply, .. } => drop(reply.send(Err(failure))),
            Self::Describe { reply, .. } => drop(reply.send(Err(failure))),
            Self::Readership { reply, .. } => drop(reply.send(Err(failure))),
            Self::List { reply } => drop(reply.send(Err(failure))),
            Self::Forget { .. } => {}
        }
    }
}
