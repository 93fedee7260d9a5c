//! What an operation does: the words of a history, one variant for each value of field `f`.
//!
//! A completion repeats the action of its invocation with the results filled in. Variants are
//! only ever added, so that old histories stay readable.

use std::collections::BTreeMap;

use floe_model::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Sequence};
use serde::{Deserialize, Serialize};

use super::{Key, Value};

/// One value sent to one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Where to.
    #[serde(rename = "k")]
    pub key: Key,
    /// What.
    #[serde(rename = "v")]
    pub value: Value,
    /// Where it ended up, if the answer said so.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
}

/// Offsets and values per key, as they came.
pub type Polled = BTreeMap<Key, Vec<(Offset, Value)>>;

/// The next offset to read, per key.
pub type Positions = BTreeMap<Key, Offset>;

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Sends one value.
    Send(Sent),
    /// Reads what follows the process's position.
    Poll(Polled),
}

/// The place of a batch among all that one idempotent producer sent to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The producer id.
    #[serde(rename = "id")]
    pub producer_id: ProducerId,
    /// Its epoch.
    #[serde(rename = "e")]
    pub epoch: ProducerEpoch,
    /// The sequence of the first record.
    #[serde(rename = "s")]
    pub sequence: Sequence,
}

/// One batch of an idempotent producer. A retry is an operation of its own with equal content,
/// the only way in which a value may be sent twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Produce {
    /// Where to.
    pub key: Key,
    /// Whose, and which.
    pub producer: Identity,
    /// The values, in this order.
    pub values: Vec<Value>,
    /// Where the first ended up, if the answer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
}

/// A member's view of one generation of its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The group.
    pub group: String,
    /// The member.
    pub member: String,
    /// The generation that assigned the keys.
    pub generation: i64,
    /// All keys that are the member's in this generation.
    pub keys: Vec<Key>,
}

/// A record batch as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Offset of the first record.
    #[serde(rename = "o")]
    pub base_offset: Offset,
    /// Offsets that it takes.
    #[serde(rename = "n")]
    pub count: u32,
    /// Checksum of its bytes.
    #[serde(rename = "c")]
    pub crc: u32,
    /// When its leader appended it, ms since 1970.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub appended_at_ms: Option<i64>,
    /// Who made it, if an idempotent producer did.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<Identity>,
}

/// What a leader says of the bounds of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// The first offset that is still there.
    pub start: Offset,
    /// The last stable offset, where the leader names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Offset>,
    /// The high watermark.
    pub high: Offset,
    /// In which epoch it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<LeaderEpoch>,
}

/// What a key's replica holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// The log.
    pub key: Key,
    /// Whose copy.
    pub node: NodeId,
    /// The first offset it holds.
    pub start: Offset,
    /// The end of what it knows to be committed.
    pub committed: Offset,
    /// All batches in `start..committed`, in order. What lies behind may still change.
    pub batches: Vec<Batch>,
}

/// What becomes of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopicChange {
    /// It is made.
    Create,
    /// It is deleted.
    Delete,
}

/// What becomes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeChange {
    /// It joins, or may hold replicas again.
    Add,
    /// Its replicas move away; done when none is left.
    Drain,
    /// It leaves for good.
    Remove,
}

/// Where a partition lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Who leads, if anybody does.
    pub leader: Option<NodeId>,
    /// In which epoch.
    pub epoch: LeaderEpoch,
    /// Who holds a replica.
    pub replicas: Vec<NodeId>,
}

