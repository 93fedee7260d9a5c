//! Membership of consumer groups (KIP-848) on their coordinator: the broker assigns, members
//! only heartbeat. Soft state that only metadata and the offsets log make true.
//!
//! ```text
//! heartbeats -> membership -> target (one for all members, with an epoch of its own)
//!   -> each heartbeat takes its member a step towards its target: give up, then get
//!   -> CompleteRebalance in metadata -> Fence in the offsets log -> heartbeats answered
//! ```
//!
//! A partition is given to a member only when no other one has it or has yet to say that it
//! gave it up. Epochs are generations of the group: they never come again.
//!
//! Invariant: a member hears of an epoch or a partition only when metadata and the fence have
//! it. One decision is on its way at a time; heartbeats wait behind it and then share the next.
//! Every heartbeat is answered exactly once.

mod action;
mod admission;
mod event;
mod group;
mod member;
mod pattern;
mod profile;
mod reconciliation;
mod replication;

pub use action::{Action, Answer, Beaten, Proposal, Refused};
pub use event::{Event, Heartbeat};
pub use group::{ConsumerGroup, Described, DescribedMember, Limits, Phase};
pub use pattern::{InvalidPattern, TopicPattern};
pub use replication::Record;

pub use crate::classic::Ticket;
pub use crate::native::{Assignor, Failure, StandaloneCommits, TopicShape, Topics};

/// Member epoch with which a member joins.
pub const JOIN_EPOCH: i32 = 0;
/// Member epoch with which a member leaves for good.
pub const LEAVE_EPOCH: i32 = -1;
/// Member epoch with which a static member leaves to come back.
pub const STATIC_LEAVE_EPOCH: i32 = -2;
