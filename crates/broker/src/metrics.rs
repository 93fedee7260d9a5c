//! The node's metrics, in one registry per node.
//!
//! Counters and histograms count as things happen; gauges that others already keep (the store,
//! the partitions, the groups) are read when somebody asks. Names follow Prometheus: base units,
//! plural unit suffix, `_total` for counters, which the encoder appends. Invariant: every label
//! has a bounded number of values; what exceeds a bound is left out and counted as omitted.

mod consumers;
mod partitions;
mod replication;
mod storage;
mod sync_times;

use std::time::Duration;

use floe_model::ErrorCode;
use floe_rpc::{Failure, FailureDetail, Produced};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use self::consumers::ConsumerGauges;
use self::partitions::PartitionGauges;
use self::replication::ReplicationGauges;
use self::storage::StorageGauges;
use crate::core::Core;
use crate::gateway_metrics::GatewayMetrics;

/// A gauge of seconds.
type SecondsGauge = Gauge<f64, std::sync::atomic::AtomicU64>;

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
    api: String,
    code: u16,
}

/// Why work was not taken in, for lack of room.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Series that were left out because there are too many.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OmittedLabel {
    of: &'static str,
}

/// What waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabel {
    queue: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    commit: &'static str,
}

/// Everything a node counts.
pub(crate) struct Metrics {
    registry: Registry,
    started: Duration,
    pub(crate) produce_records: Counter,
    pub(crate) produce_bytes: Counter,
    pub(crate) fetch_bytes: Counter,
    pub(crate) connections: Gauge,
    pub(crate) connections_refused: Counter,
    request_seconds: Family<ApiLabel, Histogram>,
    request_errors: Family<ErrorLabels, Counter>,
    backpressure: Family<ReasonLabel, Counter>,
    pub(crate) throttled: Counter<f64, std::sync::atomic::AtomicU64>,
    pub(crate) leader_changes: Counter,
    pub(crate) group_rebalances: Counter,
    /// From the proposal of an entry of records to its commit. Clones share it.
    pub(crate) append_seconds: Histogram,
    pub(crate) gateway: GatewayMetrics,
    read: ReadOnDemand,
}

/// Gauges that are set when the metrics are rendered.
#[derive(Default)]
struct ReadOnDemand {
    partitions: PartitionGauges,
    consumers: ConsumerGauges,
    replication: ReplicationGauges,
    storage: StorageGauges,
    omitted: Family<OmittedLabel, Gauge>,
    uptime: SecondsGauge,
}

impl Metrics {
    pub(crate) fn new(started: Duration, commit: &'static str) -> Self {
        let mut registry = Registry::with_prefix("floe");
        let histogram = || Histogram::new(LATENCY_BUCKETS);
        let metrics = Self {
            started,
            produce_records: Counter::default(),
            produce_bytes: Counter::default(),
            fetch_bytes: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            request_seconds: Family::new_with_constructor(histogram),
            request_errors: Family::default(),
            backpressure: Family::default(),
            throttled: Counter::default(),
            leader_changes: Counter::default(),
            group_rebalances: Counter::default(),
            append_seconds: histogram(),
            gateway: GatewayMetrics::default(),
            read: ReadOnDemand::default(),
            registry: Registry::default(),
        };
        metrics.register_requests(&mut registry);
        metrics.register_cluster(commit, &mut registry);
        metrics.gateway.register(&mut registry);
        metrics.read.register(&mut registry);
        Self {
            registry,
            ..metrics
        }
    }

    fn register_requests(&self, to: &mut Registry) {
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
        to.register(
            "connections_refused",
            "Native client connections closed at once, because there were too many",
            self.connections_refused.clone(),
        );
        to.register_with_unit(
            "request_duration",
            "Time from a request to its answer; a fetch includes its long poll",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        to.register(
            "request_errors",
            "Requests or parts that failed",
            self.request_errors.clone(),
        );
        to.register(
            "backpressure",
            "Produce requests or parts refused for lack of room, nothing written",
            self.backpressure.clone(),
        );
        to.register_with_unit(
            "throttled",
            "Time that producers were made to wait for room",
            Unit::Seconds,
            self.throttled.clone(),
        );
    }

    fn register_cluster(&self, commit: &'static str, to: &mut Registry) {
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
        to.register_with_unit(
            "raft_append_duration",
            "From the proposal of an entry of records to its commit",
            Unit::Seconds,
            self.append_seconds.clone(),
        );
        let build = Family::<BuildLabels, Gauge>::default();
        build
            .get_or_create(&BuildLabels {
                version: env!("CARGO_PKG_VERSION"),
                commit,
            })
            .set(1);
        to.register("build_info", "The running version", build);
    }

    /// Tells how long it took to open the store.
    pub(crate) fn recovered(&self, took: Duration) {
        self.read.storage.recovered(took);
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
    pub(crate) fn failed(&self, api: &str, failure: &Failure) {
        let (api, code) = (api.to_owned(), failure.code.number());
        self.request_errors
            .get_or_create(&ErrorLabels { api, code })
            .inc();
        let reason = match (failure.code, failure.detail.as_deref()) {
            (ErrorCode::Busy, Some(FailureDetail::ProduceInProgress { .. })) => {
                "produce_in_progress"
            }
            (ErrorCode::Busy, _) => "group_or_store",
            (ErrorCode::DiskFull, _) => "disk_full",
            _ => return,
        };
        self.backpressure
            .get_or_create(&ReasonLabel { reason })
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
        self.partitions.register(to);
        self.consumers.register(to);
        self.replication.register(to);
        self.storage.register(to);
        to.register(
            "metrics_omitted",
            "Series left out because there are too many",
            self.omitted.clone(),
        );
        to.register_with_unit(
            "uptime",
            "Since the node started",
            Unit::Seconds,
            self.uptime.clone(),
        );
    }

    fn read(&self, core: &Core, uptime: Duration) {
        let state = core.metadata.state();
        let omitted = [
            ("partitions", self.partitions.read(core, &state)),
            ("groups", self.consumers.read(core, &state)),
        ];
        for (of, count) in omitted {
            let gauge = self.omitted.get_or_create(&OmittedLabel { of });
            gauge.set(size(count));
        }
        self.replication.read(core);
        self.storage.read(core);
        self.uptime.set(uptime.as_secs_f64());
    }
}

/// A gauge's value of an unsigned one.
fn value(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A gauge's value of a count.
fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