/// One access to a piece of metadata; no state is `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Access {
    /// Returns the state.
    Read {
        /// What it was; of no meaning before the completion.
        value: Option<Value>,
    },
    /// Replaces the state whatever it was.
    Write {
        /// By this.
        value: Option<Value>,
    },
    /// Replaces one state by another. Making what must not exist is one from `null`.
    Cas {
        /// The state it must find.
        from: Option<Value>,
        /// The state it leaves.
        to: Option<Value>,
        /// `ok` with `true`: replaced; with `false`: found another state than `from`.
        applied: bool,
    },
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "v", rename_all = "lowercase")]
pub enum Action {
    /// Sends values, in this order, as one producer. Not atomic: when the operation ends as
    /// `info`, a value that has an offset was acknowledged all the same.
    Send(Vec<Sent>),
    /// Sends one batch with its sequence.
    Produce(Produce),
    /// Reads what follows the process's position.
    Poll(Polled),
    /// A transaction: all of its sends happen, or none.
    Txn(Vec<Step>),
    /// Reads these keys by itself from now on. Positions of keys it had before stay; one that
    /// wants to seek starts over as a new process.
    Assign(Vec<Key>),
    /// Reads these topics as a group member from now on.
    Subscribe(Vec<String>),
    /// Is given keys by the group's coordinator.
    Join(Join),
    /// Commits positions for a group. Nobody seeks backwards except with a reset, so that no
    /// commit may stand before an earlier one.
    Commit {
        /// The group.
        group: String,
        /// The generation in which the member did it.
        generation: i64,
        /// The positions.
        offsets: Positions,
    },
    /// Reads all that a group has committed.
    Committed {
        /// The group.
        group: String,
        /// Offsets, of the keys that have one.
        offsets: Positions,
    },
    /// Sets a group's positions by hand, also backwards.
    Reset {
        /// The group.
        group: String,
        /// The positions.
        offsets: Positions,
    },
    /// The final reading: everything from the start of each key to this end was polled. Invoked
    /// by a process of its own before those polls, completed after them.
    Drain(Positions),
    /// Asks the leaders for the bounds of their logs.
    Watermarks(BTreeMap<Key, Watermarks>),
    /// Looks up the first offset at or after a time (ms since 1970); none if there is none.
    Times(BTreeMap<Key, Vec<(i64, Option<Offset>)>>),
    /// Reads whole batches of one key, a contiguous run.
    Batches {
        /// The log.
        key: Key,
        /// The batches.
        batches: Vec<Batch>,
    },
    /// Looks at one replica of one key.
    Replica(Replica),
    /// Makes or deletes a topic. The keys of a life are named `topic#incarnation/partition`.
    Topic {
        /// What.
        change: TopicChange,
        /// The name.
        topic: String,
        /// Which life of the name; counts from 1.
        incarnation: u64,
    },
    /// Changes the cluster.
    Membership {
        /// What.
        change: NodeChange,
        /// Whom.
        node: NodeId,
    },
    /// Asks where partitions live.
    Placement(BTreeMap<Key, Place>),
    /// Accesses a piece of metadata.
    Register {
        /// Which.
        name: String,
        /// How.
        access: Access,
    },
    /// Breaks something, from the invocation to the completion; `ok` means that it landed.
    Fault {
        /// The kind of fault.
        kind: String,
        /// What it hit.
        target: String,
    },
    /// The run enters a phase; `heal` means that nothing is broken from now on.
    Phase(String),
    /// Something rare was seen to happen that the run must provoke often enough.
    Seen {
        /// What.
        what: String,
        /// How often since it was last told.
        count: u64,
    },
}

impl Action {
    /// The name in field `f`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Produce(_) => "produce",
            Self::Poll(_) => "poll",
            Self::Txn(_) => "txn",
            Self::Assign(_) => "assign",
            Self::Subscribe(_) => "subscribe",
            Self::Join(_) => "join",
            Self::Commit { .. } => "commit",
            Self::Committed { .. } => "committed",
            Self::Reset { .. } => "reset",
            Self::Drain(_) => "drain",
            Self::Watermarks(_) => "watermarks",
            Self::Times(_) => "times",
            Self::Batches { .. } => "batches",
            Self::Replica(_) => "replica",
            Self::Topic { .. } => "topic",
            Self::Membership { .. } => "membership",
            Self::Placement(_) => "placement",
            Self::Register { .. } => "register",
            Self::Fault { .. } => "fault",
            Self::Phase(_) => "phase",
            Self::Seen { .. } => "seen",
        }
    }

    /// Whether it is something a client does, in contrast to what the harness does or notes.
    #[must_use]
    pub fn is_of_client(&self) -> bool {
        !matches!(
            self,
            Self::Fault { .. } | Self::Phase(_) | Self::Seen { .. } | Self::Replica(_)
        )
    }

    /// Visits every value it sends, with its offset if known.
    pub fn each_sent<'a>(&'a self, mut visit: impl FnMut(&'a Key, Value, Option<Offset>)) {
        match self {
            Self::Send(sends) => {
                for sent in sends {
                    visit(&sent.key, sent.value, sent.offset);
                }
            }
            Self::Produce(batch) => {
                for (place, value) in (0..).zip(&batch.values) {
                    visit(&batch.key, *value, batch.offset.map(|base| base + place));
                }
            }
            Self::Txn(steps) => {
                for step in steps {
                    if let Step::Send(sent) = step {
                        visit(&sent.key, sent.value, sent.offset);
                    }
                }
            }
            _ => {}
        }
    }

    /// Visits every run of values it read from a key.
    pub fn each_polled<'a>(&'a self, mut visit: impl FnMut(&'a Key, &'a [(Offset, Value)])) {
        let mut all = |polled: &'a Polled| {
            for (key, values) in polled {
                visit(key, values);
            }
        };
        match self {
            Self::Poll(polled) => all(polled),
            Self::Txn(steps) => {
                for step in steps {
                    if let Step::Poll(polled) = step {
                        all(polled);
                    }
                }
            }
            _ => {}
        }
    }
}
