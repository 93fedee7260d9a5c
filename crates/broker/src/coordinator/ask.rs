//! What others want of a coordinator.

use floe_group::native::{Answer, Assignor, Event, Phase, Subscription};
use floe_model::{Generation, GroupName, MemberId, TopicIdPartition};
use floe_rpc::Failure;
use tokio::sync::oneshot;

/// Where an answer goes. Whoever left does not get it.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// A question to a coordinator.
pub(crate) enum Ask {
    /// A member's join, heartbeat or leave.
    Member {
        group: GroupName,
        event: Event,
        reply: Reply<Answer>,
    },
    /// Wait until the group is empty for certain, so that outsiders may commit.
    Standalone { group: GroupName, reply: Reply<()> },
    /// The group in full.
    Describe {
        group: GroupName,
        reply: Reply<Described>,
    },
    /// Every group of this coordinator.
    List { reply: Reply<Vec<Listed>> },
    /// Drop the membership of a group that was deleted.
    Forget { group: GroupName },
}

/// A group as its coordinator knows it.
pub(crate) struct Described {
    pub(crate) phase: Phase,
    pub(crate) generation: Generation,
    pub(crate) assignor: Assignor,
    pub(crate) members: Vec<DescribedMember>,
}

/// A member as its coordinator knows it.
pub(crate) struct DescribedMember {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<String>,
    pub(crate) subscription: Subscription,
    pub(crate) partitions: Vec<TopicIdPartition>,
}

/// One line of a list of groups.
pub(crate) struct Listed {
    pub(crate) group: GroupName,
    pub(crate) phase: Phase,
    pub(crate) members: usize,
}
