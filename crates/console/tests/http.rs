//! The pages of a real node over a real socket.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use floe_broker::{Node, NodeConfig, start_node};
use floe_client::{Client, Record};
use floe_console::Console;
use floe_env::{Env, Stream};
use floe_model::NodeId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const LIMIT: Duration = Duration::from_secs(20);

struct Served {
    env: Env,
    node: Node,
    console: Console,
    _dir: tempfile::TempDir,
}

async fn serve() -> Served {
    let env = Env::real().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut config = NodeConfig::single(NodeId(1), dir.path().to_owned());
    config.journal.journal_bytes = 4 << 20;
    config.journal.journal_segment_bytes = 1 << 20;
    config.journal.prewrite = false;
    let node = start_node(config, env.clone()).await.unwrap();
    let listener = env.net.listen("127.0.0.1:0").await.unwrap();
    let console = Console::start(listener, node.broker(), &env);
    Served {
        env,
        node,
        console,
        _dir: dir,
    }
}

impl Served {
    async fn connect(&self) -> Stream {
        connect(&self.env, self.console.local_addr()).await
    }

    /// Status line and body of one request.
    async fn request(&self, method: &str, path: &str) -> (String, String) {
        let mut stream = self.connect().await;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(&mut stream).await
    }

    async fn become_ready(&self) {
        let ready = async {
            while !self.request("GET", "/readyz").await.0.contains("200") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, ready).await.unwrap();
    }

    /// A family without a value is not shown.
    async fn use_every_metric(&self) {
        let client = Client::connect(&self.node.client_addr().to_string())
            .await
            .unwrap();
        client.admin().create_topic("orders").send().await.unwrap();
        let producer = client.producer("orders").build().await.unwrap();
        producer.send(Record::new("espresso")).await.unwrap();
    }

    async fn stop(self) {
        self.console.shutdown().await;
        self.node.shutdown(LIMIT).await.unwrap();
    }
}

async fn connect(env: &Env, addr: SocketAddr) -> Stream {
    env.net.connect(&addr.to_string()).await.unwrap().stream
}

async fn answer(stream: &mut Stream) -> (String, String) {
    let mut text = String::new();
    let reading = stream.read_to_string(&mut text);
    tokio::time::timeout(LIMIT, reading).await.unwrap().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_that_it_lives_and_that_it_is_ready() {
    let served = serve().await;
    served.become_ready().await;
    let (status, body) = served.request("GET", "/livez").await;
    assert_eq!(
        (status.as_str(), body.as_str()),
        ("HTTP/1.1 200 OK", r#"{"alive":true}"#)
    );
    let (_, body) = served.request("GET", "/readyz").await;
    assert_eq!(body, r#"{"ready":true,"reasons":[]}"#);
    let (status, body) = served.request("GET", "/").await;
    assert!(
        status.contains("404") && body.contains("/metrics"),
        "{status} {body}"
    );
    let (status, _) = served.request("POST", "/livez").await;
    assert!(status.contains("405"), "{status}");
    let (status, body) = served.request("HEAD", "/metrics").await;
    assert!(status.contains("200") && body.is_empty(), "{status} {body}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_the_metrics_are_pinned() {
    let served = serve().await;
    served.become_ready().await;
    served.use_every_metric().await;
    let (_, text) = served.request("GET", "/metrics").await;
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut names: BTreeSet<_> = types.collect();
    // Shown only once a request has failed.
    names.insert("floe_request_errors counter");
    let golden: BTreeSet<_> = include_str!("metrics.txt").lines().collect();
    assert_eq!(
        names, golden,
        "dashboards use these names: only add, and add to metrics.txt"
    );
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("floe_build_info{{version=\"{version}\",commit=\"unknown\"}} 1");
    assert!(text.lines().any(|line| line == build), "{build}");
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends so");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_cannot_use_up_the_server() {
    let served = serve().await;
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(served.connect().await);
    }
    let mut late = served.connect().await;
    late.write_all(b"GET /livez HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    // One of the idle ones goes, and the late one is served.
    idle.pop();
    let (status, _) = answer(&mut late).await;
    assert!(status.contains("200"), "{status}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_head_above_the_limit_ends_its_connection_only() {
    let served = serve().await;
    let mut stream = served.connect().await;
    let head = format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(64 << 10));
    // The server may close before it has read everything.
    drop(stream.write_all(head.as_bytes()).await);
    let mut text = Vec::new();
    drop(
        tokio::time::timeout(LIMIT, stream.read_to_end(&mut text))
            .await
            .unwrap(),
    );
    assert!(!text.starts_with(b"HTTP/1.1 200"));
    let (status, _) = served.request("GET", "/livez").await;
    assert!(status.contains("200"), "{status}");
    served.stop().await;
}
