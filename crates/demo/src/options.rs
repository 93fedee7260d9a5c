//! What a run of the story is asked to be.

use std::time::Duration;

/// Options of one run.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// How long couriers send, wall time; none runs until stopped.
    pub length: Option<Duration>,
    /// Number of couriers.
    pub couriers: u32,
    /// Positions a courier sends per wall second; each is one second of the story.
    pub speed: f64,
    /// Seed of all movement.
    pub seed: u64,
    /// When to kill the busiest leader, wall time from the start of sending.
    pub kill_leader_at: Option<Duration>,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            length: None,
            couriers: 500,
            speed: 1.0,
            seed: 42,
            kill_leader_at: None,
        }
    }
}
