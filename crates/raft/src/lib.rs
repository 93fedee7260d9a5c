//! Raft groups of a node: replication, elections, liveness and membership.
//!
//! Openraft bound to the journal below and the peer links beside it, behind Floe's own words.
//! Invariants: this is the only crate that names openraft; what a replica promised (votes,
//! acknowledged entries, applied state) is on its disk before it says so; an idle group costs no
//! timer and no wake-up, because liveness is watched per node and told per group.
//!
//! A node has one [`RaftNode`]; each group on it is a [`RaftGroup`] that drives a
//! [`StateMachine`]. A leader serves only while [`Role::serving_epoch`] says so.

mod binding;
mod config;
mod error;
mod group;
mod group_spec;
mod links;
mod liveness;
mod node;
mod proposal;
mod replica;
mod role;
mod state_machine;

pub use config::{PeerAddr, RaftConfig};
pub use error::{CallError, ChangeError, OpenGroupError, ProposeError, ReadIndexError, StartError};
pub use floe_journal::{GroupKind, GroupLog, LogProgress};
pub use group::{Ballot, Member, RaftGroup};
pub use group_spec::{GroupSpec, Voter};
pub use liveness::NodeHealth;
pub use node::{ClusterHandler, RaftMetrics, RaftNode};
pub use proposal::{Applied, LocallyDurable, Proposal, Proposed};
pub use role::{Role, RoleState};
pub use state_machine::{CorruptState, StateMachine};
