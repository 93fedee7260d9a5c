//! What `scripts/cluster` promises to those who call it.

use crate::cluster::Cluster;

fn state(cluster: &Cluster, node: usize) -> String {
    cluster.status()["nodes"][node - 1]["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn states_are_told_apart_and_what_cannot_be_done_fails() {
    let cluster = Cluster::up(3);
    assert_eq!(state(&cluster, 2), "running");
    cluster.pause(2);
    assert_eq!(state(&cluster, 2), "paused");
    cluster.resume(2);
    cluster.kill(2);
    assert_eq!(state(&cluster, 2), "dead");
    assert!(
        !cluster.try_script(&["kill", "2"]).status.success(),
        "it is dead already"
    );
    assert!(!cluster.try_script(&["pause", "2"]).status.success());
    assert!(
        !cluster.try_script(&["kill", "9"]).status.success(),
        "there is no node 9"
    );
    cluster.start(2);
    cluster.stop(2);
    assert_eq!(state(&cluster, 2), "stopped");
    cluster.start(2);
    let status = cluster.status();
    let node = &status["nodes"][0];
    for field in [
        "id",
        "state",
        "pid",
        "client_addr",
        "kafka_addr",
        "http_addr",
        "leaders",
        "journal_syncs",
    ] {
        assert!(node.get(field).is_some(), "{field} is missing in {node}");
    }
}

#[test]
fn two_clusters_stand_beside_each_other_and_one_comes_up_again_with_its_data() {
    let (one, other) = (Cluster::up(1), Cluster::up(1));
    assert!(one.floe(&["topic", "create", "here"]).status.success());
    assert_eq!(
        other.floe(&["topic", "describe", "here"]).status.code(),
        Some(3)
    );
    one.down();
    one.up_again();
    assert!(one.floe(&["topic", "describe", "here"]).status.success());
}

#[test]
fn nothing_is_left_running_after_down() {
    let cluster = Cluster::up(3);
    let status = cluster.status();
    let pids: Vec<u64> = status["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["pid"].as_u64().unwrap())
        .collect();
    cluster.down();
    for pid in pids {
        let alive = std::path::Path::new(&format!("/proc/{pid}/exe")).exists();
        assert!(!alive, "process {pid} is still there");
    }
}
