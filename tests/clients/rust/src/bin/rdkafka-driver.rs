//! Driver of rust-rdkafka, a binding of librdkafka.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use foreign_clients::{Record, Requests, Unable, Value, encode, event, json, lacks, now_s, number, serve, text};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

const LIMIT: Duration = Duration::from_secs(30);

struct Driver {
    bootstrap: String,
    runtime: Runtime,
}

fn failed(code: RDKafkaErrorCode) -> Unable {
    Unable::Error(Some(code as i64), code.to_string())
}

fn refused(error: KafkaError) -> Unable {
    let code = error.rdkafka_error_code().map(|code| code as i64);
    Unable::Error(code, error.to_string())
}

fn main() {
    let bootstrap = std::env::args().nth(1).expect("the first argument is the bootstrap list");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let driver = Driver { bootstrap, runtime };
    serve(|request, requests| driver.answer(request, requests));
}

impl Driver {
    fn answer(&self, request: &Value, requests: &Requests) -> Result<Value, Unable> {
        match text(&request["op"]).as_str() {
            "about" => Ok(json!({ "version": format!("0.39.0 (librdkafka {})", rdkafka::util::get_rdkafka_version().1) })),
            "produce" => self.produce(request),
            "stream" => self.runtime.block_on(self.stream(request)),
            "consume" => self.consume(request),
            "group" => self.group(request, requests),
            "group_read" => self.group_read(request),
            _ => self.runtime.block_on(self.administer(request)),
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    // --- producing

    fn produce(&self, request: &Value) -> Result<Value, Unable> {
        let mut config = self.config();
        config.set("compression.type", request["compression"].as_str().unwrap_or("none")).set("linger.ms", "2");
        if let Some(limit) = request["max_bytes"].as_i64() {
            config.set("message.max.bytes", limit.to_string());
        }
        let producer: FutureProducer = config.create().map_err(refused)?;
        let (topic, records) = (text(&request["topic"]), Record::all(request));
        let mut sent = Vec::new();
        for record in &records {
            let mut headers = OwnedHeaders::new();
            for (name, value) in &record.headers {
                headers = headers.insert(Header { key: name, value: value.as_ref() });
            }
            let mut made = FutureRecord::<[u8], [u8]>::to(&topic).partition(number(&request["partition"]) as i32).headers(headers);
            made.key = record.key.as_deref();
            made.payload = record.value.as_deref();
            sent.push(producer.send_result(made).map_err(|(error, _)| refused(error))?);
        }
        let mut offsets = Vec::new();
        for one in sent {
            let delivery = self.runtime.block_on(one).expect("the producer lives");
            offsets.push(delivery.map_err(|(error, _)| refused(error))?.offset);
        }
        Ok(json!({ "offsets": offsets }))
    }

    async fn stream(&self, request: &Value) -> Result<Value, Unable> {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("linger.ms", "0");
        let producer: FutureProducer = config.create().map_err(refused)?;
        let (topic, partitions) = (text(&request["topic"]), number(&request["partitions"]));
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let mut followers = Vec::new();
                for place in 0..number(&request["count"]) {
                    let payload = place.to_string();
                    let record = FutureRecord::<[u8], [u8]>::to(&topic).partition((place % partitions) as i32).payload(payload.as_bytes());
                    let delivery = producer.send_result(record).map_err(|(error, _)| refused(error))?;
                    followers.push(tokio::task::spawn_local(async move {
                        match delivery.await.expect("the producer lives") {
                            Ok(_) => event(&json!({ "acked": place, "at": now_s() })),
                            Err((error, _)) => {
                                let code = error.rdkafka_error_code().map(|code| code as i64);
                                event(&json!({ "failed": place, "code": code, "message": error.to_string() }));
                            }
                        }
                    }));
                    tokio::time::sleep(Duration::from_millis(number(&request["interval_ms"]) as u64)).await;
                }
                for follower in followers {
                    follower.await.expect("a follower does not panic");
                }
                Ok(())
            })
            .await?;
        producer.flush(LIMIT).map_err(refused)?;
        Ok(json!({}))
    }

