//! What can be seen of a run while it lasts: counts, gaps and what is being done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Shared by everybody in the run.
#[derive(Clone)]
pub struct Pulse {
    shared: Arc<Shared>,
}

struct Shared {
    acked: AtomicU64,
    operations: AtomicU64,
    /// Set by the last acknowledgement and by what happens now; never held across a call.
    beats: Mutex<Beats>,
}

struct Beats {
    /// When each partition acknowledged last; none before its first.
    last_acks: Vec<Option<Duration>>,
    longest_gap: Duration,
    doing: String,
    landed: u64,
}

/// One look.
#[derive(Clone, Debug)]
pub struct Glance {
    /// Records acknowledged.
    pub acked: u64,
    /// Operations ended.
    pub operations: u64,
    /// Longest time that a partition acknowledged nothing, up to now.
    pub longest_gap: Duration,
    /// What is being done.
    pub doing: String,
    /// Faults that landed.
    pub landed: u64,
}

impl Pulse {
    /// Of a topic with this many partitions.
    pub fn new(partitions: u32) -> Self {
        let beats = Beats {
            last_acks: vec![None; partitions as usize],
            longest_gap: Duration::ZERO,
            doing: String::new(),
            landed: 0,
        };
        Self {
            shared: Arc::new(Shared {
                acked: AtomicU64::new(0),
                operations: AtomicU64::new(0),
                beats: Mutex::new(beats),
            }),
        }
    }

    /// A record of `partition` was acknowledged at `now`.
    pub fn acked(&self, partition: u32, now: Duration) {
        self.shared.acked.fetch_add(1, Ordering::Relaxed);
        let mut beats = self.shared.beats.lock();
        let Some(last) = beats.last_acks.get_mut(partition as usize) else {
            return;
        };
        if let Some(last) = last.replace(now) {
            beats.longest_gap = beats.longest_gap.max(now.saturating_sub(last));
        }
    }

    /// An operation ended.
    pub fn operation_ended(&self) {
        self.shared.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// Something else is being done from now on.
    pub fn doing(&self, what: impl Into<String>) {
        self.shared.beats.lock().doing = what.into();
    }

    /// A fault took effect.
    pub fn landed(&self) {
        self.shared.beats.lock().landed += 1;
    }

    /// Whether every partition acknowledged something at `since` or later.
    pub fn all_acked_since(&self, since: Duration) -> bool {
        let beats = self.shared.beats.lock();
        let mut last_acks = beats.last_acks.iter();
        last_acks.all(|last| last.is_some_and(|last| last >= since))
    }

    /// Longest time that a partition acknowledged nothing between two acknowledgements.
    pub fn longest_gap(&self) -> Duration {
        self.shared.beats.lock().longest_gap
    }

    /// How it stands at `now`. A gap that lasts counts as far as it goes.
    pub fn glance(&self, now: Duration) -> Glance {
        let beats = self.shared.beats.lock();
        let silent = beats.last_acks.iter().flatten();
        let open_gap = silent.map(|last| now.saturating_sub(*last)).max();
        Glance {
            acked: self.shared.acked.load(Ordering::Relaxed),
            operations: self.shared.operations.load(Ordering::Relaxed),
            longest_gap: beats.longest_gap.max(open_gap.unwrap_or_default()),
            doing: beats.doing.clone(),
            landed: beats.landed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_is_that_of_the_most_silent_partition() {
        let second = Duration::from_secs;
        let pulse = Pulse::new(2);
        pulse.acked(0, second(1));
        pulse.acked(1, second(1));
        pulse.acked(0, second(2));
        assert_eq!(pulse.glance(second(2)).longest_gap, second(1));
        pulse.acked(0, second(5));
        assert_eq!(pulse.glance(second(5)).longest_gap, second(4));
        assert!(pulse.all_acked_since(second(1)) && !pulse.all_acked_since(second(2)));
        pulse.acked(1, second(5));
        assert_eq!(pulse.glance(second(5)).acked, 5);
    }
}
