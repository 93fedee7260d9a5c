#![allow(clippy::unwrap_used)]
use super::*;

fn one(key: &str, value: &str) -> Result<TopicConfig, ConfigError> {
    TopicConfig::new(BTreeMap::from([(key.to_owned(), value.to_owned())]), 3)
}

fn edit(config: &TopicConfig, key: &str, edit: ConfigEdit) -> Result<TopicConfig, ConfigError> {
    config.edited(BTreeMap::from([(key.to_owned(), edit)]), 3)
}

/// The keys of `org.apache.kafka.common.config.TopicConfig`, of Kafka 3 and 4.
const KAFKA_KEYS: &[&str] = &[
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

#[test]
fn every_key_of_kafka_is_known_once_and_its_default_is_legal_on_any_topic() {
    for key in KAFKA_KEYS {
        assert!(setting(key).is_some(), "{key}");
    }
    assert_eq!(SETTINGS.len(), KAFKA_KEYS.len() + 1, "and durability");
    for (place, row) in SETTINGS.iter().enumerate() {
        assert_eq!(
            canonical(row.key, row.default, 1).as_deref(),
            Ok(row.default),
            "{}",
            row.key
        );
        assert!(SETTINGS[..place].iter().all(|other| other.key != row.key));
        assert!(settings_table().contains(row.key));
    }
}

#[test]
fn nonsense_is_refused_for_every_setting_that_is_no_text() {
    for row in SETTINGS {
        for value in ["nonsense", "-3000000", "1.5.x", "delete,nonsense"] {
            assert!(one(row.key, value).is_err(), "{} = {value}", row.key);
        }
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
    let above_int = i64::from(i32::MAX) + 1;
    assert_eq!(
        one("segment.bytes", "2147483648"),
        number("segment.bytes", above_int, 1 << 20, i32::MAX.into())
    );
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
    assert!(one("message.format.version", "0.10.2-IV0").is_err());
    assert!(one("message.format.version", "0.11.0-IV2").is_ok());
    assert!(one("min.cleanable.dirty.ratio", "1.01").is_err());
    assert!(one("leader.replication.throttled.replicas", "0:1,1").is_err());
}

#[test]
fn more_in_sync_replicas_than_a_majority_are_refused() {
    assert!(one("min.insync.replicas", "2").is_ok());
    let refused = one("min.insync.replicas", "3").unwrap_err();
    assert_eq!(
        refused,
        ConfigError::AboveMajority {
            value: 3,
            replication: 3,
            majority: 2
        }
    );
    assert!(refused.to_string().contains("a majority of the 3 replicas"));
}

#[test]
fn remote_storage_cannot_be_switched_on() {
    let refused = one("remote.storage.enable", "TRUE").unwrap_err();
    assert!(refused.to_string().ends_with("supported: false"));
    assert!(one("remote.storage.enable", "false").is_ok());
    assert!(matches!(
        one("remote.storage.enable", "0"),
        Err(ConfigError::NotABoolean { .. })
    ));
}

#[test]
fn values_are_kept_without_blanks_and_in_one_case() {
    let kept = |key, value| one(key, value).unwrap().value(key).unwrap().to_owned();
    assert_eq!(kept("retention.ms", " +1000 "), "1000");
    assert_eq!(kept("preallocate", "True"), "true");
    assert_eq!(
        kept("cleanup.policy", " compact , delete,compact"),
        "compact,delete"
    );
    assert_eq!(kept("leader.replication.throttled.replicas", " * "), "*");
}

#[test]
fn a_compacted_topic_keeps_records_whatever_their_age_and_wants_keys() {
    let aged = |policy: &str| {
        let settings = [
            ("cleanup.policy", policy),
            ("retention.ms", "1000"),
            ("retention.bytes", "1000"),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        TopicConfig::new(settings.into(), 3).unwrap()
    };
    let compacted = aged("compact");
    assert_eq!(compacted.retention_ms(), None);
    assert_eq!(compacted.retention_bytes(), None);
    assert!(compacted.requires_keys());
    let both = aged("compact,delete");
    assert_eq!(both.retention_ms(), Some(1000));
    assert!(both.requires_keys());
    assert!(!aged("delete").requires_keys());
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
    assert_eq!(config.segment_bytes(), None);
    assert_eq!(config.retention_bytes(), None);
    assert_eq!(config.min_insync_replicas(), 1);
}

#[test]
fn items_join_and_leave_lists_and_nothing_else() {
    let key = "cleanup.policy";
    let text = |text: &str| text.to_owned();
    let plain = TopicConfig::default();
    let both = edit(&plain, key, ConfigEdit::Append(text("compact"))).unwrap();
    assert_eq!(both.value(key), Some("delete,compact"));
    let again = edit(&both, key, ConfigEdit::Append(text("compact"))).unwrap();
    assert_eq!(again, both);
    let compact = edit(&both, key, ConfigEdit::Subtract(text("delete"))).unwrap();
    assert_eq!(compact.value(key), Some("compact"));
    assert!(edit(&compact, key, ConfigEdit::Subtract(text("compact"))).is_err());
    assert_eq!(
        edit(&plain, "retention.ms", ConfigEdit::Append(text("1"))),
        Err(ConfigError::NotAList {
            key: text("retention.ms")
        })
    );
}

#[test]
fn the_old_bound_of_both_sides_yields_to_the_newer_ones() {
    let bound = one("message.timestamp.difference.max.ms", "1000").unwrap();
    assert_eq!(bound.timestamp_before_max_ms(), Some(1000));
    let key = "message.timestamp.after.max.ms";
    let bound = edit(&bound, key, ConfigEdit::Set("5".to_owned())).unwrap();
    assert_eq!(bound.timestamp_after_max_ms(), Some(5));
    assert_eq!(bound.timestamp_before_max_ms(), Some(1000));
    assert_eq!(TopicConfig::default().timestamp_after_max_ms(), None);
}

#[test]
fn the_kept_form_is_a_map_of_strings() {
    let config = one("retention.ms", "5").unwrap();
    let bytes = crate::versioned::encode(&config);
    let map = BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]);
    assert_eq!(bytes, crate::versioned::encode(&map));
}
