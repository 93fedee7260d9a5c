//! The settings of this node under Kafka's names: what clients and tools look up before they make
//! topics or groups. All are read when the node starts.

use floe_broker::NodeConfig;
use floe_broker::api::{Effect, SETTINGS, Setting};
use floe_model::limits::GROUP_MEMBERS_MAX;

use crate::config_entries::{ConfigSource, ConfigType};
use crate::context::RequestContext;
use crate::endpoints::kafka_id;

/// One setting of the node.
#[derive(Clone, Debug)]
pub(crate) struct NodeSetting {
    pub(crate) name: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) kind: ConfigType,
    pub(crate) source: ConfigSource,
    pub(crate) doc: &'static str,
}

/// What cannot be configured: name, type, value, meaning.
const FIXED: &[(&str, ConfigType, &str, &str)] = &[
    (
        "authorizer.class.name",
        ConfigType::String,
        "",
        "There is no access control.",
    ),
    (
        "controlled.shutdown.enable",
        ConfigType::Boolean,
        "true",
        "A node that stops hands its leaders over first.",
    ),
    (
        "delete.topic.enable",
        ConfigType::Boolean,
        "true",
        "Topics can be deleted.",
    ),
    (
        "log.retention.hours",
        ConfigType::Int,
        "168",
        "Hours after which records are removed, unless the topic says otherwise.",
    ),
    (
        "process.roles",
        ConfigType::List,
        "broker,controller",
        "Every node is both.",
    ),
    (
        "producer.id.expiration.ms",
        ConfigType::Int,
        "86400000",
        "Silence, in the time of the log, after which a partition forgets a producer.",
    ),
    (
        "security.inter.broker.protocol",
        ConfigType::String,
        "PLAINTEXT",
        "How nodes talk to each other.",
    ),
];

/// Every setting of this node, by name.
pub(crate) fn node_settings(cx: &RequestContext) -> Vec<NodeSetting> {
    let config = cx.broker().config();
    let mut settings = configured(cx, config);
    settings.extend(place(cx, config));
    settings.extend(of_groups(config));
    settings.extend(FIXED.iter().map(|&(name, kind, value, doc)| NodeSetting {
        name,
        value: Some(value.to_owned()),
        kind,
        source: ConfigSource::Default,
        doc,
    }));
    settings.extend(SETTINGS.iter().filter_map(|row| topic_default(row, config)));
    settings.sort_by_key(|setting| setting.name);
    settings
}

/// The node-wide default of a topic setting.
fn topic_default(row: &Setting, config: &NodeConfig) -> Option<NodeSetting> {
    let name = row.node_key.filter(|_| row.effect != Effect::Retired)?;
    let (value, source) = match row.key {
        "segment.bytes" => from_node(&config.journal.partition_segment_bytes, row.default),
        "segment.ms" => from_node(&config.journal.partition_segment_ms, row.default),
        _ => (row.default.to_owned(), ConfigSource::Default),
    };
    Some(NodeSetting {
        name,
        value: Some(value),
        kind: ConfigType::of(row.kind),
        source,
        doc: row.doc,
    })
}

/// A configured value, and whether somebody chose it.
fn from_node(value: &impl ToString, default: &str) -> (String, ConfigSource) {
    let value = value.to_string();
    let source = if value == default {
        ConfigSource::Default
    } else {
        ConfigSource::Node
    };
    (value, source)
}

fn of_groups(config: &NodeConfig) -> [NodeSetting; 6] {
    let limits = config.classic_groups;
    let consumers = config.consumer_groups;
    let set = |name, value: u32, doc| NodeSetting {
        name,
        value: Some(value.to_string()),
        kind: ConfigType::Int,
        source: ConfigSource::Default,
        doc,
    };
    [
        set(
            "group.consumer.heartbeat.interval.ms",
            consumers.heartbeat_interval_ms,
            "How often members of consumer groups whose partitions the broker assigns heartbeat.",
        ),
        set(
            "group.consumer.max.size",
            u32::try_from(GROUP_MEMBERS_MAX).unwrap_or(u32::MAX),
            "Members that one such group may have.",
        ),
        set(
            "group.consumer.session.timeout.ms",
            consumers.session_timeout_ms,
            "Silence after which a member of such a group is out.",
        ),
        set(
            "group.initial.rebalance.delay.ms",
            limits.initial_rebalance_delay_ms,
            "How long an empty classic group waits for more members after the first joined.",
        ),
        set(
            "group.max.session.timeout.ms",
            limits.session_timeout_ms_max,
            "The longest session timeout of a classic group's member.",
        ),
        set(
            "group.min.session.timeout.ms",
            limits.session_timeout_ms_min,
            "The shortest session timeout of a classic group's member.",
        ),
    ]
}

fn configured(cx: &RequestContext, config: &NodeConfig) -> Vec<NodeSetting> {
    let set = |name, kind, value: String, doc| NodeSetting {
        name,
        value: Some(value),
        kind,
        source: ConfigSource::Node,
        doc,
    };
    let replication = cx.broker().nodes().len().clamp(1, 3).to_string();
    let data_dir = config.data_dir.display().to_string();
    vec![
        set(
            "auto.create.topics.enable",
            ConfigType::Boolean,
            config.auto_create_topics.to_string(),
            "Whether asking for an unknown topic makes it.",
        ),
        set(
            "default.replication.factor",
            ConfigType::Int,
            replication,
            "Replicas of a topic that does not say: 3, or as many as there are nodes.",
        ),
        set(
            "log.dirs",
            ConfigType::String,
            data_dir,
            "Where the node keeps everything.",
        ),
        set(
            "log.retention.check.interval.ms",
            ConfigType::Long,
            config.retention_check.as_millis().to_string(),
            "How often retention looks at the partitions that are due and at offsets of groups.",
        ),
        set(
            "offsets.retention.minutes",
            ConfigType::Int,
            (config.offsets_retention.as_secs() / 60).to_string(),
            "How long the offsets of a group are kept after its last member left.",
        ),
        set(
            "num.partitions",
            ConfigType::Int,
            config.default_partitions.to_string(),
            "Partitions of a topic that does not say.",
        ),
    ]
}

/// Who the node is and where.
fn place(cx: &RequestContext, config: &NodeConfig) -> [NodeSetting; 4] {
    let set = |name, kind, value, doc| NodeSetting {
        name,
        value,
        kind,
        source: ConfigSource::Node,
        doc,
    };
    let node_id = Some(kafka_id(config.node_id).to_string());
    let endpoints = cx.endpoints();
    let listener = endpoints
        .get(config.node_id)
        .map(|endpoint| format!("PLAINTEXT://{}:{}", endpoint.host, endpoint.port));
    [
        set(
            "broker.id",
            ConfigType::Int,
            node_id.clone(),
            "The node's place in the cluster.",
        ),
        set(
            "node.id",
            ConfigType::Int,
            node_id,
            "The node's place in the cluster.",
        ),
        set(
            "advertised.listeners",
            ConfigType::String,
            listener,
            "What Kafka clients are told to connect to.",
        ),
        set(
            "broker.rack",
            ConfigType::String,
            config.rack.clone(),
            "Failure domain for the placement of replicas.",
        ),
    ]
}
