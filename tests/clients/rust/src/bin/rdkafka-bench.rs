//! Producing as fast as librdkafka does, with the settings of `floe bench produce`; harness/cost.py runs it.
//!
//! Arguments: bootstrap list, topic, partitions, records, bytes of a record, largest batch in bytes, bytes in
//! flight, linger in milliseconds. Prints one JSON document.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foreign_clients::json;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

/// Length of the random block that values are cut from, beyond one value.
const BLOCK_BYTES: usize = 1 << 20;
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Tally {
    acked: AtomicU64,
    failed: AtomicU64,
}

struct Counting(Arc<Tally>);

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let counter = if result.is_ok() { &self.0.acked } else { &self.0.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| arguments[place].parse::<usize>().expect("a number");
    let (topic, partitions, records, size_bytes) = (&arguments[1], number(2), number(3), number(4));
    let tally = Arc::new(Tally::default());
    let producer: BaseProducer<Counting> = ClientConfig::new()
        .set("bootstrap.servers", &arguments[0])
        .set("enable.idempotence", "true")
        .set("batch.size", &arguments[5])
        .set("batch.num.messages", "1000000")
        .set("queue.buffering.max.kbytes", (number(6) >> 10).to_string())
        .set("queue.buffering.max.messages", "1000000")
        .set("linger.ms", &arguments[7])
        .create_with_context(Counting(Arc::clone(&tally)))
        .expect("a producer");
    let block = random_block(size_bytes + BLOCK_BYTES);
    let began = Instant::now();
    for place in 0..records {
        let from = place * 1009 % BLOCK_BYTES;
        let mut record = BaseRecord::<(), [u8]>::to(topic)
            .partition((place % partitions) as i32)
            .payload(&block[from..from + size_bytes]);
        while let Err((error, back)) = producer.send(record) {
            assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
            producer.poll(Duration::from_millis(1));
            record = back;
        }
        if place % 64 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(LIMIT).expect("everything is acknowledged in time");
    let seconds = began.elapsed().as_secs_f64();
    let (acked, failed) = (tally.acked.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed));
    println!("{}", json!({ "records": acked, "bytes": acked as usize * size_bytes, "seconds": seconds, "errors": failed }));
}

/// splitmix64; the same bytes in every run.
fn random_block(bytes: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next().to_le_bytes()).collect()
}
