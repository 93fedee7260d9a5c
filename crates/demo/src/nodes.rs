//! The demo's cluster: three `floe serve` processes on free loopback ports.
//!
//! Started as a user would start them, with configuration in environment variables. They are
//! killed and their data is removed when the demo ends, however it ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use floe_env::Env;
use tokio::process::{Child, Command};

/// Number of nodes.
pub(crate) const NODES: usize = 3;
/// Journal of one node: small, there are three on one disk.
const JOURNAL_SIZE: &str = "512 MiB";
/// How long a node may take to stop in good order.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the cluster could not be run.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// No free port or no directory.
    #[error("cannot prepare {what}")]
    Prepare {
        /// What was to be prepared.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The process could not be started.
    #[error("cannot start {}", program.display())]
    Start {
        /// The binary.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Three node processes.
pub(crate) struct Nodes {
    program: PathBuf,
    dir: PathBuf,
    env: Env,
    nodes: Vec<Node>,
}

struct Node {
    id: u32,
    client_addr: String,
    peer_addr: String,
    http_addr: String,
    kafka_addr: String,
    process: Option<Child>,
}

impl Nodes {
    /// Starts all nodes; they serve a moment later.
    pub(crate) async fn start(program: &Path, env: &Env) -> Result<Self, NodesError> {
        let name = format!("floe-demo-{:016x}", env.rng.next_u64());
        let dir = std::env::temp_dir().join(name);
        env.vfs
            .create_dir_all(&dir)
            .map_err(|source| NodesError::Prepare {
                what: "a data directory",
                source,
            })?;
        let ports = free_addresses(env, NODES * 4).await?;
        let nodes = ports.chunks_exact(4).zip(1..).map(|(addresses, id)| Node {
            id,
            client_addr: addresses[0].clone(),
            peer_addr: addresses[1].clone(),
            http_addr: addresses[2].clone(),
            kafka_addr: addresses[3].clone(),
            process: None,
        });
        let nodes: Vec<Node> = nodes.collect();
        let mut started = Self {
            program: program.to_owned(),
            dir,
            env: env.clone(),
            nodes,
        };
        for place in 0..NODES {
            started.launch(place)?;
        }
        Ok(started)
    }

    /// Client addresses of all nodes, comma separated.
    pub(crate) fn seeds(&self) -> String {
        self.nodes
            .iter()
            .map(|node| node.client_addr.as_str())
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Where clients reach a node.
    pub(crate) fn client_addr(&self, id: u32) -> String {
        let node = self.nodes.iter().find(|node| node.id == id);
        node.map_or_else(String::new, |node| node.client_addr.clone())
    }

    /// Kills a node at once (SIGKILL). `false` when it was not running.
    pub(crate) async fn kill(&mut self, id: u32) -> bool {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else {
            return false;
        };
        let Some(mut process) = node.process.take() else {
            return false;
        };
        let running = matches!(process.try_wait(), Ok(None));
        running && process.kill().await.is_ok()
    }

    /// Starts a killed node again on its data.
    pub(crate) fn restart(&mut self, id: u32) -> Result<(), NodesError> {
        match self
            .nodes
            .iter()
            .position(|node| node.id == id && node.process.is_none())
        {
            Some(place) => self.launch(place),
            None => Ok(()),
        }
    }

    /// Whether the process of a node runs.
    pub(crate) fn is_running(&mut self, id: u32) -> bool {
        let node = self.nodes.iter_mut().find(|node| node.id == id);
        let process = node.and_then(|node| node.process.as_mut());
        process.is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Stops all nodes and removes their data.
    pub(crate) async fn stop(mut self) {
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process {
                // The data is thrown away: there is nothing to stop in good order for.
                if process.start_kill().is_ok() {
                    drop(tokio::time::timeout(STOP_TIMEOUT, process.wait()).await);
                }
            }
        }
    }

    fn launch(&mut self, place: usize) -> Result<(), NodesError> {
        let seeds: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("{}@{}", node.id, node.peer_addr))
            .collect();
        let node = &mut self.nodes[place];
        let process = Command::new(&self.program)
            .arg("serve")
            .env("FLOE_NODE__ID", node.id.to_string())
            .env("FLOE_CLUSTER__NAME", "demo")
            .env("FLOE_CLUSTER__SEEDS", seeds.join(","))
            .env(
                "FLOE_STORAGE__DATA_DIR",
                self.dir.join(format!("node-{}", node.id)),
            )
            .env("FLOE_STORAGE__JOURNAL_SIZE", JOURNAL_SIZE)
            .env("FLOE_LISTENERS__CLIENT", &node.client_addr)
            .env("FLOE_LISTENERS__PEER", &node.peer_addr)
            .env("FLOE_LISTENERS__HTTP", &node.http_addr)
            .env("FLOE_LISTENERS__KAFKA", &node.kafka_addr)
            // The data is thrown away: whoever wants to break these nodes may.
            .env("FLOE_CHAOS", "true")
            .env("FLOE_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| NodesError::Start {
                program: self.program.clone(),
                source,
            })?;
        node.process = Some(process);
        Ok(())
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.process = None;
        }
        // A directory that cannot be removed is left to the system's temporary files.
        drop(self.env.vfs.remove_dir_all(&self.dir));
    }
}

/// Loopback addresses that were free a moment ago.
async fn free_addresses(env: &Env, count: usize) -> Result<Vec<String>, NodesError> {
    let mut held = Vec::new();
    for _ in 0..count {
        let listener = env.net.listen("127.0.0.1:0").await;
        held.push(listener.map_err(|source| NodesError::Prepare {
            what: "a port",
            source,
        })?);
    }
    Ok(held
        .iter()
        .map(|listener| listener.local_addr().to_string())
        .collect())
}
