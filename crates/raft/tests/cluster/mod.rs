//! Nodes of one process over real loopback TCP, each on a runtime of its own so that it can be
//! killed, with a network whose directions can be cut one by one.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "shared by several test binaries"
)]

mod cut_net;
mod journalled;
mod stuck_disk;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use floe_env::Env;
use floe_journal::{GroupKind, Journal, JournalConfig};
use floe_model::{ErrorCode, LeaderEpoch, NodeId, NodeUuid, RaftGroupId, ReplicaId};
use floe_raft::{
    Applied, ClusterHandler, GroupSpec, PeerAddr, Proposal, ProposeError, RaftConfig, RaftGroup,
    RaftNode, Voter,
};
use floe_rpc::{ClusterReply, ClusterRequest, Failure, PeerIdentity};
use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::Instant;

pub(crate) use cut_net::Cuts;
pub(crate) use journalled::Journalled;
pub(crate) use stuck_disk::StuckDisk;

const DEADLINE: Duration = Duration::from_secs(20);

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

pub(crate) struct TestNode {
    pub(crate) id: NodeId,
    pub(crate) uuid: NodeUuid,
    pub(crate) raft: RaftNode,
    pub(crate) journal: Journal,
    runtime: Option<Runtime>,
}

impl TestNode {
    /// Runs something on the node's own runtime, so that what it spawns dies with the node.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.runtime.as_ref().unwrap().spawn(work).await.unwrap()
    }
}

pub(crate) struct TestCluster {
    pub(crate) nodes: BTreeMap<NodeId, TestNode>,
    pub(crate) cuts: Cuts,
    pub(crate) disks: BTreeMap<NodeId, StuckDisk>,
    pub(crate) config: fn(NodeId) -> RaftConfig,
    dirs: BTreeMap<NodeId, TempDir>,
    addrs: BTreeMap<NodeId, String>,
    uuids: BTreeMap<NodeId, NodeUuid>,
}

impl TestCluster {
    pub(crate) async fn start(count: u32) -> Self {
        Self::start_with(count, RaftConfig::new).await
    }

