//! The facts behind a failure: from the words of records and state machines to those of the
//! client protocol.
//!
//! Every refusal keeps its stable code; what it names (a limit, a value, a setting) goes along as
//! a detail, so that whoever reads it need not look into the node's log.

use std::time::Duration;

use floe_group::offsets;
use floe_metadata::{ConfigError, Refusal, SettingKind, setting};
use floe_model::{ErrorCode, FencingToken, Offset};
use floe_record::BatchError;
use floe_rpc::{Awaited, Excerpt, Failure, FailureDetail};

/// A refused batch, the one at place `batch` among those for its partition.
pub(crate) fn batch_failure(batch: usize, error: &BatchError) -> Failure {
    match *error {
        BatchError::TooLarge {
            size_bytes,
            limit_bytes,
        } => Failure::new(
            ErrorCode::BatchTooLarge,
            FailureDetail::BatchSize {
                size_bytes: size_bytes as u64,
                limit_bytes: limit_bytes as u64,
            },
        ),
        // What the way may have done to the bytes; sending them again may help.
        BatchError::Crc { .. } | BatchError::Truncated { .. } | BatchError::Length { .. } => {
            batch_fault(batch, ErrorCode::CorruptBatch, error.to_string())
        }
        _ => batch_fault(batch, ErrorCode::InvalidRecord, error.to_string()),
    }
}

/// A batch that is well formed and not accepted.
pub(crate) fn batch_fault(batch: usize, code: ErrorCode, fault: impl Into<String>) -> Failure {
    let batch = u32::try_from(batch).unwrap_or(u32::MAX);
    let fault = Excerpt::new(fault);
    Failure::new(code, FailureDetail::Batch { batch, fault })
}

/// A command that the metadata state machine refused.
pub(crate) fn metadata_refusal(refusal: &Refusal) -> Failure {
    let code = refusal.code();
    let detail = match refusal {
        Refusal::InvalidConfig(error) => config_detail(error),
        Refusal::InvalidReplication { given, max } => FailureDetail::Replication {
            given: *given,
            max: *max,
        },
        Refusal::InvalidPartitions { given, min, max } => FailureDetail::Partitions {
            given: *given,
            min: *min,
            max: *max,
        },
        Refusal::GenerationMismatch { current, given, .. } => FailureDetail::Generation {
            current: *current,
            given: *given,
        },
        Refusal::GroupNotEmpty { members, .. } => FailureDetail::Members { members: *members },
        Refusal::UnknownMember { member_id } => FailureDetail::Member {
            member_id: Excerpt::new(member_id.as_str()),
        },
        // The caller knows the name and the code says the rest.
        Refusal::TopicExists { .. }
        | Refusal::UnknownTopic { .. }
        | Refusal::UnknownGroup { .. }
        | Refusal::NotFormed => return code.into(),
        other => FailureDetail::Reason(Excerpt::new(other.to_string())),
    };
    Failure::new(code, detail)
}

fn config_detail(error: &ConfigError) -> FailureDetail {
    match error {
        ConfigError::UnknownKey { key } => FailureDetail::UnknownSetting {
            key: Excerpt::new(key),
        },
        ConfigError::NotANumber { key, value } => FailureDetail::SettingNotANumber {
            key: Excerpt::new(key),
            value: Excerpt::new(value),
        },
        ConfigError::OutOfRange {
            key,
            value,
            min,
            max,
        } => FailureDetail::SettingOutOfRange {
            key: Excerpt::new(key),
            value: *value,
            min: *min,
            max: *max,
        },
        ConfigError::NotAChoice { key, value } => FailureDetail::SettingNotAChoice {
            key: Excerpt::new(key),
            value: Excerpt::new(value),
            choices: match setting(key).map(|setting| setting.kind) {
                Some(SettingKind::Choice(words) | SettingKind::Words(words)) => {
                    Excerpt::new(words.join(", "))
                }
                Some(SettingKind::AlwaysFalse) => Excerpt::new("false"),
                _ => Excerpt::default(),
            },
        },
        other @ (ConfigError::NotABoolean { .. }
        | ConfigError::NotAFraction { .. }
        | ConfigError::NotReplicas { .. }
        | ConfigError::NotAFormatVersion { .. }
        | ConfigError::AboveMajority { .. }
        | ConfigError::NotAList { .. }) => FailureDetail::Reason(Excerpt::new(other.to_string())),
    }
}

/// A command that the state machine of committed offsets refused.
pub(crate) fn offsets_refusal(refusal: &offsets::Refusal) -> Failure {
    let code = refusal.code();
    let detail = match refusal {
        offsets::Refusal::StaleGeneration { current, given } => FailureDetail::Generation {
            current: *current,
            given: *given,
        },
        offsets::Refusal::UnknownMember { member_id } => FailureDetail::Member {
            member_id: Excerpt::new(member_id.as_str()),
        },
        offsets::Refusal::FencedToken {
            given: Some(given),
            owner,
            ..
        } => FailureDetail::Token {
            given: *given,
            owner: *owner,
        },
        other => FailureDetail::Reason(Excerpt::new(other.to_string())),
    };
    Failure::new(code, detail)
}

/// A token that is not the owner's.
pub(crate) fn fenced_token(given: FencingToken, owner: Option<FencingToken>) -> Failure {
    Failure::new(
        ErrorCode::FencedToken,
        FailureDetail::Token { given, owner },
    )
}

/// An offset outside the log.
pub(crate) fn out_of_range(offset: Offset, log_start: Offset, log_end: Offset) -> Failure {
    Failure::new(
        ErrorCode::OffsetOutOfRange,
        FailureDetail::OffsetRange {
            offset,
            log_start_offset: log_start,
            log_end_offset: log_end,
        },
    )
}

/// Time is up; the outcome is unknown.
pub(crate) fn timed_out(what: Awaited, waited: Duration) -> Failure {
    let waited_ms = u32::try_from(waited.as_millis()).unwrap_or(u32::MAX);
    Failure::new(
        ErrorCode::Timeout,
        FailureDetail::Waited { what, waited_ms },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text(failure: &Failure) -> String {
        failure.to_string()
    }

    #[test]
    fn a_refusal_names_the_limit_and_the_value() {
        let batch = BatchError::TooLarge {
            size_bytes: 2_000_000,
            limit_bytes: 1_048_576,
        };
        let failure = batch_failure(0, &batch);
        assert_eq!(failure.code, ErrorCode::BatchTooLarge);
        assert!(
            text(&failure).contains("2000000 bytes exceeds max.message.bytes, which is 1048576")
        );
        let replication = Refusal::InvalidReplication { given: 5, max: 3 };
        assert!(text(&metadata_refusal(&replication)).contains("5 replicas, allowed are 1 to 3"));
        let config = Refusal::InvalidConfig(ConfigError::NotANumber {
            key: "retention.ms".to_owned(),
            value: "soon".to_owned(),
        });
        let failure = metadata_refusal(&config);
        assert_eq!(failure.code, ErrorCode::InvalidConfig);
        assert!(text(&failure).contains("'retention.ms' is a whole number, not 'soon'"));
    }

    #[test]
    fn what_no_detail_fits_keeps_its_words_within_the_bound() {
        let long = ConfigError::UnknownKey {
            key: "k".repeat(1 << 20),
        };
        let failure = metadata_refusal(&Refusal::InvalidConfig(long));
        assert!(text(&failure).len() < 2 * Excerpt::BYTES_MAX);
        let other = metadata_refusal(&Refusal::WrongKind);
        assert!(matches!(
            other.detail.as_deref(),
            Some(FailureDetail::Reason(_))
        ));
    }
}
