//! The settings of a topic, under Kafka's names: valid overrides over the defaults of one table.
//!
//! Invariant: what is kept was valid for the topic's replication when it was set. The kept form
//! is a map of strings, so that settings can come and go without changing the disk format; it
//! holds only what somebody set on purpose.

mod error;
mod setting;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use floe_model::limits::BATCH_BYTES_DEFAULT;
use serde::{Deserialize, Serialize};

pub use error::ConfigError;
pub use setting::{Effect, Setting, SettingKind, setting};
pub use table::SETTINGS;

/// The table as Markdown, for the documentation.
#[must_use]
pub fn settings_table() -> String {
    let mut table = String::from("| setting | values | default | effect |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let Setting {
            key, default, doc, ..
        } = setting;
        let values = setting.values();
        writeln!(table, "| `{key}` | {values} | {default} | {doc} |")
            .expect("writing to a String cannot fail");
    }
    table
}

/// One change of one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigEdit {
    /// To this value.
    Set(String),
    /// Back to the default.
    Reset,
    /// These items join a list, behind those that are there.
    Append(String),
    /// These items leave a list.
    Subtract(String),
}

/// The form in which batches are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredCompression {
    /// As they came.
    AsProduced,
    /// Plain.
    Uncompressed,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
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
        let checked = overrides.into_iter().map(|(key, value)| {
            let value = canonical(&key, &value, replication)?;
            Ok((key, value))
        });
        let overrides = checked.collect::<Result<_, _>>()?;
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
        let edit =
            |(key, value): (_, Option<_>)| (key, value.map_or(ConfigEdit::Reset, ConfigEdit::Set));
        self.edited(changes.into_iter().map(edit).collect(), replication)
    }

    /// The same settings after `edits`.
    ///
    /// # Errors
    /// As for [`TopicConfig::new`], or an item for a setting that is no list.
    pub fn edited(
        &self,
        edits: BTreeMap<String, ConfigEdit>,
        replication: u32,
    ) -> Result<Self, ConfigError> {
        let mut overrides = self.overrides.clone();
        for (key, edit) in edits {
            let Some(row) = setting(&key) else {
                return Err(ConfigError::UnknownKey { key });
            };
            let list = || self.list(row);
            let value = match edit {
                ConfigEdit::Set(value) => value,
                ConfigEdit::Reset => {
                    overrides.remove(&key);
                    continue;
                }
                ConfigEdit::Append(more) => [list()?, &more].join(","),
                ConfigEdit::Subtract(less) => {
                    let less = setting::items(&less);
                    let mut left = setting::items(list()?);
                    left.retain(|item| !less.contains(item));
                    left.join(",")
                }
            };
            let value = canonical(&key, &value, replication)?;
            overrides.insert(key, value);
        }
        Ok(Self { overrides })
    }

    fn list(&self, row: &Setting) -> Result<&str, ConfigError> {
        if row.is_list() {
            Ok(self
                .overrides
                .get(row.key)
                .map_or(row.default, String::as_str))
        } else {
            Err(ConfigError::NotAList {
                key: row.key.to_owned(),
            })
        }
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
        let age_ms = self.number(table::RETENTION_MS, -1);
        u64::try_from(age_ms)
            .ok()
            .filter(|_| self.cleans_up_by("delete"))
    }

    /// Partition size at which the oldest segments go; `None` is never.
    #[must_use]
    pub fn retention_bytes(&self) -> Option<u64> {
        let bytes = self.number(table::RETENTION_BYTES, -1);
        u64::try_from(bytes)
            .ok()
            .filter(|_| self.cleans_up_by("delete"))
    }

    /// Whether every record must have a key: the policy keeps the newest of each key.
    #[must_use]
    pub fn requires_keys(&self) -> bool {
        self.cleans_up_by("compact")
    }

    fn cleans_up_by(&self, policy: &str) -> bool {
        let policies = self.value(table::CLEANUP_POLICY).unwrap_or("delete");
        setting::items(policies).contains(&policy)
    }

    /// Size at which a partition segment is closed; `None` leaves it to the node.
    #[must_use]
    pub fn segment_bytes(&self) -> Option<u64> {
        self.overrides.get(table::SEGMENT_BYTES)?.parse().ok()
    }

    /// Time that a partition segment may span; `None` leaves it to the node.
    #[must_use]
    pub fn segment_ms(&self) -> Option<i64> {
        self.overrides.get(table::SEGMENT_MS)?.parse().ok()
    }

    /// Largest record batch.
    #[must_use]
    pub fn max_message_bytes(&self) -> usize {
        let bytes = self.number(table::MAX_MESSAGE_BYTES, -1);
        usize::try_from(bytes).unwrap_or(BATCH_BYTES_DEFAULT)
    }

    /// The form in which batches are stored.
    #[must_use]
    pub fn stored_compression(&self) -> StoredCompression {
        match self.value(table::COMPRESSION_TYPE) {
            Some("uncompressed") => StoredCompression::Uncompressed,
            Some("gzip") => StoredCompression::Gzip,
            Some("snappy") => StoredCompression::Snappy,
            Some("lz4") => StoredCompression::Lz4,
            Some("zstd") => StoredCompression::Zstd,
            Some(_) | None => StoredCompression::AsProduced,
        }
    }

    /// Whether records get the broker's time instead of their own.
    #[must_use]
    pub fn stamps_append_time(&self) -> bool {
        self.value(table::TIMESTAMP_TYPE) == Some("LogAppendTime")
    }

    /// How far a timestamp may be behind the broker's clock; `None` is no bound.
    #[must_use]
    pub fn timestamp_before_max_ms(&self) -> Option<i64> {
        self.timestamp_bound(table::TIMESTAMP_BEFORE_MAX)
    }

    /// How far a timestamp may be ahead of the broker's clock; `None` is no bound.
    #[must_use]
    pub fn timestamp_after_max_ms(&self) -> Option<i64> {
        self.timestamp_bound(table::TIMESTAMP_AFTER_MAX)
    }

    fn timestamp_bound(&self, key: &str) -> Option<i64> {
        let difference = || self.overrides.get(table::TIMESTAMP_DIFFERENCE_MAX);
        let bound = self.overrides.get(key).or_else(difference)?;
        bound.parse().ok().filter(|&bound| bound != i64::MAX)
    }

    /// Replicas that have a record before it is acknowledged; never above the majority.
    #[must_use]
    pub fn min_insync_replicas(&self) -> u32 {
        u32::try_from(self.number(table::MIN_INSYNC_REPLICAS, 1)).unwrap_or(1)
    }

    /// The value in force of a key that the table calls a whole number. A snapshot of a foreign
    /// build could hold anything, hence the fallback.
    fn number(&self, key: &str, fallback: i64) -> i64 {
        let parsed = self.value(key).and_then(|value| value.parse().ok());
        let default = || setting(key).and_then(|setting| setting.default.parse().ok());
        parsed.or_else(default).unwrap_or(fallback)
    }
}

/// A checked value as it is kept.
fn canonical(key: &str, value: &str, replication: u32) -> Result<String, ConfigError> {
    let row = setting(key).ok_or_else(|| ConfigError::UnknownKey {
        key: key.to_owned(),
    })?;
    let value = row.canonical(value)?;
    let majority = replication / 2 + 1;
    match value.parse::<i64>() {
        Ok(value) if key == table::MIN_INSYNC_REPLICAS && value > majority.into() => {
            Err(ConfigError::AboveMajority {
                value,
                replication,
                majority,
            })
        }
        Ok(_) | Err(_) => Ok(value),
    }
}
