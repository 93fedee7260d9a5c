//! Growing, jittered pauses between attempts, so that many clients do not retry in step.

use std::time::Duration;

use floe_env::Rng;

/// Pauses double from `first` to `longest`; each is drawn from its upper half.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            attempts: 0,
        }
    }

    /// The pause before the next attempt.
    pub(crate) fn next(&mut self, rng: &Rng) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.attempts.min(16));
        self.attempts += 1;
        let pause = doubled.min(self.longest);
        rng.jitter(pause / 2, pause / 2)
    }

    /// Forgets the attempts: something worked.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_start_again() {
        let rng = Rng::from_seed(1);
        let (first, longest) = (Duration::from_millis(10), Duration::from_millis(100));
        let mut backoff = Backoff::new(first, longest);
        assert!(backoff.next(&rng) < first);
        for _ in 0..40 {
            assert!(backoff.next(&rng) < longest);
        }
        assert!(backoff.next(&rng) >= longest / 2);
        backoff.reset();
        assert!(backoff.next(&rng) < first);
    }
}
