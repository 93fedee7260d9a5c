//! All nodes of a round, and how they answer.
//!
//! Invariant: a node that ends by itself is a trouble, unless what was just done to it excuses
//! that; it is started again either way.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use floe_client::{Admin, ChaosFault, ChaosRequest, ChaosState, Client, NodeId};
use floe_env::Env;
use floe_jepsen::live::Book;
use futures::future::join_all;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::node::{Blueprint, Node};

/// For an answer of a node that nothing is wrong with.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// From the start of the processes until a client has found the cluster.
const FORM_LIMIT: Duration = Duration::from_secs(60);
/// What a log has of a panic.
const PANIC: &str = "panicked at";

/// All nodes.
pub(crate) struct Cluster {
    /// The nodes, ascending from 1.
    pub(crate) nodes: Vec<Node>,
    blueprint: Blueprint,
    admin: Admin,
    /// Nodes that may have ended over what was done to them.
    excused: BTreeSet<u32>,
}

impl Cluster {
    /// Starts all nodes in `home` and waits until a client finds them.
    pub(crate) async fn form(
        blueprint: &Blueprint,
        home: &Path,
        has_volumes: bool,
        env: &Env,
    ) -> Result<(Self, Client), Failure> {
        let mut nodes = Vec::new();
        for id in 1..=blueprint.nodes {
            nodes.push(Node::make(id, home, has_volumes, blueprint).await?);
        }
        for node in &mut nodes {
            node.start()?;
        }
        let client = connect(blueprint, env).await?;
        let cluster = Self {
            nodes,
            blueprint: blueprint.clone(),
            admin: client.admin().timeout(ANSWER_LIMIT),
            excused: BTreeSet::new(),
        };
        Ok((cluster, client))
    }

    /// The nodes with these numbers.
    pub(crate) fn of<'a>(
        &'a mut self,
        numbers: &'a BTreeSet<u32>,
    ) -> impl Iterator<Item = &'a mut Node> {
        let nodes = self.nodes.iter_mut();
        nodes.filter(|node| numbers.contains(&node.id))
    }

    /// How a node is, within a moment.
    pub(crate) async fn look(&self, node: u32) -> Option<ChaosState> {
        self.ask(node, ChaosRequest::Describe).await
    }

    /// Makes a node suffer. Whether it said that it does.
    pub(crate) async fn inject(&self, node: u32, fault: ChaosFault, length: Duration) -> bool {
        let length_ms = u32::try_from(length.as_millis()).unwrap_or(u32::MAX);
        let request = ChaosRequest::Inject { fault, length_ms };
        self.ask(node, request).await.is_some()
    }

    /// Ends what nodes inject into themselves.
    pub(crate) async fn heal(&self) {
        let heal = |node: &Node| self.ask(node.id, ChaosRequest::Heal);
        join_all(self.nodes.iter().map(heal)).await;
    }

    async fn ask(&self, node: u32, request: ChaosRequest) -> Option<ChaosState> {
        let addr = self.blueprint.own_client_addr(node);
        self.admin.chaos(&addr, request).await.ok()
    }

    /// Whatever ends of these from now until the next call is no trouble.
    pub(crate) fn excuse(&mut self, nodes: &BTreeSet<u32>) {
        self.excused.clone_from(nodes);
    }

    /// Starts what has ended by itself.
    pub(crate) fn revive(&mut self, book: &Book) -> Result<(), Failure> {
        for node in &mut self.nodes {
            if let Some(status) = node.ended()
                && !self.excused.contains(&node.id)
            {
                book.trouble(format!("node {} ended by itself: {status}", node.id));
            }
            if !node.is_started() {
                node.start()?;
            }
        }
        Ok(())
    }

    /// Waits until all nodes serve and suffer nothing. Those that do not after `limit`.
    pub(crate) async fn settled(
        &mut self,
        limit: Duration,
        book: &Book,
    ) -> Result<Vec<u32>, Failure> {
        let deadline = Instant::now() + limit;
        loop {
            self.revive(book)?;
            let unwell = self.unwell().await;
            if unwell.is_empty() || Instant::now() >= deadline {
                return Ok(unwell);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn unwell(&self) -> Vec<u32> {
        let looks = self.nodes.iter().map(|node| async {
            let state = self.look(node.id).await;
            let is_well = state.is_some_and(|state| state.ready && !state.broken);
            (!is_well).then_some(node.id)
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// Lines of logs that must not be there.
    pub(crate) fn panics(&self) -> Vec<String> {
        let mut found = Vec::new();
        for node in &self.nodes {
            let path = self.blueprint.logs.join(format!("node-{}.log", node.id));
            let log = std::fs::read_to_string(path).unwrap_or_default();
            let lines = log.lines().filter(|line| line.contains(PANIC));
            found.extend(lines.map(|line| format!("node {}: {line}", node.id)));
        }
        found
    }
}

/// The numbers of nodes as the product has them.
pub(crate) fn ids(nodes: &[u32]) -> Vec<NodeId> {
    nodes.iter().map(|node| NodeId(*node)).collect()
}

async fn connect(blueprint: &Blueprint, env: &Env) -> Result<Client, Failure> {
    let addresses: Vec<_> = (1..=blueprint.nodes)
        .map(|node| blueprint.client_addr(node))
        .collect();
    let seeds = addresses.join(",");
    let connecting = async {
        loop {
            match Client::connect_in(env.clone(), &seeds).await {
                Ok(client) => return client,
                Err(_) => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    };
    let connected = tokio::time::timeout(FORM_LIMIT, connecting).await;
    connected.map_err(|_| Failure::NeverServed { limit: FORM_LIMIT })
}
