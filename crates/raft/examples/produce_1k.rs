//! Measures many groups of small entries on three nodes in this process: synced journals on disk,
//! real loopback TCP. Prints throughput, latency and CPU of the whole process.
//!
//! `produce_1k <dir> <groups> <proposals in flight per group> <batches per entry> <seconds>`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floe_env::Env;
use floe_journal::{Journal, JournalConfig};
use floe_model::{ErrorCode, NodeId, NodeUuid, RaftGroupId, ReplicaId};
use floe_raft::{
    ClusterHandler, CorruptState, GroupKind, GroupSpec, PeerAddr, Proposal, RaftConfig, RaftGroup,
    RaftNode, StateMachine, Voter,
};
use floe_record::{BatchBuilder, Compression, Entry, Record, StampedBatch};
use floe_rpc::{ClusterReply, ClusterRequest, Failure, PeerIdentity};
use futures::future::BoxFuture;
use tokio::time::Instant;

struct Nothing;

impl StateMachine for Nothing {
    fn apply(&mut self, _: &Entry) -> Bytes {
        Bytes::new()
    }

    fn snapshot(&mut self) -> Bytes {
        Bytes::new()
    }

    fn restore(&mut self, _: Option<&[u8]>) -> Result<(), CorruptState> {
        Ok(())
    }
}

struct NoCluster;

impl ClusterHandler for NoCluster {
    fn handle(
        &self,
        _: PeerIdentity,
        _: ClusterRequest,
    ) -> BoxFuture<'static, Result<ClusterReply, Failure>> {
        Box::pin(async { Err(Failure::from(ErrorCode::NotController)) })
    }
}

struct Node {
    raft: RaftNode,
    journal: Journal,
    uuid: NodeUuid,
    addr: String,
}

async fn start(dir: &Path, id: NodeId) -> Node {
    let env = Env::real().unwrap();
    let config = JournalConfig::new(dir.join(id.to_string()));
    let journal = Journal::open(config, id, &env).await.unwrap();
    let listener = env.net.listen("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().to_string();
    let ours = journal.identity();
    let identity = PeerIdentity {
        cluster_id: None,
        cluster_name: "bench".to_owned(),
        node_id: id,
        node_uuid: ours.node_uuid,
        incarnation: ours.incarnation,
    };
    let (config, handler) = (RaftConfig::new(id), Arc::new(NoCluster));
    let raft = RaftNode::start(config, env, journal.clone(), identity, listener, handler).await;
    Node {
        raft: raft.unwrap(),
        journal,
        uuid: ours.node_uuid,
        addr,
    }
}

fn batch() -> StampedBatch {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&Record {
        timestamp_ms: 0,
        key: None,
        value: Some(Bytes::from(vec![7; 1000])),
        headers: Vec::new(),
    });
    StampedBatch::split(builder.build()).unwrap()
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

async fn open_all(nodes: &BTreeMap<NodeId, Node>, groups: u64) {
    for group in (1000..1000 + groups).map(RaftGroupId) {
        let mut founders: Vec<_> = nodes
            .iter()
            .map(|(id, node)| Voter {
                replica_id: ReplicaId(group.0 * 10 + u64::from(id.0)),
                node_id: *id,
                node_uuid: node.uuid,
            })
            .collect();
        founders.rotate_left(usize::try_from(group.0).unwrap() % nodes.len());
        let opened = nodes.iter().map(|(id, node)| {
            let spec = GroupSpec {
                group,
                kind: GroupKind::Data,
                timers: false,
                replica_id: ReplicaId(group.0 * 10 + u64::from(id.0)),
                founders: founders.clone(),
            };
            node.raft.open_group(spec, Box::new(Nothing))
        });
        for opened in futures::future::join_all(opened).await {
            opened.unwrap();
        }
    }
}

async fn leaders(nodes: &BTreeMap<NodeId, Node>, groups: u64) -> Vec<RaftGroup> {
    let mut found = Vec::new();
    for group in (1000..1000 + groups).map(RaftGroupId) {
        loop {
            let mut handles = nodes.values().filter_map(|node| node.raft.group(group));
            if let Some(leader) = handles.find(|group| group.role().serving_epoch().is_some()) {
                found.push(leader);
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    found
}

async fn produce(leader: RaftGroup, batches: usize, until: Instant, latencies: &mut Vec<Duration>) {
    while Instant::now() < until {
        let Some(epoch) = leader.role().serving_epoch() else {
            println!("{} lost its leader", leader.id());
            return;
        };
        let proposal = Proposal::Data(vec![batch(); batches]);
        let begun = Instant::now();
        match leader.propose(epoch, proposal).await {
            Ok(_) => latencies.push(begun.elapsed()),
            Err(error) => {
                println!("{}: {error}", leader.id());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn measure(leaders: &[RaftGroup], in_flight: usize, batches: usize, seconds: u64) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let (begun, cpu_before) = (Instant::now(), cpu());
    let mut producers = tokio::task::JoinSet::new();
    for leader in leaders {
        for _ in 0..in_flight {
            let leader = leader.clone();
            producers.spawn(async move {
                let mut latencies = Vec::new();
                produce(leader, batches, until, &mut latencies).await;
                latencies
            });
        }
    }
    let mut all: Vec<_> = producers.join_all().await.into_iter().flatten().collect();
    let (elapsed, cpu) = (begun.elapsed(), cpu() - cpu_before);
    all.sort_unstable();
    let at = |quantile: f64| all[((all.len() - 1) as f64 * quantile) as usize];
    let entries = all.len() as f64;
    println!(
        "{} groups x {in_flight} in flight x {batches} batches: {:.0} entries/s, {:.0} batches/s, \
         p50 {:?}, p99 {:?}, max {:?}, {:.0} us CPU per entry, {:.0} % of a core",
        leaders.len(),
        entries / elapsed.as_secs_f64(),
        entries * batches as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0),
        cpu.as_micros() as f64 / entries,
        100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64(),
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |index: usize, default: u64| {
        args.get(index)
            .map_or(default, |text| text.parse().unwrap())
    };
    let dir = args.get(1).expect("a directory").clone();
    let (groups, in_flight, batches, seconds) =
        (number(2, 1000), number(3, 1), number(4, 1), number(5, 5));
    let mut nodes = BTreeMap::new();
    for id in (1..=3).map(NodeId) {
        nodes.insert(id, start(Path::new(&dir), id).await);
    }
    let peers = nodes.iter().map(|(id, node)| {
        let peer = PeerAddr {
            addr: node.addr.clone(),
            node_uuid: Some(node.uuid),
        };
        (*id, peer)
    });
    let peers: BTreeMap<_, _> = peers.collect();
    for node in nodes.values() {
        node.raft.set_peers(peers.clone());
    }
    let begun = Instant::now();
    open_all(&nodes, groups).await;
    let leaders = leaders(&nodes, groups).await;
    println!(
        "{groups} groups led after {:?}, RSS {} MiB",
        begun.elapsed(),
        rss_mib()
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = cpu();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let idle = (cpu() - before).as_secs_f64() / 10.0;
    println!("idle: {:.2} % of a core over three nodes", idle * 100.0);
    let in_flight = usize::try_from(in_flight).unwrap();
    measure(
        &leaders,
        in_flight,
        usize::try_from(batches).unwrap(),
        seconds,
    )
    .await;
    println!("RSS {} MiB", rss_mib());
    for (id, node) in &nodes {
        println!("node {id}: {:?}", node.journal.metrics());
    }
    std::process::exit(0);
}
