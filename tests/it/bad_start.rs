//! A node that cannot start says why, exits with a defined code and touches nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::cluster::{Cluster, binary};

/// Runs `floe serve` with a configuration; it must give up by itself.
fn serve(dir: &Path, config: &str) -> Output {
    let file = dir.join("floe.toml");
    fs::write(&file, config).unwrap();
    Command::new("timeout")
        .arg("20")
        .arg(binary())
        .args(["serve", "--config"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "says {said:?}, not {word:?}");
    }
}

fn config(data: &Path, client: &str) -> String {
    format!(
        "[storage]\ndata_dir = {data:?}\n[listeners]\nclient = \"{client}\"\n\
         peer = \"127.0.0.1:0\"\nkafka = \"\"\nhttp = \"\"\n"
    )
}

#[test]
fn unknown_keys_bad_values_and_broken_files_are_refused_with_their_line() {
    let dir = TempDir::new().unwrap();
    refused(
        &serve(dir.path(), "[node]\nid = 1\nracks = \"a\"\n"),
        2,
        &["racks", "3", "rack"],
    );
    refused(&serve(dir.path(), "[node]\nid = 0\n"), 2, &["node.id"]);
    refused(&serve(dir.path(), "[node\nid = 1\n"), 2, &["floe.toml"]);
    refused(
        &serve(dir.path(), "[listeners]\nclient = \"0.0.0.0:9\"\n"),
        2,
        &["advertised"],
    );
}

#[test]
fn a_port_in_use_is_named() {
    let dir = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let data = dir.path().join("data");
    refused(
        &serve(dir.path(), &config(&data, &addr)),
        1,
        &[&addr, "in use"],
    );
}

#[test]
fn a_data_directory_in_use_of_another_node_or_of_a_newer_version_is_left_alone() {
    let cluster = Cluster::up(1);
    let data = cluster.data_dir(1);
    let dir = TempDir::new().unwrap();
    let own = config(&data, "127.0.0.1:0");
    refused(&serve(dir.path(), &own), 1, &["in use"]);

    cluster.stop(1);
    let foreign = format!("[node]\nid = 7\n{own}");
    refused(&serve(dir.path(), &foreign), 1, &["node 1"]);
    cluster.start(1);
}

#[test]
fn a_data_directory_that_cannot_be_written_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    let output = serve(dir.path(), &config(&file.join("data"), "127.0.0.1:0"));
    refused(&output, 1, &["file"]);
}
