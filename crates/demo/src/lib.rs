//! The delivery story: couriers ride real streets, three groups read them, and at the end
//! everything is compared with the log.
//!
//! Uses the product only as a user would: `floe serve` processes and the client library.
//! Invariant: what couriers do is a pure function of the seed; what groups should have seen is
//! computed from a fresh read of the log, by the same code.

mod city;
mod courier;
mod fleet;
mod groups;
mod nodes;
mod options;
mod position;
mod positions;
mod reading;
mod report;
mod snapshot;
mod story;

pub use city::{City, Corner, DamagedExtract, Point, Restaurant};
pub use courier::Courier;
pub use nodes::NodesError;
pub use options::DemoOptions;
pub use position::{Phase, Position};
pub use positions::Positions;
pub use report::{GroupReport, Report, Verdict};
pub use snapshot::{Failover, GroupLine, NodeLine, Snapshot};
pub use story::{DemoError, run};
