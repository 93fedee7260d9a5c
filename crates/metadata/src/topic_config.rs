//! The settings of a topic, under Kafka's names: one table of types, ranges and defaults.
//!
//! Only values that this broker honours are accepted; a setting that would be ignored is
//! refused instead. The state keeps only what differs from the default by intent.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use floe_model::limits::{BATCH_BYTES_DEFAULT, BATCH_BYTES_MAX, REPLICATION_MAX};
use serde::{Deserialize, Serialize};

/// The values that a setting can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A whole number, both ends allowed.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One row of the table of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Kafka's key.
    pub key: &'static str,
    /// Its type and range.
    pub kind: SettingKind,
    /// The value when nothing is set.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
}

const RETENTION_MS: &str = "retention.ms";
const RETENTION_BYTES: &str = "retention.bytes";
const SEGMENT_BYTES: &str = "segment.bytes";
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// Every setting of a topic.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: RETENTION_MS,
        kind: SettingKind::Integer {
            min: -1,
            max: i64::MAX,
        },
        default: "604800000",
        doc: "Milliseconds after which records are removed; -1 keeps them for ever.",
    },
    Setting {
        key: RETENTION_BYTES,
        kind: SettingKind::Integer {
            min: -1,
            max: i64::MAX,
        },
        default: "-1",
        doc: "Bytes of one partition above which its oldest segments are removed; -1 is no bound.",
    },
    Setting {
        key: SEGMENT_BYTES,
        kind: SettingKind::Integer {
            min: 1 << 20,
            max: 1 << 30,
        },
        default: "268435456",
        doc: "Bytes at which a partition segment is closed; retention removes whole segments.",
    },
    Setting {
        key: MAX_MESSAGE_BYTES,
        kind: SettingKind::Integer {
            min: 1024,
            max: BATCH_BYTES_MAX as i64,
        },
        default: "1048576",
        doc: "Largest record batch in bytes, as stored.",
    },
    Setting {
        key: "compression.type",
        kind: SettingKind::Choice(&["producer"]),
        default: "producer",
        doc: "Batches are stored as the producer compressed them.",
    },
    Setting {
        key: "cleanup.policy",
        kind: SettingKind::Choice(&["delete"]),
        default: "delete",
        doc: "Old records are removed by time and size.",
    },
    Setting {
        key: MIN_INSYNC_REPLICAS,
        kind: SettingKind::Integer {
            min: 1,
            max: REPLICATION_MAX as i64,
        },
        default: "1",
        doc: "Replicas that a quorum ack needs at least. A majority is always needed, so the \
              largest accepted value is a majority of the topic's replicas.",
    },
    Setting {
        key: "message.timestamp.type",
        kind: SettingKind::Choice(&["CreateTime"]),
        default: "CreateTime",
        doc: "Records carry the time that their producer gave them.",
    },
    Setting {
        key: "durability",
        kind: SettingKind::Choice(&["fsync"]),
        default: "fsync",
        doc: "An acknowledged record is on the disks of a majority.",
    },
];

const _: () = assert!(
    BATCH_BYTES_DEFAULT == 1_048_576,
    "the default of max.message.bytes"
);

/// Why a setting is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ConfigError {
    /// No setting of that name.
    #[error("unknown topic setting '{key}'")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// Not a whole number.
    #[error("topic setting '{key}' is a whole number, not '{value}'")]
    NotANumber {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// A number outside the range.
    #[error("topic setting '{key}' is {value}, allowed are {min} to {max}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The value.
        value: i64,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// None of the words.
    #[error(
        "topic setting '{key}' cannot be '{value}', supported: {}",
        choices(key)
    )]
    NotAChoice {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

fn choices(key: &str) -> String {
    match setting(key).map(|setting| setting.kind) {
        Some(SettingKind::Choice(words)) => words.join(", "),
        Some(SettingKind::Integer { .. }) | None => String::new(),
    }
}

/// The row of a key.
#[must_use]
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The table as Markdown, for the documentation.
#[must_use]
pub fn settings_table() -> String {
    let mut table = String::from("| setting | values | default | meaning |\n|---|---|---|---|\n");
    for Setting {
        key,
        kind,
        default,
        doc,
    } in SETTINGS
    {
        let values = match kind {
            SettingKind::Integer { min, max: i64::MAX } => format!("{min} or more"),
            SettingKind::Integer { min, max } => format!("{min} to {max}"),
            SettingKind::Choice(words) => words.join(", "),
        };
        writeln!(table, "| `{key}` | {values} | {default} | {doc} |")
            .expect("writing to a String cannot fail");
    }
    table
}

/// The settings of one topic: valid overrides over the defaults of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicConfig {
    overrides: BTreeMap<String, String>,
}

impl TopicConfig {
    /// Checks every key and value, also against the replication they are for.
    ///
    /// # Errors
    /// The first offender in key order.
    pub fn new(overrides: BTreeMap<String, String>, replication: u32) -> Result<Self, ConfigError> {
        for (key, value) in &overrides {
            check(key, value, replication)?;
        }
        Ok(Self { overrides })
    }

