//! The store and the process, as counters and gauges.

use std::time::Duration;

use floe_journal::StoreStatus;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::sync_times::SyncTimes;
use super::{SecondsGauge, value};
use crate::cluster_info::{cpu_us, rss_bytes};
use crate::core::Core;

/// Gauges of the store.
#[derive(Default)]
pub(super) struct StorageGauges {
    journal_syncs: Counter,
    journal_bytes: Counter,
    segment_bytes: Counter,
    sync_times: SyncTimes,
    journal_segments: Gauge,
    recovery: SecondsGauge,
    tail_bytes: Gauge,
    queued_bytes: Gauge,
    healthy: Gauge,
    produce_in_progress: Gauge,
    cpu: SecondsGauge,
    resident: Gauge,
}

impl StorageGauges {
    pub(super) fn register(&self, to: &mut Registry) {
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
            "storage_fsync_duration",
            "Synced journal writes",
            Unit::Seconds,
            self.sync_times.clone(),
        );
        to.register(
            "storage_journal_segments",
            "Journal segments that hold live frames",
            self.journal_segments.clone(),
        );
        to.register_with_unit(
            "storage_recovery",
            "Time it took to open the store at the start",
            Unit::Seconds,
            self.recovery.clone(),
        );
        to.register(
            "storage_healthy",
            "1 while the store takes data",
            self.healthy.clone(),
        );
        self.register_memory(to);
    }

    fn register_memory(&self, to: &mut Registry) {
        let gauges = [
            ("storage_tail", "Entries in memory", &self.tail_bytes),
            (
                "storage_queued",
                "Entries waiting for the journal writer",
                &self.queued_bytes,
            ),
            (
                "produce_in_progress",
                "Produce requests in progress",
                &self.produce_in_progress,
            ),
            (
                "process_resident",
                "Resident memory of the process",
                &self.resident,
            ),
        ];
        for (name, help, gauge) in gauges {
            to.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
        to.register_with_unit(
            "process_cpu",
            "Processor time of the process since its start",
            Unit::Seconds,
            self.cpu.clone(),
        );
    }

    pub(super) fn recovered(&self, took: Duration) {
        self.recovery.set(took.as_secs_f64());
    }

    pub(super) fn read(&self, core: &Core) {
        let journal = core.journal.metrics();
        set_counter(&self.journal_syncs, journal.syncs);
        set_counter(&self.journal_bytes, journal.journal_bytes_written);
        set_counter(&self.segment_bytes, journal.segment_bytes_written);
        self.sync_times.set(journal.sync_latency);
        self.journal_segments
            .set(value(journal.used_journal_segments));
        self.tail_bytes.set(value(journal.tail_bytes));
        self.queued_bytes.set(value(journal.queued_bytes));
        let healthy = matches!(&*core.journal.status().borrow(), StoreStatus::Healthy);
        self.healthy.set(i64::from(healthy));
        self.produce_in_progress
            .set(value(core.admission.bytes_in_use() as u64));
        let vfs = &*core.env.vfs;
        self.cpu.set(seconds(cpu_us(vfs).unwrap_or(0)));
        self.resident.set(value(rss_bytes(vfs).unwrap_or(0)));
    }
}

/// Brings a counter that somebody else counts up to date.
fn set_counter(counter: &Counter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}
