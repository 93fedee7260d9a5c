//! Identities. None is ever reused for another thing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{from_hex, to_hex};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// The configured name of a place in the cluster: `1..=i32::MAX`, also the Kafka broker id.
    NodeId(u32)
);
number!(
    /// One start of one node process; a restart has a larger one on the same disk.
    Incarnation(u64)
);
number!(
    /// One Raft voter or learner. Allocated by metadata and mapped there to a node and disk.
    ReplicaId(u64)
);
number!(
    /// One Raft group. `RaftGroupId::METADATA` is fixed, the rest come from metadata.
    RaftGroupId(u64)
);
number!(
    /// A partition's place in its topic, counted from 0.
    PartitionIndex(u32)
);
number!(
    /// An idempotent producer, from a block that metadata handed out. Negative means none.
    ProducerId(i64)
);
number!(
    /// Distinguishes lives of one producer id.
    ProducerEpoch(i16)
);
number!(
    /// Sequence number of a producer's first record in a batch; wraps at `i32::MAX` to 0.
    Sequence(i32)
);
number!(
    /// Generation of a consumer group. Only grows, also when the group empties or is made again.
    Generation(i32)
);
number!(
    /// Proof of ownership of one partition by one native group member. Only grows.
    FencingToken(u64)
);

impl RaftGroupId {
    /// The metadata group.
    pub const METADATA: Self = Self(1);
    /// The first of the offsets groups; the others follow it.
    pub const OFFSETS_FIRST: Self = Self(16);
    /// The first id that metadata allocates for a partition.
    pub const PARTITIONS_FIRST: Self = Self(1000);

    /// The group that keeps offsets partition `index`.
    #[must_use]
    pub fn offsets(index: u32) -> Self {
        Self(Self::OFFSETS_FIRST.0 + u64::from(index))
    }
}

impl ProducerId {
    /// A batch without idempotence.
    pub const NONE: Self = Self(-1);
}

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Reads the form that `Display` writes: 32 hexadecimal characters.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                from_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

uuid!(
    /// The cluster, made once when it forms.
    ClusterId
);
uuid!(
    /// A disk: made once with the data directory, so that a wiped node is a new one.
    NodeUuid
);
uuid!(
    /// A topic. A topic deleted and made again under the same name has another id.
    TopicId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_text_round_trips_and_refuses_other_lengths() {
        let id = TopicId([0xab; 16]);
        assert_eq!(TopicId::parse(&id.to_string()), Some(id));
        assert_eq!(TopicId::parse("ab"), None);
        assert_eq!(TopicId::parse(&"zz".repeat(16)), None);
    }
}
