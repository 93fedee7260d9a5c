//! A group's membership, whatever its kind.

use floe_group::classic::ClassicGroup;
use floe_group::consumer::ConsumerGroup;
use floe_group::native::{NativeGroup, StandaloneCommits};
use floe_model::{Generation, GroupKind};

use super::ask::GroupState;

/// The state machine of one group on its coordinator.
pub(super) enum Membership {
    Native(NativeGroup),
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

impl Membership {
    pub(super) fn kind(&self) -> GroupKind {
        match self {
            Self::Native(_) => GroupKind::Native,
            Self::Classic(_) => GroupKind::Classic,
            Self::Consumer(_) => GroupKind::Consumer,
        }
    }

    /// Whether it may give way to one of another kind.
    pub(super) fn is_vacant(&self) -> bool {
        match self {
            Self::Native(group) => group.is_vacant(),
            Self::Classic(group) => group.is_vacant(),
            Self::Consumer(group) => group.is_vacant(),
        }
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Native(group) => group.next_deadline_ms(),
            Self::Classic(group) => group.next_deadline_ms(),
            Self::Consumer(group) => group.next_deadline_ms(),
        }
    }

    pub(super) fn standalone_commits(&self) -> StandaloneCommits {
        match self {
            Self::Native(group) => group.standalone_commits(),
            Self::Classic(group) => group.standalone_commits(),
            Self::Consumer(group) => group.standalone_commits(),
        }
    }

    pub(super) fn state(&self) -> GroupState {
        match self {
            Self::Native(group) => group.phase().into(),
            Self::Classic(group) => group.phase().into(),
            Self::Consumer(group) => group.phase().into(),
        }
    }

    /// The generation that metadata and the offsets log have.
    pub(super) fn generation(&self) -> Generation {
        match self {
            Self::Native(group) => group.generation(),
            Self::Classic(group) => group.generation(),
            Self::Consumer(group) => group.generation(),
        }
    }

    pub(super) fn member_count(&self) -> usize {
        match self {
            Self::Native(group) => group.members().count(),
            Self::Classic(group) => group.member_count(),
            Self::Consumer(group) => group.member_count(),
        }
    }

    /// Whether its members read topics, and say which.
    pub(super) fn is_of_consumers(&self) -> bool {
        match self {
            Self::Native(_) | Self::Consumer(_) => true,
            Self::Classic(group) => group.is_of_consumers(),
        }
    }

    /// Whether a member reads the topic.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        match self {
            Self::Native(group) => group.members().any(|(_, subscription, _)| {
                subscription.topics.iter().any(|t| t.as_str() == topic)
            }),
            Self::Classic(group) => group.is_subscribed(topic),
            Self::Consumer(group) => group.is_subscribed(topic),
        }
    }

    pub(super) fn protocol_type(&self) -> &str {
        match self {
            Self::Native(_) | Self::Consumer(_) => "",
            Self::Classic(group) => group.protocol_type(),
        }
    }
}
