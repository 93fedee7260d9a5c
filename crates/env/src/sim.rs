//! Simulated machines.

mod file_state;
mod vfs;

pub use vfs::{CrashPlan, SimVfs};
