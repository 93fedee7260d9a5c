//! `floe chaos` on real clusters, and what a node does whose process is watched over.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{Cluster, binary};
use crate::process::{SMALL, refused};

/// For something that a process does at once on an idle machine.
const LIMIT: Duration = Duration::from_secs(30);

fn document(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The child of a supervisor: the node itself.
fn child_of(supervisor: &str) -> Option<String> {
    let tasks = format!("/proc/{supervisor}/task/{supervisor}/children");
    let children = fs::read_to_string(tasks).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args([name, process]).status();
    assert!(sent.unwrap().success(), "kill {name} {process}");
}

#[test]
fn a_cluster_that_is_killed_paused_and_cut_loses_nothing_and_its_nodes_come_back() {
    let cluster = Cluster::up_breakable(3);
    let before: Vec<String> = cluster.nodes().map(|node| cluster.pid(node)).collect();
    let report = TempDir::new().unwrap();
    let output = cluster.floe(&[
        "chaos",
        "--seconds",
        "14",
        "--faults",
        "kill,pause,partition",
        "--report",
        report.path().to_str().unwrap(),
        "-o",
        "json",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    let found = document(&output);
    assert_eq!(output.status.code(), Some(0), "{found}\n{said}");
    assert_eq!(found["verdict"], "valid", "{found}");
    assert_eq!(found["lost"], 0);
    assert!(found["acked"].as_u64().unwrap() > 100, "{found}");
    assert!(found["operations"].as_u64().unwrap() > 100, "{found}");
    let landed: u64 = ["kill", "pause", "partition"]
        .iter()
        .map(|kind| found["faults"][kind].as_u64().unwrap())
        .sum();
    assert!(landed > 0, "{found}\n{said}");
    let page = fs::read_to_string(found["report"].as_str().unwrap()).unwrap();
    assert!(page.contains("valid"));
    assert!(report.path().join("history.jsonl").exists());
    // The topic of the run is gone, and every supervisor is still the process that was started.
    let topics = cluster.floe(&["topic", "list", "-o", "json"]);
    assert!(!String::from_utf8_lossy(&topics.stdout).contains("floe-chaos"));
    let after: Vec<String> = cluster.nodes().map(|node| cluster.pid(node)).collect();
    assert_eq!(before, after);
    assert!(
        cluster.status()["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|node| node["state"] == "running")
    );
}

#[test]
fn disks_and_clocks_may_go_wrong_beside_the_records_of_others() {
    let cluster = Cluster::up_breakable(3);
    let made = cluster.floe(&["topic", "create", "orders", "--partitions", "2"]);
    assert!(made.status.success());
    let report = TempDir::new().unwrap();
    let output = cluster.floe(&[
        "chaos",
        "--seconds",
        "10",
        "--faults",
        "disk,clock",
        "--topic",
        "orders",
        "--report",
        report.path().to_str().unwrap(),
        "-o",
        "json",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    let found = document(&output);
    assert_eq!(output.status.code(), Some(0), "{found}\n{said}");
    let landed =
        found["faults"]["clock"].as_u64().unwrap() + found["faults"]["disk"].as_u64().unwrap();
    assert!(landed > 0, "{found}\n{said}");
    assert!(
        cluster
            .floe(&["topic", "describe", "orders"])
            .status
            .success()
    );
}

#[test]
fn a_topic_that_is_replaced_behind_its_back_is_an_anomaly_that_it_finds() {
    let cluster = Cluster::up_breakable(3);
    let made = |words: &[&str]| assert!(cluster.floe(words).status.success(), "{words:?}");
    let create = ["topic", "create", "orders", "--partitions", "2"];
    made(&create);
    let report = TempDir::new().unwrap();
    let history = report.path().join("history.jsonl");
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let length = || fs::metadata(&history).map_or(0, |found| found.len());
            until("a history of some length", || length() > 200_000);
            made(&["topic", "delete", "orders"]);
            made(&create);
        });
        cluster.floe(&[
            "chaos",
            "--seconds",
            "10",
            "--faults",
            "pause",
            "--topic",
            "orders",
            "--report",
            report.path().to_str().unwrap(),
            "-o",
            "json",
        ])
    });
    let found = document(&output);
    assert_eq!(output.status.code(), Some(1), "{found}");
    assert_eq!(found["verdict"], "invalid", "{found}");
    assert!(
        found["anomalies"]["inconsistent-offset"].is_u64(),
        "{found}"
    );
}

#[test]
fn a_cluster_that_does_not_allow_it_is_left_alone() {
    let cluster = Cluster::up(1);
    let report = TempDir::new().unwrap();
    let output = cluster.floe(&[
        "chaos",
        "--seconds",
        "5",
        "--report",
        report.path().to_str().unwrap(),
    ]);
    refused(&output, 2, &["does not allow faults", "chaos = true"]);
    assert!(fs::read_dir(report.path()).unwrap().next().is_none());
}

#[test]
fn a_killed_node_comes_back_under_the_same_supervisor_and_ends_with_it() {
    let cluster = Cluster::up_breakable(1);
    let supervisor = cluster.pid(1);
    let first = child_of(&supervisor).unwrap();
    signal("-KILL", &first);
    until("another node", || {
        child_of(&supervisor).is_some_and(|child| child != first)
    });
    until("an answer", || {
        cluster.floe(&["cluster", "status"]).status.success()
    });
    let second = child_of(&supervisor).unwrap();
    // Not by the script, which signals the node as well.
    signal("-KILL", &supervisor);
    until("the end of the node", || {
        !Path::new(&format!("/proc/{second}/exe")).exists()
    });
    cluster.start(1);
}

#[test]
fn a_supervised_node_stops_in_good_order_also_when_it_is_paused() {
    let cluster = Cluster::up_breakable(1);
    let supervisor = cluster.pid(1);
    let node = child_of(&supervisor).unwrap();
    cluster.pause(1);
    let stat = fs::read_to_string(format!("/proc/{node}/stat")).unwrap();
    assert_eq!(
        stat.rsplit(") ").next().unwrap().chars().next(),
        Some('T'),
        "{stat}"
    );
    cluster.resume(1);
    let begun = Instant::now();
    cluster.stop(1);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(!Path::new(&format!("/proc/{node}/exe")).exists());
}

#[test]
fn the_exit_code_of_a_supervised_node_is_that_of_the_command() {
    let home = TempDir::new().unwrap();
    let config = home.path().join("node.toml");
    let data = home.path().join("data");
    let text = format!(
        "chaos = true\n[listeners]\nclient = \"127.0.0.1:0\"\npeer = \"127.0.0.1:0\"\nhttp = \"\"\n\
         kafka = \"\"\n[storage]\ndata_dir = {data:?}\n{SMALL}"
    );
    fs::write(&config, text).unwrap();
    let serve = || {
        Command::new(binary())
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut node = serve();
    let id = node.id().to_string();
    until("a node", || child_of(&id).is_some());
    until("its data", || {
        data.join("identity").exists() || data.exists()
    });
    signal("-TERM", &id);
    assert_eq!(node.wait().unwrap().code(), Some(0));
    // Of another node: refused at the start, and not tried again.
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace("[listeners]", "[node]\nid = 7\n[listeners]"),
    )
    .unwrap();
    let mut foreign = serve();
    assert_eq!(foreign.wait().unwrap().code(), Some(1));
}
