//! What a cluster must never do, each with the evidence.
//!
//! Every field of a finding is evidence: operations are named by the index of their invocation,
//! and the smallest slice of a history that shows a finding follows from its fields alone.

use std::fmt;

use floe_model::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Sequence};
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Subject};
use crate::{Key, Value};

/// An operation, by the index of its invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationIndex(pub u64);

impl fmt::Display for OperationIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A time of the run, ns since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

/// Why one operation happened before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dependency {
    /// It wrote what stands right before the other's value.
    Ww,
    /// The other read what it wrote.
    Wr,
    /// One process did both, in this order.
    Process,
    /// It had completed when the other was invoked.
    Realtime,
}

/// One step of a cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The earlier operation.
    pub from: OperationIndex,
    /// The later.
    pub to: OperationIndex,
    /// Why it is later.
    pub because: Dependency,
    /// The log that shows it, of `ww` and `wr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The value that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

macro_rules! anomalies {
    ($($(#[doc = $doc:literal])* $text:literal $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })*) => {
        /// One finding.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "anomaly")]
        pub enum Anomaly {
            $(
                $(#[doc = $doc])*
                #[serde(rename = $text)]
                $name { $($(#[$field_doc])* $field: $type,)* },
            )*
        }

        /// The kinds of anomalies.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum AnomalyKind {
            $($(#[doc = $doc])* #[serde(rename = $text)] $name,)*
        }

        impl AnomalyKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in documents.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)*).trim_ascii(),)* }
            }
        }

        impl Anomaly {
            /// What kind it is.
            #[must_use]
            pub fn kind(&self) -> AnomalyKind {
                match self { $(Self::$name { .. } => AnomalyKind::$name,)* }
            }

            /// What it speaks of.
            pub(crate) fn subject(&self) -> Subject {
                let mut subject = Subject::default();
                match self { $(Self::$name { $($field,)* } => { $($field.add_to(&mut subject);)* })* }
                subject
            }
        }
    };
}

anomalies! {
    /// An acknowledged value was never read, though something behind it was.
    "lost-write" LostWrite {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// Who wrote it.
        writer: OperationIndex,
    }
    /// An acknowledged value was not there at the final reading.
    "unseen" Unseen {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// Who wrote it.
        writer: OperationIndex,
    }
    /// A value occurs at several offsets.
    "duplicate" Duplicate {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// The first and the last offset.
        offsets: [Offset; 2],
    }
    /// An offset holds several values.
    "inconsistent-offset" InconsistentOffset {
        /// The log.
        key: Key,
        /// The offset.
        offset: Offset,
        /// The first two values.
        values: [Value; 2],
    }
    /// A value was read whose write had definitely failed.
    "aborted-read" AbortedRead {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// Who wrote it.
        writer: OperationIndex,
        /// Who read it.
        reader: OperationIndex,
    }
    /// A transaction read a value that it had sent itself, before it had committed.
    "precommitted-read" PrecommittedRead {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// The transaction.
        reader: OperationIndex,
    }
    /// A value was read that nobody sent.
    "phantom" Phantom {
        /// The log.
        key: Key,
        /// The value.
        value: Value,
        /// Who read it.
        reader: OperationIndex,
    }
    /// A value was read in one life of a topic that was sent to another life of it.
    "resurrected" Resurrected {
        /// Where it was read.
        key: Key,
        /// Where it was sent to.
        sent_to: Key,
        /// The value.
        value: Value,
        /// Who read it.
        reader: OperationIndex,
    }
    /// A value was read in one log that was sent to another only.
    "misplaced" Misplaced {
        /// Where it was read.
        key: Key,
        /// Where it was sent to.
        sent_to: Key,
        /// The value.
        value: Value,
        /// Who read it.
        reader: OperationIndex,
    }
    /// One poll left out values between two that it returned.
    "internal-poll-skip" InternalPollSkip {
        /// The log.
        key: Key,
        /// The poll.
        reader: OperationIndex,
        /// The two offsets.
        offsets: [Offset; 2],
        /// The first of the values left out.
        skipped: Vec<Value>,
    }
    /// One poll returned a value at or before the one it had just returned.
    "internal-nonmonotonic-poll" InternalNonmonotonicPoll {
        /// The log.
        key: Key,
        /// The poll.
        reader: OperationIndex,
        /// The two offsets.
        offsets: [Offset; 2],
    }
    /// A process's poll began behind where its last one had ended, values apart.
    "poll-skip" PollSkip {
        /// The log.
        key: Key,
        /// The later poll.
        reader: OperationIndex,
        /// The end of the earlier and the start of the later.
        offsets: [Offset; 2],
        /// The first of the values left out.
        skipped: Vec<Value>,
    }
    /// A process's poll began at or before where its last one had ended.
    "nonmonotonic-poll" NonmonotonicPoll {
        /// The log.
        key: Key,
        /// The later poll.
        reader: OperationIndex,
        /// The end of the earlier and the start of the later.
        offsets: [Offset; 2],
    }
    /// The values of one send stand in another order than sent.
    "internal-nonmonotonic-send" InternalNonmonotonicSend {
        /// The log.
        key: Key,
        /// The send.
        writer: OperationIndex,
        /// The two offsets.
        offsets: [Offset; 2],
    }
    /// A process's send stands before its earlier one.
    "nonmonotonic-send" NonmonotonicSend {
        /// The log.
        key: Key,
        /// The later send.
        writer: OperationIndex,
        /// The earlier and the later offset.
        offsets: [Offset; 2],
    }
    /// Writes overwrite each other in a circle.
    "g0" G0 {
        /// The circle.
        cycle: Vec<Link>,
    }
    /// Writes and the order of one process form a circle.
    "g0-process" G0Process {
        /// The circle.
        cycle: Vec<Link>,
    }
    /// Writes stand in another order than they were acknowledged in.
    "g0-realtime" G0Realtime {
        /// The circle.
        cycle: Vec<Link>,
    }
    /// Information flows in a circle.
    "g1c" G1c {
        /// The circle.
        cycle: Vec<Link>,
    }
    /// Information and the order of one process form a circle.
    "g1c-process" G1cProcess {
        /// The circle.
        cycle: Vec<Link>,
    }
    /// Something was read before it was written, as clocks go.
    "g1c-realtime" G1cRealtime {
        /// The circle.
        cycle: Vec<Link>,
    }
    /// Offsets hold no records where none may be missing.
    "offset-gap" OffsetGap {
        /// The log.
        key: Key,
        /// The offsets around the gap.
        offsets: [Offset; 2],
    }
    /// A commit of an older generation succeeded after one of a newer generation had.
    "zombie-commit" ZombieCommit {
        /// The group.
        group: String,
        /// The log.
        key: Key,
        /// The late commit.
        writer: OperationIndex,
        /// What had made the newer generation known.
        newer: OperationIndex,
        /// Its generation and the newer one.
        generations: [i64; 2],
    }
    /// A group committed past a value that none of its members had read.
    "group-skip" GroupSkip {
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
    "commit-regression" CommitRegression {
        /// The group.
        group: String,
        /// The log.
        key: Key,
        /// The acknowledged commit.
        writer: OperationIndex,
        /// The later commit or reading.
        operation: OperationIndex,
        /// The acknowledged offset and the later one.
        offsets: [Offset; 2],
    }
    /// Two members of a group own one log in the same generation.
    "shared-assignment" SharedAssignment {
        /// The group.
        group: String,
        /// The log.
        key: Key,
        /// The generation.
        generation: i64,
        /// How both were told.
        joins: [OperationIndex; 2],
    }
    /// A producer of an older epoch was acknowledged after a newer epoch had been.
    "zombie-produce" ZombieProduce {
        /// The log.
        key: Key,
        /// The producer.
        producer: ProducerId,
        /// Its late batch.
        writer: OperationIndex,
        /// The batch of the newer epoch.
        newer: OperationIndex,
        /// Its epoch and the newer one.
        epochs: [ProducerEpoch; 2],
    }
    /// A log holds a producer's batches with sequences missing in between.
    "sequence-gap" SequenceGap {
        /// The log.
        key: Key,
        /// The producer.
        producer: ProducerId,
        /// Its epoch.
        epoch: ProducerEpoch,
        /// The batch behind the gap.
        offset: Offset,
        /// The sequence that was to come and the one that came.
        sequences: [Sequence; 2],
    }
    /// A log holds a sequence of one producer twice, or a later one before an earlier.
    "sequence-repeat" SequenceRepeat {
        /// The log.
        key: Key,
        /// The producer.
        producer: ProducerId,
        /// Its epoch.
        epoch: ProducerEpoch,
        /// The earlier and the later batch.
        offsets: [Offset; 2],
        /// The sequence that was to come and the one that came.
        sequences: [Sequence; 2],
    }
    /// A record was read that a leader of no older epoch later said is not committed.
    "above-high-watermark" AboveHighWatermark {
        /// The log.
        key: Key,
        /// The offset that was read.
        offset: Offset,
        /// Who read it.
        reader: OperationIndex,
        /// Who asked for the high watermark.
        operation: OperationIndex,
        /// The high watermark.
        high_watermark: Offset,
    }
    /// A high watermark or a log start fell.
    "watermark-regression" WatermarkRegression {
        /// The log.
        key: Key,
        /// Who asked.
        operations: [OperationIndex; 2],
        /// The earlier and the later one.
        offsets: [Offset; 2],
    }
    /// A log's start, last stable offset and high watermark are not in this order.
    "watermarks-crossed" WatermarksCrossed {
        /// The log.
        key: Key,
        /// Who asked.
        operation: OperationIndex,
        /// The lower bound that stands above the higher.
        offsets: [Offset; 2],
    }
    /// A batch was appended at an earlier time than the one before it.
    "timestamp-regression" TimestampRegression {
        /// The log.
        key: Key,
        /// The two batches.
        offsets: [Offset; 2],
        /// Their times, ms since 1970.
        appended_at_ms: [i64; 2],
    }
    /// A later time was looked up at a smaller offset, or the same one at a smaller offset later.
    "time-lookup-regression" TimeLookupRegression {
        /// The log.
        key: Key,
        /// Who asked.
        operations: [OperationIndex; 2],
        /// The two times, ms since 1970.
        times_ms: [i64; 2],
        /// What was found for them.
        offsets: [Offset; 2],
    }
    /// Two replicas hold other bytes at an offset that both know to be committed.
    "replica-divergence" ReplicaDivergence {
        /// The log.
        key: Key,
        /// The offset.
        offset: Offset,
        /// The nodes.
        nodes: [NodeId; 2],
        /// Who looked.
        operations: [OperationIndex; 2],
    }
    /// Two nodes led a log in one epoch.
    "two-leaders" TwoLeaders {
        /// The log.
        key: Key,
        /// The epoch.
        epoch: LeaderEpoch,
        /// The nodes.
        nodes: [NodeId; 2],
        /// Who saw it.
        operations: [OperationIndex; 2],
    }
    /// A node that was drained or removed still holds a replica in the end.
    "drained-node-in-use" DrainedNodeInUse {
        /// The log.
        key: Key,
        /// The node.
        node: NodeId,
        /// The change.
        change: OperationIndex,
        /// Who saw it.
        operation: OperationIndex,
    }
    /// No order of the accesses to a piece of metadata explains what they returned.
    "not-linearizable" NotLinearizable {
        /// The piece of metadata.
        name: String,
        /// The first completion that fits no order.
        operation: OperationIndex,
        /// What it may have been concurrent with, and the last that still fitted.
        concurrent: Vec<OperationIndex>,
    }
    /// A log could not be written for too long although nothing was broken any more.
    "unavailable" Unavailable {
        /// The log.
        key: Key,
        /// From when on.
        from: Moment,
        /// Until when, if it came back.
        until: Option<Moment>,
        /// How long it may take, ms.
        within_ms: u32,
        /// The first attempt.
        operation: OperationIndex,
    }
}
