//! A group's ownership as metadata records it, in the words of this crate.

use std::collections::BTreeMap;

use floe_model::{FencingToken, Generation, GroupKind, GroupName, MemberId, TopicIdPartition};

use crate::RecordedMember;
use crate::offsets::Fence;

/// One partition's owner and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The member.
    pub member_id: MemberId,
    /// The proof.
    pub token: FencingToken,
}

/// The ownership of one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The generation.
    pub generation: Generation,
    /// Its members.
    pub members: BTreeMap<MemberId, RecordedMember>,
    /// The owned partitions.
    pub owners: BTreeMap<TopicIdPartition, Owned>,
}

impl Ownership {
    pub(super) fn owner(&self, partition: &TopicIdPartition) -> Option<&MemberId> {
        self.owners.get(partition).map(|owned| &owned.member_id)
    }

    pub(super) fn fence(&self, group: GroupName) -> Fence {
        let tokens = self
            .owners
            .iter()
            .map(|(&partition, owned)| (partition, owned.token));
        Fence {
            group,
            generation: self.generation,
            kind: GroupKind::Native,
            members: self
                .members
                .keys()
                .map(|member_id| (member_id.clone(), 0))
                .collect(),
            tokens: tokens.collect(),
        }
    }
}
