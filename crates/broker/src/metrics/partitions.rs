//! The partition replicas on this node, as gauges.

use std::sync::Arc;

use floe_metadata::State;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{QueueLabel, size, value};
use crate::core::Core;
use crate::partition::Partition;

/// Partitions with series of their own; the totals count all.
const PARTITIONS_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    topic: String,
    partition: u32,
}

/// Gauges of partitions.
#[derive(Default)]
pub(super) struct PartitionGauges {
    high_watermark: Family<PartitionLabels, Gauge>,
    log_end_offset: Family<PartitionLabels, Gauge>,
    log_start_offset: Family<PartitionLabels, Gauge>,
    size: Family<PartitionLabels, Gauge>,
    leader: Family<PartitionLabels, Gauge>,
    without_leader: Gauge,
    under_replicated: Gauge,
    damaged: Gauge,
    segments: Gauge,
    queue_depth: Family<QueueLabel, Gauge>,
}

impl PartitionGauges {
    pub(super) fn register(&self, to: &mut Registry) {
        to.register(
            "partition_high_watermark",
            "First uncommitted offset",
            self.high_watermark.clone(),
        );
        to.register(
            "partition_log_end_offset",
            "Next offset to be written",
            self.log_end_offset.clone(),
        );
        to.register(
            "partition_log_start_offset",
            "First readable offset",
            self.log_start_offset.clone(),
        );
        to.register_with_unit(
            "partition_size",
            "Bytes of the replica here",
            Unit::Bytes,
            self.size.clone(),
        );
        to.register(
            "partition_leader",
            "Whether this node leads the partition",
            self.leader.clone(),
        );
        to.register(
            "partitions_without_leader",
            "Replicas here that know no leader",
            self.without_leader.clone(),
        );
        to.register(
            "partitions_under_replicated",
            "Partitions led here with a replica that is silent, damaged or not caught up",
            self.under_replicated.clone(),
        );
        to.register(
            "replicas_damaged",
            "Replicas here whose log is damaged, to be replaced from their peers",
            self.damaged.clone(),
        );
        to.register(
            "storage_segments",
            "Files that hold the logs of the partitions here",
            self.segments.clone(),
        );
        to.register(
            "queue_depth",
            "What waits: batches for their commit",
            self.queue_depth.clone(),
        );
    }

    /// Brings the gauges up to date; answers how many partitions have no series.
    pub(super) fn read(&self, core: &Core, state: &State) -> usize {
        let families = self.families();
        for family in families {
            family.clear();
        }
        let (mut without_leader, mut under_replicated) = (0, 0);
        let (mut segments, mut waiting) = (0, 0);
        let partitions = core.partitions.all();
        for (place, partition) in partitions.iter().enumerate() {
            let role = partition.role();
            let leads = role.serving_epoch().is_some();
            without_leader += i64::from(role.leader.is_none());
            under_replicated += i64::from(leads && is_short(core, state, partition));
            segments += partition.log().segments().len();
            waiting += partition.batches_waiting();
            if place < PARTITIONS_MAX {
                self.read_one(partition, leads);
            }
        }
        self.without_leader.set(without_leader);
        self.under_replicated.set(under_replicated);
        self.damaged.set(size(core.journal.damaged_groups().len()));
        self.segments.set(size(segments));
        let batches = QueueLabel { queue: "batches" };
        self.queue_depth.get_or_create(&batches).set(size(waiting));
        partitions.len().saturating_sub(PARTITIONS_MAX)
    }

    fn read_one(&self, partition: &Partition, leads: bool) {
        let labels = PartitionLabels {
            topic: partition.topic.to_string(),
            partition: partition.key.partition.0,
        };
        let log = partition.log();
        let values = [
            log.high_watermark().0,
            log.next_offset().0,
            partition.log_start_offset().0,
            value(log.size_bytes()),
            i64::from(leads),
        ];
        for (family, value) in self.families().into_iter().zip(values) {
            family.get_or_create(&labels).set(value);
        }
    }

    fn families(&self) -> [&Family<PartitionLabels, Gauge>; 5] {
        [
            &self.high_watermark,
            &self.log_end_offset,
            &self.log_start_offset,
            &self.size,
            &self.leader,
        ]
    }
}

fn is_short(core: &Core, state: &State, partition: &Arc<Partition>) -> bool {
    let set = state.replica_set(partition.group());
    set.is_some_and(|set| {
        let mut replicas = set.replicas.iter();
        replicas.any(|replica| !core.counts(set, replica))
    })
}
