//! Nodes with gateways in one process, and a client that speaks raw frames.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use floe_broker::api::{ElectLeaders, PartitionKey, Produce, ProducePart};
use floe_broker::{Broker, Node, NodeConfig, Seed, start_node};
use floe_env::Env;
use floe_kafka::{Gateway, GatewayLimits};
use floe_kafka_codec::Request;
use floe_kafka_codec::messages::{CreatableTopic, CreateTopicsRequest};
use floe_model::{Acks, NodeId, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TopicName};
use floe_record::{BatchBuilder, Compression, Record};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Nothing here takes longer, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port that is kept for a node as long as the socket lives.
fn port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// A running cluster.
pub(crate) struct Cluster {
    nodes: BTreeMap<NodeId, (Node, Gateway)>,
    /// Bound and silent: nobody else is given the ports, and nodes may listen on them.
    _ports: Vec<TcpSocket>,
    _dir: TempDir,
}

impl Cluster {
    pub(crate) async fn start(count: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::real().unwrap();
        // Nodes must know each other's ports before they start.
        let ports: Vec<_> = (0..count).map(|_| port()).collect();
        let addrs = ports
            .iter()
            .map(|one| one.local_addr().unwrap().to_string());
        let seeds: Vec<_> = (1..)
            .map(NodeId)
            .zip(addrs)
            .map(|(node_id, peer_addr)| Seed { node_id, peer_addr })
            .collect();
        let mut nodes = BTreeMap::new();
        for seed in &seeds {
            let listener = env.net.listen("127.0.0.1:0").await.unwrap();
            let data_dir = dir.path().join(seed.node_id.to_string());
            let mut config = NodeConfig::single(seed.node_id, data_dir);
            config.peer_listen = seed.peer_addr.clone();
            config.seeds = seeds.clone();
            config.kafka_advertised = Some(listener.local_addr().to_string());
            config.journal.journal_bytes = 64 << 20;
            config.journal.journal_segment_bytes = 8 << 20;
            config.journal.prewrite = false;
            config.default_partitions = 2;
            config.classic_groups.initial_rebalance_delay_ms = 0;
            let node = start_node(config, env.clone()).await.unwrap();
            let limits = GatewayLimits::default();
            let gateway = Gateway::start(listener, node.broker(), &env, limits);
            nodes.insert(seed.node_id, (node, gateway));
        }
        let cluster = Self {
            nodes,
            _ports: ports,
            _dir: dir,
        };
        eventually("ready nodes", async || {
            let mut nodes = cluster.nodes.values();
            nodes.all(|(node, _)| node.broker().readiness().is_empty())
        })
        .await;
        cluster
    }

    pub(crate) fn broker(&self, id: u32) -> Broker {
        self.nodes[&NodeId(id)].0.broker()
    }

    pub(crate) async fn connect(&self, id: u32) -> Client {
        let (_, gateway) = &self.nodes[&NodeId(id)];
        let stream = TcpStream::connect(gateway.local_addr()).await.unwrap();
        Client {
            stream,
            correlation_id: 0,
        }
    }

    /// The key of a partition and the node that leads it.
    pub(crate) async fn leader(&self, topic: &str, partition: u32) -> (PartitionKey, u32) {
        let name = TopicName::new(topic).unwrap();
        let topic_id = self.broker(1).known_topic(&name).await.unwrap();
        let key = PartitionKey {
            topic_id,
            partition: PartitionIndex(partition),
        };
        let found = std::cell::Cell::new(0);
        eventually("a leader", async || {
            for (id, (node, _)) in &self.nodes {
                if node.broker().producers(key).await.is_ok() {
                    found.set(id.0);
                }
            }
            found.get() > 0
        })
        .await;
        (key, found.get())
    }

    /// Moves the leader of a partition to another node.
    pub(crate) async fn move_leader(&self, topic: &str, partition: u32, to: u32) {
        let request = ElectLeaders {
            topic: Some(TopicName::new(topic).unwrap()),
            partition: Some(PartitionIndex(partition)),
            to: Some(NodeId(to)),
        };
        eventually("the leader on the node", async || {
            drop(self.broker(1).elect_leaders(request.clone()).await);
            self.leader(topic, partition).await.1 == to
        })
        .await;
    }

    /// Writes one record per value, each as a batch of an idempotent producer.
    pub(crate) async fn produce(
        &self,
        topic: &str,
        partition: u32,
        first_sequence: i32,
        count: i32,
    ) {
        let (key, leader) = self.leader(topic, partition).await;
        let batches = (first_sequence..first_sequence + count).map(|sequence| {
            let mut builder = BatchBuilder::new(Compression::None);
            builder.producer(ProducerId(7), ProducerEpoch(0), Sequence(sequence));
            builder.push(&Record {
                timestamp_ms: 1_700_000_000_000,
                key: Some(Bytes::from_static(b"key")),
                value: Some(Bytes::from_static(b"value")),
                headers: Vec::new(),
            });
            floe_broker::api::Payload(builder.build())
        });
        let request = Produce {
            acks: Acks::Quorum,
            timeout_ms: 10_000,
            parts: vec![ProducePart {
                key,
                batches: batches.collect(),
            }],
        };
        let replies = self.broker(leader).produce(request).await.unwrap();
        replies[0].outcome.as_ref().unwrap();
    }

    /// Makes a topic with replicas on all nodes.
    pub(crate) async fn make(&self, name: &str, partitions: i32) {
        let request = CreateTopicsRequest {
            topics: vec![creatable(name, partitions)],
            ..CreateTopicsRequest::default()
        };
        let made = self.connect(1).await.call(7, &request).await;
        assert_eq!(made.topics[0].error_message, None);
        // Other nodes hear of it a moment later.
        let name = TopicName::new(name).unwrap();
        eventually("the topic on every node", async || {
            let mut nodes = self.nodes.values();
            nodes.all(|(node, _)| node.broker().topic_id_named(&name).is_some())
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        for (_, (node, gateway)) in self.nodes {
            node.shutdown(Duration::from_secs(9)).await.unwrap();
            gateway.shutdown().await;
        }
    }
}

/// A topic to be made with the default replication.
pub(crate) fn creatable(name: &str, partitions: i32) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: -1,
        ..CreatableTopic::default()
    }
}

/// A connection of a Kafka client.
pub(crate) struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.correlation_id += 1;
        let frame = request
            .to_frame(version, self.correlation_id, Some("test"))
            .unwrap();
        let answer = async {
            self.stream.write_all(&frame.to_bytes()).await.unwrap();
            let size = self.stream.read_i32().await.unwrap();
            let mut bytes = vec![0; usize::try_from(size).unwrap()];
            self.stream.read_exact(&mut bytes).await.unwrap();
            Bytes::from(bytes)
        };
        let bytes = tokio::time::timeout(PATIENCE, answer).await.unwrap();
        let (header, response) = R::decode_response(&bytes, version).unwrap();
        assert_eq!(header.correlation_id, self.correlation_id);
        response
    }
}

/// Waits until `fact` holds.
pub(crate) async fn eventually(what: &str, fact: impl AsyncFn() -> bool) {
    let found = async {
        while !fact().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, found).await.is_err() {
        panic!("not within {PATIENCE:?}: {what}");
    }
}
