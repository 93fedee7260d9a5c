//! The fence of a group: who may commit since its last rebalance.

use std::collections::BTreeMap;

use floe_model::{FencingToken, Generation, GroupKind, GroupName, MemberId, TopicIdPartition};
use serde::{Deserialize, Serialize};

use super::{Committer, OffsetCommit, Refusal};

/// One generation of one group as metadata has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The group.
    pub group: GroupName,
    /// The generation.
    pub generation: Generation,
    /// How the group coordinates.
    pub kind: GroupKind,
    /// The members with their KIP-848 epochs; none when the group is empty.
    pub members: BTreeMap<MemberId, i32>,
    /// Native: the token of each owned partition.
    pub tokens: BTreeMap<TopicIdPartition, FencingToken>,
}

impl Fence {
    /// Whether the committer may commit at all. Native committers are judged by partition, in
    /// [`Fence::owns`].
    pub(super) fn admits(&self, committer: &Committer) -> Result<(), Refusal> {
        let listed = |member_id: &MemberId| {
            let unknown = || Refusal::UnknownMember {
                member_id: member_id.clone(),
            };
            self.members.get(member_id).copied().ok_or_else(unknown)
        };
        match (committer, self.kind) {
            (Committer::Standalone, _) if self.members.is_empty() => Ok(()),
            (Committer::Standalone, _) => Err(Refusal::HasMembers),
            (
                Committer::Classic {
                    member_id,
                    generation,
                },
                GroupKind::Classic,
            ) => {
                listed(member_id)?;
                let (current, given) = (self.generation, *generation);
                if current == given {
                    Ok(())
                } else {
                    Err(Refusal::StaleGeneration { current, given })
                }
            }
            (
                Committer::Consumer {
                    member_id,
                    member_epoch,
                },
                GroupKind::Consumer,
            ) => {
                let (current, given) = (listed(member_id)?, *member_epoch);
                if current == given {
                    Ok(())
                } else {
                    Err(Refusal::StaleMemberEpoch { current, given })
                }
            }
            (Committer::Native, GroupKind::Native) => Ok(()),
            (Committer::Classic { .. } | Committer::Consumer { .. } | Committer::Native, kind) => {
                Err(Refusal::WrongKind { kind })
            }
        }
    }

    /// Whether a native commit of one partition carries its owner's token.
    pub(super) fn owns(&self, commit: &OffsetCommit) -> bool {
        let token = self.tokens.get(&commit.partition);
        token.is_some() && token == commit.token.as_ref()
    }
}
