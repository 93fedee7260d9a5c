//! What a coordinator tells a consumer group.

use std::collections::BTreeSet;

use floe_model::{Generation, MemberId, TopicIdPartition, TopicName};

use super::{Assignor, Failure, Record, Ticket, Topics};

/// A sign of life of a member. What it leaves out is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Random, chosen by the client.
    pub member_id: MemberId,
    /// The epoch it heard of last; or one of those to join and to leave.
    pub member_epoch: i32,
    /// A name that outlives restarts.
    pub instance_id: Option<String>,
    /// Where it stands.
    pub rack: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// Time it has to give partitions up.
    pub rebalance_timeout_ms: Option<u32>,
    /// Topics to read.
    pub topics: Option<BTreeSet<TopicName>>,
    /// Topics to read beyond those, by a regular expression of their whole name; an empty one
    /// is none.
    pub pattern: Option<String>,
    /// The way to assign that it prefers.
    pub assignor: Option<Assignor>,
    /// What it holds.
    pub owned: Option<BTreeSet<TopicIdPartition>>,
}

impl Heartbeat {
    /// Whether it says all there is to say, as a client does that missed an answer.
    pub(super) fn is_full(&self) -> bool {
        let subscribes = self.topics.is_some() || self.pattern.is_some();
        self.rebalance_timeout_ms.is_some() && subscribes && self.owned.is_some()
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member joins, lives or leaves.
    Heartbeat(Ticket, Box<Heartbeat>),
    /// Topics came, went or grew.
    TopicsChanged(Topics),
    /// Somebody wants to commit from outside: see [`super::ConsumerGroup::standalone_commits`].
    PrepareStandalone,
    /// Time passed; due at [`super::ConsumerGroup::next_deadline_ms`].
    Tick,
    /// Metadata has the proposal; it made this generation.
    ProposalCommitted(Generation),
    /// Metadata did not confirm the proposal, or could not be read.
    ProposalFailed(Failure),
    /// The answer to `ReadRecord`: the record, or an empty one at the group's generation.
    RecordRead(Record),
    /// The offsets log applied the fence.
    FenceApplied(Generation),
    /// The offsets log did not confirm the fence.
    FenceFailed(Failure),
}
