//! The state machine of an offsets partition: what groups committed, and who may commit.
//!
//! A commit is judged where it is applied, against the last fence in the same log, so that it
//! cannot race a rebalance: whatever is behind the fence in the log obeys it.
//!
//! Invariant: the generation of a group's fence only grows, also when its offsets are deleted.

mod command;
mod fence;
mod outcome;
mod state;

#[cfg(test)]
mod tests;

pub use command::{Command, Committer, OffsetCommit, decode, encode};
pub use fence::Fence;
pub use outcome::{Applied, Outcome, Refusal, decode_outcome, encode_outcome};
pub use state::{CommittedOffset, OffsetsState, apply};