    /// The same settings after `changes`, where `None` returns a key to its default.
    ///
    /// # Errors
    /// As for [`TopicConfig::new`].
    pub fn altered(
        &self,
        changes: BTreeMap<String, Option<String>>,
        replication: u32,
    ) -> Result<Self, ConfigError> {
        let mut overrides = self.overrides.clone();
        for (key, value) in changes {
            if setting(&key).is_none() {
                return Err(ConfigError::UnknownKey { key });
            }
            match value {
                Some(value) => overrides.insert(key, value),
                None => overrides.remove(&key),
            };
        }
        Self::new(overrides, replication)
    }

    /// What was set on purpose.
    #[must_use]
    pub fn overrides(&self) -> &BTreeMap<String, String> {
        &self.overrides
    }

    /// The value in force; `None` for an unknown key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        match self.overrides.get(key) {
            Some(value) => Some(value),
            None => setting(key).map(|setting| setting.default),
        }
    }

    /// Age at which records go; `None` is never.
    #[must_use]
    pub fn retention_ms(&self) -> Option<u64> {
        u64::try_from(self.integer(RETENTION_MS)).ok()
    }

    /// Partition size at which the oldest segments go; `None` is never.
    #[must_use]
    pub fn retention_bytes(&self) -> Option<u64> {
        u64::try_from(self.integer(RETENTION_BYTES)).ok()
    }

    /// Size at which a partition segment is closed.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.integer(SEGMENT_BYTES).unsigned_abs()
    }

    /// Largest record batch.
    #[must_use]
    pub fn max_message_bytes(&self) -> usize {
        usize::try_from(self.integer(MAX_MESSAGE_BYTES)).unwrap_or(BATCH_BYTES_DEFAULT)
    }

    /// The value in force of a key that the table calls an integer. A snapshot of a foreign
    /// build could hold anything, hence the fallback.
    fn integer(&self, key: &str) -> i64 {
        let parsed = self.value(key).and_then(|value| value.parse().ok());
        let default = || setting(key).and_then(|setting| setting.default.parse().ok());
        parsed.or_else(default).unwrap_or(-1)
    }
}

fn check(key: &str, value: &str, replication: u32) -> Result<(), ConfigError> {
    let Some(setting) = setting(key) else {
        return Err(ConfigError::UnknownKey {
            key: key.to_owned(),
        });
    };
    match setting.kind {
        SettingKind::Choice(words) if words.contains(&value) => Ok(()),
        SettingKind::Choice(_) => Err(ConfigError::NotAChoice {
            key: key.to_owned(),
            value: value.to_owned(),
        }),
        SettingKind::Integer { min, max } => {
            let Ok(number) = value.parse::<i64>() else {
                return Err(ConfigError::NotANumber {
                    key: key.to_owned(),
                    value: value.to_owned(),
                });
            };
            let majority = i64::from(replication / 2 + 1);
            let max = if key == MIN_INSYNC_REPLICAS {
                max.min(majority)
            } else {
                max
            };
            if (min..=max).contains(&number) {
                return Ok(());
            }
            Err(ConfigError::OutOfRange {
                key: key.to_owned(),
                value: number,
                min,
                max,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn one(key: &str, value: &str) -> Result<TopicConfig, ConfigError> {
        TopicConfig::new(BTreeMap::from([(key.to_owned(), value.to_owned())]), 3)
    }

    #[test]
    fn every_default_is_legal_and_every_key_unique() {
        for (place, setting) in SETTINGS.iter().enumerate() {
            assert_eq!(
                check(setting.key, setting.default, 1),
                Ok(()),
                "{}",
                setting.key
            );
            assert!(
                SETTINGS[..place]
                    .iter()
                    .all(|other| other.key != setting.key)
            );
            assert!(settings_table().contains(setting.key));
        }
    }

    #[test]
    fn values_outside_the_table_are_refused() {
        let number = |key: &str, value, min, max| {
            Err(ConfigError::OutOfRange {
                key: key.to_owned(),
                value,
                min,
                max,
            })
        };
        assert_eq!(
            one("retention.ms", "-2"),
            number("retention.ms", -2, -1, i64::MAX)
        );
        assert_eq!(
            one("min.insync.replicas", "3"),
            number("min.insync.replicas", 3, 1, 2)
        );
        assert!(one("min.insync.replicas", "2").is_ok());
        assert!(matches!(
            one("segment.bytes", "1 GiB"),
            Err(ConfigError::NotANumber { .. })
        ));
        assert!(matches!(
            one("retention.hours", "1"),
            Err(ConfigError::UnknownKey { .. })
        ));
        let refused = one("durability", "replicated").unwrap_err();
        let text = "topic setting 'durability' cannot be 'replicated', supported: fsync";
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn altering_sets_and_returns_to_the_default() {
        let config = one("retention.ms", "-1").unwrap();
        assert_eq!(config.retention_ms(), None);
        let reset = BTreeMap::from([("retention.ms".to_owned(), None)]);
        let config = config.altered(reset, 3).unwrap();
        assert_eq!(config.retention_ms(), Some(604_800_000));
        assert_eq!(config, TopicConfig::default());
        let unknown = BTreeMap::from([("nonsense".to_owned(), None)]);
        assert!(config.altered(unknown, 3).is_err());
        assert_eq!(config.max_message_bytes(), BATCH_BYTES_DEFAULT);
        assert_eq!(config.segment_bytes(), 256 << 20);
        assert_eq!(config.retention_bytes(), None);
    }
}
