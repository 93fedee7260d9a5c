//! A node that cannot start says why, exits with a defined code and touches nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::cluster::{Cluster, binary};
use crate::process::{Node, SMALL, refused, stdout};

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

#[test]
fn a_truncated_configuration_is_refused_with_its_line() {
    let dir = TempDir::new().unwrap();
    let whole = config(&dir.path().join("data"), "127.0.0.1:0");
    let cut = whole.find("peer").unwrap() + 10;
    refused(&serve(dir.path(), &whole[..cut]), 2, &["floe.toml:5"]);
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

#[test]
fn a_data_directory_of_a_newer_format_is_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    drop(Node::start(dir.path(), &data, SMALL, ""));
    let file = data.join("node.meta");
    let mut bytes = fs::read(&file).unwrap();
    // The version stands behind the magic, the checksum at the end; see docs/storage-layout.md.
    bytes[4] = 9;
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(&file, &bytes).unwrap();
    let before = listing(&data);
    let output = serve(dir.path(), &config(&data, "127.0.0.1:0"));
    refused(&output, 1, &["9", "newer", "floe --version"]);
    assert_eq!(listing(&data), before);
}

/// Every file with its bytes.
fn listing(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => dirs.push(entry.path()),
                false => files.push((entry.path(), fs::read(entry.path()).unwrap())),
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_node_with_the_data_of_another_cluster_gives_up_and_touches_nothing() {
    let (one, other) = (Cluster::up(3), Cluster::up(3));
    assert!(one.floe(&["topic", "create", "mine"]).status.success());
    one.stop(3);
    other.stop(3);
    // Node 3 of one cluster on the disk of node 3 of the other.
    let config = fs::read_to_string(other.home(3).join("node.toml")).unwrap();
    let (own, foreign) = (other.data_dir(3), one.data_dir(3));
    let config = config.replace(own.to_str().unwrap(), foreign.to_str().unwrap());
    let output = serve(one.home(3).as_path(), &config);
    refused(&output, 1, &["cluster", foreign.to_str().unwrap()]);
    one.start(3);
    other.start(3);
    let described = one.floe(&["topic", "describe", "mine"]);
    assert!(described.status.success(), "{described:?}");
}

#[test]
fn a_read_only_directory_is_refused() {
    let Some(mount) = Mount::tmpfs("8m") else {
        eprintln!("not possible here: mounting needs root");
        return;
    };
    mount.again("ro");
    let home = TempDir::new().unwrap();
    let data = mount.path().join("data");
    let output = serve(home.path(), &config(&data, "127.0.0.1:0"));
    refused(&output, 1, &[data.to_str().unwrap(), "--data-dir"]);
}

#[test]
fn a_disk_that_fills_up_refuses_records_and_keeps_those_it_took() {
    let Some(mount) = Mount::tmpfs("160m") else {
        eprintln!("not possible here: mounting needs root");
        return;
    };
    let home = TempDir::new().unwrap();
    let node = Node::start(home.path(), &mount.path().join("data"), SMALL, "");
    assert!(node.floe(&["topic", "create", "t"], b"").status.success());
    let ballast = mount.path().join("ballast");
    fs::write(&ballast, vec![1; 40 << 20]).unwrap();

    let mut taken = 0;
    let refusal = loop {
        let lines: String = (taken..taken + 1_000)
            .map(|number| format!("{number:01000}\n"))
            .collect();
        let limit = ["produce", "t", "--delivery-timeout", "2s"];
        let output = node.floe(&limit, lines.as_bytes());
        if !output.status.success() {
            break output;
        }
        taken += 1_000;
        assert!(taken < 160_000, "more than the disk has room for");
    };
    let said = String::from_utf8_lossy(&refusal.stderr);
    assert!(matches!(refusal.status.code(), Some(4 | 5)), "{refusal:?}");
    assert!(said.contains("disk full"), "{said}");
    let read = stdout(&node.floe(&["consume", "t", "--until-end"], b""));
    assert!(read.lines().count() >= taken, "reading goes on");
    let status = stdout(&node.floe(&["cluster", "status"], b""));
    assert!(status.contains("degraded"), "{status}");
    assert!(status.contains("disk full"), "{status}");

    fs::remove_file(&ballast).unwrap();
    let again = node.floe(&["produce", "t"], b"room again\n");
    assert!(again.status.success(), "{again:?}");
    let read = stdout(&node.floe(&["consume", "t", "--until-end"], b""));
    assert!(read.ends_with("room again\n"));
    for number in 0..taken {
        assert!(
            read.contains(&format!("{number:01000}\n")),
            "{number} is lost"
        );
    }
}

/// A small disk; unmounted when dropped, after the node on it.
struct Mount {
    dir: TempDir,
}

impl Mount {
    /// `None` where mounting is not allowed.
    fn tmpfs(size: &str) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "floe-test"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self { dir })
    }

    fn again(&self, option: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{option}")])
            .arg(self.dir.path())
            .status();
        assert!(status.unwrap().success());
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(
            Command::new("umount")
                .arg("-l")
                .arg(self.dir.path())
                .status(),
        );
    }
}
