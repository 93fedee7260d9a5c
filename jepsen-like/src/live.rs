//! Clients of a running cluster that write down what they do: the workload of real clusters.
//!
//! `floe chaos` and the real mode of jepsen-like share it. It uses the native client as any user
//! would, and needs nothing from the cluster but an address.
//!
//! Invariant: an operation stands in the history before it is begun and after it has ended.

mod book;
mod pulse;
mod workload;

pub use book::{Book, Open};
pub use pulse::{Glance, Pulse};
pub use workload::{Target, Workload, drain};
