//! Consumer groups: committed offsets with their fence, and membership with its rebalances.
//!
//! Invariant: pure state machines. No clock, no randomness, no I/O; time and identities arrive
//! in commands and events. [`offsets`] is replicated in the log of an offsets Raft group and
//! alone decides whether a commit passes. [`native`], [`classic`] and [`consumer`] are soft state
//! of the coordinator; what they decide is true only once metadata and then the offsets log have it,
//! and only then do members hear of it.

pub mod classic;
pub mod consumer;
pub mod native;
pub mod offsets;
mod recorded_member;
mod step;

pub use floe_model::versioned::DecodeError;
pub use recorded_member::RecordedMember;

use floe_model::versioned;
