//! What a command did. Travels back to the proposer, also over the wire, so append-only.

use floe_model::limits::ENTRY_BYTES_MAX;
use floe_model::{ErrorCode, FencingToken, Generation, GroupKind, MemberId, TopicIdPartition};
use serde::{Deserialize, Serialize};

use crate::versioned::{self, DecodeError};

/// The result of one applied command; a refused command changed nothing.
pub type Outcome = Result<Applied, Refusal>;

/// What an accepted command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applied {
    /// Nothing to report beyond success.
    Done,
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The coordinator has not fenced the group yet.
    #[error("group is not fenced yet")]
    NotFenced,
    /// The fence or the deletion is older than the fence in force.
    #[error("generation is {current}, not {given}")]
    StaleGeneration {
        /// In force.
        current: Generation,
        /// Presented.
        given: Generation,
    },
    /// Another fence with the same generation: two coordinators, or a bug.
    #[error("generation {generation} is fenced with other members")]
    FenceConflict {
        /// The generation.
        generation: Generation,
    },
    /// The member epoch is not the listed one.
    #[error("member epoch is {current}, not {given}")]
    StaleMemberEpoch {
        /// In force.
        current: i32,
        /// Presented.
        given: i32,
    },
    /// Not a member of the generation in force.
    #[error("'{member_id}' is not a member")]
    UnknownMember {
        /// Who.
        member_id: MemberId,
    },
    /// A commit from outside, or a deletion, while the group has members.
    #[error("group has members")]
    HasMembers,
    /// The committer belongs to another kind of group.
    #[error("group is {kind:?}")]
    WrongKind {
        /// The kind in force.
        kind: GroupKind,
    },
    /// The text beside an offset is too long.
    #[error("{length} bytes of offset metadata exceed {limit}")]
    MetadataTooLong {
        /// Bytes given.
        length: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// A native commit names a partition with a token that is not its owner's. Nothing of the
    /// commit is stored.
    #[error("token of partition {} is not its owner's", .partition.partition)]
    FencedToken {
        /// The first such partition.
        partition: TopicIdPartition,
        /// Presented.
        given: Option<FencingToken>,
        /// The owner's, if the partition has one.
        owner: Option<FencingToken>,
    },
}

impl Refusal {
    /// What a native client is told.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFenced => ErrorCode::CoordinatorLoading,
            Self::StaleGeneration { .. } | Self::StaleMemberEpoch { .. } => {
                ErrorCode::IllegalGeneration
            }
            Self::UnknownMember { .. } => ErrorCode::UnknownMember,
            Self::HasMembers => ErrorCode::GroupNotEmpty,
            Self::WrongKind { .. } | Self::MetadataTooLong { .. } => ErrorCode::InvalidRequest,
            Self::FenceConflict { .. } => ErrorCode::Internal,
            Self::FencedToken { .. } => ErrorCode::FencedToken,
        }
    }
}

/// The bytes of an outcome.
#[must_use]
pub fn encode_outcome(outcome: &Outcome) -> Vec<u8> {
    versioned::encode(outcome)
}

/// Reads what [`encode_outcome`] wrote.
///
/// # Errors
/// Bytes of another version, too many, or malformed.
pub fn decode_outcome(bytes: &[u8]) -> Result<Outcome, DecodeError> {
    versioned::decode::<Outcome, ENTRY_BYTES_MAX>(bytes)
}
