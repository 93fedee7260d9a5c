//! The node's metrics, in one registry per node.
//!
//! Counters and histograms count as things happen; gauges that others already keep (the store,
//! the partitions) are read when somebody asks. Names follow Prometheus: base units, plural
//! unit suffix, `_total` for counters, which the encoder appends.

use std::time::Duration;

use floe_journal::StoreStatus;
use floe_rpc::{Failure, Produced};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::core::Core;

/// Upper ends of the latency buckets, seconds.
const LATENCY_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabel {
    api: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    api: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    topic: String,
    partition: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// Everything a node counts.
pub(crate) struct Metrics {
    registry: Registry,
    started: Duration,
    pub(crate) produce_records: Counter,
    pub(crate) produce_bytes: Counter,
    pub(crate) fetch_bytes: Counter,
    pub(crate) connections: Gauge,
    request_seconds: Family<ApiLabel, Histogram>,
    request_errors: Family<ErrorLabels, Counter>,
    pub(crate) leader_changes: Counter,
    pub(crate) group_rebalances: Counter,
    read: ReadOnDemand,
}

/// Gauges that are set when the metrics are rendered.
#[derive(Default)]
struct ReadOnDemand {
    partition_high_watermark: Family<PartitionLabels, Gauge>,
    partition_log_end_offset: Family<PartitionLabels, Gauge>,
    partition_log_start_offset: Family<PartitionLabels, Gauge>,
    partition_size: Family<PartitionLabels, Gauge>,
    partition_leader: Family<PartitionLabels, Gauge>,
    without_leader: Gauge,
    under_replicated: Gauge,
    journal_syncs: Counter,
    journal_bytes: Counter,
    segment_bytes: Counter,
    sync_p50: Gauge<f64, std::sync::atomic::AtomicU64>,
    sync_p99: Gauge<f64, std::sync::atomic::AtomicU64>,
    store_healthy: Gauge,
    produce_in_progress: Gauge,
    uptime: Gauge<f64, std::sync::atomic::AtomicU64>,
}

impl Metrics {
    pub(crate) fn new(started: Duration) -> Self {
        let mut registry = Registry::with_prefix("floe");
        let histogram = || Histogram::new(LATENCY_BUCKETS);
        let metrics = Self {
            started,
            produce_records: Counter::default(),
            produce_bytes: Counter::default(),
            fetch_bytes: Counter::default(),
            connections: Gauge::default(),
            request_seconds: Family::new_with_constructor(histogram),
            request_errors: Family::default(),
            leader_changes: Counter::default(),
            group_rebalances: Counter::default(),
            read: ReadOnDemand::default(),
            registry: Registry::default(),
        };
        metrics.register_counts(&mut registry);
        metrics.read.register(&mut registry);
        Self {
            registry,
            ..metrics
        }
    }

    fn register_counts(&self, to: &mut Registry) {
        to.register(
            "produce_records",
            "Records offered to partitions",
            self.produce_records.clone(),
        );
        to.register(
            "produce_bytes",
            "Bytes offered to partitions",
            self.produce_bytes.clone(),
        );
        to.register(
            "fetch_bytes",
            "Bytes read by clients",
            self.fetch_bytes.clone(),
        );
        to.register(
            "connections",
            "Open native client connections",
            self.connections.clone(),
        );
        to.register_with_unit(
            "request_duration",
            "Time from a request to its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        to.register(
            "request_errors",
            "Requests or parts that failed",
            self.request_errors.clone(),
        );
        to.register(
            "raft_leader_changes",
            "Groups that this node began to lead",
            self.leader_changes.clone(),
        );
        to.register(
            "group_rebalances",
            "Rebalances completed by coordinators on this node",
            self.group_rebalances.clone(),
        );
        let build = Family::<BuildLabels, Gauge>::default();
        build
            .get_or_create(&BuildLabels {
                version: env!("CARGO_PKG_VERSION"),
            })
            .set(1);
        to.register("build_info", "The running version", build);
    }

    /// Counts the outcome of one produced part.
    pub(crate) fn produced(&self, outcome: &Result<Produced, Failure>) {
        if let Err(failure) = outcome {
            self.failed("produce", failure);
        }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, api: String, took: Duration) {
        self.request_seconds
            .get_or_create(&ApiLabel { api })
            .observe(took.as_secs_f64());
    }

    /// Counts a request or a part of it that failed.
    pub(crate) fn failed(&self, api: &'static str, failure: &Failure) {
        let code = failure.code.number();
        self.request_errors
            .get_or_create(&ErrorLabels { api, code })
            .inc();
    }

    /// All metrics as OpenMetrics text.
    pub(crate) fn render(&self, core: &Core) -> String {
        self.read
            .read(core, core.env.clock.now().saturating_sub(self.started));
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}

impl ReadOnDemand {
    fn register(&self, to: &mut Registry) {
        let bytes = Unit::Bytes;
        to.register(
            "partition_high_watermark",
            "First uncommitted offset",
            self.partition_high_watermark.clone(),
        );
        to.register(
            "partition_log_end_offset",
            "Next offset to be written",
            self.partition_log_end_offset.clone(),
        );
        to.register(
            "partition_log_start_offset",
            "First readable offset",
            self.partition_log_start_offset.clone(),
        );
        let size = self.partition_size.clone();
        to.register_with_unit("partition_size", "Bytes of the replica here", bytes, size);
        to.register(
            "partition_leader",
            "Whether this node leads the partition",
            self.partition_leader.clone(),
        );
        to.register(
            "partitions_without_leader",
            "Replicas here that know no leader",
            self.without_leader.clone(),
        );
        to.register(
            "partitions_under_replicated",
            "Partitions led here with a replica on a silent node",
            self.under_replicated.clone(),
        );
        self.register_storage(to);
        to.register_with_unit(
            "uptime",
            "Since the node started",
            Unit::Seconds,
            self.uptime.clone(),
        );
    }

    fn register_storage(&self, to: &mut Registry) {
        to.register(
            "storage_fsyncs",
            "Synced journal writes",
            self.journal_syncs.clone(),
        );
        to.register(
            "storage_journal_bytes",
            "Bytes of journal writes",
            self.journal_bytes.clone(),
        );
        to.register(
            "storage_segment_bytes",
            "Bytes written to partition segments and state files",
            self.segment_bytes.clone(),
        );
        to.register_with_unit(
            "storage_fsync_duration_p50",
            "Median of synced journal writes since the start",
            Unit::Seconds,
            self.sync_p50.clone(),
        );
        to.register_with_unit(
            "storage_fsync_duration_p99",
            "99th percentile of synced journal writes since the start",
            Unit::Seconds,
            self.sync_p99.clone(),
        );
        to.register(
            "storage_healthy",
            "1 while the store takes data",
            self.store_healthy.clone(),
        );
        to.register_with_unit(
            "produce_in_progress",
            "Produce requests in progress",
            Unit::Bytes,
            self.produce_in_progress.clone(),
        );
    }

    fn read(&self, core: &Core, uptime: Duration) {
        self.read_partitions(core);
        let journal = core.journal.metrics();
        set_counter(&self.journal_syncs, journal.syncs);
        set_counter(&self.journal_bytes, journal.journal_bytes_written);
        set_counter(&self.segment_bytes, journal.segment_bytes_written);
        self.sync_p50.set(seconds(journal.sync_latency.p50_us));
        self.sync_p99.set(seconds(journal.sync_latency.p99_us));
        let healthy = matches!(&*core.journal.status().borrow(), StoreStatus::Healthy);
        self.store_healthy.set(i64::from(healthy));
        self.produce_in_progress
            .set(gauge(core.admission.bytes_in_use() as u64));
        self.uptime.set(uptime.as_secs_f64());
    }

    fn read_partitions(&self, core: &Core) {
        let per_partition = [
            &self.partition_high_watermark,
            &self.partition_log_end_offset,
            &self.partition_log_start_offset,
            &self.partition_size,
            &self.partition_leader,
        ];
        for family in per_partition {
            family.clear();
        }
        let state = core.metadata.state();
        let (mut without_leader, mut under_replicated) = (0, 0);
        for partition in core.partitions.all() {
            let labels = PartitionLabels {
                topic: partition.topic.to_string(),
                partition: partition.key.partition.0,
            };
            let (log, role) = (partition.log(), partition.role());
            let leads = role.serving_epoch().is_some();
            let set = state.replica_set(partition.group());
            let silent = set.is_some_and(|set| {
                set.replicas
                    .iter()
                    .any(|replica| !core.is_alive(replica.node_id))
            });
            without_leader += i64::from(role.leader.is_none());
            under_replicated += i64::from(leads && silent);
            let values = [
                log.high_watermark().0,
                log.next_offset().0,
                partition.log_start_offset().0,
                gauge(log.size_bytes()),
                i64::from(leads),
            ];
            for (family, value) in per_partition.into_iter().zip(values) {
                family.get_or_create(&labels).set(value);
            }
        }
        self.without_leader.set(without_leader);
        self.under_replicated.set(under_replicated);
    }
}

/// Brings a counter that somebody else counts up to date.
fn set_counter(counter: &Counter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}
