//! A cluster in one process: nodes on loopback that share one state, speak the real protocol and
//! misbehave on demand. Its partitions check sequences as a broker does.

mod groups;
mod log;
mod service;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use floe_client::{
    Client, ErrorCode, LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId, TopicName,
};
use floe_env::{Connection, Env, Listener};
use floe_model::{ClusterId, Incarnation, NodeUuid};
use floe_rpc::{ClientApi as _, PeerIdentity, Serve as _, ServerLimits, serve_client};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::groups::Groups;
pub(crate) use self::log::Log;
use self::service::Service;

pub(crate) const CLUSTER: ClusterId = ClusterId([9; 16]);

/// What a node does with a produce request instead of answering well.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Refuses each part; nothing is appended.
    Refuse(ErrorCode),
    /// Appends, then answers each part with an unknown outcome.
    AppendThenTimeout,
    /// Appends, then cuts every connection of the node.
    AppendThenCut,
    /// Cuts every connection of the node first.
    Cut,
    /// Appends, but forgets what it knows of producers first.
    ForgetProducers,
}

/// One produce request as a node saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Of each batch: partition, base sequence, record count.
    pub(crate) batches: Vec<(PartitionIndex, i32, i32)>,
}

pub(crate) struct Topic {
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<Log>,
}

/// What all nodes share.
pub(crate) struct State {
    pub(crate) addrs: BTreeMap<NodeId, String>,
    pub(crate) topics: BTreeMap<TopicName, Topic>,
    pub(crate) metadata_version: u64,
    pub(crate) next_producer: i64,
    pub(crate) next_topic: u8,
    pub(crate) faults: BTreeMap<NodeId, VecDeque<Fault>>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) gives_hints: bool,
    /// While set, produce requests wait.
    pub(crate) holds_produce: bool,
    pub(crate) groups: Groups,
    pub(crate) cuts: BTreeMap<NodeId, CancellationToken>,
}

pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// Something was appended, committed or released.
    pub(crate) changed: Notify,
}

struct Node {
    id: NodeId,
    paused: watch::Sender<bool>,
    stop: CancellationToken,
}

pub(crate) struct Cluster {
    pub(crate) shared: Arc<Shared>,
    pub(crate) env: Env,
    nodes: Vec<Node>,
    tasks: JoinSet<()>,
}

impl Cluster {
    pub(crate) async fn start(node_count: u32) -> Self {
        let env = Env::real().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                addrs: BTreeMap::new(),
                topics: BTreeMap::new(),
                metadata_version: 1,
                next_producer: 100,
                next_topic: 1,
                faults: BTreeMap::new(),
                seen: Vec::new(),
                gives_hints: true,
                holds_produce: false,
                groups: Groups::default(),
                cuts: BTreeMap::new(),
            }),
            changed: Notify::new(),
        });
        let mut cluster = Self {
            shared,
            env,
            nodes: Vec::new(),
            tasks: JoinSet::new(),
        };
        for id in 1..=node_count {
            cluster.start_node(NodeId(id)).await;
        }
        cluster
    }

    async fn start_node(&mut self, id: NodeId) {
        let listener = self.env.net.listen("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().to_string();
        let (paused, watch) = watch::channel(false);
        let stop = CancellationToken::new();
        {
            let mut state = self.shared.state.lock();
            state.addrs.insert(id, addr);
            state.cuts.insert(id, CancellationToken::new());
        }
        let shared = Arc::clone(&self.shared);
        self.tasks
            .spawn(accept(shared, id, listener, watch, stop.clone()));
        self.nodes.push(Node { id, paused, stop });
    }

    /// Every node's address, as a user would list them.
    pub(crate) fn seeds(&self) -> String {
        let state = self.shared.state.lock();
        state.addrs.values().cloned().collect::<Vec<_>>().join(",")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect_in(self.env.clone(), &self.seeds())
            .await
            .unwrap()
    }

    /// Makes a topic whose partition i is led by node i mod n.
    pub(crate) fn topic(&self, name: &str, partition_count: u32) -> TopicName {
        let name = TopicName::new(name).unwrap();
        self.shared.state.lock().create(&name, partition_count);
        name
    }

    pub(crate) fn partition<T>(
        &self,
        topic: &TopicName,
        partition: u32,
        look: impl FnOnce(&mut Log) -> T,
    ) -> T {
        let mut state = self.shared.state.lock();
        let topic = state.topics.get_mut(topic).unwrap();
        let found = look(&mut topic.partitions[partition as usize]);
        drop(state);
        self.shared.changed.notify_waiters();
        found
    }

    /// Every value of a partition, in order.
    pub(crate) fn values(&self, topic: &TopicName, partition: u32) -> Vec<String> {
        self.partition(topic, partition, |log| log.values())
    }

    pub(crate) fn move_leader(&self, topic: &TopicName, partition: u32, to: u32) {
        self.partition(topic, partition, |log| {
            log.leader = Some(NodeId(to));
            log.epoch = LeaderEpoch(log.epoch.0 + 1);
        });
    }

    pub(crate) fn fault(&self, node: u32, fault: Fault) {
        let mut state = self.shared.state.lock();
        state
            .faults
            .entry(NodeId(node))
            .or_default()
            .push_back(fault);
    }

    pub(crate) fn hold_produce(&self, holds: bool) {
        self.shared.state.lock().holds_produce = holds;
        self.shared.changed.notify_waiters();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.state.lock().seen.clone()
    }

    /// Stops answering, as a stopped process does: connections stay.
    pub(crate) fn pause(&self, node: u32, is_paused: bool) {
        let node = self
            .nodes
            .iter()
            .find(|other| other.id == NodeId(node))
            .unwrap();
        node.paused.send_replace(is_paused);
    }

    /// Ends a node: its connections break and its port refuses.
    pub(crate) fn kill(&self, node: u32) {
        let node = self
            .nodes
            .iter()
            .find(|other| other.id == NodeId(node))
            .unwrap();
        node.stop.cancel();
        self.shared.state.lock().cuts[&node.id].cancel();
    }
}

