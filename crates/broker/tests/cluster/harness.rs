//! Nodes in one process, on free ports of loopback and in temporary directories.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use floe_broker::{Broker, Node, NodeConfig, Seed, start_node};
use floe_env::{Env, Faults};
use floe_model::{
    Acks, ErrorCode, LeaderEpoch, NodeId, Offset, PartitionIndex, RaftGroupId, Sequence, TopicName,
};
use floe_record::{BatchBuilder, Compression, Limits, Record, records};
use floe_rpc::{
    ClientConnection, CreateTopic, Failure, Fetch, FetchPart, PartitionKey, Produce, ProducePart,
    ProducerIdentity, TopicInfo, connect_client,
};
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// Nothing here takes longer, however slow the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A port that is kept for a node as long as the socket lives.
fn port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// A cluster whose nodes come and go.
pub(crate) struct Cluster {
    dir: TempDir,
    seeds: Vec<Seed>,
    /// Bound and silent: nobody else is given the ports, and nodes may listen on them.
    _ports: Vec<TcpSocket>,
    nodes: BTreeMap<NodeId, Node>,
    faults: BTreeMap<NodeId, Faults>,
    tune: fn(&mut NodeConfig),
}

impl Cluster {
    /// Starts `count` nodes that form a cluster.
    pub(crate) async fn start(count: u32) -> Self {
        Self::start_with(count, |_| {}).await
    }

    /// Starts `count` nodes whose configuration `tune` changed.
    pub(crate) async fn start_with(count: u32, tune: fn(&mut NodeConfig)) -> Self {
        log();
        let dir = tempfile::tempdir().unwrap();
        // Nodes must know each other's ports before they start.
        let ports: Vec<_> = (0..count).map(|_| port()).collect();
        let addr = |place: usize| ports[place].local_addr().unwrap().to_string();
        let seeds = (0..count as usize)
            .map(|place| Seed {
                node_id: node_id(place + 1),
                peer_addr: addr(place),
            })
            .collect();
        let mut cluster = Self {
            dir,
            seeds,
            _ports: ports,
            nodes: BTreeMap::new(),
            faults: BTreeMap::new(),
            tune,
        };
        for place in 1..=count as usize {
            cluster.start_node(node_id(place)).await;
        }
        cluster.ready().await;
        cluster
    }

    pub(crate) async fn start_node(&mut self, id: NodeId) {
        let (env, faults) = Faults::around(&Env::real().unwrap(), None);
        self.faults.insert(id, faults);
        let node = start_node(self.config(id), env).await;
        self.nodes.insert(id, node.unwrap());
    }

    pub(crate) fn config(&self, id: NodeId) -> NodeConfig {
        let seed = self.seeds.iter().find(|seed| seed.node_id == id).unwrap();
        let mut config = NodeConfig::single(id, self.dir.path().join(id.to_string()));
        config.peer_listen = seed.peer_addr.clone();
        config.seeds = self.seeds.clone();
        config.journal.journal_bytes = 64 << 20;
        config.journal.journal_segment_bytes = 8 << 20;
        config.journal.prewrite = false;
        config.classic_groups.initial_rebalance_delay_ms = 0;
        (self.tune)(&mut config);
        config
    }

    /// Nothing that the others say reaches `id`, but what it says itself, and the answers to that.
    pub(crate) fn deafen(&self, id: NodeId) {
        let deaf = self.seeds.iter().find(|seed| seed.node_id == id).unwrap();
        for (_, faults) in self.faults.iter().filter(|(node, _)| **node != id) {
            faults.cut([deaf.peer_addr.clone()].into(), PATIENCE);
        }
    }

    /// Sets how far the node's wall clock is off from now on.
    pub(crate) fn shift_wall_clock(&self, id: NodeId, offset_ms: i64) {
        let for_good = Duration::from_secs(86_400);
        self.faults[&id].shift_wall_clock(offset_ms, for_good);
    }

