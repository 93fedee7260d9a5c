//! Names: topics and consumer groups, with Kafka's rules, and the members of groups.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{GROUP_NAME_BYTES_MAX, MEMBER_ID_BYTES_MAX, TOPIC_NAME_BYTES_MAX};

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The empty name.
    #[error("name is empty")]
    Empty,
    /// `.` and `..` would be paths.
    #[error("name '.' or '..' is reserved")]
    Dots,
    /// Longer than the limit.
    #[error("name of {length} bytes exceeds {limit}")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A character outside `[a-zA-Z0-9._-]` in a topic, or a control character in a group.
    #[error("name has the character {character:?}; allowed are letters, digits, '.', '_' and '-'")]
    Character {
        /// The first offender.
        character: char,
    },
}

/// A topic's name: 1 to 249 of `[a-zA-Z0-9._-]`, not `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(String);

impl TopicName {
    /// Checks `name` against the rules.
    ///
    /// # Errors
    /// The first rule that `name` breaks.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        check_length(&name, TOPIC_NAME_BYTES_MAX)?;
        if name == "." || name == ".." {
            return Err(InvalidName::Dots);
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name.chars().find(|&c| !legal(c)) {
            Some(character) => Err(InvalidName::Character { character }),
            None => Ok(Self(name)),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A consumer group's name: 1 to 249 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);

impl GroupName {
    /// Checks `name` against the rules.
    ///
    /// # Errors
    /// The first rule that `name` breaks.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        check_length(&name, GROUP_NAME_BYTES_MAX)?;
        match name.chars().find(|c| c.is_control()) {
            Some(character) => Err(InvalidName::Character { character }),
            None => Ok(Self(name)),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One member of a consumer group, for one stay in it: 1 to 512 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberId(String);

impl MemberId {
    /// Checks `id` against the rules.
    ///
    /// # Errors
    /// The first rule that `id` breaks.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidName> {
        let id = id.into();
        check_length(&id, MEMBER_ID_BYTES_MAX)?;
        match id.chars().find(|c| c.is_control()) {
            Some(character) => Err(InvalidName::Character { character }),
            None => Ok(Self(id)),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_length(name: &str, limit: usize) -> Result<(), InvalidName> {
    match name.len() {
        0 => Err(InvalidName::Empty),
        length if length > limit => Err(InvalidName::TooLong { length, limit }),
        _ => Ok(()),
    }
}

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text!(TopicName);
text!(GroupName);
text!(MemberId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_follow_kafka() {
        for good in ["a", "courier.location", "A-b_c.9", &"x".repeat(249)] {
            assert!(TopicName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(TopicName::new(bad).is_err(), "{bad}");
        }
    }
}
