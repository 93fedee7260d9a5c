//! The one table of configuration keys.

use super::value::Kind;

/// One key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// `section.key`, or `key` where it stands before all sections.
    pub(crate) path: &'static str,
    /// What it holds.
    pub(crate) kind: Kind,
    /// The default, as one would write it.
    pub(crate) default: &'static str,
    /// One or two sentences for the documentation.
    pub(crate) doc: &'static str,
    /// A second, shorter environment variable.
    pub(crate) short_env: Option<&'static str>,
}

impl Key {
    const fn new(path: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self {
            path,
            kind,
            default,
            doc,
            short_env: None,
        }
    }

    /// The environment variable: `FLOE_SECTION__KEY`.
    pub(crate) fn env_name(&self) -> String {
        format!("FLOE_{}", self.path.replace('.', "__").to_uppercase())
    }

    /// The part before the dot.
    pub(crate) fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    /// The part behind the dot.
    pub(crate) fn name(&self) -> &'static str {
        self.path
            .split_once('.')
            .map_or(self.path, |(_, name)| name)
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const SECOND: u64 = 1_000;
const DAY: u64 = 86_400 * SECOND;

macro_rules! keys {
    ($($name:ident = $path:literal, $kind:expr, $default:literal, $doc:literal;)*) => {
        $(pub(crate) const $name: Key = Key::new($path, $kind, $default, $doc);)*
        /// Every key, by section.
        pub(crate) const KEYS: &[Key] = &[CHAOS, $($name,)* LOG_LEVEL];
    };
}

keys! {
    NODE_ID = "node.id", Kind::Integer(1, i32::MAX as u64), "1",
        "The node's place in the cluster. It never changes for a data directory.";
    NODE_RACK = "node.rack", Kind::OptionalText, "",
        "Failure domain. Replicas of a partition are spread over racks.";
    CLUSTER_NAME = "cluster.name", Kind::Text, "floe",
        "Keeps clusters apart that share a network. Equal on all nodes.";
    CLUSTER_SEEDS = "cluster.seeds", Kind::Seeds, "",
        "The founding nodes with their peer listeners, equal on all of them. A node that is not \
         among them joins. Empty: a cluster of this node alone.";
    CLIENT = "listeners.client", Kind::Address, "127.0.0.1:9192",
        "Where native clients connect.";
    CLIENT_ADVERTISED = "listeners.client_advertised", Kind::OptionalAddress, "",
        "What clients are told to connect to. Empty: the listen address. Needed when that is a \
         wildcard such as 0.0.0.0.";
    PEER = "listeners.peer", Kind::Address, "127.0.0.1:9292",
        "Where other nodes connect.";
    PEER_ADVERTISED = "listeners.peer_advertised", Kind::OptionalAddress, "",
        "What other nodes are told to connect to. Empty: the listen address.";
    KAFKA = "listeners.kafka", Kind::OptionalAddress, "127.0.0.1:9092",
        "Where Kafka clients connect. Empty: nowhere.";
    KAFKA_ADVERTISED = "listeners.kafka_advertised", Kind::OptionalAddress, "",
        "What Kafka clients are told to connect to. Empty: the listen address. Needed when that is \
         a wildcard such as 0.0.0.0.";
    HTTP = "listeners.http", Kind::OptionalAddress, "127.0.0.1:9392",
        "Where /livez, /readyz and /metrics are served. Empty: nowhere.";
    HTTP_ADVERTISED = "listeners.http_advertised", Kind::OptionalAddress, "",
        "What others are told of it. Empty: the listen address.";
    DATA_DIR = "storage.data_dir", Kind::Text, "./floe-data",
        "Where the node keeps everything. Relative to the working directory.";
    JOURNAL_SIZE = "storage.journal_size", Kind::Bytes(64 * MIB, TIB), "1 GiB",
        "All journal segments together; at least four are used.";
    JOURNAL_SEGMENT_SIZE = "storage.journal_segment_size", Kind::Bytes(16 * MIB, GIB), "64 MiB",
        "One journal segment; a multiple of 4 KiB. The largest record batch must fit.";
    PARTITION_SEGMENT_SIZE = "storage.partition_segment_size", Kind::Bytes(64 * KIB, 2 * GIB),
        "128 MiB", "A segment of a partition is closed at this size.";
    PARTITION_SEGMENT_AGE = "storage.partition_segment_age", Kind::Time(SECOND, 365 * DAY), "7d",
        "A segment of a partition is closed when its records span this time.";
    CHECKPOINT_INTERVAL = "storage.checkpoint_interval", Kind::Time(100, 3600 * SECOND), "30s",
        "Longest time that committed records stay out of synced partition segments.";
    DISK_RESERVE = "storage.disk_reserve", Kind::Bytes(0, TIB), "256 MiB",
        "Below this much free disk space produce is refused until there is space again.";
    TAIL_MEMORY = "limits.tail_memory", Kind::Bytes(MIB, TIB), "256 MiB",
        "Newest records kept in memory, all partitions together.";
    UNCOMMITTED = "limits.uncommitted_per_partition", Kind::Bytes(MIB, 64 * GIB), "8 MiB",
        "Accepted but not yet committed bytes of one partition; more is refused as busy.";
    PRODUCE_MEMORY = "limits.produce_memory", Kind::Bytes(16 * MIB, TIB), "64 MiB",
        "Produce requests in progress on this node; more is refused as busy.";
    AUTO_CREATE = "topics.auto_create", Kind::Bool, "false",
        "Whether producing to an unknown topic creates it. floe dev turns it on.";
    DEFAULT_PARTITIONS = "topics.default_partitions", Kind::Integer(1, 10_000), "1",
        "Partitions of a topic that is created that way.";
    RETENTION_CHECK = "topics.retention_check", Kind::Time(100, DAY), "30s",
        "How often retention looks for records and offsets to remove.";
    OFFSETS_RETENTION = "groups.offsets_retention", Kind::Time(SECOND, 3650 * DAY), "7d",
        "How long the offsets of a group are kept after its last member left; without members, \
         after they were committed.";
    INITIAL_REBALANCE_DELAY = "groups.initial_rebalance_delay", Kind::Time(0, 60 * SECOND), "3s",
        "How long an empty group of Kafka clients waits for more members. floe dev does not wait.";
    CONSUMER_HEARTBEAT = "groups.consumer_heartbeat_interval", Kind::Time(100, 60 * SECOND), "5s",
        "How often Kafka consumers heartbeat in a group whose partitions the broker assigns \
         (group.protocol=consumer).";
    CONSUMER_SESSION = "groups.consumer_session_timeout", Kind::Time(SECOND, 1800 * SECOND), "45s",
        "Silence after which such a consumer is out; longer than a few heartbeats.";
    BEAT_INTERVAL = "raft.beat_interval", Kind::Time(10, 10 * SECOND), "150ms",
        "Time between two signs of life of a node.";
    SUSPECT_AFTER = "raft.suspect_after", Kind::Time(50, 60 * SECOND), "500ms",
        "Silence after which a node counts as gone and its partitions elect new leaders.";
    FENCE_AFTER = "raft.fence_after", Kind::Time(50, 60 * SECOND), "600ms",
        "Time without a majority after which a leader stops serving.";
}

/// Stands alone: it is about the node as a whole, and easy to find in a file.
pub(crate) const CHAOS: Key = Key {
    short_env: Some("FLOE_CHAOS"),
    ..Key::new(
        "chaos",
        Kind::Bool,
        "false",
        "Whether any client may make this node suffer faults, as `floe chaos` does: the process \
         killed and paused, connections cut, a broken disk, a wrong clock. Never in production.",
    )
};

/// Its short variable is what people know from other tools.
pub(crate) const LOG_LEVEL: Key = Key {
    short_env: Some("FLOE_LOG"),
    ..Key::new(
        "log.level",
        Kind::LogFilter,
        "info",
        "What is logged on stderr: human-readable on a terminal, JSON otherwise.",
    )
};

/// The key with this path.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_legal_value_and_sections_are_contiguous() {
        let mut sections: Vec<&str> = Vec::new();
        for key in KEYS {
            assert!(key.kind.parse(key.default).is_ok(), "{}", key.path);
            assert!(key.doc.ends_with('.'), "{}", key.path);
            let parts = format!("{}.{}", key.section(), key.name());
            assert_eq!(key.path, parts.trim_start_matches('.'));
            if sections.last() != Some(&key.section()) {
                assert!(!sections.contains(&key.section()), "{}", key.path);
                sections.push(key.section());
            }
        }
        let env = find("storage.data_dir").map(Key::env_name);
        assert_eq!(env.as_deref(), Some("FLOE_STORAGE__DATA_DIR"));
    }
}
