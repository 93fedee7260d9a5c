//! Simulated machines.

mod disk_faults;
mod file_state;
mod vfs;

pub use vfs::{CrashPlan, SimVfs};
