//! What a log must never do, each with the evidence.

use floe_model::Offset;
use serde::{Deserialize, Serialize};

use crate::{Key, Value};

macro_rules! anomalies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        /// One finding. Operations are named by the index of their invocation.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "anomaly", rename_all = "kebab-case")]
        pub enum Anomaly {
            $($(#[$doc])* $name { $($(#[$field_doc])* $field: $type,)* },)*
        }

        /// The kinds of anomalies.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum AnomalyKind {
            $($(#[$doc])* $name,)*
        }

        impl Anomaly {
            /// What kind it is.
            #[must_use]
            pub fn kind(&self) -> AnomalyKind {
                match self { $(Self::$name { .. } => AnomalyKind::$name,)* }
            }
        }
    };
}

anomalies! {
    /// An acknowledged value was never read, though something behind it was.
    LostWrite {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// Who wrote it.
        writer: u64,
    }
    /// An acknowledged value was not there at the final reading.
    Unseen {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// Who wrote it.
        writer: u64,
    }
    /// A value occurs at several offsets.
    Duplicate {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// The first two offsets.
        offsets: [Offset; 2],
    }
    /// An offset holds several values.
    InconsistentOffset {
        /// The log.
        key: Key,
        /// The offset.
        offset: Offset,
        /// The first two values.
        values: [Value; 2],
    }
    /// A value was read whose write had definitely failed.
    AbortedRead {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// Who wrote it.
        writer: u64,
        /// Who read it.
        reader: u64,
    }
    /// A value was read that nobody sent.
    Phantom {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// Who read it.
        reader: u64,
    }
    /// One poll left out values between two that it returned.
    InternalPollSkip {
        /// The log.
        key: Key,
        /// The poll.
        reader: u64,
        /// The two offsets.
        offsets: [Offset; 2],
    }
    /// One poll returned a value at or before the one it had just returned.
    InternalNonmonotonicPoll {
        /// The log.
        key: Key,
        /// The poll.
        reader: u64,
        /// The two offsets.
        offsets: [Offset; 2],
    }
    /// A process's poll began behind where its last one had ended, values apart.
    PollSkip {
        /// The log.
        key: Key,
        /// The later poll.
        reader: u64,
        /// The end of the earlier and the start of the later.
        offsets: [Offset; 2],
    }
    /// A process's poll began at or before where its last one had ended.
    NonmonotonicPoll {
        /// The log.
        key: Key,
        /// The later poll.
        reader: u64,
        /// The end of the earlier and the start of the later.
        offsets: [Offset; 2],
    }
    /// The values of one send stand in another order than sent.
    InternalNonmonotonicSend {
        /// The log.
        key: Key,
        /// The send.
        writer: u64,
        /// The two offsets.
        offsets: [Offset; 2],
    }
    /// A process's send stands before its earlier one.
    NonmonotonicSend {
        /// The log.
        key: Key,
        /// The later send.
        writer: u64,
        /// The earlier and the later offset.
        offsets: [Offset; 2],
    }
    /// The final reading found offsets without records where none may be missing.
    OffsetGap {
        /// The log.
        key: Key,
        /// The offsets around the gap.
        offsets: [Offset; 2],
    }
    /// A commit of an older generation succeeded after one of a newer generation had.
    ZombieCommit {
        /// The group.
        group: String,
        /// The log.
        key: Key,
        /// The late commit.
        writer: u64,
        /// Its generation and the newer one.
        generations: [i64; 2],
    }
    /// A group committed past a value that none of its members had read.
    GroupSkip {
        /// The group.
        group: String,
        /// The log.
        key: Key,
        /// The offset that nobody read.
        offset: Offset,
        /// The furthest acknowledged commit.
        committed: Offset,
    }
    /// A group's commit is gone: what was committed or read later stands before it.
    CommitRegression {
        /// The group.
        group: String,
        /// The log.
        key: Key,
        /// The later commit or reading.
        operation: u64,
        /// The acknowledged offset and the later one.
        offsets: [Offset; 2],
    }
}
