//! What a node must know before it starts. Plain data: files, flags and environment variables
//! belong to the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use floe_env::Faults;
use floe_journal::JournalConfig;
use floe_model::NodeId;

/// Configuration of one node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The node's place in the cluster, `1..=i32::MAX`.
    pub node_id: NodeId,
    /// Keeps clusters apart that share a network; equal on all nodes.
    pub cluster_name: String,
    /// Where the node keeps everything.
    pub data_dir: PathBuf,
    /// `host:port` for native clients; port 0 takes a free one.
    pub client_listen: String,
    /// What clients are told; the bound address when absent.
    pub client_advertised: Option<String>,
    /// `host:port` for other nodes; port 0 takes a free one.
    pub peer_listen: String,
    /// What other nodes are told; the bound address when absent.
    pub peer_advertised: Option<String>,
    /// What Kafka clients are told, when the process also serves them.
    pub kafka_advertised: Option<String>,
    /// Where metrics and health are served, when they are.
    pub http_advertised: Option<String>,
    /// The founding nodes, this one included; empty for a cluster of this node alone.
    pub seeds: Vec<Seed>,
    /// The commit that the process was built from, shown with its metrics.
    pub commit: &'static str,
    /// Failure domain for placement.
    pub rack: Option<String>,
    /// Whether asking for an unknown topic makes it.
    pub auto_create_topics: bool,
    /// Partitions of a topic made that way.
    pub default_partitions: u32,
    /// Storage settings; the directory in it is replaced by `data_dir`.
    pub journal: JournalConfig,
    /// Liveness settings.
    pub raft: RaftTimings,
    /// What classic consumer groups may ask for.
    pub classic_groups: floe_group::classic::Limits,
    /// What consumer groups of KIP-848 ask of their members.
    pub consumer_groups: floe_group::consumer::Limits,
    /// How often retention looks at the partitions that are due and at offsets of groups.
    pub retention_check: Duration,
    /// How long offsets of a group without members are kept.
    pub offsets_retention: Duration,
    /// Produce requests in progress on this node, bytes; more are answered `Busy`.
    pub produce_bytes_max: usize,
    /// Open native client connections of this node; more are closed at once.
    pub client_connections_max: usize,
    /// What breaks this node on request of any client; absent where that is not allowed.
    pub faults: Option<Faults>,
}

/// A founding node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    /// Its place.
    pub node_id: NodeId,
    /// `host:port` of its peer listener.
    pub peer_addr: String,
}

/// When a silent node counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaftTimings {
    /// Between two signs of life.
    pub beat_interval: Duration,
    /// Silence that makes a node suspected.
    pub suspect_after: Duration,
    /// Time without a majority after which a leader serves no more.
    pub fence_after: Duration,
}

impl Default for RaftTimings {
    fn default() -> Self {
        Self {
            beat_interval: Duration::from_millis(150),
            suspect_after: Duration::from_millis(500),
            fence_after: Duration::from_millis(600),
        }
    }
}

impl NodeConfig {
    /// Open native client connections of a node, unless it is told otherwise.
    pub const CLIENT_CONNECTIONS_MAX: usize = 4096;

    /// A single node on loopback with free ports and the defaults of everything else.
    #[must_use]
    pub fn single(node_id: NodeId, data_dir: PathBuf) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0)).to_string();
        Self {
            node_id,
            cluster_name: "floe".to_owned(),
            data_dir,
            client_listen: any_port.clone(),
            client_advertised: None,
            peer_listen: any_port,
            peer_advertised: None,
            kafka_advertised: None,
            http_advertised: None,
            seeds: Vec::new(),
            commit: "unknown",
            rack: None,
            auto_create_topics: false,
            default_partitions: 1,
            journal: JournalConfig::default(),
            raft: RaftTimings::default(),
            classic_groups: floe_group::classic::Limits::default(),
            consumer_groups: floe_group::consumer::Limits::default(),
            retention_check: Duration::from_secs(30),
            offsets_retention: Duration::from_secs(7 * 86_400),
            produce_bytes_max: 64 << 20,
            client_connections_max: NodeConfig::CLIENT_CONNECTIONS_MAX,
            faults: None,
        }
    }
}