    /// Ends all cuts.
    pub(crate) fn heal(&self) {
        self.faults.values().for_each(Faults::heal);
    }

    /// Stops a node as SIGTERM does.
    pub(crate) async fn stop_node(&mut self, id: NodeId) {
        let node = self.nodes.remove(&id).unwrap();
        node.shutdown(Duration::from_secs(9)).await.unwrap();
    }

    /// The files of a group's log on a node, oldest first.
    pub(crate) fn segments(&self, id: NodeId, group: RaftGroupId) -> Vec<std::path::PathBuf> {
        let group = self
            .dir
            .path()
            .join(id.to_string())
            .join("p")
            .join(format!("{:016x}", group.0));
        let Ok(files) = std::fs::read_dir(group) else {
            return Vec::new();
        };
        let mut segments: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|end| end == "log"));
        segments.sort();
        segments
    }

    /// Forgets what a stopped node had on its disk.
    pub(crate) fn wipe(&self, id: NodeId) {
        std::fs::remove_dir_all(self.dir.path().join(id.to_string())).unwrap();
    }

    /// Waits until every running node is ready.
    pub(crate) async fn ready(&self) {
        for node in self.nodes.values() {
            let broker = node.broker();
            let ready = async {
                while !broker.readiness().is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            if tokio::time::timeout(PATIENCE, ready).await.is_err() {
                panic!("not ready within {PATIENCE:?}: {:?}", broker.readiness());
            }
        }
    }

    pub(crate) fn broker(&self, id: u32) -> Broker {
        self.nodes[&NodeId(id)].broker()
    }

    pub(crate) fn brokers(&self) -> Vec<Broker> {
        self.nodes.values().map(Node::broker).collect()
    }

    pub(crate) fn ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    /// Where clients reach a node.
    pub(crate) fn client_addr(&self, id: NodeId) -> String {
        self.nodes[&id].client_addr().to_string()
    }

    /// A connection as a client has one.
    pub(crate) async fn connect(&self, id: NodeId) -> ClientConnection {
        let addr = self.client_addr(id);
        connect_client(&Env::real().unwrap(), &addr, None)
            .await
            .unwrap()
    }

    /// The running node that leads the partition, as that node itself sees it.
    pub(crate) async fn leader(&self, key: PartitionKey) -> (NodeId, Broker) {
        let found = std::sync::Mutex::new(None);
        eventually("a leader", || async {
            for (id, node) in &self.nodes {
                let broker = node.broker();
                let offsets = floe_rpc::ListOffsets {
                    parts: vec![floe_rpc::ListOffsetsPart {
                        key,
                        at: floe_rpc::OffsetAt::End,
                    }],
                };
                let Ok(listed) = broker.list_offsets(offsets).await else {
                    continue;
                };
                if listed[0].outcome.is_ok() {
                    *found.lock().unwrap() = Some((*id, broker));
                    return true;
                }
            }
            false
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// Produces to whoever leads until it is acknowledged.
    pub(crate) async fn produce(&self, key: PartitionKey, batch: &Bytes) -> Offset {
        let patience = async {
            loop {
                for broker in self.brokers() {
                    match produce(&broker, key, batch.clone()).await {
                        Ok(offset) => return offset,
                        Err(failure) if failure.code.is_retriable() => {}
                        Err(failure) => panic!("produce failed: {failure:?}"),
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, patience).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        for (_, node) in self.nodes {
            node.shutdown(Duration::from_secs(9)).await.unwrap();
        }
    }
}

/// Shows what the nodes log, to who sets `FLOE_LOG`.
fn log() {
    if let Ok(filter) = std::env::var("FLOE_LOG") {
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
        // Every test of the process asks; the first one is enough.
        drop(subscriber.with_writer(std::io::stderr).try_init());
    }
}

fn node_id(place: usize) -> NodeId {
    NodeId(u32::try_from(place).unwrap())
}

/// Waits until `condition` holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, holds).await.is_err() {
        panic!("not within {PATIENCE:?}: {what}");
    }
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub(crate) async fn create_topic(broker: &Broker, name: &str, partitions: u32) -> TopicInfo {
    let request = CreateTopic {
        name: topic_name(name),
        partitions,
        replication: None,
        configs: BTreeMap::new(),
        if_not_exists: false,
        timeout_ms: 30_000,
    };
    broker.create_topic(request).await.unwrap()
}

pub(crate) fn key_of(topic: &TopicInfo, partition: u32) -> PartitionKey {
    PartitionKey {
        topic_id: topic.topic_id,
        partition: PartitionIndex(partition),
    }
}

/// A batch of records with these values.
pub(crate) fn batch(values: &[&str], producer: Option<(ProducerIdentity, i32)>) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    if let Some((identity, sequence)) = producer {
        let (id, epoch) = (identity.producer_id, identity.producer_epoch);
        builder.producer(id, epoch, Sequence(sequence));
    }
    for value in values {
        let value = Some(Bytes::copy_from_slice(value.as_bytes()));
        builder.push(&Record {
            timestamp_ms: 1_000,
            key: None,
            value,
            headers: Vec::new(),
        });
    }
    builder.build()
}

/// One attempt on one node.
pub(crate) async fn produce(
    broker: &Broker,
    key: PartitionKey,
    batch: Bytes,
) -> Result<Offset, Failure> {
    produce_with(broker, key, batch, Acks::Quorum).await
}

pub(crate) async fn produce_with(
    broker: &Broker,
    key: PartitionKey,
    batch: Bytes,
    acks: Acks,
) -> Result<Offset, Failure> {
    let parts = vec![ProducePart {
        key,
        batches: vec![batch.into()],
    }];
    let request = Produce {
        acks,
        timeout_ms: 5_000,
        parts,
    };
    let mut replies = broker.produce(request).await?;
    Ok(replies.remove(0).outcome?.base_offsets[0])
}

pub(crate) fn fetch_request(key: PartitionKey, offset: Offset, wait_ms_max: u32) -> Fetch {
    Fetch {
        wait_ms_max,
        min_bytes: 1,
        bytes_max: 8 << 20,
        parts: vec![FetchPart {
            key,
            offset,
            bytes_max: 1 << 20,
            owner: None,
        }],
    }
}

/// One attempt on one node: offsets and values from `offset` on.
pub(crate) async fn fetch(
    broker: &Broker,
    key: PartitionKey,
    offset: Offset,
    wait_ms_max: u32,
) -> Result<Vec<(Offset, String)>, Failure> {
    let mut replies = broker
        .fetch(fetch_request(key, offset, wait_ms_max))
        .await?;
    let limits = Limits {
        batch_bytes_max: 8 << 20,
        decompressed_bytes_max: 64 << 20,
    };
    let mut found = Vec::new();
    for batch in replies.remove(0).outcome? {
        for (at, record) in records(&batch.into_batch().unwrap(), &limits).unwrap() {
            if at >= offset {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                found.push((at, value));
            }
        }
    }
    Ok(found)
}

/// Everything in a partition, from its leader.
pub(crate) async fn read_all(cluster: &Cluster, key: PartitionKey) -> Vec<(Offset, String)> {
    let mut all: Vec<(Offset, String)> = Vec::new();
    loop {
        let (_, broker) = cluster.leader(key).await;
        let next = all.last().map_or(Offset(0), |(offset, _)| *offset + 1);
        match fetch(&broker, key, next, 0).await {
            Ok(more) if more.is_empty() => return all,
            Ok(more) => all.extend(more),
            Err(failure) if failure.code.is_retriable() => {}
            Err(failure) => panic!("fetch failed: {failure:?}"),
        }
    }
}

pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> ErrorCode {
    outcome.unwrap_err().code
}

pub(crate) fn no_epoch() -> LeaderEpoch {
    LeaderEpoch(-1)
}
