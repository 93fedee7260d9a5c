//! Simulated machines.

mod disk_faults;
mod file_state;
mod gate;
mod vfs;

pub use gate::Gate;
pub use vfs::{CrashPlan, SimVfs};
