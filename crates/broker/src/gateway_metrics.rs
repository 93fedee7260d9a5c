//! What the Kafka gateway of a node counts. The counts stand in the node's one registry; the
//! gateway only adds to them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KafkaApiLabel {
    api: &'static str,
}

/// Counts of one gateway.
#[derive(Debug, Default)]
pub struct GatewayMetrics {
    connections: Gauge,
    requests: Family<KafkaApiLabel, Counter>,
    refused: Counter,
    received_bytes: Counter,
    sent_bytes: Counter,
}

impl GatewayMetrics {
    pub(crate) fn register(&self, to: &mut Registry) {
        to.register(
            "kafka_connections",
            "Open connections of Kafka clients",
            self.connections.clone(),
        );
        to.register(
            "kafka_requests",
            "Requests of Kafka clients",
            self.requests.clone(),
        );
        to.register(
            "kafka_refused_requests",
            "Requests of Kafka clients that ended their connection: malformed or not served",
            self.refused.clone(),
        );
        to.register(
            "kafka_received_bytes",
            "Bytes of requests of Kafka clients",
            self.received_bytes.clone(),
        );
        to.register(
            "kafka_sent_bytes",
            "Bytes of answers to Kafka clients",
            self.sent_bytes.clone(),
        );
    }

    /// A connection was accepted.
    pub fn opened(&self) {
        self.connections.inc();
    }

    /// A connection ended.
    pub fn closed(&self) {
        self.connections.dec();
    }

    /// A request of this many bytes begins.
    pub fn request(&self, api: &'static str, bytes: usize) {
        self.requests.get_or_create(&KafkaApiLabel { api }).inc();
        self.received_bytes.inc_by(bytes as u64);
    }

    /// A request has no answer but the end of its connection.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// An answer of this many bytes left.
    pub fn sent(&self, bytes: usize) {
        self.sent_bytes.inc_by(bytes as u64);
    }
}
