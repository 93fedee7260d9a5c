//! Why a topic setting is refused. Travels to the proposer inside a refusal, so append-only.

use serde::{Deserialize, Serialize};

use super::setting::{SettingKind, setting};

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
    /// Neither `true` nor `false`.
    #[error("topic setting '{key}' is true or false, not '{value}'")]
    NotABoolean {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// No number from 0 to 1.
    #[error("topic setting '{key}' is a number from 0 to 1, not '{value}'")]
    NotAFraction {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Neither `*` nor a list of `partition:node`.
    #[error("topic setting '{key}' is '*' or a list of partition:node, not '{value}'")]
    NotReplicas {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// No Kafka version, or one whose records are older than the only format stored.
    #[error("topic setting '{key}' is a Kafka version from 0.11 on, as 3.0-IV1, not '{value}'")]
    NotAFormatVersion {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// More in-sync replicas than an acknowledgement waits for.
    #[error(
        "topic setting 'min.insync.replicas' is {value}, allowed are 1 to {majority}: an \
         acknowledged record is on the disks of a majority of the {replication} replicas, no more"
    )]
    AboveMajority {
        /// The value.
        value: i64,
        /// Replicas of the topic.
        replication: u32,
        /// A majority of them.
        majority: u32,
    },
    /// Something was to be added to or taken from a setting that is no list.
    #[error("topic setting '{key}' is no list")]
    NotAList {
        /// The key.
        key: String,
    },
}

fn choices(key: &str) -> String {
    match setting(key).map(|setting| setting.kind) {
        Some(SettingKind::Choice(words) | SettingKind::Words(words)) => words.join(", "),
        Some(SettingKind::AlwaysFalse) => "false".to_owned(),
        Some(
            SettingKind::Int { .. }
            | SettingKind::Long { .. }
            | SettingKind::Boolean
            | SettingKind::Fraction
            | SettingKind::Replicas
            | SettingKind::FormatVersion,
        )
        | None => String::new(),
    }
}
