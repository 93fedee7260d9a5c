//! Input that cannot be taken is refused clearly, with a defined exit code, and costs nothing that
//! was there before.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use tempfile::TempDir;

use crate::process::{Node, SMALL, floe, refused, stdout};

const READ_ALL: &[&str] = &["consume", "t", "--until-end"];
/// Reaches the broker with one bit changed.
const DAMAGED: &str = "this record is damaged on its way";

fn node_with_topic(home: &TempDir, listeners: &str) -> Node {
    let data = home.path().join("data");
    let node = Node::start(home.path(), &data, SMALL, listeners);
    let made = floe(node.client_addr(), &["topic", "create", "t"], b"");
    assert!(made.status.success(), "{made:?}");
    node
}

#[test]
fn records_that_cannot_be_taken_are_refused_and_those_before_stay() {
    let home = TempDir::new().unwrap();
    let node = node_with_topic(&home, "");
    assert!(node.floe(&["produce", "t"], b"good\n").status.success());
    // Above the topic's limit, and above what the protocol carries at all.
    for size_bytes in [1_200_000, 20_000_000] {
        let mut line = vec![b'x'; size_bytes];
        line.push(b'\n');
        let output = node.floe(&["produce", "t"], &line);
        refused(&output, 2, &["line 1"]);
    }
    refused(&node.floe(&["produce", "nowhere"], b"x\n"), 3, &["nowhere"]);
    refused(&node.floe(&["produce", "no/slash"], b"x\n"), 2, &["'/'"]);
    let name = "n".repeat(250);
    refused(&node.floe(&["topic", "create", &name], b""), 2, &["249"]);
    refused(
        &node.floe(&["topic", "create", ".."], b""),
        2,
        &["topic name"],
    );
    assert_eq!(stdout(&node.floe(READ_ALL, b"")), "good\n");
}

#[test]
fn a_batch_that_was_changed_on_its_way_is_refused_and_nothing_of_it_is_stored() {
    let home = TempDir::new().unwrap();
    // The node tells clients to come through the proxy.
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let through = proxy.local_addr().unwrap().to_string();
    let node = node_with_topic(&home, &format!("client_advertised = \"{through}\"\n"));
    let target = node.client_addr().to_owned();
    thread::spawn(move || damage_in_passing(&proxy, &target));

    assert!(node.floe(&["produce", "t"], b"good\n").status.success());
    let line = format!("{DAMAGED}\n");
    let output = floe(&through, &["produce", "t"], line.as_bytes());
    refused(&output, 1, &["corrupt"]);
    assert!(node.floe(&["produce", "t"], b"after\n").status.success());
    assert_eq!(stdout(&node.floe(READ_ALL, b"")), "good\nafter\n");
}

/// Passes connections on to `target` and flips a bit of [`DAMAGED`] where it goes by.
fn damage_in_passing(proxy: &TcpListener, target: &str) {
    for client in proxy.incoming().map_while(Result::ok) {
        let Ok(server) = TcpStream::connect(target) else {
            continue;
        };
        let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || pass(client, server, true));
        thread::spawn(move || pass(back_from, back_to, false));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, damaging: bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(size_bytes @ 1..) = from.read(&mut buffer) {
        let passing = &mut buffer[..size_bytes];
        let marker = DAMAGED.as_bytes();
        if damaging && let Some(at) = passing.windows(marker.len()).position(|w| w == marker) {
            passing[at] ^= 1;
        }
        if to.write_all(passing).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}

#[test]
fn another_version_of_the_protocol_is_refused_by_node_and_client() {
    let home = TempDir::new().unwrap();
    let node = node_with_topic(&home, "");
    let mut stream = TcpStream::connect(node.client_addr()).unwrap();
    let hello_of_version_999 = *b"FLOE\x03\xe7\x00\x00";
    stream.write_all(&hello_of_version_999).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(
        &answer[..4],
        b"FLOE",
        "answered in the form all versions share"
    );
    assert_ne!(&answer[4..6], b"\x03\xe7");

    let newer = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = newer.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut client in newer.incoming().map_while(Result::ok) {
            drop(client.write_all(&hello_of_version_999));
            drop(client.read(&mut [0; 64]));
        }
    });
    let output = floe(&addr, &["topic", "list", "--timeout", "5s"], b"");
    refused(&output, 1, &["version 999", "floe --version"]);
    assert!(stdout(&node.floe(&["topic", "list"], b"")).contains('t'));
}

#[test]
fn bytes_that_are_no_protocol_end_their_own_connection_only() {
    let home = TempDir::new().unwrap();
    let node = node_with_topic(&home, "");
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    let forged_length = b"FLOE\x00\x01\xff\xff".to_vec();
    for bytes in [http, forged_length, vec![0xff; 100_000]] {
        let mut stream = TcpStream::connect(node.client_addr()).unwrap();
        // The node may hang up in the middle.
        drop(stream.write_all(&bytes));
        drop(stream.shutdown(Shutdown::Write));
        drop(stream.read_to_end(&mut Vec::new()));
    }
    assert!(node.floe(&["produce", "t"], b"good\n").status.success());
    assert_eq!(stdout(&node.floe(READ_ALL, b"")), "good\n");
}

#[test]
fn sigterm_ends_a_node_with_0_and_everything_acknowledged_is_there_again() {
    let home = TempDir::new().unwrap();
    let node = node_with_topic(&home, "");
    assert!(node.floe(&["produce", "t"], b"kept\n").status.success());
    let began = std::time::Instant::now();
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    let node = Node::start(home.path(), &home.path().join("data"), SMALL, "");
    assert_eq!(stdout(&node.floe(READ_ALL, b"")), "kept\n");
}
