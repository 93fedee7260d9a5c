//! The client against a cluster that exists only in memory and can be told to misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod consumer;
mod fake;
mod group;
mod producer;
