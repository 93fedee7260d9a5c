//! The Kafka gateway: unmodified Kafka clients on the topics, records, groups and offsets of Floe.
//!
//! Invariant: what a peer sends can end only its own connection. Frames, pipelines, connections
//! and bytes in progress are bounded; every connection belongs to one acceptor task and ends with
//! it; answers leave a connection in the order of its requests.
//!
//! One file per API in [`api`], one table of what is served in [`dispatch`], one error map in
//! [`errors`]. Versions stand in the codec's table, the only other place that knows them.

mod admin_error;
mod api;
mod authorized_operations;
mod compatibility;
mod config_entries;
mod config_resource;
mod connection;
mod context;
mod dispatch;
mod endpoints;
mod errors;
mod fetch_sessions;
mod frame_reader;
mod frame_writer;
mod gateway;
mod group_error;
mod leader_hints;
mod limits;
mod node_settings;
mod produced_batch;
mod request_room;
mod topic_lookup;

pub use compatibility::api_table;
pub use gateway::Gateway;
pub use limits::GatewayLimits;
