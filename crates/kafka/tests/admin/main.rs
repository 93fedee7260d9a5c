//! The administrative APIs and groups, by raw frames against nodes in this process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cluster;
mod consumer_groups;
mod groups;
mod layout;
mod offset_deletion;
mod partitions;
mod settings;
mod topics;
