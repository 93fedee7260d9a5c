//! A wall clock that can be put wrong. Monotonic time stays right: no machine's jumps.

use std::sync::Arc;
use std::time::Duration;

use super::Faults;
use crate::Clock;

pub(super) struct BreakableClock {
    inner: Arc<dyn Clock>,
    faults: Faults,
}

impl BreakableClock {
    pub(super) fn new(inner: &Arc<dyn Clock>, faults: &Faults) -> Self {
        Self {
            inner: Arc::clone(inner),
            faults: faults.clone(),
        }
    }
}

impl Clock for BreakableClock {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn wall_ms(&self) -> i64 {
        self.inner
            .wall_ms()
            .saturating_add(self.faults.wall_offset_ms())
    }
}
