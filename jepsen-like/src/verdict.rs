//! What a check says.
//!
//! Invariant: `Valid` is given only to a run that was able to show the opposite. Each reason to
//! doubt that is a [`Doubt`] of its own, and any of them turns `Valid` into `Unknown`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Anomaly, AnomalyKind, Key};

/// What a run showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No anomaly, in a run that could have shown one.
    Valid,
    /// At least one anomaly.
    Invalid,
    /// No anomaly, but the run shows nothing.
    Unknown,
}

impl Verdict {
    /// The exit code of a command that ends with it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Unknown => 5,
        }
    }

    /// The name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a run without anomalies shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "doubt", rename_all = "kebab-case")]
pub enum Doubt {
    /// Nothing was acknowledged.
    #[error("nothing was acknowledged")]
    NothingSent,
    /// Fewer than one operation in a hundred succeeded.
    #[error("only {ok} of {all} operations succeeded")]
    MostlyFailed {
        /// Operations that succeeded.
        ok: u64,
        /// All operations of clients.
        all: u64,
    },
    /// Fewer operations succeeded than the plan asks for.
    #[error("only {ok} operations succeeded, the plan asks for {planned}")]
    TooFewOperations {
        /// Operations that succeeded.
        ok: u64,
        /// Operations planned at least.
        planned: u64,
    },
    /// A key with acknowledged values was not read to its end in the end.
    #[error("{key} was not read to its end in the end")]
    NotDrained {
        /// The key.
        key: Key,
    },
    /// The faults of the plan did not land.
    #[error("only {landed} faults landed, the plan asks for {planned}")]
    FaultsMissing {
        /// Faults that landed.
        landed: u64,
        /// Faults planned at least.
        planned: u64,
    },
    /// Something that the run had to provoke did not happen often enough.
    #[error("{what} was seen {seen} times, the plan asks for {planned}")]
    CoverageMissed {
        /// What.
        what: String,
        /// How often it was seen.
        seen: u64,
        /// How often it had to be.
        planned: u64,
    },
    /// Nobody tried to write a key after everything was healed.
    #[error("nobody tried to write {key} after everything was healed")]
    NotTriedAfterHeal {
        /// The key.
        key: Key,
    },
    /// The accesses to a piece of metadata leave too many orders open to look at all.
    #[error("the accesses to {name} leave too many orders open")]
    SearchExhausted {
        /// The piece of metadata.
        name: String,
    },
    /// The checker itself is in doubt.
    #[error("a loss that is planted in the history is not found")]
    PlantedLossMissed,
}

/// The findings of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Anomaly>,
}

/// How long one key could not be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Times without an acknowledgement though somebody waited for one, long enough to count.
    pub windows: u64,
    /// The longest, ms.
    pub longest_ms: u64,
    /// All, ms.
    pub total_ms: u64,
}

/// What is worth knowing and not wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observations {
    /// How old the oldest acknowledged value that a poll could have returned was at most, ms.
    pub realtime_lag_max_ms: u64,
    /// The same, exceeded by one poll in a hundred.
    pub realtime_lag_p99_ms: u64,
    /// Values that one member of a group polled more than once.
    pub consumed_again: u64,
    /// The most often that a member polled one value.
    pub consume_count_max: u64,
    /// Writes of others between the values of one send.
    pub internal_send_skips: u64,
    /// Skips from one poll of a group member to the next, which a rebalance explains.
    pub subscribed_poll_skips: u64,
    /// Returns from one poll of a group member to the next, which a rebalance explains.
    pub subscribed_nonmonotonic_polls: u64,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// What is wrong, by kind.
    pub anomalies: BTreeMap<AnomalyKind, Findings>,
    /// Why the run may show nothing.
    pub doubts: Vec<Doubt>,
    /// Operations of clients.
    pub operations: u64,
    /// Those that succeeded.
    pub operations_ok: u64,
    /// Values acknowledged.
    pub sent_ok: u64,
    /// Values of sends whose outcome nobody knows.
    pub sent_unknown: u64,
    /// Values read by successful polls, repetitions included.
    pub polled_ok: u64,
    /// Acknowledged values that are gone.
    pub lost: u64,
    /// Faults that landed.
    pub faults_landed: u64,
    /// Faults that landed, by kind.
    pub faults: BTreeMap<String, u64>,
    /// How long each key could not be written.
    pub downtime: BTreeMap<Key, Downtime>,
    /// What is worth knowing and not wrong.
    pub observations: Observations,
}
