//! Membership of classic groups (Kafka's JoinGroup and SyncGroup) on their coordinator: soft
//! state that only metadata and the offsets log make true.
//!
//! ```text
//! Empty -> Preparing (members join) -> CompleteRebalance in metadata -> Fence in the offsets
//!   log -> joins answered -> Completing (the leader assigns) -> StoreAssignment in metadata ->
//!   syncs answered -> Stable
//! ```
//!
//! The broker spreads nothing: what members say to each other is carried as it is, so that
//! cooperative rebalancing and Connect work as with Kafka.
//!
//! Invariant: a member hears of a generation only when metadata and the fence have it, and of
//! an assignment only when metadata has it. One step is on its way at a time; whatever would
//! change the group waits behind it. Every question is answered exactly once.

mod action;
mod consumer_protocol;
mod event;
mod group;
mod join;
mod member;
mod profile;
mod rebalance;
mod replication;
mod sync;
mod vote;

pub use action::{Action, Answer, Joined, JoinedMember, Proposal, Refused, Synced};
pub use consumer_protocol::{assigned_partitions, subscribed_topics};
pub use event::{Claim, Event, Failure, Join, Leaving, Protocol, Sync, Ticket};
pub use group::{ClassicGroup, Described, DescribedMember, Limits, Phase, StandaloneCommits};
pub(crate) use join::GROUP_BYTES_MAX;
pub use replication::Record;
