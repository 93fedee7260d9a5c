//! Membership of native groups on their coordinator: soft state that only metadata and the
//! offsets log make true.
//!
//! A member joins once and then heartbeats, saying what it holds; the reply says what it should
//! hold. A partition that is to move is first left out of its holder's reply, and handed on
//! when the holder no longer lists it, is out of the group, or let its rebalance timeout pass.
//!
//! ```text
//! change -> prepare (joins gather, holders give up) -> CompleteRebalance in metadata
//!        -> Fence in the offsets log -> members hear of it
//! ```
//!
//! Invariant: a reply names a partition only while metadata and the fence both give it to the
//! member and no rebalance that takes it away is on its way.

mod action;
mod assignor;
mod event;
mod group;
mod member;
mod ownership;
mod rebalance;
mod subscription;

pub use action::{Action, Answer, ProposedRebalance};
pub use assignor::{Assignor, assign};
pub use event::{Event, Failure, Join, TopicShape, Topics};
pub use group::{NativeGroup, Phase, StandaloneCommits};
pub use ownership::{Owned, Ownership};
pub use subscription::Subscription;
