//! One node with a gateway, and a client that speaks frames.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use floe_broker::api::CreateTopic;
use floe_broker::{Node, NodeConfig, start_node};
use floe_env::Env;
use floe_kafka::{Gateway, GatewayLimits};
use floe_kafka_codec::messages::{
    FetchPartition, FetchRequest, FetchTopic, ProducePartition, ProduceRequest, ProduceResponse,
    ProduceTopic,
};
use floe_kafka_codec::{Frame, KafkaError, Request};
use floe_model::{NodeId, ProducerEpoch, ProducerId, Sequence, TopicId, TopicName};
use floe_record::{BatchBuilder, Compression, Record};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Nothing here takes longer, however slow the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A node that serves Kafka clients.
pub(crate) struct Server {
    node: Node,
    gateway: Gateway,
    _dir: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(GatewayLimits::default()).await
    }

    pub(crate) async fn with(limits: GatewayLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::real().unwrap();
        let listener = env.net.listen("127.0.0.1:0").await.unwrap();
        let mut config = NodeConfig::single(NodeId(1), dir.path().join("data"));
        config.kafka_advertised = Some(listener.local_addr().to_string());
        config.auto_create_topics = true;
        config.journal.journal_bytes = 64 << 20;
        config.journal.journal_segment_bytes = 16 << 20;
        config.journal.prewrite = false;
        let node = start_node(config, env.clone()).await.unwrap();
        let gateway = Gateway::start(listener, node.broker(), &env, limits);
        let ready = async {
            while !node.broker().readiness().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.unwrap();
        Self {
            node,
            gateway,
            _dir: dir,
        }
    }

    /// A topic with these settings.
    pub(crate) async fn topic(
        &self,
        name: &str,
        partitions: u32,
        settings: &[(&str, &str)],
    ) -> TopicId {
        let settings = settings.iter();
        let request = CreateTopic {
            name: TopicName::new(name).unwrap(),
            partitions,
            replication: None,
            configs: settings
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            if_not_exists: false,
            timeout_ms: 30_000,
        };
        let made = self.node.broker().create_topic(request).await.unwrap();
        made.topic_id
    }

    pub(crate) fn broker(&self) -> floe_broker::Broker {
        self.node.broker()
    }

    pub(crate) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.gateway.local_addr()).await.unwrap();
        Client {
            stream,
            correlation_id: 0,
        }
    }

    /// Stops the gateway, then the node.
    pub(crate) async fn stop(self) {
        self.gateway.shutdown().await;
        self.node.shutdown(Duration::from_secs(9)).await.unwrap();
    }
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    /// Sends a request; the answer is read with [`Client::answer`].
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.correlation_id += 1;
        let frame = request.to_frame(version, self.correlation_id, Some("test"));
        self.send_frame(&frame.unwrap()).await;
        self.correlation_id
    }

    async fn send_frame(&mut self, frame: &Frame) {
        self.send_bytes(&frame.to_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends these bytes as one frame and nothing ever after.
    pub(crate) async fn send_frame_and_shut(&mut self, frame: &[u8]) {
        let size = i32::try_from(frame.len()).unwrap().to_be_bytes();
        self.send_bytes(&[&size, frame].concat()).await;
        self.stream.shutdown().await.unwrap();
    }

    /// The next frame behind its size; `None` when the server closed.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        let read = async {
            let mut size = [0; 4];
            self.stream.read_exact(&mut size).await.ok()?;
            let size = usize::try_from(i32::from_be_bytes(size)).unwrap();
            let mut frame = BytesMut::zeroed(size);
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(frame.freeze())
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap()
    }

    /// The next answer.
    pub(crate) async fn answer<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let frame = self.frame().await.expect("an answer");
        let (header, response) = R::decode_response(&frame, version).unwrap();
        (header.correlation_id, response)
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request).await;
        let (answered, response) = self.answer::<R>(version).await;
        assert_eq!(answered, sent);
        response
    }

    /// Whether the server closes without another answer.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.frame().await.is_none()
    }

    /// Produces one batch in the newest version; its error and base offset.
    pub(crate) async fn produce(&mut self, topic: &str, batch: Bytes) -> (KafkaError, i64) {
        let response = self.call(12, &produce_request(topic, -1, batch)).await;
        produced(&response)
    }
}

/// A request to append one batch to partition 0.
pub(crate) fn produce_request(topic: &str, acks: i16, batch: Bytes) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 10_000,
        topic_data: vec![ProduceTopic {
            name: topic.to_owned(),
            partition_data: vec![ProducePartition {
                index: 0,
                records: Some(batch),
            }],
        }],
        ..ProduceRequest::default()
    }
}

/// What came of it.
pub(crate) fn produced(response: &ProduceResponse) -> (KafkaError, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

/// A request to read partition 0 by name, without waiting.
pub(crate) fn fetch_request(topic: &str, offset: i64) -> FetchRequest {
    FetchRequest {
        min_bytes: 1,
        max_bytes: 8 << 20,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            partitions: vec![FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

/// A batch of values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_with(values, Compression::None, None)
}

/// A batch with a compression, and the identity and sequence of a producer.
pub(crate) fn batch_with(
    values: &[&str],
    compression: Compression,
    producer: Option<(i64, i16, i32)>,
) -> Bytes {
    let mut builder = BatchBuilder::new(compression);
    if let Some((id, epoch, sequence)) = producer {
        builder.producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
    }
    for (value, timestamp_ms) in values.iter().zip(1_000..) {
        builder.push(&Record {
            timestamp_ms,
            key: None,
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            headers: Vec::new(),
        });
    }
    builder.build()
}
