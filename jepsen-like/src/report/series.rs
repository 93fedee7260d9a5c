//! A run in equal steps of time: how much was done in each, and how fast.

use super::faults::percentile;
use crate::{Action, History, Stage};

/// Steps of a run.
const STEPS: usize = 150;

/// What ended in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) ok: u64,
    pub(super) info: u64,
    pub(super) fail: u64,
    /// Of successful writes: half, 99 in a hundred and all were at least this fast, ns.
    pub(super) latency_ns: Option<[u64; 3]>,
}

/// All steps.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) step_ns: u64,
    pub(super) buckets: Vec<Bucket>,
}

impl Series {
    pub(super) fn of(history: &History) -> Self {
        let step_ns = (history.end_ns() / STEPS as u64).max(1) + 1;
        let mut buckets = vec![Bucket::default(); STEPS];
        let mut latencies = vec![Vec::new(); STEPS];
        for operation in &history.operations {
            let Some(end_ns) = operation.completed_ns else {
                continue;
            };
            if !operation.action.is_of_client() {
                continue;
            }
            let place = usize::try_from(end_ns / step_ns).unwrap_or(STEPS);
            let (Some(bucket), Some(latencies)) =
                (buckets.get_mut(place), latencies.get_mut(place))
            else {
                continue;
            };
            match operation.outcome {
                Stage::Ok => bucket.ok += 1,
                Stage::Fail => bucket.fail += 1,
                Stage::Info | Stage::Invoke => bucket.info += 1,
            }
            let is_write = matches!(
                operation.action,
                Action::Send(_) | Action::Produce(_) | Action::Txn(_)
            );
            if is_write && operation.outcome == Stage::Ok {
                latencies.push(end_ns - operation.invoked_ns);
            }
        }
        for (bucket, mut latencies) in buckets.iter_mut().zip(latencies) {
            latencies.sort_unstable();
            let at = |percent| percentile(&latencies, percent);
            bucket.latency_ns = (!latencies.is_empty()).then(|| [at(50), at(99), at(100)]);
        }
        Self { step_ns, buckets }
    }

    /// The middle of a step.
    pub(super) fn middle_ns(&self, place: usize) -> u64 {
        self.step_ns * place as u64 + self.step_ns / 2
    }
}
