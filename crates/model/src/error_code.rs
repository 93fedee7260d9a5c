//! The stable error codes of the native protocol. Appended to, never renumbered.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, retriable: $retriable:literal, $text:literal;)*) => {
        /// What went wrong, as clients see it. The number is part of the wire format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
        #[repr(u16)]
        #[serde(into = "u16", try_from = "u16")]
        pub enum ErrorCode {
            $($(#[$doc])* #[error($text)] $name = $code,)*
        }

        impl ErrorCode {
            /// Every code, in numeric order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub fn number(self) -> u16 {
                self as u16
            }

            /// Whether the same request may succeed later without anybody changing anything.
            #[must_use]
            pub fn is_retriable(self) -> bool {
                match self { $(Self::$name => $retriable,)* }
            }
        }

        impl TryFrom<u16> for ErrorCode {
            type Error = UnknownCode;

            fn try_from(code: u16) -> Result<Self, UnknownCode> {
                match code { $($code => Ok(Self::$name),)* code => Err(UnknownCode(code)) }
            }
        }
    };
}

/// A code that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown error code {0}")]
pub struct UnknownCode(u16);

impl From<ErrorCode> for u16 {
    fn from(code: ErrorCode) -> Self {
        code.number()
    }
}

codes! {
    /// The node does not lead the partition; the answer may name who does.
    NotLeader = 1, retriable: true, "not the leader of this partition";
    /// No such topic or partition.
    UnknownTopicOrPartition = 2, retriable: false, "unknown topic or partition";
    /// The offset is below the log start or above what the partition holds.
    OffsetOutOfRange = 3, retriable: false, "offset out of range";
    /// The batch fails validation.
    CorruptBatch = 4, retriable: false, "corrupt record batch";
    /// The batch exceeds the topic's `max.message.bytes`.
    BatchTooLarge = 5, retriable: false, "record batch too large";
    /// Not finished in time; the outcome is unknown.
    Timeout = 6, retriable: true, "timed out, outcome unknown";
    /// The request was refused for lack of memory or journal space; nothing was written.
    Busy = 7, retriable: true, "busy, nothing was written";
    /// The disk is full; nothing was written.
    DiskFull = 8, retriable: true, "disk full, nothing was written";
    /// The node's store failed; it serves nothing until an operator acts.
    StorageFailed = 9, retriable: true, "storage failed on this node";
    /// The topic exists already.
    TopicExists = 10, retriable: false, "topic already exists";
    /// The name breaks the rules.
    InvalidName = 11, retriable: false, "invalid name";
    /// Too many or too few partitions.
    InvalidPartitions = 12, retriable: false, "invalid number of partitions";
    /// More replicas than nodes, or none.
    InvalidReplication = 13, retriable: false, "invalid replication factor";
    /// An unknown topic setting, or a value outside its range.
    InvalidConfig = 14, retriable: false, "invalid topic configuration";
    /// The request makes no sense.
    InvalidRequest = 15, retriable: false, "invalid request";
    /// The controller is unknown or changed in the middle.
    NotController = 16, retriable: true, "no controller at the moment";
    /// The sequence number leaves a gap.
    OutOfOrderSequence = 17, retriable: false, "out of order sequence number";
    /// A newer epoch of this producer exists.
    ProducerFenced = 18, retriable: false, "producer fenced by a newer epoch";
    /// The partition knows nothing of this producer id, and the sequence is not 0.
    UnknownProducer = 19, retriable: false, "unknown producer id";
    /// The node is not the coordinator of this group.
    NotCoordinator = 20, retriable: true, "not the coordinator of this group";
    /// The coordinator is still loading.
    CoordinatorLoading = 21, retriable: true, "group coordinator is loading";
    /// No such member in the group.
    UnknownMember = 22, retriable: false, "unknown group member";
    /// The generation is not the group's.
    IllegalGeneration = 23, retriable: false, "illegal generation";
    /// The group is rebalancing: join again.
    RebalanceInProgress = 24, retriable: true, "group is rebalancing";
    /// The fencing token is older than the partition's owner.
    FencedToken = 25, retriable: false, "fenced: another member owns the partition";
    /// No such group.
    UnknownGroup = 26, retriable: false, "unknown group";
    /// The group has members.
    GroupNotEmpty = 27, retriable: false, "group is not empty";
    /// The high watermark is not known to be final; ask again.
    OffsetNotAvailable = 28, retriable: true, "offset not available yet";
    /// The request carries an epoch older than the leader's.
    FencedEpoch = 29, retriable: true, "fenced leader epoch";
    /// The request carries an epoch newer than this node knows.
    UnknownEpoch = 30, retriable: true, "unknown leader epoch";
    /// Another cluster.
    WrongCluster = 31, retriable: false, "wrong cluster id";
    /// The peer speaks another protocol version.
    UnsupportedVersion = 32, retriable: false, "unsupported protocol version";
    /// The node is stopping.
    ShuttingDown = 33, retriable: true, "node is shutting down";
    /// A bug; the log of the node says more.
    Internal = 34, retriable: false, "internal error";
    /// A batch is whole and breaks a rule of the format or of its topic.
    InvalidRecord = 35, retriable: false, "invalid record";
    /// A timestamp outside what the topic allows.
    InvalidTimestamp = 36, retriable: false, "invalid timestamp";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_pinned_dense_and_round_trip() {
        for (place, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.number()), place + 1);
            assert_eq!(ErrorCode::try_from(code.number()), Ok(*code));
        }
        assert_eq!(ErrorCode::ALL.len(), 36);
        assert_eq!(ErrorCode::NotLeader.number(), 1);
        assert_eq!(ErrorCode::Internal.number(), 34);
        assert!(ErrorCode::try_from(0).is_err());
    }
}
