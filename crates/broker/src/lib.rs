//! One node of a Floe cluster, composed: start and stop, partitions, produce, fetch, topics,
//! consumer groups, retention.
//!
//! Invariant: every task is owned by the node's task set and ends with it, every queue is bounded
//! in bytes or entries, and nothing is acknowledged that Raft has not committed (or, where the
//! caller asked for less, what the caller asked for). Several nodes run in one process.

mod broker;
mod client_service;
mod config;
mod failure;
mod node;
mod status;
mod stubs;

pub use broker::Broker;
pub use config::{NodeConfig, RaftTimings, Seed};
pub use failure::{NodeFailure, ShutdownError, StartError};
pub use node::{Node, start_node};
pub use status::{NodeStatus, NotReady, PartitionStatus};
