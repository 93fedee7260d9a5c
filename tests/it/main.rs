//! Black-box tests: the shape of the tree, and real `floe` processes under faults.
//!
//! The cluster tests run the binary named by `FLOE_BIN`, else `target/release/floe`, through
//! `scripts/cluster`, as a user would; they share no code with the broker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::print_stderr,
    reason = "a failed test shows what its nodes logged"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests of real processes live outside the seams"
)]

mod administration;
mod arrows;
mod bad_input;
mod bad_start;
mod chaos;
mod cluster;
mod cluster_script;
mod command_line;
mod groups;
mod ledger;
mod no_loss;
mod planted_bugs;
mod process;
mod tidy;
mod zombies;
