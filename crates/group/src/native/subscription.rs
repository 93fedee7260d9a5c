//! What a member wants to read, as metadata keeps it for the next coordinator.

use std::collections::BTreeSet;

use floe_model::TopicName;
use serde::{Deserialize, Serialize};

use super::Assignor;
use crate::versioned::{self, DecodeError};

/// Largest encoded subscription, bytes: thousands of topics with the longest names.
const SUBSCRIPTION_BYTES_MAX: usize = 1 << 20;

/// Topics and the way to spread their partitions. Its encoding is append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The topics; those that do not exist yet count from when they do.
    pub topics: BTreeSet<TopicName>,
    /// How to spread; the same for all members of a group.
    pub assignor: Assignor,
}

impl Subscription {
    /// The bytes for the ownership record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    /// Reads what [`Subscription::encode`] wrote.
    ///
    /// # Errors
    /// Bytes of another version, too many, or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        versioned::decode::<Self, SUBSCRIPTION_BYTES_MAX>(bytes)
    }

    /// Whether another coordinator could read it back.
    pub(super) fn fits(&self) -> bool {
        self.encode().len() <= SUBSCRIPTION_BYTES_MAX
    }
}
