//! What a command did. Travels back to the proposer, also over the wire, so append-only.

use std::collections::BTreeMap;

use floe_model::limits::ENTRY_BYTES_MAX;
use floe_model::{
    FencingToken, Generation, ProducerId, RaftGroupId, ReplicaId, TopicId, TopicIdPartition,
};
use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::versioned::{self, DecodeError};

/// The result of one applied command; a refused command changed nothing.
pub type Outcome = Result<Applied, Refusal>;

/// What an accepted command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applied {
    /// Nothing to report beyond success.
    Done,
    /// The node is registered.
    NodeRegistered {
        /// Its replica of the metadata group.
        metadata_replica: ReplicaId,
        /// Whether it is new here, or its disk is.
        new_disk: bool,
    },
    /// The topic exists.
    TopicCreated {
        /// Its id; not the proposed one if it existed.
        topic_id: TopicId,
        /// `false` if it existed.
        created: bool,
    },
    /// The topic is gone.
    TopicDeleted {
        /// Its Raft groups.
        raft_groups: Vec<RaftGroupId>,
    },
    /// A half-open range of producer ids.
    ProducerIds {
        /// The first.
        first: ProducerId,
        /// How many.
        count: u32,
    },
    /// The group has a new generation.
    Rebalanced {
        /// The generation.
        generation: Generation,
        /// Native: the token of each owned partition. Those missing have no topic any more.
        tokens: BTreeMap<TopicIdPartition, FencingToken>,
    },
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
