//! One node: `floe serve` as a user would run it, with a network and a disk of its own where the
//! machine allows that.
//!
//! It runs with `chaos = true`, so it is two processes, a supervisor and the node, in one process
//! group; signals go to the group. Invariant: at most one life of it at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::failure::Failure;
use crate::network;
use crate::proxy::Proxy;
use crate::volume::Volume;

const SIGKILL: i32 = 9;
/// Killed, it is gone within this time; a process in a write takes its time.
const DEATH_LIMIT: Duration = Duration::from_secs(10);
/// Ports of a node that has a network of its own.
const PORT: u32 = 9192;
/// Where all share one: node `i` takes ten from here plus ten times `i`.
const SHARED_PORT: u32 = 27_100;
/// From a port of a node there to the one at which its proxy takes its place.
const TO_PROXY: u32 = 5;
const CLIENT: u32 = 0;
const KAFKA: u32 = 1;
const HTTP: u32 = 2;
const PEER: u32 = 3;

/// What all nodes of a round are made of.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    /// The program.
    pub(crate) binary: PathBuf,
    /// How many nodes there are.
    pub(crate) nodes: u32,
    /// Whether each has a network of its own.
    pub(crate) is_isolated: bool,
    /// Where logs go.
    pub(crate) logs: PathBuf,
}

impl Blueprint {
    fn port(&self, node: u32, offset: u32) -> String {
        match self.is_isolated {
            true => format!("{}:{}", network::address(node), PORT + offset),
            false => format!("127.0.0.1:{}", SHARED_PORT + 10 * node + offset),
        }
    }

    /// Where others reach it.
    fn told(&self, node: u32, offset: u32) -> String {
        match self.is_isolated {
            true => self.port(node, offset),
            false => self.port(node, offset + TO_PROXY),
        }
    }

    /// Where native clients reach a node.
    pub(crate) fn client_addr(&self, node: u32) -> String {
        self.told(node, CLIENT)
    }

    /// Where it listens for them itself.
    pub(crate) fn own_client_addr(&self, node: u32) -> String {
        self.port(node, CLIENT)
    }

    /// Where Kafka clients reach it.
    pub(crate) fn kafka_addr(&self, node: u32) -> String {
        self.told(node, KAFKA)
    }

    /// The proxy before a node, where it has no network of its own.
    pub(crate) async fn proxy(&self, node: u32) -> Result<Option<Proxy>, Failure> {
        if self.is_isolated {
            return Ok(None);
        }
        let pair = |offset| (self.told(node, offset), self.port(node, offset));
        let (clients, peers) = ([pair(CLIENT), pair(KAFKA)], [pair(PEER)]);
        Proxy::open(&clients, &peers).await.map(Some)
    }

    fn config(&self, node: u32, data_dir: &Path) -> String {
        let seeds: Vec<_> = (1..=self.nodes)
            .map(|other| format!("\"{other}@{}\"", self.told(other, PEER)))
            .collect();
        let mut text = String::from("chaos = true\n\n");
        let mut put = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        put(format!("[node]\nid = {node}\n"));
        put(format!(
            "[cluster]\nname = \"real\"\nseeds = [{}]\n",
            seeds.join(", ")
        ));
        put("[listeners]".to_owned());
        for (offset, name) in [
            (CLIENT, "client"),
            (KAFKA, "kafka"),
            (HTTP, "http"),
            (PEER, "peer"),
        ] {
            put(format!("{name} = \"{}\"", self.port(node, offset)));
            if offset != HTTP {
                put(format!(
                    "{name}_advertised = \"{}\"",
                    self.told(node, offset)
                ));
            }
        }
        put(format!("\n[storage]\ndata_dir = {data_dir:?}"));
        // Small, so that segments change and the filesystem can be filled.
        put("journal_size = \"64 MiB\"\njournal_segment_size = \"16 MiB\"".to_owned());
        put("partition_segment_size = \"1 MiB\"\ndisk_reserve = \"0 MiB\"".to_owned());
        put("\n[limits]\ntail_memory = \"64 MiB\"".to_owned());
        text
    }
}