    pub(crate) async fn start_with(count: u32, config: fn(NodeId) -> RaftConfig) -> Self {
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            cuts: Cuts::default(),
            disks: BTreeMap::new(),
            config,
            dirs: BTreeMap::new(),
            addrs: BTreeMap::new(),
            uuids: BTreeMap::new(),
        };
        for id in (1..=count).map(NodeId) {
            cluster.dirs.insert(id, TempDir::new().unwrap());
            cluster.addrs.insert(id, "127.0.0.1:0".to_owned());
            cluster.start_node(id).await;
        }
        cluster.connect();
        cluster
    }

    /// Starts a node, or starts it again on its old disk and port.
    pub(crate) async fn start_node(&mut self, id: NodeId) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut env = Env::real().unwrap();
        env.net = self.cuts.net(id, env.net.clone());
        let disk = self.disks.entry(id).or_default();
        env.vfs = disk.vfs(env.vfs.clone());
        let journal = JournalConfig {
            journal_bytes: 32 << 20,
            journal_segment_bytes: 4 << 20,
            partition_segment_bytes: 64 << 10,
            prewrite: false,
            disk_reserve_bytes: 0,
            // Only what is synced may be dropped.
            checkpoint_interval_ms: 200,
            ..JournalConfig::new(self.dirs[&id].path())
        };
        let (addr, config) = (self.addrs[&id].clone(), (self.config)(id));
        let started = runtime.spawn(async move {
            let journal = Journal::open(journal, id, &env).await.unwrap();
            let listener = env.net.listen(&addr).await.unwrap();
            let addr = listener.local_addr().to_string();
            let ours = journal.identity();
            let identity = PeerIdentity {
                cluster_id: None,
                cluster_name: "test".to_owned(),
                node_id: id,
                node_uuid: ours.node_uuid,
                incarnation: ours.incarnation,
            };
            let cluster = Arc::new(NoCluster);
            let raft =
                RaftNode::start(config, env, journal.clone(), identity, listener, cluster).await;
            (raft.unwrap(), journal, addr, ours.node_uuid)
        });
        let (raft, journal, addr, uuid) = started.await.unwrap();
        self.cuts.place(id, addr.clone());
        self.addrs.insert(id, addr);
        self.uuids.insert(id, uuid);
        let runtime = Some(runtime);
        let node = TestNode {
            id,
            uuid,
            raft,
            journal,
            runtime,
        };
        self.nodes.insert(id, node);
    }

    /// Makes all nodes each other's peers.
    pub(crate) fn connect(&self) {
        let peers = self.addrs.iter().map(|(id, addr)| {
            let peer = PeerAddr {
                addr: addr.clone(),
                node_uuid: Some(self.uuids[id]),
            };
            (*id, peer)
        });
        let peers: BTreeMap<_, _> = peers.collect();
        for node in self.nodes.values() {
            let _inside = node.runtime.as_ref().unwrap().enter();
            node.raft.set_peers(peers.clone());
        }
    }

    pub(crate) fn founders(&self, group: RaftGroupId) -> Vec<Voter> {
        let voters = self.uuids.iter().map(|(id, uuid)| Voter {
            replica_id: replica_of(group, *id),
            node_id: *id,
            node_uuid: *uuid,
        });
        voters.collect()
    }

    pub(crate) fn spec(&self, group: RaftGroupId, node: NodeId, kind: GroupKind) -> GroupSpec {
        GroupSpec {
            group,
            kind,
            timers: group == RaftGroupId::METADATA,
            replica_id: replica_of(group, node),
            founders: self.founders(group),
        }
    }

    pub(crate) async fn open_on(
        &self,
        node: NodeId,
        group: RaftGroupId,
        kind: GroupKind,
    ) -> Journalled {
        self.open_spec(node, self.spec(group, node, kind)).await
    }

    pub(crate) async fn open_spec(&self, node: NodeId, spec: GroupSpec) -> Journalled {
        let machine = Journalled::default();
        let raft = self.nodes[&node].raft.clone();
        let boxed = Box::new(machine.clone());
        let opened = self.nodes[&node].run(async move { raft.open_group(spec, boxed).await });
        opened.await.unwrap();
        machine
    }

    pub(crate) async fn open(
        &self,
        group: RaftGroupId,
        kind: GroupKind,
    ) -> BTreeMap<NodeId, Journalled> {
        let mut machines = BTreeMap::new();
        for id in self.nodes.keys() {
            machines.insert(*id, self.open_on(*id, group, kind).await);
        }
        machines
    }

    /// As kill -9 does: nothing is flushed, closed or said.
    pub(crate) fn kill(&mut self, id: NodeId) {
        let mut node = self.nodes.remove(&id).unwrap();
        node.runtime.take().unwrap().shutdown_background();
    }

    /// Stops a node in order but without handing over what it leads.
    pub(crate) async fn stop(&mut self, id: NodeId) {
        let mut node = self.nodes.remove(&id).unwrap();
        let (raft, journal) = (node.raft.clone(), node.journal.clone());
        let stopped = node.run(async move {
            raft.shutdown().await;
            drop(raft);
            journal.shutdown().await
        });
        stopped.await.unwrap();
        node.runtime.take().unwrap().shutdown_background();
    }

    /// The disk of a stopped node as it is now.
    pub(crate) fn copy_disk(&self, id: NodeId) -> TempDir {
        let copy = TempDir::new().unwrap();
        copy_all(self.dirs[&id].path(), copy.path());
        copy
    }

    /// Gives a stopped node an older disk.
    pub(crate) fn put_disk(&mut self, id: NodeId, disk: &TempDir) {
        let dir = TempDir::new().unwrap();
        copy_all(disk.path(), dir.path());
        self.dirs.insert(id, dir);
    }

    pub(crate) fn group(&self, node: NodeId, group: RaftGroupId) -> RaftGroup {
        self.nodes[&node].raft.group(group).unwrap()
    }

    /// A node that may serve the group, and the epoch.
    pub(crate) fn serving(&self, group: RaftGroupId) -> Option<(NodeId, LeaderEpoch)> {
        let serving = self.nodes.values().filter_map(|node| {
            let role = node.raft.group(group)?.role();
            Some((node.id, role.serving_epoch()?))
        });
        serving.max_by_key(|(_, epoch)| *epoch)
    }

    pub(crate) async fn leader(&self, group: RaftGroupId) -> (NodeId, LeaderEpoch) {
        until("a leader", || self.serving(group)).await
    }

    /// Proposes until it is committed; a proposal whose outcome is unknown is not repeated.
    pub(crate) async fn propose(&self, group: RaftGroupId, command: &str) -> Applied {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < DEADLINE, "not committed: {command}");
            let (node, epoch) = self.leader(group).await;
            let command = bytes::Bytes::copy_from_slice(command.as_bytes());
            let proposal = Proposal::Control(command);
            match self.group(node, group).propose(epoch, proposal).await {
                Ok(applied) => return applied,
                Err(ProposeError::NotLeader { .. } | ProposeError::Busy) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) fn shutdown(mut self) {
        for (_, mut node) in std::mem::take(&mut self.nodes) {
            let runtime = node.runtime.take().unwrap();
            runtime.spawn({
                let raft = node.raft.clone();
                async move { raft.shutdown().await }
            });
            runtime.shutdown_background();
        }
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        self.disks.values().for_each(StuckDisk::release);
        for node in self.nodes.values_mut() {
            if let Some(runtime) = node.runtime.take() {
                runtime.shutdown_background();
            }
        }
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

pub(crate) fn replica_of(group: RaftGroupId, node: NodeId) -> ReplicaId {
    ReplicaId(group.0 * 100 + u64::from(node.0))
}

/// Waits until `ready` gives something.
pub(crate) async fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
