//! How long synced journal writes take, as a histogram that the journal counts.

use std::fmt;
use std::sync::Arc;

use floe_journal::{SYNC_BUCKETS_S, SyncLatency};
use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The times as the journal last told them. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct SyncTimes {
    /// Held to copy.
    latency: Arc<Mutex<SyncLatency>>,
}

impl SyncTimes {
    pub(super) fn set(&self, latency: SyncLatency) {
        *self.latency.lock() = latency;
    }
}

impl EncodeMetric for SyncTimes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let latency = *self.latency.lock();
        // The encoder writes the largest number as infinity.
        let bounds = SYNC_BUCKETS_S.into_iter().chain([f64::MAX]);
        let buckets: Vec<_> = bounds.zip(latency.bucket_counts).collect();
        encoder.encode_histogram::<NoLabelSet>(latency.sum_s, latency.count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
