//! What a failed request ran into: facts with fields, for programs and for people.
//!
//! A code says what kind of failure it is; a detail says which limit, which value, which
//! setting. Both the enum and its fields are part of the wire format of the protocol version:
//! variants are only appended, together with a new version. Invariant: text in a detail is at
//! most [`Excerpt::BYTES_MAX`] bytes, also when a foreign node sends more.

use std::fmt;

use floe_model::{FencingToken, Generation, Offset};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The facts of one failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FailureDetail {
    /// A record batch exceeds the topic's limit.
    #[error("batch of {size_bytes} bytes exceeds max.message.bytes, which is {limit_bytes}")]
    BatchSize {
        /// Bytes of the batch as sent.
        size_bytes: u64,
        /// The topic's `max.message.bytes`.
        limit_bytes: u64,
    },
    /// A record batch fails validation.
    #[error("batch {batch} of the request: {fault}")]
    Batch {
        /// Place among the batches for its partition, from 0.
        batch: u32,
        /// What is wrong with it.
        fault: Excerpt,
    },
    /// An offset outside the log.
    #[error("offset {offset} is outside {log_start_offset}..{log_end_offset}")]
    OffsetRange {
        /// Asked for.
        offset: Offset,
        /// First offset there is.
        log_start_offset: Offset,
        /// First offset there is not.
        log_end_offset: Offset,
    },
    /// No such setting.
    #[error("there is no topic setting '{key}'")]
    UnknownSetting {
        /// As given.
        key: Excerpt,
    },
    /// A setting that is a whole number.
    #[error("topic setting '{key}' is a whole number, not '{value}'")]
    SettingNotANumber {
        /// The setting.
        key: Excerpt,
        /// As given.
        value: Excerpt,
    },
    /// A setting outside its range.
    #[error("topic setting '{key}' is {value}, allowed are {min} to {max}")]
    SettingOutOfRange {
        /// The setting.
        key: Excerpt,
        /// As given.
        value: i64,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A setting that takes one of some words.
    #[error("topic setting '{key}' cannot be '{value}', supported: {choices}")]
    SettingNotAChoice {
        /// The setting.
        key: Excerpt,
        /// As given.
        value: Excerpt,
        /// The words.
        choices: Excerpt,
    },
    /// More replicas than can be placed, or none.
    #[error("{given} replicas, allowed are 1 to {max}: each is on a node of its own")]
    Replication {
        /// Asked for.
        given: u32,
        /// Most: the nodes of the cluster, or the limit.
        max: u32,
    },
    /// Too many or too few partitions.
    #[error("{given} partitions, allowed are {min} to {max}")]
    Partitions {
        /// Asked for.
        given: u32,
        /// Fewest: partitions are never taken away.
        min: u32,
        /// Most.
        max: u32,
    },
    /// A fencing token that is not the owner's.
    #[error("token {given} is not the owner's")]
    Token {
        /// Presented.
        given: FencingToken,
        /// The owner's, if the partition has one.
        owner: Option<FencingToken>,
    },
    /// A generation that is not the group's.
    #[error("generation is {current}, not {given}")]
    Generation {
        /// Of the group.
        current: Generation,
        /// Presented.
        given: Generation,
    },
    /// Nobody of that name in the group.
    #[error("'{member_id}' is not a member")]
    Member {
        /// Presented.
        member_id: Excerpt,
    },
    /// The group has members.
    #[error("the group has {members} members")]
    Members {
        /// How many.
        members: u32,
    },
    /// A budget of the node is used up.
    #[error("{in_use_bytes} of {limit_bytes} bytes of produce are in progress on the node")]
    ProduceInProgress {
        /// Taken.
        in_use_bytes: u64,
        /// The budget.
        limit_bytes: u64,
    },
    /// Not finished in the time given.
    #[error("waited {waited_ms} ms for {what}")]
    Waited {
        /// For what.
        what: Awaited,
        /// How long.
        waited_ms: u32,
    },
    /// What no other detail says.
    #[error("{0}")]
    Reason(Excerpt),
}

/// What a request waited for when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Awaited {
    /// The controller.
    Controller,
    /// Leaders of all partitions of a topic.
    Leaders,
    /// A majority of a partition's replicas.
    Majority,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Controller => "the controller",
            Self::Leaders => "leaders of all partitions",
            Self::Majority => "a majority of the replicas",
        })
    }
}

/// A piece of text, cut to a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Excerpt(String);

impl Excerpt {
    /// Longest text, bytes.
    pub const BYTES_MAX: usize = 256;

    /// The text, or the beginning of one that is too long.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.len() > Self::BYTES_MAX {
            let mut end = Self::BYTES_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Excerpt {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.len() > Self::BYTES_MAX {
            return Err(D::Error::custom("text of a failure is too long"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests;
