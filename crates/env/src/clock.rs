//! Time. Sleeping goes through `tokio::time`, which the simulator already owns.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the time. Monotonic readings never go back; wall time may jump either way.
pub trait Clock: Send + Sync {
    /// Time since a fixed moment of this process.
    fn now(&self) -> Duration;

    /// Milliseconds since the Unix epoch, as the machine believes.
    fn wall_ms(&self) -> i64;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct RealClock {
    origin: Instant,
}

impl RealClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "reading the clock is not a default"
    )]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wall_ms(&self) -> i64 {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Tokio's clock, virtual when tokio's is, with a wall clock that can be skewed.
#[derive(Debug)]
pub struct SimClock {
    origin: tokio::time::Instant,
    wall_origin_ms: i64,
    skew_ms: AtomicI64,
}

impl SimClock {
    /// A clock that reads `wall_origin_ms` now. Call it inside the host's runtime.
    #[must_use]
    pub fn new(wall_origin_ms: i64) -> Self {
        Self {
            origin: tokio::time::Instant::now(),
            wall_origin_ms,
            skew_ms: AtomicI64::new(0),
        }
    }

    /// Sets how far wall time is off from now on.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wall_ms(&self) -> i64 {
        let elapsed_ms = i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.wall_origin_ms + elapsed_ms + self.skew_ms.load(Ordering::Relaxed)
    }
}
