//! What a group's membership wants of its coordinator.

use std::collections::BTreeMap;

use floe_model::{ErrorCode, FencingToken, Generation, MemberId, TopicIdPartition};

use crate::RecordedMember;
use crate::offsets::Fence;

/// What the coordinator is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The answer to a Join, Heartbeat or Leave: exactly one for each, the first action.
    Answer(Answer),
    /// Propose to metadata, then send `RebalanceCommitted` or `RebalanceFailed`.
    CompleteRebalance(ProposedRebalance),
    /// Propose to the offsets log, then send `FenceApplied` or `FenceFailed`.
    Fence(Fence),
    /// Read the group's record after a confirmed round to the controller, then send
    /// `OwnershipRead`, or `RebalanceFailed` if that is impossible.
    ReadOwnership,
    /// Another node coordinates: drop this membership.
    Close,
}

/// An answer to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// In the group; partitions come with heartbeats.
    Joined {
        /// The generation now.
        generation: Generation,
        /// How often to heartbeat.
        heartbeat_interval_ms: u32,
    },
    /// What to hold; everything else is to be given up.
    Assigned {
        /// The generation.
        generation: Generation,
        /// The partitions with their tokens.
        partitions: BTreeMap<TopicIdPartition, FencingToken>,
        /// Whether this is about to change.
        rebalancing: bool,
    },
    /// Out of the group.
    Left,
    /// Refused.
    Refused(ErrorCode),
}

/// A compare-and-set for metadata, of kind native.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedRebalance {
    /// The generation it replaces.
    pub expected_generation: Generation,
    /// Name of the assignor; empty without members.
    pub protocol: String,
    /// The members of the new generation.
    pub members: BTreeMap<MemberId, RecordedMember>,
    /// Who is to own what.
    pub owners: BTreeMap<TopicIdPartition, MemberId>,
}
