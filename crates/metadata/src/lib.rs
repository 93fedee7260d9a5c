//! The state machine of the metadata Raft group: nodes, topics, partition layout and
//! consumer-group ownership. Every node applies the same commands and holds the same state.
//!
//! Invariant: [`apply`] is a pure function of state and command. No clock, no randomness, no
//! I/O; times and identities arrive in the command. The same commands give the same snapshot
//! bytes on every node. Ids, generations, epochs and fencing tokens only grow.

mod apply;
mod cluster;
mod command;
mod group_record;
mod outcome;
pub mod placement;
mod refusal;
mod replica_set;
mod state;
mod topic;
mod topic_config;

pub use apply::apply;
pub use cluster::{DeadReplica, Formation, NodeRecord, NodeRegistration};
pub use command::{Command, MemberRecord, NewTopic, Rebalance, decode, encode};
pub use floe_model::versioned::DecodeError;
pub use group_record::{GroupRecord, Ownership};
pub use outcome::{Applied, Outcome, decode_outcome, encode_outcome};
pub use refusal::{AssignmentFault, Refusal};
pub use replica_set::{LeaderReport, MembershipReport, Replica, ReplicaSet};
pub use state::{RaftGroupOwner, State, offsets_partition_of};
pub use topic::{OffsetsPartition, Partition, Tombstone, Topic};
pub use topic_config::{
    ConfigEdit, ConfigError, Effect, SETTINGS, Setting, SettingKind, StoredCompression,
    TopicConfig, setting, settings_table,
};

use floe_model::versioned;
