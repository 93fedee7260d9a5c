//! Randomness: one seeded stream per component, so that equal seeds give equal runs.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// A stream of random numbers. Clones share the stream; [`Rng::fork`] makes an independent one.
#[derive(Clone)]
pub struct Rng {
    /// Held for one draw only.
    stream: Arc<Mutex<StdRng>>,
}

impl Rng {
    /// The stream of `seed`.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self {
            stream: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
        }
    }

    /// A stream that nobody can predict.
    ///
    /// # Errors
    /// The operating system has no random numbers to give.
    pub fn from_os() -> std::io::Result<Self> {
        let stream = StdRng::try_from_rng(&mut SysRng).map_err(std::io::Error::other)?;
        Ok(Self {
            stream: Arc::new(Mutex::new(stream)),
        })
    }

    /// An independent stream, seeded from this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::from_seed(self.next_u64())
    }

    /// Sixty-four random bits.
    #[must_use]
    pub fn next_u64(&self) -> u64 {
        self.stream.lock().next_u64()
    }

    /// Sixteen random bytes, for identities.
    #[must_use]
    pub fn bytes16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.stream.lock().fill_bytes(&mut bytes);
        bytes
    }

    /// A number below `bound`; 0 when `bound` is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            0
        } else {
            self.stream.lock().random_range(0..bound)
        }
    }

    /// True with probability `p`, clamped to `0..=1`.
    #[must_use]
    pub fn chance(&self, p: f64) -> bool {
        self.stream.lock().random_bool(p.clamp(0.0, 1.0))
    }

    /// A duration in `base..base + spread`.
    #[must_use]
    pub fn jitter(&self, base: Duration, spread: Duration) -> Duration {
        let spread_us = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX);
        base + Duration::from_micros(self.below(spread_us))
    }
}

impl std::fmt::Debug for Rng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_streams() {
        let (a, b) = (Rng::from_seed(7), Rng::from_seed(7));
        assert_eq!(a.next_u64(), b.next_u64());
        assert_eq!(a.fork().bytes16(), b.fork().bytes16());
        assert_ne!(a.next_u64(), Rng::from_seed(8).next_u64());
        assert!((0..100).all(|_| a.below(3) < 3));
        assert_eq!(a.below(0), 0);
    }
}
