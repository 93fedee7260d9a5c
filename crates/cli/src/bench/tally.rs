//! Counts acknowledgements and the time to each.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longer times count as this long.
const TIME_MAX_US: u64 = 3_600_000_000;

/// What happened to the records of one or more producers.
pub(super) struct Tally {
    times_us: Histogram<u64>,
    /// Records acknowledged or read.
    pub(super) records: u64,
    /// Bytes of their values.
    pub(super) bytes: u64,
    /// Records that failed.
    pub(super) errors: u64,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            times_us: Histogram::new_with_bounds(1, TIME_MAX_US, 3).expect("the bounds are legal"),
            records: 0,
            bytes: 0,
            errors: 0,
        }
    }

    /// A record of `bytes` that took `time`.
    pub(super) fn add(&mut self, bytes: u64, time: Duration) {
        self.records += 1;
        self.bytes += bytes;
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.times_us.saturating_record(time_us);
    }

    /// Adds another one.
    pub(super) fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.errors += other.errors;
        let added = self.times_us.add(&other.times_us);
        added.expect("histograms of equal bounds can be added");
    }

    /// The time within which this part (0 to 1) of all records was done, milliseconds.
    pub(super) fn quantile_ms(&self, part: f64) -> f64 {
        self.times_us.value_at_quantile(part) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_milliseconds_over_all_producers() {
        let (mut all, mut other) = (Tally::new(), Tally::new());
        for ms in 1..=99 {
            all.add(10, Duration::from_millis(ms));
        }
        other.add(10, Duration::from_secs(5));
        other.errors = 2;
        all.merge(&other);
        assert_eq!((all.records, all.bytes, all.errors), (100, 1000, 2));
        assert!((all.quantile_ms(0.5) - 50.0).abs() < 0.1);
        assert!((all.quantile_ms(1.0) - 5000.0).abs() < 10.0);
    }
}
