//! The words of Floe: identities, offsets, epochs, limits and error codes.
//!
//! Invariant: no I/O, no clock, no randomness and no async runtime. Every number that
//! could be confused with another has a newtype; ranges are half-open everywhere.

mod cluster;
mod error_code;
mod hex;
mod id;
pub mod limits;
pub mod mutants;
mod name;
mod offset;
pub mod versioned;

pub use cluster::{Acks, GroupKind, NodeAddress, TopicIdPartition, TopicPartition};
pub use error_code::ErrorCode;
pub use hex::{from_hex, to_hex};
pub use id::{
    ClusterId, FencingToken, Generation, Incarnation, NodeId, NodeUuid, PartitionIndex,
    ProducerEpoch, ProducerId, RaftGroupId, ReplicaId, Sequence, TopicId,
};
pub use name::{GroupName, InvalidName, MemberId, TopicName};
pub use offset::{LeaderEpoch, LogId, LogIndex, Offset, Term};
