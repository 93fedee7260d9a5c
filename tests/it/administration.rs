//! Topics, leaders and groups changed by command, and the commands around a cluster: `floe dev`,
//! the offline log, the benchmarks.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{Cluster, binary, next_base_port};
use crate::process::{floe, refused, stdout};

fn ok(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    let text = stdout(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

fn json(cluster: &Cluster, arguments: &[&str]) -> Value {
    ok(&cluster.floe(&[arguments, &["-o", "json"]].concat()))
}

fn produce(cluster: &Cluster, topic: &str, input: &str) {
    let sent = floe(&cluster.servers(), &["produce", topic], input.as_bytes());
    assert!(sent.status.success(), "{sent:?}");
}

#[test]
fn a_topic_is_altered_within_its_rules_and_deleted_for_good() {
    let cluster = Cluster::up(3);
    let made = json(&cluster, &["topic", "create", "t", "--partitions", "2"]);
    assert_eq!(
        (&made["partitions"], &made["replication"]),
        (&2.into(), &3.into())
    );
    produce(&cluster, "t", "old\n");

    let change = ["topic", "alter", "t", "--partitions", "4", "--set"];
    let altered = json(&cluster, &[&change[..], &["retention.ms=60000"]].concat());
    assert_eq!(altered["partitions"].as_array().unwrap().len(), 4);
    assert_eq!(altered["configs"]["retention.ms"], "60000");
    let reset = json(
        &cluster,
        &["topic", "alter", "t", "--unset", "retention.ms"],
    );
    assert_eq!(reset["configs"], serde_json::json!({}));
    let cases: &[(&[&str], i32, &[&str])] = &[
        (
            &["topic", "alter", "t", "--partitions", "3"],
            2,
            &["4", "only grow"],
        ),
        (
            &["topic", "alter", "t", "--set", "retention.mss=1"],
            2,
            &["retention.ms"],
        ),
        (
            &["topic", "alter", "tt", "--partitions", "9"],
            3,
            &["'tt'", "'t'"],
        ),
        (&["topic", "delete", "tt"], 3, &["'tt'", "'t'"]),
    ];
    for (arguments, code, words) in cases {
        refused(&cluster.floe(arguments), *code, words);
    }

    let deleted = json(&cluster, &["topic", "delete", "t"]);
    assert_eq!(deleted["deleted"], true);
    assert_eq!(deleted["topic_id"], made["topic_id"]);
    assert_eq!(json(&cluster, &["topic", "list"]), serde_json::json!([]));
    let gone = json(&cluster, &["topic", "delete", "t", "--if-exists"]);
    assert_eq!(gone["deleted"], false);
    let again = json(&cluster, &["topic", "create", "t"]);
    assert_ne!(
        again["topic_id"], made["topic_id"],
        "a new topic, not the old one"
    );
    let read = cluster.floe(&["consume", "t", "--until-end"]);
    assert_eq!(stdout(&read), "", "nothing of the old one");
}

#[test]
fn leaders_move_where_they_are_sent_and_back_to_the_preferred_replicas() {
    let cluster = Cluster::up(3);
    cluster.floe(&["topic", "create", "t", "--partitions", "6"]);
    cluster.floe(&["topic", "create", "other", "--partitions", "3"]);
    let leaders = |topic: &str| -> Vec<u64> {
        let rows = json(&cluster, &["cluster", "partitions", "--topic", topic]);
        let rows = rows.as_array().unwrap().clone();
        rows.iter()
            .filter_map(|row| row["leader"].as_u64())
            .collect()
    };
    let until = |topic: &str, wanted: &dyn Fn(&[u64]) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !wanted(&leaders(topic)) {
            assert!(Instant::now() < deadline, "{topic}: {:?}", leaders(topic));
        }
    };
    let before = leaders("other");
    let elected = json(&cluster, &["cluster", "elect", "--topic", "t", "--to", "2"]);
    assert!(elected["moved"].as_u64().unwrap() > 0, "{elected}");
    until("t", &|leaders| leaders == [2; 6]);
    assert_eq!(leaders("other"), before, "of one topic only");
    json(&cluster, &["cluster", "elect"]);
    let spread = |leaders: &[u64]| leaders.iter().collect::<BTreeSet<_>>().len() == 3;
    until("t", &spread);
    let cases: &[(&[&str], &str)] = &[
        (&["--to", "9"], "node 9"),
        (&["--topic", "tt"], "'tt'"),
        (&["--topic", "t", "--partition", "6"], "0 to 5"),
    ];
    for (arguments, word) in cases {
        let output = cluster.floe(&[&["cluster", "elect"], *arguments].concat());
        refused(&output, 3, &[word]);
    }
    let alone = cluster.floe(&["cluster", "elect", "--partition", "1"]);
    assert_eq!(alone.status.code(), Some(2), "a partition of what topic?");
}

#[test]
fn a_group_reads_again_from_where_it_is_put_and_is_deleted() {
    let cluster = Cluster::up(3);
    cluster.floe(&["topic", "create", "t"]);
    produce(&cluster, "t", "0\n1\n2\n3\n");
    let read = || {
        let output = cluster.floe(&["consume", "t", "--group", "g", "--until-end"]);
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    assert_eq!(read(), "0\n1\n2\n3\n");
    assert_eq!(read(), "");
    let seek = |to: &str| {
        json(
            &cluster,
            &["group", "seek", "g", "--topic", "t", "--to", to],
        )
    };
    assert_eq!(seek("2")[0]["offset"], 2);
    assert_eq!(json(&cluster, &["group", "describe", "g"])["lag"], 2);
    assert_eq!(read(), "2\n3\n");
    for (place, rest) in [
        ("start", "0\n1\n2\n3\n"),
        ("@-1h", "0\n1\n2\n3\n"),
        ("end", ""),
    ] {
        seek(place);
        assert_eq!(read(), rest, "{place}");
    }
    let cases: &[(&[&str], i32, &str)] = &[
        (&["seek", "g", "--topic", "tt", "--to", "end"], 3, "'tt'"),
        (
            &[
                "seek",
                "g",
                "--topic",
                "t",
                "--partition",
                "7",
                "--to",
                "end",
            ],
            3,
            "0 to 0",
        ),
        (&["seek", "g", "--topic", "t", "--to", "later"], 2, "later"),
        (&["delete", "gg"], 3, "'g'"),
    ];
    for (arguments, code, word) in cases {
        let output = cluster.floe(&[&["group"], *arguments].concat());
        refused(&output, *code, &[word]);
    }
    let deleted = json(&cluster, &["group", "delete", "g"]);
    assert_eq!(deleted["deleted"], true);
    assert_eq!(json(&cluster, &["group", "list"]), serde_json::json!([]));
    assert_eq!(
        read(),
        "0\n1\n2\n3\n",
        "a new group of the name begins at the start"
    );
}

#[test]
fn reading_begins_at_offsets_and_times_and_prints_what_the_format_says() {
    let cluster = Cluster::up(1);
    cluster.floe(&["topic", "create", "t", "--partitions", "2"]);
    let keyed = ["produce", "t", "--key-separator", "\\t"];
    let sent = floe(&cluster.servers(), &keyed, b"a\t1\na\t2\na\t\n");
    assert!(sent.status.success());
    produce(&cluster, "t", "no key");
    let read = |arguments: &[&str]| {
        let output = cluster.floe(&[&["consume", "t", "--until-end"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        let text = stdout(&output);
        text.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let set = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let form = ["--format", "%t %k=%v%%\\x21\\n", "--null", "none"];
    let all: BTreeSet<String> = set(&["t a=1%!", "t a=2%!", "t a=%!", "t none=no key%!"]);
    assert_eq!(read(&form), all);
    for place in ["start", "@-5m", "@1", "@2001-02-03T04:05:06Z"] {
        let lines = read(&[&form[..], &["--offset", place]].concat());
        assert_eq!(lines, all, "{place}");
    }
    assert_eq!(read(&["--offset", "end"]), set(&[]));
    let second = read(&["--offset", "2", "--format", "%o %v\\n"]);
    assert_eq!(second, set(&["2 "]), "an offset counts for every partition");
    assert_eq!(read(&["-n", "3"]).len(), 3);
    let one = json(&cluster, &["consume", "t", "-n", "1", "--offset", "start"]);
    for field in [
        "topic",
        "partition",
        "offset",
        "timestamp_ms",
        "key",
        "value",
        "headers",
    ] {
        assert!(one.get(field).is_some(), "{field} is missing in {one}");
    }
}

#[test]
fn benchmarks_report_their_figures_as_one_document() {
    let cluster = Cluster::up(3);
    let runs: &[&[&str]] = &[
        &["produce", "--records", "2000", "--partitions", "3"],
        &["consume", "--records", "2000"],
        &["latency", "--rate", "200", "--duration", "500ms"],
    ];
    for run in runs {
        let report = json(&cluster, &[&["bench"], *run].concat());
        let fields = "records bytes seconds records_per_s mb_per_s p50_ms p99_ms p999_ms errors";
        for field in fields.split(' ') {
            assert!(report[field].is_number(), "{run:?}: {field} in {report}");
        }
        assert_eq!(report["errors"], 0, "{run:?}");
        let nodes = report["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 3, "{run:?}");
        for field in ["id", "cpu_s", "rss_bytes", "journal_syncs", "bytes_written"] {
            assert!(nodes.iter().all(|node| node[field].is_number()), "{field}");
        }
    }
    let kill = format!("kill -9 {}", cluster.pid(cluster.busiest()));
    let run = [
        "bench",
        "failover",
        "--partitions",
        "6",
        "--before",
        "500ms",
    ];
    let report = json(&cluster, &[&run[..], &["--exec", &kill]].concat());
    assert!(report["affected"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["lost"], 0, "{report}");
    for field in ["p50_ms", "max_ms", "unaffected_max_ms"] {
        assert!(report[field].is_number(), "{field} in {report}");
    }
    let failing = [&run[..], &["--exec", "exit 3"]].concat();
    assert_ne!(
        cluster.floe(&failing).status.code(),
        Some(0),
        "the command failed"
    );
}

#[test]
fn the_log_of_a_stopped_node_can_be_read_and_that_of_a_running_one_is_left_alone() {
    let cluster = Cluster::up(1);
    cluster.floe(&["topic", "create", "t"]);
    produce(&cluster, "t", "a\nb\n");
    let data = cluster.data_dir(1);
    let dir = data.to_str().unwrap();
    refused(&cluster.floe(&["log", "verify", dir]), 1, &["in use"]);
    cluster.stop(1);
    let verified = json(&cluster, &["log", "verify", dir]);
    assert_eq!(verified["damaged"], 0);
    let groups = verified["groups"].as_array().unwrap();
    let records: u64 = groups
        .iter()
        .filter_map(|group| group["records"].as_u64())
        .sum();
    assert_eq!(records, 2);
    let entries = json(&cluster, &["log", "dump", dir]);
    assert!(
        entries
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["kind"] == "data")
    );
    refused(
        &cluster.floe(&["log", "repair", dir]),
        2,
        &["--accept-loss"],
    );
    cluster.start(1);
    assert_eq!(
        stdout(&cluster.floe(&["consume", "t", "--until-end"])),
        "a\nb\n"
    );
}

#[test]
fn dev_serves_makes_topics_on_demand_and_leaves_nothing_behind() {
    let port = next_base_port();
    let mut dev = Command::new(binary())
        .args(["dev", "--base-port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(dev.stdout.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    assert!(first.contains("three nodes"), "{first}");
    let server = format!("127.0.0.1:{port}");
    let sent = floe(&server, &["produce", "greetings"], b"hello\n");
    assert!(sent.status.success(), "{sent:?}");
    let read = floe(&server, &["consume", "greetings", "-n", "1"], b"");
    assert_eq!(stdout(&read), "hello\n");
    let pid = dev.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert_eq!(dev.wait().unwrap().code(), Some(0));
}

#[test]
fn every_shell_has_completions_that_know_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = floe("", &["completions", shell], b"");
        assert!(output.status.success(), "{shell}");
        let script = stdout(&output);
        for word in ["consume", "until-end", "failover"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    refused(&floe("", &["completions", "tcsh"], b""), 2, &["tcsh"]);
}