impl State {
    pub(crate) fn create(&mut self, name: &TopicName, partition_count: u32) -> TopicId {
        let id = TopicId([self.next_topic; 16]);
        self.next_topic += 1;
        self.metadata_version += 1;
        let nodes: Vec<NodeId> = self.addrs.keys().copied().collect();
        let partitions = (0..partition_count as usize).map(|place| Log {
            leader: Some(nodes[place % nodes.len()]),
            ..Log::default()
        });
        let partitions = partitions.collect();
        self.topics.insert(name.clone(), Topic { id, partitions });
        id
    }

    pub(crate) fn log(&mut self, key: floe_client::PartitionKey) -> Option<&mut Log> {
        let topic = self
            .topics
            .values_mut()
            .find(|topic| topic.id == key.topic_id)?;
        topic.partitions.get_mut(key.partition.0 as usize)
    }
}

async fn accept(
    shared: Arc<Shared>,
    id: NodeId,
    mut listener: Box<dyn Listener>,
    paused: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let mut sessions = JoinSet::new();
    loop {
        let connection = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted.unwrap(),
        };
        sessions.spawn(serve(Arc::clone(&shared), id, connection, paused.clone()));
    }
}

async fn serve(
    shared: Arc<Shared>,
    id: NodeId,
    connection: Connection,
    paused: watch::Receiver<bool>,
) {
    let me = PeerIdentity {
        cluster_id: Some(CLUSTER),
        cluster_name: "fake".to_owned(),
        node_id: id,
        node_uuid: NodeUuid([id.0 as u8; 16]),
        incarnation: Incarnation(1),
    };
    let cut = shared.state.lock().cuts[&id].clone();
    let service = Service { shared, id };
    let handler = move |context, request| {
        let (service, mut paused) = (service.clone(), paused.clone());
        async move {
            paused.wait_for(|paused| !paused).await.unwrap();
            service.serve().serve(context, request).await
        }
    };
    // A client that goes is no failure of the test.
    drop(serve_client(connection, &me, ServerLimits::default(), handler, cut).await);
}

/// Waits until `condition` holds; fails the test when it does not within ten seconds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(in_time.is_ok(), "not in time: {what}");
}

/// Watches for `window` that `condition` holds: for what must not happen, which no event announces.
pub(crate) async fn holds_for(what: &str, window: Duration, mut condition: impl FnMut() -> bool) {
    let broken = async {
        while condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_window = tokio::time::timeout(window, broken).await;
    assert!(in_window.is_err(), "no longer so: {what}");
}

/// An offset, for comparisons.
pub(crate) fn at(offset: i64) -> Offset {
    Offset(offset)
}
