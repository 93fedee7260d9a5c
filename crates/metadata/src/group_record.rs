//! Who owns what in a consumer group.
//!
//! Invariant: `generation` and `next_token` only grow, for ever: a deleted group leaves both
//! behind, and a group made again continues from them. A token is handed out once per group,
//! so that the tokens of one partition grow too, and belongs to one stay of one member.

use std::collections::BTreeMap;

use floe_model::{FencingToken, Generation, GroupKind, MemberId, TopicIdPartition};
use serde::{Deserialize, Serialize};

use crate::MemberRecord;

/// One partition's owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The member.
    pub member_id: MemberId,
    /// Its proof. Kept while the member keeps the partition from generation to generation.
    pub token: FencingToken,
}

/// The ownership record of one consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The current generation.
    pub generation: Generation,
    /// How the group coordinates.
    pub kind: GroupKind,
    /// Assignor or Kafka protocol name.
    pub protocol: String,
    /// The members of this generation.
    pub members: BTreeMap<MemberId, MemberRecord>,
    /// Classic: the stored assignment of each member.
    pub assignments: BTreeMap<MemberId, Vec<u8>>,
    /// Native: the owner of each owned partition.
    pub owners: BTreeMap<TopicIdPartition, Ownership>,
    /// The next token to hand out.
    pub next_token: FencingToken,
}

impl GroupRecord {
    /// Proof that the caller must show to read or commit the partition as its owner.
    #[must_use]
    pub fn token_of(&self, partition: &TopicIdPartition) -> Option<FencingToken> {
        self.owners.get(partition).map(|ownership| ownership.token)
    }
}

/// What stays of a deleted group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetiredGroup {
    pub(crate) generation: Generation,
    pub(crate) next_token: FencingToken,
}
