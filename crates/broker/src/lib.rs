//! One node of a Floe cluster, composed: start and stop, partitions, produce, fetch, topics,
//! consumer groups, retention.
//!
//! Invariant: every task is owned by the node's task set and ends with it, every queue is bounded
//! in bytes or entries, and nothing is acknowledged that Raft has not committed (or, where the
//! caller asked for less, what the caller asked for). Several nodes run in one process.

mod administration;
mod admission;
pub mod api;
mod bootstrap;
mod broker;
mod chaos;
mod classic_groups;
mod client_listener;
mod client_service;
mod cluster_handler;
mod cluster_info;
mod config;
mod consumer_groups;
mod coordinator;
mod core;
mod failure;
mod failure_facts;
mod fetch;
mod formation;
mod gateway_metrics;
mod groups;
mod inspection;
mod intake;
mod layout;
mod leadership;
mod lookup;
mod membership;
mod metadata;
mod metrics;
mod node;
mod offset_search;
mod offsets;
mod partition;
mod partition_facts;
mod partitions;
mod produce;
mod producer_ids;
mod retention;
mod status;
mod topic_rules;
mod topics;

pub use broker::Broker;
pub use config::{NodeConfig, RaftTimings, Seed};
pub use failure::{NodeFailure, ShutdownError, StartError};
pub use floe_group::classic::Limits as ClassicGroupLimits;
pub use floe_group::consumer::Limits as ConsumerGroupLimits;
pub use gateway_metrics::GatewayMetrics;
pub use inspection::ReplicatedState;
pub use node::{Node, start_node};
pub use status::{NodeStatus, NotReady, PartitionStatus};
