//! A cluster of real processes, driven through `scripts/cluster` as a user would.
//!
//! Each has a directory and a range of ports of its own and is taken down when dropped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Ports that one cluster may use, from its base on.
const PORTS_PER_CLUSTER: u16 = 60;
/// From SIGKILL to the end of a process that may be in the middle of a write.
const END_LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Cluster {
    dir: TempDir,
    base_port: u16,
    nodes: u16,
    /// Whether its nodes suffer faults on request.
    allows_chaos: bool,
}

impl Cluster {
    /// Starts `nodes` nodes and waits until all of them serve.
    pub(crate) fn up(nodes: u16) -> Self {
        Self::up_with(nodes, false)
    }

    /// The same with nodes that `floe chaos` may break.
    pub(crate) fn up_breakable(nodes: u16) -> Self {
        Self::up_with(nodes, true)
    }

    fn up_with(nodes: u16, allows_chaos: bool) -> Self {
        let cluster = Self {
            dir: TempDir::new().unwrap(),
            base_port: next_base_port(),
            nodes,
            allows_chaos,
        };
        cluster.up_again();
        cluster
    }

    pub(crate) fn kill(&self, node: u32) {
        self.script(&["kill", &node.to_string()]);
    }

    pub(crate) fn start(&self, node: u32) {
        self.script(&["start", &node.to_string()]);
    }

    pub(crate) fn stop(&self, node: u32) {
        self.script(&["stop", &node.to_string()]);
    }

    pub(crate) fn pause(&self, node: u32) {
        self.script(&["pause", &node.to_string()]);
    }

    pub(crate) fn resume(&self, node: u32) {
        self.script(&["resume", &node.to_string()]);
    }

    /// What `scripts/cluster status -o json` prints.
    pub(crate) fn status(&self) -> Value {
        let output = self.script(&["status", "-o", "json"]);
        serde_json::from_slice(&output.stdout).expect("status prints one JSON document")
    }

    /// Node ids, from 1.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = u32> + use<> {
        1..=u32::from(self.nodes)
    }

    /// The client addresses of all nodes, for `--server` and `Client::connect`.
    pub(crate) fn servers(&self) -> String {
        let port = |node: u32| u32::from(self.base_port) + 10 * (node - 1);
        self.nodes()
            .map(|node| format!("127.0.0.1:{}", port(node)))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The node that leads most partitions.
    pub(crate) fn busiest(&self) -> u32 {
        let status = self.status();
        let nodes = status["nodes"].as_array().unwrap();
        let busiest = nodes
            .iter()
            .max_by_key(|node| node["leaders"].as_u64().unwrap_or(0));
        u32::try_from(busiest.unwrap()["id"].as_u64().unwrap()).unwrap()
    }

    /// Runs `floe` against this cluster.
    pub(crate) fn floe(&self, arguments: &[&str]) -> Output {
        Command::new(binary())
            .args(arguments)
            .env("FLOE_SERVER", self.servers())
            .output()
            .expect("the binary runs")
    }

    pub(crate) fn down(&self) {
        self.script(&["down"]);
    }

    /// Starts everything that is down, as the first `up` did.
    pub(crate) fn up_again(&self) {
        let (nodes, port) = (self.nodes.to_string(), self.base_port.to_string());
        let mut arguments = vec!["up", "--nodes", &nodes, "--base-port", &port];
        if self.allows_chaos {
            arguments.push("--chaos");
        }
        self.script(&arguments);
    }

    /// Where a node keeps its data.
    pub(crate) fn data_dir(&self, node: u32) -> PathBuf {
        self.home(node).join("data")
    }

    /// Where the script keeps a node's configuration, log and process id.
    pub(crate) fn home(&self, node: u32) -> PathBuf {
        self.dir.path().join(format!("node-{node}"))
    }

    /// The process of a node.
    pub(crate) fn pid(&self, node: u32) -> String {
        let text = std::fs::read_to_string(self.home(node).join("pid")).unwrap();
        text.trim().to_owned()
    }

    /// SIGKILL to all nodes in one breath, as by a power failure of the rack.
    pub(crate) fn kill_all(&self) {
        let pids = self.nodes().map(|node| self.pid(node));
        let killed = Command::new("kill").arg("-KILL").args(pids).status();
        assert!(killed.unwrap().success());
    }

    /// SIGKILL and, as soon as its ports allow it, the same node again. Returns how long there
    /// was no process.
    pub(crate) fn kill_and_start_at_once(&self, node: u32) -> Duration {
        let (pid, home) = (self.pid(node), self.home(node));
        let killed = Command::new("kill").args(["-KILL", &pid]).status();
        let began = Instant::now();
        assert!(killed.unwrap().success());
        // The threads of a process hold its sockets until the last of them is gone.
        while std::fs::read_dir(format!("/proc/{pid}/task"))
            .is_ok_and(|threads| threads.count() > 1)
        {
            assert!(began.elapsed() < END_LIMIT, "process {pid} does not end");
            std::thread::yield_now();
        }
        let log = std::fs::File::options().append(true).open(home.join("log"));
        let mut child = Command::new(binary())
            .args(["serve", "--config"])
            .arg(home.join("node.toml"))
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let away = began.elapsed();
        std::fs::write(home.join("pid"), format!("{}\n", child.id())).unwrap();
        // Takes note of its end, or it would stay as a process that is dead and there.
        std::thread::spawn(move || child.wait());
        away
    }

    /// Runs the cluster script; a failure fails the test with what the script said.
    fn script(&self, arguments: &[&str]) -> Output {
        let output = self.try_script(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "scripts/cluster {arguments:?}: {said}"
        );
        output
    }

    pub(crate) fn try_script(&self, arguments: &[&str]) -> Output {
        Command::new(root().join("scripts/cluster"))
            .args(arguments)
            .arg("--dir")
            .arg(self.dir.path())
            .env("FLOE_BIN", binary())
            .output()
            .expect("the script runs")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in self.nodes() {
                let logs = self.try_script(&["logs", &node.to_string()]);
                let text = String::from_utf8_lossy(&logs.stdout);
                let tail: Vec<&str> = text.lines().rev().take(30).collect();
                eprintln!("node {node}, last lines of its log:");
                tail.iter().rev().for_each(|line| eprintln!("  {line}"));
            }
        }
        self.try_script(&["down"]);
    }
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    let given = std::env::var_os("FLOE_BIN").map(PathBuf::from);
    let binary = given.unwrap_or_else(|| root().join("target/release/floe"));
    assert!(
        binary.exists(),
        "{} is missing: run scripts/test",
        binary.display()
    );
    binary
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(crate) fn next_base_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Runs beside each other start in different places, below the ephemeral ports.
    let start = 12_000 + u16::try_from(std::process::id() % 160).unwrap() * PORTS_PER_CLUSTER;
    start + TAKEN.fetch_add(PORTS_PER_CLUSTER, Ordering::Relaxed)
}
