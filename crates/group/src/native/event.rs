//! What a coordinator tells a group's membership.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::{FencingToken, Generation, MemberId, TopicId, TopicIdPartition, TopicName};

use super::{Ownership, Subscription};

/// Every topic that exists, or at least all that the group's members may subscribe to.
pub type Topics = BTreeMap<TopicName, TopicShape>;

/// What of a topic matters for assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicShape {
    /// Its identity.
    pub topic_id: TopicId,
    /// Its number of partitions.
    pub partitions: u32,
}

/// A membership asked for, or a changed subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Random, chosen by the client; the same on a retry.
    pub member_id: MemberId,
    /// A name that outlives restarts; the member that had it before is out at once.
    pub instance_id: Option<String>,
    /// What to read.
    pub subscription: Subscription,
    /// Silence after which the member is out.
    pub session_timeout_ms: u32,
    /// Time the member has to give partitions up.
    pub rebalance_timeout_ms: u32,
}

/// Why something the membership asked for did not come true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another node coordinates: metadata knows a newer coordinator epoch, the offsets log has
    /// another leader or a newer fence. Final.
    NotCoordinator,
    /// Not known to have happened: timed out, no controller, or a generation other than
    /// expected (which an earlier attempt of the same may have caused). Read and try again.
    Unknown,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member joins; answered.
    Join(Join),
    /// A member lives; answered.
    Heartbeat {
        /// The member.
        member_id: MemberId,
        /// The generation of the last reply it received.
        generation: Generation,
        /// What it holds: reads or has uncommitted work of.
        held: BTreeSet<TopicIdPartition>,
    },
    /// A member leaves; answered.
    Leave {
        /// The member.
        member_id: MemberId,
    },
    /// Topics came, went or grew.
    TopicsChanged(Topics),
    /// Somebody wants to commit from outside: see [`super::NativeGroup::standalone_commits`].
    PrepareStandalone,
    /// Time passed; due at [`super::NativeGroup::next_deadline_ms`].
    Tick,
    /// Metadata has the proposed rebalance.
    RebalanceCommitted {
        /// Its generation.
        generation: Generation,
        /// The token of each owned partition; those missing have no topic any more.
        tokens: BTreeMap<TopicIdPartition, FencingToken>,
    },
    /// Metadata did not confirm the proposed rebalance, or could not be read.
    RebalanceFailed(Failure),
    /// The answer to `ReadOwnership`: the record, or an empty one at the group's generation.
    OwnershipRead(Ownership),
    /// The offsets log applied the fence.
    FenceApplied {
        /// Its generation.
        generation: Generation,
    },
    /// The offsets log did not confirm the fence.
    FenceFailed(Failure),
}
