//! The nodes of the cluster under test, asked one by one about faults.
//!
//! Invariant: a node is asked to suffer a fault only after every node said that it allows them.

use std::time::Duration;

use floe_client::{Admin, ChaosFault, ChaosRequest, ChaosState, Error, NodeId};
use tokio::time::Instant;

use crate::connection::Connection;
use crate::failure::{CommandError, ExitStatus};

/// For an answer of a node that nothing is wrong with.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at a node that is to come back.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A node.
#[derive(Clone, Debug)]
pub(super) struct TestedNode {
    pub(super) id: NodeId,
    addr: String,
    /// Whether it can be killed and paused.
    pub(super) supervised: bool,
}

impl TestedNode {
    pub(super) fn new(id: NodeId, addr: String, supervised: bool) -> Self {
        Self {
            id,
            addr,
            supervised,
        }
    }
}

/// All nodes, ascending.
#[derive(Clone)]
pub(super) struct TestedNodes {
    admin: Admin,
    pub(super) all: Vec<TestedNode>,
}

impl TestedNodes {
    /// Finds the nodes; refuses when one of them does not allow faults.
    pub(super) async fn find(connection: &Connection) -> Result<Self, CommandError> {
        let admin = connection.admin();
        let cluster = admin.cluster().await;
        let cluster = cluster.map_err(|error| connection.explain(&error))?;
        let admin = connection.client.admin().timeout(ANSWER_LIMIT);
        let mut all = Vec::new();
        for node in cluster.nodes {
            let id = node.node;
            let asked = admin.chaos(&node.client_addr, ChaosRequest::Describe).await;
            let state = asked.map_err(|error| does_not_answer(id, &node.client_addr, &error))?;
            if !state.allowed {
                return Err(refusal(id, &node.client_addr));
            }
            all.push(TestedNode::new(id, node.client_addr, state.supervised));
        }
        Ok(Self { admin, all })
    }

    /// How a node is, within `limit`.
    pub(super) async fn look(&self, node: &TestedNode, limit: Duration) -> Option<ChaosState> {
        let admin = self.admin.clone().timeout(limit);
        admin.chaos(&node.addr, ChaosRequest::Describe).await.ok()
    }

    /// Makes a node suffer. `false` when it refused or did not answer.
    pub(super) async fn inject(
        &self,
        node: &TestedNode,
        fault: ChaosFault,
        length: Duration,
    ) -> bool {
        let length_ms = u32::try_from(length.as_millis()).unwrap_or(u32::MAX);
        let request = ChaosRequest::Inject { fault, length_ms };
        let injected = self.admin.chaos(&node.addr, request).await;
        if let Err(error) = &injected {
            tracing::debug!(%error, node = node.id.0, "no fault injected");
        }
        injected.is_ok()
    }

    /// Ends the faults of all nodes, as far as they answer; what is left ends by itself.
    pub(super) async fn heal(&self) {
        let healing = self.all.iter().map(|node| async {
            let healed = self.admin.chaos(&node.addr, ChaosRequest::Heal).await;
            if let Err(error) = healed {
                tracing::debug!(%error, node = node.id.0, "not healed");
            }
        });
        futures::future::join_all(healing).await;
    }

    /// Waits until `node` is in another life than `former` and answers.
    pub(super) async fn is_back(
        &self,
        node: &TestedNode,
        former: &ChaosState,
        limit: Duration,
    ) -> bool {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match self.look(node, LOOK_INTERVAL * 10).await {
                Some(state) if state.incarnation != former.incarnation => return true,
                Some(_) | None => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
        false
    }

    /// Waits until all nodes serve and suffer nothing. The nodes that do not after `limit`.
    pub(super) async fn settled(&self, limit: Duration) -> Result<(), Vec<NodeId>> {
        let deadline = Instant::now() + limit;
        loop {
            let looks = self.all.iter().map(|node| async {
                let state = self.look(node, LOOK_INTERVAL * 10).await;
                let is_well = state.is_some_and(|state| state.ready && !state.broken);
                (!is_well).then_some(node.id)
            });
            let looks = futures::future::join_all(looks).await;
            let unwell: Vec<NodeId> = looks.into_iter().flatten().collect();
            if unwell.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(unwell);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

fn refusal(id: NodeId, addr: &str) -> CommandError {
    CommandError::usage(format!(
        "refused: node {} does not allow faults (chaos = false)",
        id.0
    ))
    .at(format!("asked {addr}; every node must allow them"))
    .next("put this before the sections of its file and restart it:  chaos = true")
}

fn does_not_answer(id: NodeId, addr: &str, error: &Error) -> CommandError {
    let what = format!("node {} does not answer: {error}", id.0);
    CommandError::new(ExitStatus::Unavailable, what)
        .at(format!(
            "asked {addr}; faults begin when all nodes are there"
        ))
        .next(format!(
            "see what is missing:  floe cluster nodes --server {addr}"
        ))
}
