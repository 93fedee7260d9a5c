//! Openraft bound to Floe's journal, state machines and peer links.
//!
//! Invariant: no openraft type leaves this module but `Raft` inside a group's handle. Everything
//! that a replica promises (votes, log, applied state) goes through the journal here, and never
//! says more than what is durable.

pub(crate) mod acknowledged;
pub(crate) mod apply;
pub(crate) mod layout;
pub(crate) mod log_store;
pub(crate) mod network;
pub(crate) mod responder;
pub(crate) mod settings;
pub(crate) mod type_config;

#[cfg(test)]
mod suite;
#[cfg(test)]
mod traps;