    // --- consuming

    fn consumer(&self, group: &str, more: &[(&str, String)]) -> Result<BaseConsumer, Unable> {
        let mut config = self.config();
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("topic.metadata.refresh.interval.ms", "2000");
        for (name, value) in more {
            config.set(*name, value);
        }
        config.create().map_err(refused)
    }

    fn consume(&self, request: &Value) -> Result<Value, Unable> {
        let limit = request["max_bytes"].as_i64().map(|limit| ("fetch.message.max.bytes", limit.to_string()));
        let consumer = self.consumer("unused", limit.as_slice())?;
        let (topic, partition) = (text(&request["topic"]), number(&request["partition"]) as i32);
        let start = &request["start"];
        let mut places = TopicPartitionList::new();
        let offset = match start["at"].as_str() {
            Some("start") => Offset::Beginning,
            Some("end") => Offset::End,
            Some("offset") => Offset::Offset(number(&start["offset"])),
            _ => Offset::Offset(number(&start["timestamp"])),
        };
        places.add_partition_offset(&topic, partition, offset).map_err(refused)?;
        if start["at"] == "timestamp" {
            places = consumer.offsets_for_times(places, LIMIT).map_err(refused)?;
        }
        consumer.assign(&places).map_err(refused)?;
        let count = number(&request["count"]) as usize;
        let deadline = Instant::now() + Duration::from_millis(number(&request["timeout_ms"]) as u64);
        let mut rows = Vec::new();
        while rows.len() < count && Instant::now() < deadline {
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                rows.push(row(&message.map_err(refused)?));
            }
        }
        Ok(json!({ "records": rows }))
    }

    fn group(&self, request: &Value, requests: &Requests) -> Result<Value, Unable> {
        let session_ms = number(&request["session_ms"]);
        // In the consumer protocol the broker says how often to heartbeat.
        let settings = match request["protocol"].as_str() {
            Some(protocol) => vec![("group.protocol", protocol.to_owned())],
            None => vec![("session.timeout.ms", session_ms.to_string()), ("heartbeat.interval.ms", (session_ms / 6).to_string())],
        };
        let consumer = self.consumer(&text(&request["group"]), &settings)?;
        consumer.subscribe(&[&text(&request["topic"])]).map_err(refused)?;
        while !requests.leave_wanted() {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            event(&json!({ "records": [[message.partition(), message.offset()]] }));
            if let Err(error) = consumer.commit_message(&message, CommitMode::Async) {
                event(&json!({ "commit_failed": error.to_string() }));
            }
        }
        Ok(json!({}))
    }

    fn group_read(&self, request: &Value) -> Result<Value, Unable> {
        let protocol = request["protocol"].as_str().unwrap_or("classic");
        let consumer = self.consumer(&text(&request["group"]), &[("group.protocol", protocol.to_owned())])?;
        consumer.subscribe(&[&text(&request["topic"])]).map_err(refused)?;
        let count = number(&request["count"]) as usize;
        let deadline = Instant::now() + Duration::from_millis(number(&request["timeout_ms"]) as u64);
        let mut read = Vec::new();
        while read.len() < count && Instant::now() < deadline {
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                let message = message.map_err(refused)?;
                read.push(json!([message.partition(), message.offset()]));
                if read.len() == count {
                    consumer.commit_message(&message, CommitMode::Sync).map_err(refused)?;
                }
            }
        }
        Ok(json!({ "records": read }))
    }

    // --- administration

    async fn administer(&self, request: &Value) -> Result<Value, Unable> {
        let admin: AdminClient<DefaultClientContext> = self.config().create().map_err(refused)?;
        let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
        let (topic, group) = (text(&request["topic"]), text(&request["group"]));
        let resource = ResourceSpecifier::Topic(&topic);
        match text(&request["op"]).as_str() {
            "create_topic" => {
                let replication = TopicReplication::Fixed(number(&request["replication"]) as i32);
                let mut spec = NewTopic::new(&topic, number(&request["partitions"]) as i32, replication);
                for (name, value) in request["configs"].as_object().into_iter().flatten() {
                    spec = spec.set(name, value.as_str().unwrap_or_default());
                }
                each(admin.create_topics([&spec], &options).await)?;
            }
            "list_topics" => {
                let found = admin.inner().fetch_metadata(None, LIMIT).map_err(refused)?;
                let names: Vec<_> = found.topics().iter().map(|one| one.name().to_owned()).collect();
                return Ok(json!({ "topics": names }));
            }
            "describe_topic" => {
                let found = admin.inner().fetch_metadata(Some(&topic), LIMIT).map_err(refused)?;
                let parts = found.topics()[0].partitions().iter();
                let rows: Vec<_> = parts.map(|part| json!({ "index": part.id(), "leader": part.leader(), "replicas": part.replicas() })).collect();
                return Ok(json!({ "partitions": rows }));
            }
            "describe_configs" => {
                let found = admin.describe_configs([&resource], &options).await.map_err(refused)?.remove(0).map_err(failed)?;
                let configs: serde_json::Map<_, _> = found.entries.into_iter().map(|one| (one.name, one.value.into())).collect();
                return Ok(json!({ "configs": configs }));
            }
            "alter_configs" => {
                let mut change = AlterConfig::new(resource);
                for (name, value) in request["configs"].as_object().into_iter().flatten() {
                    change = change.set(name, value.as_str().unwrap_or_default());
                }
                let answer = admin.alter_configs([&change], &options).await.map_err(refused)?.remove(0);
                answer.map_err(|(_, code)| failed(code))?;
            }
            "add_partitions" => {
                each(admin.create_partitions([&NewPartitions::new(&topic, number(&request["total"]) as usize)], &options).await)?;
            }
            "delete_topic" => each(admin.delete_topics(&[&topic], &options).await)?,
            "delete_records" => {
                let mut before = TopicPartitionList::new();
                let place = Offset::Offset(number(&request["before"]));
                before.add_partition_offset(&topic, number(&request["partition"]) as i32, place).map_err(refused)?;
                admin.delete_records(&before, &options).await.map_err(refused)?;
            }
            "list_groups" => {
                let found = admin.inner().fetch_group_list(None, LIMIT).map_err(refused)?;
                let names: BTreeSet<_> = found.groups().iter().map(|one| one.name().to_owned()).collect();
                return Ok(json!({ "groups": names }));
            }
            "describe_group" => {
                let found = admin.inner().fetch_group_list(Some(&group), LIMIT).map_err(refused)?;
                let one = &found.groups()[0];
                return Ok(json!({ "state": one.state(), "members": one.members().len() }));
            }
            "delete_group" => each(admin.delete_groups(&[&group], &options).await)?,
            other => return lacks(format!("has no {}", other.replace('_', " "))),
        }
        Ok(json!({}))
    }
}

fn each(results: Result<Vec<Result<String, (String, RDKafkaErrorCode)>>, KafkaError>) -> Result<(), Unable> {
    for result in results.map_err(refused)? {
        result.map_err(|(_, code)| failed(code))?;
    }
    Ok(())
}

fn row(message: &BorrowedMessage<'_>) -> Value {
    let headers: Vec<_> = message
        .headers()
        .into_iter()
        .flat_map(|headers| headers.iter())
        .map(|header| json!([header.key, encode(header.value)]))
        .collect();
    json!({
        "offset": message.offset(), "timestamp": message.timestamp().to_millis(),
        "key": encode(message.key()), "value": encode(message.payload()), "headers": headers,
    })
}
