//! The administrative APIs, by raw frames against nodes in this process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cluster;
mod layout;
mod partitions;
mod settings;
mod topics;
