//! A client that does its work beside hostile ones, and what they may cost.

use std::time::{Duration, Instant};

use floe_kafka_codec::KafkaError;

use crate::server::{Client, Server, batch, fetch_request};

/// Nobody else's requests may keep an ordinary client waiting for longer; a hang does.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// What all hostile requests together may add to the memory of the process.
const MEMORY_LIMIT_BYTES: u64 = 96 << 20;

/// An ordinary client with a connection that stays.
pub(crate) struct Bystander {
    client: Client,
    written: i64,
    memory_before_bytes: u64,
}

impl Bystander {
    pub(crate) async fn new(server: &Server) -> Self {
        server.topic("bystander", 1, &[]).await;
        let mut bystander = Self {
            client: server.connect().await,
            written: 0,
            memory_before_bytes: 0,
        };
        bystander.works().await;
        bystander.memory_before_bytes = memory_bytes("VmRSS:");
        bystander
    }

    /// Writes a record and reads it, on the same connection as always.
    pub(crate) async fn works(&mut self) {
        let began = Instant::now();
        let answer = self.client.produce("bystander", batch(&["v"])).await;
        assert_eq!(answer, (KafkaError::NONE, self.written));
        let fetched = self
            .client
            .call(12, &fetch_request("bystander", self.written))
            .await;
        let partition = &fetched.responses[0].partitions[0];
        assert_eq!(partition.error_code, KafkaError::NONE);
        self.written += 1;
        assert_eq!(partition.high_watermark, self.written);
        assert!(began.elapsed() < ANSWER_LIMIT, "{:?}", began.elapsed());
    }

    /// Works still, in a process that has not grown.
    pub(crate) async fn ends_well(mut self) {
        self.works().await;
        let grown = memory_bytes("VmHWM:").saturating_sub(self.memory_before_bytes);
        assert!(grown < MEMORY_LIMIT_BYTES, "{} MiB more", grown >> 20);
    }
}

fn memory_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
