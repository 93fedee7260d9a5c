//! What a consumer group wants of its coordinator.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::{Generation, MemberId, TopicIdPartition};

use super::Ticket;
use crate::RecordedMember;
use crate::offsets::Fence;

/// What the coordinator is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The answer to a heartbeat; exactly one for each, now or later.
    Answer(Ticket, Answer),
    /// Propose to metadata, then send `ProposalCommitted` or `ProposalFailed`.
    Propose(Proposal),
    /// Propose to the offsets log, then send `FenceApplied` or `FenceFailed`.
    Fence(Fence),
    /// Read the group's record after a confirmed round to the controller, then send
    /// `RecordRead`, or `ProposalFailed` if that is impossible.
    ReadRecord,
    /// Another node coordinates: drop this membership.
    Close,
}

/// The next generation of the group's record in metadata, of kind consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The generation it replaces.
    pub expected: Generation,
    /// Name of the assignor; empty without members.
    pub protocol: String,
    /// The members of the new generation.
    pub members: BTreeMap<MemberId, RecordedMember>,
}

/// An answer to a heartbeat.
pub type Answer = Result<Beaten, Refused>;

/// Where a member stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// Its epoch from now on: what it commits and heartbeats with.
    pub member_epoch: i32,
    /// What it is to hold, everything else is to be given up; none if that did not change.
    pub assignment: Option<BTreeSet<TopicIdPartition>>,
}

/// Why a member is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is not one of a consumer group, or that of one with members of another kind.
    #[error("no such consumer group")]
    UnknownGroup,
    /// No such member.
    #[error("unknown member")]
    UnknownMember,
    /// Not the member's epoch: it is to give everything up and to join again.
    #[error("member epoch is not the current one")]
    FencedMemberEpoch,
    /// Not the member's epoch; it hears of the current one with its next heartbeat.
    #[error("member epoch is stale")]
    StaleMemberEpoch,
    /// Another member has this instance id now.
    #[error("another member has this instance id")]
    FencedInstance,
    /// Another member has this instance id and has not left.
    #[error("another member has this instance id and has not left")]
    UnreleasedInstance,
    /// Not a regular expression, or a larger one than is served.
    #[error("invalid regular expression")]
    InvalidPattern,
    /// The group can take no more members, or no more bytes of theirs.
    #[error("group is full")]
    GroupFull,
    /// The request makes no sense.
    #[error("invalid request")]
    Invalid,
    /// Too much waits for this coordinator to come to terms with metadata.
    #[error("coordinator is loading")]
    Loading,
    /// Another node coordinates.
    #[error("not the coordinator")]
    NotCoordinator,
}
