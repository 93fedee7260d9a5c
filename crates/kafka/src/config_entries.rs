//! Settings as Kafka's admin responses report them: value, type, where the value comes from, and
//! what it would be without.

use floe_broker::api::{Effect, SETTINGS, Setting, SettingKind, TopicConfig};
use floe_kafka_codec::messages::{DescribeConfigsResourceResult, DescribeConfigsSynonym};

use crate::context::RequestContext;
use crate::node_settings::{NodeSetting, node_settings};

/// Where a value comes from, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// From the node's configuration.
    Node,
    /// Nobody set it.
    Default,
}

impl ConfigSource {
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Node => 4,
            Self::Default => 5,
        }
    }
}

/// The type of a value, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigType {
    Boolean,
    String,
    Int,
    Long,
    Double,
    List,
}

impl ConfigType {
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
        }
    }

    pub(crate) fn of(kind: SettingKind) -> Self {
        match kind {
            SettingKind::Int { .. } => Self::Int,
            SettingKind::Long { .. } => Self::Long,
            SettingKind::Boolean | SettingKind::AlwaysFalse => Self::Boolean,
            SettingKind::Fraction => Self::Double,
            SettingKind::Choice(_) | SettingKind::FormatVersion => Self::String,
            SettingKind::Words(_) | SettingKind::Replicas => Self::List,
        }
    }
}

/// One setting and its value.
#[derive(Clone, Debug)]
pub(crate) struct ConfigEntry {
    pub(crate) name: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) kind: ConfigType,
    pub(crate) source: ConfigSource,
    pub(crate) read_only: bool,
    pub(crate) doc: &'static str,
    /// This value and those that it hides: name, value, source; the one in force first.
    pub(crate) synonyms: Vec<(&'static str, String, ConfigSource)>,
}

/// Every setting of a topic, by name.
pub(crate) fn topic_entries(cx: &RequestContext, config: &TopicConfig) -> Vec<ConfigEntry> {
    let node = node_settings(cx);
    let is_set = |setting: &Setting| config.overrides().contains_key(setting.key);
    let shown = SETTINGS
        .iter()
        .filter(|setting| setting.effect != Effect::Retired || is_set(setting));
    let mut entries: Vec<_> = shown
        .map(|setting| topic_entry(setting, config, &node))
        .collect();
    entries.sort_by_key(|entry| entry.name);
    entries
}

fn topic_entry(setting: &Setting, config: &TopicConfig, node: &[NodeSetting]) -> ConfigEntry {
    let of_node = setting
        .node_key
        .and_then(|key| node.iter().find(|other| other.name == key));
    let default = of_node.and_then(|other| other.value.as_deref());
    let default = default.unwrap_or(setting.default).to_owned();
    let default_source = of_node.map_or(ConfigSource::Default, |other| other.source);
    let mut synonyms = Vec::new();
    let (value, source) = match config.overrides().get(setting.key) {
        Some(value) => {
            synonyms.push((setting.key, value.clone(), ConfigSource::Topic));
            (value.clone(), ConfigSource::Topic)
        }
        None => (default.clone(), default_source),
    };
    if let Some(key) = setting.node_key {
        synonyms.push((key, default, default_source));
    }
    ConfigEntry {
        name: setting.key,
        value: Some(value),
        kind: ConfigType::of(setting.kind),
        source,
        read_only: false,
        doc: setting.doc,
        synonyms,
    }
}

/// Every setting of this node, by name.
pub(crate) fn node_entries(cx: &RequestContext) -> Vec<ConfigEntry> {
    let settings = node_settings(cx).into_iter();
    let entries = settings.map(|setting| {
        let own = |value: &String| (setting.name, value.clone(), setting.source);
        ConfigEntry {
            name: setting.name,
            synonyms: setting.value.iter().map(own).collect(),
            value: setting.value,
            kind: setting.kind,
            source: setting.source,
            read_only: true,
            doc: setting.doc,
        }
    });
    entries.collect()
}

/// An entry in a response.
pub(crate) fn described(
    entry: ConfigEntry,
    with_synonyms: bool,
    with_documentation: bool,
) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.into_iter().filter(|_| with_synonyms);
    DescribeConfigsResourceResult {
        name: entry.name.to_owned(),
        value: entry.value,
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: false,
        synonyms: synonyms
            .map(|(name, value, source)| DescribeConfigsSynonym {
                name: name.to_owned(),
                value: Some(value),
                source: source.code(),
            })
            .collect(),
        config_type: entry.kind.code(),
        documentation: with_documentation.then(|| entry.doc.to_owned()),
    }
}
