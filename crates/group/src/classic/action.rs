//! What a classic group wants of its coordinator.

use std::collections::BTreeMap;

use floe_model::{Generation, MemberId};

use super::Ticket;
use crate::RecordedMember;
use crate::offsets::Fence;

/// What the coordinator is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The answer to a question; exactly one for each, now or later.
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

/// A change of the group's record in metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// The next generation, of kind classic.
    Rebalance {
        /// The generation it replaces.
        expected: Generation,
        /// The protocol chosen; empty without members.
        protocol: String,
        /// The members of the new generation.
        members: BTreeMap<MemberId, RecordedMember>,
    },
    /// What the leader assigned; every member is named.
    Assignments {
        /// The generation.
        generation: Generation,
        /// Opaque bytes.
        assignments: BTreeMap<MemberId, Vec<u8>>,
    },
    /// A static member came back under another id.
    Replacement {
        /// The generation.
        generation: Generation,
        /// The id that is out.
        former: MemberId,
        /// The id in its place.
        heir: MemberId,
        /// The member as the next coordinator is to find it.
        record: RecordedMember,
    },
}

/// An answer to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// In the generation.
    Joined(Joined),
    /// Ask again under this id.
    MemberIdRequired(MemberId),
    /// The member's assignment.
    Synced(Synced),
    /// The generation stands.
    Alive,
    /// Out of the group, each by itself.
    Left(Vec<Result<(), Refused>>),
    /// Propose the commit: the offsets log judges it again.
    MayCommit,
    /// Refused.
    Refused(Refused),
}

/// A membership in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: Generation,
    /// What the group is for.
    pub protocol_type: String,
    /// The protocol that most members prefer.
    pub protocol: String,
    /// Who assigns.
    pub leader: MemberId,
    /// Who is answered.
    pub member_id: MemberId,
    /// For the leader: everybody.
    pub members: Vec<JoinedMember>,
    /// The leader's assignment stands; it only looks at the members.
    pub skips_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member.
    pub member_id: MemberId,
    /// Its name that outlives restarts.
    pub instance_id: Option<String>,
    /// What it said under the chosen protocol.
    pub metadata: Vec<u8>,
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// What the group is for.
    pub protocol_type: String,
    /// The chosen protocol.
    pub protocol: String,
    /// The leader's bytes; none if it named nothing.
    pub assignment: Vec<u8>,
}

/// Why a member is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such member.
    #[error("unknown member")]
    UnknownMember,
    /// Another member has this instance id now.
    #[error("another member has this instance id")]
    FencedInstance,
    /// Not the generation in force.
    #[error("illegal generation")]
    IllegalGeneration,
    /// Join again.
    #[error("rebalance in progress")]
    RebalanceInProgress,
    /// No protocol that all members support, or another type.
    #[error("inconsistent group protocol")]
    InconsistentProtocol,
    /// The group can take no more members, or no more bytes of theirs.
    #[error("group is full")]
    GroupFull,
    /// Outside the limits.
    #[error("invalid session timeout")]
    InvalidSessionTimeout,
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
