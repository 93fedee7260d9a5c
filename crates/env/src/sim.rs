//! Simulated machines.

mod vfs;

pub use vfs::{CrashPlan, SimVfs};