/// One node.
pub(crate) struct Node {
    /// Its number, from 1.
    pub(crate) id: u32,
    /// Its disk, where it has one of its own.
    pub(crate) volume: Option<Volume>,
    /// What is before it, where it has no network of its own.
    pub(crate) proxy: Option<Proxy>,
    blueprint: Blueprint,
    config: PathBuf,
    process: Option<Child>,
}

impl Node {
    /// Lays out a node in `home`; it does not run yet.
    pub(crate) async fn make(
        id: u32,
        home: &Path,
        has_volume: bool,
        blueprint: &Blueprint,
    ) -> Result<Self, Failure> {
        let home = home.join(format!("node-{id}"));
        std::fs::create_dir_all(&home).map_err(Failure::of_file(&home))?;
        let volume = match has_volume {
            true => Some(Volume::make(&home).await?),
            false => None,
        };
        let data_dir = volume
            .as_ref()
            .map_or_else(|| home.join("data"), Volume::data_dir);
        let config = home.join("node.toml");
        std::fs::write(&config, blueprint.config(id, &data_dir))
            .map_err(Failure::of_file(&config))?;
        let proxy = blueprint.proxy(id).await?;
        let (blueprint, process) = (blueprint.clone(), None);
        Ok(Self {
            id,
            volume,
            proxy,
            blueprint,
            config,
            process,
        })
    }

    /// Starts it, where it does not run.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        if self.process.is_some() {
            return Ok(());
        }
        let binary = &self.blueprint.binary;
        let mut command = match self.blueprint.is_isolated {
            true => {
                let mut command = Command::new("nsenter");
                let netns = format!("--net=/run/netns/n{}", self.id);
                command.args([netns.as_str(), "--"]).arg(binary);
                command
            }
            false => Command::new(binary),
        };
        let log = self.log()?;
        let again = log.try_clone().map_err(Failure::of_file(&self.config))?;
        let child = command
            .args(["serve", "--config"])
            .arg(&self.config)
            // Settings of the caller would win over the file.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Failure::NoTool {
                tool: binary.display().to_string(),
                source,
            })?;
        self.process = Some(child);
        Ok(())
    }

    fn log(&self) -> Result<File, Failure> {
        let path = self.blueprint.logs.join(format!("node-{}.log", self.id));
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        opened.map_err(Failure::of_file(path))
    }

    /// Whether a life of it has begun and nobody has ended it.
    pub(crate) fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// How it ended, where it did so by itself; then it does not run any more.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.try_wait().ok()??;
        self.process = None;
        Some(status)
    }

    /// SIGKILL to all of it. Whether it was there, and died of that.
    pub(crate) async fn kill(&mut self) -> bool {
        let signalled = self.signal(Signal::KILL);
        let Some(mut process) = self.process.take() else {
            return false;
        };
        let ended = tokio::time::timeout(DEATH_LIMIT, process.wait()).await;
        let died = matches!(ended, Ok(Ok(status)) if status.signal() == Some(SIGKILL));
        signalled && died
    }

    /// SIGSTOP. Whether it stands still.
    pub(crate) fn stop(&self) -> bool {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> bool {
        self.signal(Signal::CONT)
    }

    /// Whether the first of its processes stands still.
    pub(crate) fn stands_still(&self) -> bool {
        let Some(pid) = self.process.as_ref().and_then(Child::id) else {
            return false;
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        matches!(state, Some('T' | 't'))
    }

    fn signal(&self, signal: Signal) -> bool {
        let id = self.process.as_ref().and_then(Child::id);
        let pid = id
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        pid.is_some_and(|pid| kill_process_group(pid, signal).is_ok())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The node under the supervisor dies with it; stopped, it would not notice.
        self.signal(Signal::KILL);
    }
}
