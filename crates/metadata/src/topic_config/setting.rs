//! One topic setting: its type, range, default and effect, and the check of a value against it.
//!
//! Kafka's rules of reading apply: blanks around a value mean nothing, booleans are read in any
//! case, lists are separated by commas.

use super::error::ConfigError;
use super::table::SETTINGS;

/// The values that a setting can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A whole number of 32 bits, both ends allowed.
    Int {
        /// Smallest.
        min: i32,
        /// Largest.
        max: i32,
    },
    /// A whole number of 64 bits, both ends allowed.
    Long {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// The switch of something that does not exist here.
    AlwaysFalse,
    /// A number from 0 to 1.
    Fraction,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One or more of these words, separated by commas.
    Words(&'static [&'static str]),
    /// `*`, nothing, or `partition:node` separated by commas.
    Replicas,
    /// A version of Kafka.
    FormatVersion,
}

/// What a setting does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what its documentation says.
    Honoured,
    /// It is kept and reported: what it tunes does not exist here, or is always so.
    None,
    /// Kafka itself dropped it: accepted, and reported only where somebody set it.
    Retired,
}

/// One row of the table of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Kafka's key.
    pub key: &'static str,
    /// The key of the node-wide default in Kafka, if there is one.
    pub node_key: Option<&'static str>,
    /// Its type and range.
    pub kind: SettingKind,
    /// The value when nothing is set.
    pub default: &'static str,
    /// Whether it does anything.
    pub effect: Effect,
    /// What it does.
    pub doc: &'static str,
}

/// The row of a key.
#[must_use]
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

impl Setting {
    /// The value as it is kept: checked, and without blanks that mean nothing.
    ///
    /// # Errors
    /// The value is not of the type, or outside the range.
    pub fn canonical(&self, value: &str) -> Result<String, ConfigError> {
        let (key, value) = (self.key.to_owned(), value.trim().to_owned());
        match self.kind {
            SettingKind::Int { min, max } => whole(key, value, min.into(), max.into()),
            SettingKind::Long { min, max } => whole(key, value, min, max),
            SettingKind::Boolean => match boolean(&value) {
                Some(truth) => Ok(truth.to_string()),
                None => Err(ConfigError::NotABoolean { key, value }),
            },
            SettingKind::AlwaysFalse => match boolean(&value) {
                Some(false) => Ok("false".to_owned()),
                Some(true) => Err(ConfigError::NotAChoice { key, value }),
                None => Err(ConfigError::NotABoolean { key, value }),
            },
            SettingKind::Fraction => match value.parse::<f64>() {
                Ok(number) if (0.0..=1.0).contains(&number) => Ok(value),
                Ok(_) | Err(_) => Err(ConfigError::NotAFraction { key, value }),
            },
            SettingKind::Choice(words) if words.contains(&value.as_str()) => Ok(value),
            SettingKind::Choice(_) => Err(ConfigError::NotAChoice { key, value }),
            SettingKind::Words(words) => {
                let given = items(&value);
                if !given.is_empty() && given.iter().all(|word| words.contains(word)) {
                    Ok(given.join(","))
                } else {
                    Err(ConfigError::NotAChoice { key, value })
                }
            }
            SettingKind::Replicas => {
                let given = items(&value);
                if given == ["*"] || given.iter().all(|item| is_replica(item)) {
                    Ok(given.join(","))
                } else {
                    Err(ConfigError::NotReplicas { key, value })
                }
            }
            SettingKind::FormatVersion if is_format_version(&value) => Ok(value),
            SettingKind::FormatVersion => Err(ConfigError::NotAFormatVersion { key, value }),
        }
    }

    /// Whether its value is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.kind, SettingKind::Words(_) | SettingKind::Replicas)
    }

    /// The values that it takes, in words.
    #[must_use]
    pub fn values(&self) -> String {
        match self.kind {
            SettingKind::Int { min, max: i32::MAX } => format!("{min} or more"),
            SettingKind::Int { min, max } => format!("{min} to {max}"),
            SettingKind::Long { min, max: i64::MAX } => format!("{min} or more"),
            SettingKind::Long { min, max } => format!("{min} to {max}"),
            SettingKind::Boolean => "true, false".to_owned(),
            SettingKind::AlwaysFalse => "false".to_owned(),
            SettingKind::Fraction => "0 to 1".to_owned(),
            SettingKind::Choice(words) => words.join(", "),
            SettingKind::Words(words) => format!("list of {}", words.join(", ")),
            SettingKind::Replicas => "`*` or list of partition:node".to_owned(),
            SettingKind::FormatVersion => "0.11 or newer".to_owned(),
        }
    }
}

/// The items of a list, without blanks and repetitions, in order.
pub(super) fn items(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    for item in list.split(',').map(str::trim) {
        if !item.is_empty() && !items.contains(&item) {
            items.push(item);
        }
    }
    items
}

fn whole(key: String, value: String, min: i64, max: i64) -> Result<String, ConfigError> {
    match value.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
        Ok(value) => Err(ConfigError::OutOfRange {
            key,
            value,
            min,
            max,
        }),
        Err(_) => Err(ConfigError::NotANumber { key, value }),
    }
}

fn boolean(value: &str) -> Option<bool> {
    if value.eq_ignore_ascii_case("true") {
        Some(true)
    } else if value.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn is_replica(item: &str) -> bool {
    item.split_once(':').is_some_and(|(partition, node)| {
        partition.parse::<u32>().is_ok() && node.parse::<u32>().is_ok()
    })
}

/// `2.8`, `3.0-IV1` and the like; before 0.11 the record format was another.
fn is_format_version(value: &str) -> bool {
    let (numbers, suffix) = value.split_once("-IV").unwrap_or((value, "0"));
    let numbers: Option<Vec<u32>> = numbers.split('.').map(|one| one.parse().ok()).collect();
    let is_new = match numbers.as_deref() {
        Some([0, minor, ..]) => *minor >= 11,
        Some([_, _, ..]) => true,
        Some(_) | None => false,
    };
    is_new && suffix.parse::<u32>().is_ok()
}
