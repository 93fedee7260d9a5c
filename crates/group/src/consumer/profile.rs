//! What metadata keeps of a member of a consumer group beyond names, timeouts and its epoch: the
//! subscription bytes of its record.
//!
//! What it holds and what it is to hold are part of it: the next coordinator must not give a
//! partition away that somebody has. The encoding is append-only.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::limits::ENTRY_BYTES_MAX;
use floe_model::{PartitionIndex, TopicId, TopicIdPartition, TopicName};
use serde::{Deserialize, Serialize};

use super::Assignor;
use crate::versioned::{self, DecodeError};

/// A member as it described itself, and as the group decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rack: Option<String>,
    pub(super) topics: BTreeSet<TopicName>,
    pub(super) pattern: Option<String>,
    pub(super) assignor: Option<Assignor>,
    pub(super) previous_epoch: i32,
    /// In which epoch the target was computed; the same for all members of a group.
    pub(super) target_epoch: i32,
    pub(super) assigned: ByTopic,
    pub(super) revoking: ByTopic,
    pub(super) target: ByTopic,
}

/// Partitions, a few bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ByTopic(BTreeMap<TopicId, BTreeSet<PartitionIndex>>);

impl From<&BTreeSet<TopicIdPartition>> for ByTopic {
    fn from(partitions: &BTreeSet<TopicIdPartition>) -> Self {
        let mut by_topic: BTreeMap<TopicId, BTreeSet<PartitionIndex>> = BTreeMap::new();
        for id in partitions {
            by_topic
                .entry(id.topic_id)
                .or_default()
                .insert(id.partition);
        }
        Self(by_topic)
    }
}

impl ByTopic {
    pub(super) fn partitions(&self) -> BTreeSet<TopicIdPartition> {
        let of_topic = |(&topic_id, indexes): (&TopicId, &BTreeSet<PartitionIndex>)| {
            let identity = move |&partition| TopicIdPartition {
                topic_id,
                partition,
            };
            indexes.iter().map(identity).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_topic).collect()
    }
}

impl Profile {
    pub(super) fn encode(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        versioned::decode::<Self, ENTRY_BYTES_MAX>(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn golden_bytes_of_a_profile() {
        let at = |partition| TopicIdPartition {
            topic_id: TopicId([9; 16]),
            partition: PartitionIndex(partition),
        };
        let (assigned, target) = (BTreeSet::from([at(0), at(2)]), BTreeSet::from([at(0)]));
        let profile = Profile {
            client_id: "c".to_owned(),
            client_host: "h".to_owned(),
            rack: Some("r".to_owned()),
            topics: BTreeSet::from([TopicName::new("t").unwrap()]),
            pattern: Some("x*".to_owned()),
            assignor: Some(Assignor::Range),
            previous_epoch: 3,
            target_epoch: 4,
            assigned: (&assigned).into(),
            revoking: ByTopic::default(),
            target: (&target).into(),
        };
        let topic = "09".repeat(16);
        let golden = format!(
            "01 0163 0168 010172 010174 0102782a 0100 06 08 01{topic}020002 00 01{topic}0100"
        );
        assert_eq!(
            floe_model::to_hex(&profile.encode()),
            golden.replace(' ', "")
        );
        let decoded = Profile::decode(&profile.encode()).unwrap();
        assert_eq!(decoded, profile);
        assert_eq!(decoded.assigned.partitions(), assigned);
        assert!(Profile::decode(&[1, 2, 3]).is_err());
    }
}
