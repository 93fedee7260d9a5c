//! The command line against a real cluster: what is printed where, and exit codes.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::cluster::{Cluster, binary};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    let text = stdout(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

fn produce(cluster: &Cluster, arguments: &[&str], input: &[u8]) -> Output {
    let mut process = Command::new(binary())
        .arg("produce")
        .args(arguments)
        .env("FLOE_SERVER", cluster.servers())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    process.wait_with_output().unwrap()
}

#[test]
fn records_go_in_by_line_and_come_out_by_format() {
    let cluster = Cluster::up(3);
    assert!(
        cluster
            .floe(&["topic", "create", "t", "--partitions", "3"])
            .status
            .success()
    );
    let sent = produce(&cluster, &["t", "--key-separator", ":"], b"a:1\nb:2\na:3\n");
    assert!(sent.status.success(), "{sent:?}");

    let format = "%T %k=%v\\n";
    let read = [
        "consume",
        "t",
        "--offset",
        "start",
        "--until-end",
        "--format",
        format,
    ];
    let text = stdout(&cluster.floe(&read));
    let mut lines: Vec<&str> = text.lines().collect();
    let a: Vec<&str> = lines
        .iter()
        .filter(|line| line.contains(" a="))
        .copied()
        .collect();
    assert!(
        a[0].ends_with("a=1") && a[1].ends_with("a=3"),
        "one key keeps its order: {a:?}"
    );
    lines.sort_unstable_by_key(|line| line.split(' ').next_back().map(str::to_owned));
    assert_eq!(lines.len(), 3);

    let group = ["consume", "t", "--group", "g", "--until-end", "-o", "json"];
    let first = stdout(&cluster.floe(&group));
    assert_eq!(first.lines().count(), 3, "{first}");
    assert!(
        first
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    assert_eq!(
        stdout(&cluster.floe(&group)),
        "",
        "the group remembers where it was"
    );
}

#[test]
fn a_line_without_its_separator_is_refused_and_nothing_after_it_is_sent() {
    let cluster = Cluster::up(1);
    cluster.floe(&["topic", "create", "t"]);
    let sent = produce(
        &cluster,
        &["t", "--key-separator", ":"],
        b"a:1\nbroken\nc:3\n",
    );
    assert_eq!(sent.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&sent.stderr).contains("line 2"),
        "{sent:?}"
    );
    let read = [
        "consume",
        "t",
        "--offset",
        "start",
        "--until-end",
        "--format",
        "%v\\n",
    ];
    assert!(!stdout(&cluster.floe(&read)).contains('3'));
}

#[test]
fn failures_have_their_exit_codes_and_say_what_to_type() {
    let cluster = Cluster::up(1);
    cluster.floe(&["topic", "create", "orders"]);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["topic", "describe", "order"], 3, "orders"),
        (&["consume", "nowhere", "--until-end"], 3, "nowhere"),
        (&["topic", "create", "orders"], 1, "exists"),
        (&["topic", "create", "no/slash"], 2, "/"),
        (
            &["topic", "create", "t", "--set", "retention.mss=1"],
            2,
            "retention.ms",
        ),
        (
            &["topic", "create", "t", "--replication", "3"],
            2,
            "replication",
        ),
        (&["group", "describe", "nobody"], 3, "nobody"),
        (&["--no-such-flag"], 2, "no-such-flag"),
        (
            &[
                "topic",
                "list",
                "--server",
                "127.0.0.1:1",
                "--timeout",
                "1s",
            ],
            4,
            "127.0.0.1:1",
        ),
    ];
    for (arguments, code, word) in cases {
        let output = cluster.floe(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?} says {said:?}");
        assert!(output.stdout.is_empty(), "{arguments:?} talks on stdout");
    }
    assert!(
        cluster
            .floe(&["topic", "create", "orders", "--if-not-exists"])
            .status
            .success()
    );
}

#[test]
fn every_answer_has_one_json_document() {
    let cluster = Cluster::up(3);
    cluster.floe(&["topic", "create", "t", "--partitions", "2"]);
    produce(&cluster, &["t"], b"x\n");
    cluster.floe(&["consume", "t", "--group", "g", "--until-end"]);
    let commands: &[&[&str]] = &[
        &["topic", "list", "-o", "json"],
        &["topic", "describe", "t", "-o", "json"],
        &["group", "list", "-o", "json"],
        &["group", "describe", "g", "-o", "json"],
        &["cluster", "status", "-o", "json"],
        &["cluster", "nodes", "-o", "json"],
        &["cluster", "partitions", "-o", "json"],
    ];
    for command in commands {
        let output = cluster.floe(command);
        assert!(output.status.success(), "{command:?}: {output:?}");
        json(&output);
    }
}

#[test]
fn a_producer_rides_through_the_kill_of_its_leader() {
    let cluster = Cluster::up(3);
    cluster.floe(&["topic", "create", "t", "--partitions", "6"]);
    let mut process = Command::new(binary())
        .args(["produce", "t"])
        .env("FLOE_SERVER", cluster.servers())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let busiest = cluster.busiest();
    for line in 0..3_000 {
        if line == 1_500 {
            cluster.kill(busiest);
        }
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    assert!(process.wait().unwrap().success());
    let read = [
        "consume",
        "t",
        "--offset",
        "start",
        "--until-end",
        "--format",
        "%v\\n",
    ];
    let text = stdout(&cluster.floe(&read));
    let mut values: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    values.sort_unstable();
    assert!(
        values.iter().copied().eq(0..3_000),
        "each line once: {} lines",
        values.len()
    );
}
