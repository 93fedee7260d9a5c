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
    /// [`Fence::owned`].
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
                // A static member that is away is listed under a negative one.
                if current == given && given > 0 {
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

    /// Whether another fence of the same generation may follow. A static member of a classic
    /// group comes back under another id within a generation, and an empty group may become
    /// one of another kind. Only the leader of a term proposes in it, so that the order in the
    /// log is the order of the coordinators' decisions.
    pub(super) fn may_become(&self, other: &Self) -> bool {
        let are_classic = self.kind == GroupKind::Classic && other.kind == GroupKind::Classic;
        let are_empty = self.members.is_empty() && other.members.is_empty();
        self == other || are_classic || are_empty
    }

    /// Whether a native commit of one partition carries its owner's token.
    pub(super) fn owned(&self, commit: &OffsetCommit) -> Result<(), Refusal> {
        let (partition, given) = (commit.partition, commit.token);
        let owner = self.tokens.get(&partition).copied();
        if owner.is_some() && owner == given || floe_model::mutant!("zombie-commit-accepted") {
            return Ok(());
        }
        Err(Refusal::FencedToken {
            partition,
            given,
            owner,
        })
    }
}
