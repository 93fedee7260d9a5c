//! How long synced journal writes take: quantiles for people, buckets for a metrics system.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Upper bounds of the buckets of [`SyncLatency::bucket_counts`], seconds; a last bucket without
/// a bound follows.
pub const SYNC_BUCKETS_S: [f64; 14] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

const BUCKETS: usize = SYNC_BUCKETS_S.len() + 1;
const LATENCY_MAX_US: u64 = 60_000_000;

/// All synced journal writes since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SyncLatency {
    /// Number of syncs.
    pub count: u64,
    /// Time of all of them together, seconds.
    pub sum_s: f64,
    /// How many fell into each bucket, not counting those in the buckets before.
    pub bucket_counts: [u64; BUCKETS],
    /// Median, microseconds.
    pub p50_us: u64,
    /// 99 of 100 are at most this, microseconds.
    pub p99_us: u64,
    /// The slowest, microseconds.
    pub max_us: u64,
}

/// What is recorded of them.
pub(crate) struct SyncTimes {
    quantiles: Histogram<u64>,
    bucket_counts: [u64; BUCKETS],
    sum: Duration,
}

impl SyncTimes {
    pub(crate) fn new() -> Self {
        let quantiles = Histogram::new_with_bounds(1, LATENCY_MAX_US, 2)
            .expect("bounds are constant and in order");
        Self {
            quantiles,
            bucket_counts: [0; BUCKETS],
            sum: Duration::ZERO,
        }
    }

    pub(crate) fn record(&mut self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(LATENCY_MAX_US);
        self.quantiles
            .saturating_record(took_us.clamp(1, LATENCY_MAX_US));
        let seconds = took.as_secs_f64();
        self.bucket_counts[SYNC_BUCKETS_S.partition_point(|bound| *bound < seconds)] += 1;
        self.sum += took;
    }

    pub(crate) fn read(&self) -> SyncLatency {
        SyncLatency {
            count: self.quantiles.len(),
            sum_s: self.sum.as_secs_f64(),
            bucket_counts: self.bucket_counts,
            p50_us: self.quantiles.value_at_quantile(0.5),
            p99_us: self.quantiles.value_at_quantile(0.99),
            max_us: self.quantiles.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_first_bucket_that_is_not_below_it() {
        let mut times = SyncTimes::new();
        for micros in [100, 101, 2_500_000, 2_500_001] {
            times.record(Duration::from_micros(micros));
        }
        let read = times.read();
        let mut expected = [0; BUCKETS];
        (expected[0], expected[1], expected[13], expected[14]) = (1, 1, 1, 1);
        assert_eq!(read.bucket_counts, expected);
        assert_eq!((read.count, read.sum_s), (4, 5.000_202));
        assert_eq!(read.bucket_counts.iter().sum::<u64>(), read.count);
    }
}
