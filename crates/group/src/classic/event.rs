//! What a coordinator tells a classic group.

use floe_model::{Generation, MemberId};
use serde::{Deserialize, Serialize};

use super::Record;

/// Names a question until it is answered. Unique for the life of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// One way to assign that a member supports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// Its name.
    pub name: String,
    /// What the member tells the leader under it, opaque.
    pub metadata: Vec<u8>,
}

/// A membership asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The id the member has; none when it is new.
    pub member_id: Option<MemberId>,
    /// The id it gets if it is new: never used before.
    pub new_member_id: MemberId,
    /// A name that outlives restarts.
    pub instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// What the group is for.
    pub protocol_type: String,
    /// Ways to assign, the preferred one first.
    pub protocols: Vec<Protocol>,
    /// Silence after which the member is out.
    pub session_timeout_ms: u32,
    /// Time the member has to rejoin.
    pub rebalance_timeout_ms: u32,
    /// A new dynamic member first gets its id and asks again, so that a join that is repeated
    /// leaves no phantom.
    pub is_id_required: bool,
    /// Understands `skips_assignment`.
    pub may_skip_assignment: bool,
}

/// Who somebody says to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The member.
    pub member_id: MemberId,
    /// Its name that outlives restarts.
    pub instance_id: Option<String>,
    /// The generation it was in last.
    pub generation: Generation,
}

/// An assignment asked for, or brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Who asks.
    pub claim: Claim,
    /// The type the member believes in, if it says so.
    pub protocol_type: Option<String>,
    /// The protocol the member believes in, if it says so.
    pub protocol: Option<String>,
    /// From the leader: bytes per member.
    pub assignments: Vec<(MemberId, Vec<u8>)>,
}

/// One that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// The member; may be left out by a static one.
    pub member_id: Option<MemberId>,
    /// The name of a static member.
    pub instance_id: Option<String>,
}

/// Why something that a group asked for did not come true.
pub use crate::native::Failure;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member joins.
    Join(Ticket, Join),
    /// A member asks for its assignment.
    Sync(Ticket, Sync),
    /// A member lives.
    Heartbeat(Ticket, Claim),
    /// Members leave.
    Leave(Ticket, Vec<Leaving>),
    /// A member wants to commit offsets.
    Commit(Ticket, Claim),
    /// Somebody wants to commit from outside: see [`super::ClassicGroup::standalone_commits`].
    PrepareStandalone,
    /// Time passed; due at [`super::ClassicGroup::next_deadline_ms`].
    Tick,
    /// Metadata has the proposal; a rebalance made this generation.
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
