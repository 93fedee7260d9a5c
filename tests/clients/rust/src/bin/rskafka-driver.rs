//! Driver of rskafka, a minimal client without groups and idempotence.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foreign_clients::{Record, Requests, Unable, Value, encode, event, json, lacks, now_s, number, serve, text};
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::BackoffConfig;
use rskafka::client::{Client, ClientBuilder};
use tokio::runtime::Runtime;

const MAX_FETCH_BYTES: i32 = 4 << 20;
/// Left alone it waits up to 500 s, three times longer after every attempt: a few seconds without
/// a leader become minutes.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

struct Driver {
    client: Client,
}

fn refused(error: Error) -> Unable {
    let code = match &error {
        Error::ServerError { protocol_error: ProtocolError::MessageTooLarge, .. } => Some(10),
        Error::ServerError { protocol_error: ProtocolError::TopicAlreadyExists, .. } => Some(36),
        _ => None,
    };
    let message: String = error.to_string().chars().take(400).collect();
    Unable::Error(code, message)
}

fn main() {
    let bootstrap = std::env::args().nth(1).expect("the first argument is the bootstrap list");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let brokers = bootstrap.split(',').map(str::to_owned).collect();
    let patience = BackoffConfig { max_backoff: BACKOFF_MAX, ..BackoffConfig::default() };
    let building = ClientBuilder::new(brokers).backoff_config(patience).build();
    let client = runtime.block_on(building).expect("a client");
    let driver = Arc::new(Driver { client });
    serve(|request, requests| answer(&runtime, &driver, request, requests));
}

fn answer(runtime: &Runtime, driver: &Arc<Driver>, request: &Value, _: &Requests) -> Result<Value, Unable> {
    match text(&request["op"]).as_str() {
        "about" => Ok(json!({ "version": "0.6.0", "unreadable": {
            "duplicate header": "keeps one value for each header name",
            "header order": "keeps headers by name, not in order",
            "null header": "fails on a batch with a null header",
        }})),
        "produce" => runtime.block_on(driver.produce(request)),
        "stream" => runtime.block_on(driver.stream(request)),
        "consume" => runtime.block_on(driver.consume(request)),
        "group" | "group_read" => lacks("has no consumer groups"),
        _ => runtime.block_on(driver.administer(request)),
    }
}

