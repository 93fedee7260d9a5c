//! A slow line: a program that carries every frame between a node's cable and the bridge, late.
//!
//! Kernels without `netem` cannot delay by themselves. Invariant: the cable hangs at the bridge
//! itself again once the relay is taken out, also where the program has failed.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::inside;
use crate::failure::Failure;
use crate::tool;

/// Makes interfaces send plain frames.
pub(crate) const QUIET: &str = include_str!("quiet.pl");
/// Carries the frames.
pub(crate) const RELAY: &str = include_str!("relay.pl");
/// For the program to end once its input has.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A relay that is at work.
pub(crate) struct Relay {
    node: u32,
    process: Child,
}

impl Relay {
    /// Puts one before the cable of `node`.
    pub(crate) async fn insert(node: u32, delay_ms: u64, more_ms: u64) -> Result<Self, Failure> {
        let (cable, near, far) = (format!("v{node}"), format!("w{node}"), format!("d{node}"));
        tool::run(&format!("ip link add {near} type veth peer name {far}")).await?;
        tool::run_words(&["perl", "-e", QUIET, &near, &far], "").await?;
        let inside = inside(node);
        let words: Vec<_> = inside.split_whitespace().collect();
        tool::run_words(&[&words, &["perl", "-e", QUIET, "eth0"][..]].concat(), "").await?;
        tool::run(&format!("ip link set {near} up")).await?;
        tool::run(&format!("ip link set {cable} nomaster")).await?;
        tool::run(&format!("ip link set {far} master br0 up")).await?;
        let process = Command::new("perl")
            .args(["-e", RELAY, &cable, &near])
            .args([delay_ms.to_string(), more_ms.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Failure::NoTool {
                tool: "perl".to_owned(),
                source,
            })?;
        Ok(Self { node, process })
    }

    /// Takes it out. How many frames it has carried.
    pub(crate) async fn take_out(mut self) -> Result<u64, Failure> {
        drop(self.process.stdin.take());
        let mut said = String::new();
        if let Some(mut stdout) = self.process.stdout.take() {
            let reading = stdout.read_to_string(&mut said);
            // One that hangs has carried nothing that counts.
            drop(tokio::time::timeout(END_LIMIT, reading).await);
        }
        drop(self.process.start_kill());
        drop(self.process.wait().await);
        let node = self.node;
        tool::run(&format!("ip link del d{node}")).await?;
        tool::run(&format!("ip link set v{node} master br0")).await?;
        Ok(said.trim().parse().unwrap_or(0))
    }
}
