//! Exit codes and the split of stdout and stderr, as far as they show without a cluster.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a black-box test has no Env")]

use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:1";

fn floe(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floe"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("FLOE_")) {
            command.env_remove(name);
        }
    }
    command
}

fn run(args: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = floe(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn wrong_usage_is_2_and_says_why_on_stderr() {
    let cases: &[&[&str]] = &[
        &[],
        &["frobnicate"],
        &["topic"],
        &["topic", "create"],
        &["topic", "create", "a b"],
        &["topic", "create", "t", "--set", "novalue"],
        &["topic", "alter", "t"],
        &["produce", "t", "--key-separator", ""],
        &["produce", "t", "--compression", "rar"],
        &["consume", "t", "--format", "%z"],
        &["consume", "t", "--offset", "yesterday"],
        &["consume", "t", "--offset", "@soon"],
        &["serve", "--check", "--set", "node.id=0"],
        &["serve", "--check", "--set", "nope.x=1"],
        &["serve", "--check", "--set", "listeners.client=0.0.0.0:9192"],
        &["bench", "failover"],
        &["log", "repair", "/nonexistent/floe-data"],
        &["topic", "list", "--server", "nonsense"],
    ];
    for args in cases {
        let (code, stdout, stderr) = run(args);
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(
            stdout.is_empty() && !stderr.is_empty(),
            "{args:?}: {stdout}"
        );
    }
}

#[test]
fn an_unreachable_cluster_is_4_within_the_timeout_and_says_what_to_type() {
    let cases: &[&[&str]] = &[
        &["topic", "list"],
        &["cluster", "status", "-o", "json"],
        &["group", "describe", "g"],
        &["produce", "t"],
        &["consume", "t", "-n", "1"],
    ];
    for args in cases {
        let began = Instant::now();
        let args = [args, &["--server", NOBODY, "--timeout", "1s"][..]].concat();
        let (code, stdout, stderr) = run(&args);
        assert_eq!(code, 4, "{args:?}: {stderr}");
        assert!(stdout.is_empty(), "{args:?}: {stdout}");
        assert!(
            stderr.contains(NOBODY) && stderr.contains("floe dev"),
            "{stderr}"
        );
        assert!(began.elapsed() < Duration::from_secs(10), "{args:?}");
    }
}

#[test]
fn a_configuration_file_is_refused_with_file_line_and_nearest_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    let config = path.to_str().unwrap();
    std::fs::write(&path, "[storage]\ndata_dri = \"x\"\n").unwrap();
    let (code, _, stderr) = run(&["serve", "--check", "--config", config]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("node.toml:2") && stderr.contains("storage.data_dir"),
        "{stderr}"
    );
    // Cut in the middle of a value, as by a full disk.
    std::fs::write(&path, "[node]\nid = 1\n[storage]\ndata_dir = \"/var/li").unwrap();
    let (code, _, stderr) = run(&["serve", "--check", "--config", config]);
    assert_eq!(code, 2);
    assert!(stderr.contains("node.toml:4"), "{stderr}");
    std::fs::write(&path, "[node]\nid = 7\n").unwrap();
    assert_eq!(run(&["serve", "--check", "--config", config]).0, 0);
    let (code, stdout, _) = run(&["config", "show", "--config", config, "-o", "json"]);
    assert_eq!(code, 0);
    let rows: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let id = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["key"] == "node.id")
        .unwrap();
    assert_eq!(id["value"], "7");
    assert!(
        id["source"].as_str().unwrap().ends_with("node.toml:2"),
        "{id}"
    );
    std::fs::remove_file(&path).unwrap();
    assert_eq!(run(&["serve", "--check", "--config", config]).0, 1);
}

#[test]
fn version_names_the_release_the_commit_and_the_formats() {
    let (code, stdout, _) = run(&["--version"]);
    assert_eq!(code, 0);
    for word in [
        env!("CARGO_PKG_VERSION"),
        "commit",
        "disk format",
        "wire format",
    ] {
        assert!(stdout.contains(word), "{stdout}");
    }
}

#[test]
fn a_reader_that_goes_away_is_a_success() {
    let mut child = floe(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert!(stderr.is_empty(), "{stderr}");
}

#[test]
fn a_data_directory_that_does_not_exist_is_3() {
    for (command, more) in [
        ("dump", None),
        ("verify", None),
        ("repair", Some("--accept-loss")),
    ] {
        let args = [&["log", command, "/nonexistent/floe-data"], more.as_slice()].concat();
        let (code, stdout, stderr) = run(&args);
        assert_eq!(code, 3, "{stderr}");
        assert!(stdout.is_empty(), "{stdout}");
    }
}