/// Writes again what timed out: rskafka leaves that retriable error to its user, since it has no idempotence.
async fn until_certain(partition: &PartitionClient, record: rskafka::record::Record) -> Result<(), Error> {
    loop {
        match partition.produce(vec![record.clone()], Compression::NoCompression).await {
            Ok(_) => return Ok(()),
            Err(Error::ServerError { protocol_error: ProtocolError::RequestTimedOut, .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

impl Driver {
    async fn partition(&self, request: &Value, partition: i32) -> Result<PartitionClient, Unable> {
        let topic = text(&request["topic"]);
        self.client.partition_client(topic, partition, UnknownTopicHandling::Retry).await.map_err(refused)
    }

    async fn produce(&self, request: &Value) -> Result<Value, Unable> {
        let codec = match request["compression"].as_str() {
            Some("gzip") => Compression::Gzip,
            Some("snappy") => Compression::Snappy,
            Some("lz4") => Compression::Lz4,
            Some("zstd") => Compression::Zstd,
            _ => Compression::NoCompression,
        };
        let mut records = Vec::new();
        for record in Record::all(request) {
            let names: HashSet<_> = record.headers.iter().map(|(name, _)| name).collect();
            if names.len() < record.headers.len() {
                return lacks("keeps one value for each header name");
            }
            if record.headers.iter().any(|(_, value)| value.is_none()) {
                return lacks("cannot write null headers");
            }
            records.push(rskafka::record::Record {
                key: record.key,
                value: record.value,
                headers: record.headers.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect(),
                timestamp: chrono::DateTime::from_timestamp_millis((now_s() * 1000.0) as i64).expect("a time"),
            });
        }
        let partition = self.partition(request, number(&request["partition"]) as i32).await?;
        let offsets = partition.produce(records, codec).await.map_err(refused)?;
        Ok(json!({ "offsets": offsets }))
    }

    /// Without idempotence: each record may be written again when its acknowledgement was lost.
    async fn stream(&self, request: &Value) -> Result<Value, Unable> {
        let mut partitions = Vec::new();
        for index in 0..number(&request["partitions"]) {
            partitions.push(self.partition(request, index as i32).await?);
        }
        for place in 0..number(&request["count"]) {
            let record = rskafka::record::Record {
                key: None,
                value: Some(place.to_string().into_bytes()),
                headers: BTreeMap::new(),
                timestamp: chrono::DateTime::from_timestamp_millis((now_s() * 1000.0) as i64).expect("a time"),
            };
            let partition = &partitions[place as usize % partitions.len()];
            match until_certain(partition, record).await {
                Ok(()) => event(&json!({ "acked": place, "at": now_s() })),
                Err(error) => {
                    let Unable::Error(code, message) = refused(error) else { continue };
                    event(&json!({ "failed": place, "code": code, "message": message }));
                }
            }
            tokio::time::sleep(Duration::from_millis(number(&request["interval_ms"]) as u64)).await;
        }
        Ok(json!({}))
    }

    async fn consume(&self, request: &Value) -> Result<Value, Unable> {
        let partition = self.partition(request, number(&request["partition"]) as i32).await?;
        let start = &request["start"];
        let place = match start["at"].as_str() {
            Some("start") => OffsetAt::Earliest,
            Some("end") => OffsetAt::Latest,
            Some("timestamp") => {
                let time = chrono::DateTime::from_timestamp_millis(number(&start["timestamp"]));
                OffsetAt::Timestamp(time.expect("a time"))
            }
            _ => OffsetAt::Earliest,
        };
        let mut next = match start["at"].as_str() {
            Some("offset") => number(&start["offset"]),
            _ => partition.get_offset(place).await.map_err(refused)?,
        };
        let count = number(&request["count"]) as usize;
        let deadline = Instant::now() + Duration::from_millis(number(&request["timeout_ms"]) as u64);
        let mut rows = Vec::new();
        while rows.len() < count && Instant::now() < deadline {
            let (records, _) = partition.fetch_records(next, 1..MAX_FETCH_BYTES, 500).await.map_err(refused)?;
            for found in records {
                next = found.offset + 1;
                if rows.len() < count {
                    let headers: Vec<_> = found.record.headers.iter().map(|(name, value)| json!([name, encode(Some(value))])).collect();
                    rows.push(json!({
                        "offset": found.offset, "timestamp": found.record.timestamp.timestamp_millis(),
                        "key": encode(found.record.key.as_deref()), "value": encode(found.record.value.as_deref()), "headers": headers,
                    }));
                }
            }
        }
        Ok(json!({ "records": rows }))
    }

    async fn administer(&self, request: &Value) -> Result<Value, Unable> {
        let topic = text(&request["topic"]);
        match text(&request["op"]).as_str() {
            "create_topic" => {
                if request["configs"].as_object().is_some_and(|configs| !configs.is_empty()) {
                    return lacks("creates topics, but without configs");
                }
                let controller = self.client.controller_client().map_err(refused)?;
                let (partitions, replication) = (number(&request["partitions"]) as i32, number(&request["replication"]) as i16);
                controller.create_topic(topic, partitions, replication, 20_000).await.map_err(refused)?;
            }
            "delete_topic" => {
                let controller = self.client.controller_client().map_err(refused)?;
                controller.delete_topic(topic, 20_000).await.map_err(refused)?;
            }
            "list_topics" => {
                let topics = self.client.list_topics().await.map_err(refused)?;
                return Ok(json!({ "topics": topics.into_iter().map(|one| one.name).collect::<Vec<_>>() }));
            }
            "delete_records" => {
                let partition = self.partition(request, number(&request["partition"]) as i32).await?;
                partition.delete_records(number(&request["before"]), 20_000).await.map_err(refused)?;
            }
            other => return lacks(format!("has no {}", other.replace('_', " "))),
        }
        Ok(json!({}))
    }
}
