//! One `floe serve` process with a configuration of its own, without the cluster script.
//!
//! For what the script never does: odd directories, odd addresses, signals sent by hand. Listeners
//! take free ports; the process is killed when dropped.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::binary;

/// From the start of the process until it has opened its store.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Storage that fits on a small disk.
pub(crate) const SMALL: &str = "journal_size = \"64 MiB\"\njournal_segment_size = \"16 MiB\"\n\
                                disk_reserve = \"2 MiB\"\npartition_segment_size = \"1 MiB\"\n";

/// A node that runs.
pub(crate) struct Node {
    child: Child,
    client_addr: String,
}

impl Node {
    /// Starts a node and waits until it has opened its listeners. `storage` is more of that
    /// section, `listeners` of that one.
    pub(crate) fn start(home: &Path, data: &Path, storage: &str, listeners: &str) -> Self {
        let file = home.join("node.toml");
        let config = format!(
            "[listeners]\nclient = \"127.0.0.1:0\"\npeer = \"127.0.0.1:0\"\nhttp = \"\"\n\
             kafka = \"\"\n{listeners}[storage]\ndata_dir = {data:?}\n{storage}"
        );
        fs::write(&file, config).unwrap();
        let mut child = Command::new(binary())
            .args(["serve", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::sync_channel(1024);
        // Reads on to the end: a node must never wait for the reader of its log.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                drop(sender.try_send(line));
            }
        });
        let mut said = Vec::new();
        let client_addr = loop {
            let Ok(line) = lines.recv_timeout(START_LIMIT) else {
                drop(child.kill());
                panic!("the node did not start: {said:#?}");
            };
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            if entry["message"] == "node started" {
                break entry["client"].as_str().unwrap().to_owned();
            }
            said.push(line);
        };
        Self { child, client_addr }
    }

    /// Where it really listens.
    pub(crate) fn client_addr(&self) -> &str {
        &self.client_addr
    }

    /// Runs `floe` against this node; `input` is its stdin.
    pub(crate) fn floe(&self, arguments: &[&str], input: &[u8]) -> Output {
        floe(&self.client_addr, arguments, input)
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the process; its exit code, `None` when a signal ended it.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs `floe` against `server`; `input` is its stdin.
pub(crate) fn floe(server: &str, arguments: &[&str], input: &[u8]) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(binary())
        .args(arguments)
        .env("FLOE_SERVER", server)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap()
}

/// What a command wrote on stdout.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Asserts an exit code, and words in what was said on stderr.
pub(crate) fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "says {said:?}, not {word:?}");
    }
}
