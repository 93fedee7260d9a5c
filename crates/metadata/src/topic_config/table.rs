//! Every topic setting that a Kafka client may name, by key.
//!
//! A row is `HONOURED` if the broker acts on it. A row is kept without effect only if ignoring it
//! can neither lose a record nor weaken a promise: it tunes the pace or the files of a storage
//! that is built otherwise here. Anything else that the broker cannot do is refused by the range.

use floe_model::limits::{BATCH_BYTES_DEFAULT, BATCH_BYTES_MAX, REPLICATION_MAX};

use super::setting::{Effect, Setting, SettingKind};

pub(super) const CLEANUP_POLICY: &str = "cleanup.policy";
pub(super) const COMPRESSION_TYPE: &str = "compression.type";
pub(super) const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
pub(super) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
pub(super) const RETENTION_BYTES: &str = "retention.bytes";
pub(super) const RETENTION_MS: &str = "retention.ms";
pub(super) const SEGMENT_BYTES: &str = "segment.bytes";
pub(super) const SEGMENT_MS: &str = "segment.ms";
pub(super) const TIMESTAMP_AFTER_MAX: &str = "message.timestamp.after.max.ms";
pub(super) const TIMESTAMP_BEFORE_MAX: &str = "message.timestamp.before.max.ms";
pub(super) const TIMESTAMP_DIFFERENCE_MAX: &str = "message.timestamp.difference.max.ms";
pub(super) const TIMESTAMP_TYPE: &str = "message.timestamp.type";

const FOREVER: &str = "9223372036854775807";

const fn long(min: i64) -> SettingKind {
    SettingKind::Long { min, max: i64::MAX }
}

const fn int(min: i32, max: i32) -> SettingKind {
    SettingKind::Int { min, max }
}

const fn honoured(
    key: &'static str,
    node_key: &'static str,
    kind: SettingKind,
    default: &'static str,
    doc: &'static str,
) -> Setting {
    Setting {
        key,
        node_key: Some(node_key),
        kind,
        default,
        effect: Effect::Honoured,
        doc,
    }
}

const fn kept(
    key: &'static str,
    node_key: &'static str,
    kind: SettingKind,
    default: &'static str,
    doc: &'static str,
) -> Setting {
    Setting {
        effect: Effect::None,
        ..honoured(key, node_key, kind, default, doc)
    }
}

const fn retired(setting: Setting) -> Setting {
    Setting {
        effect: Effect::Retired,
        ..setting
    }
}

const fn topic_only(setting: Setting) -> Setting {
    Setting {
        node_key: None,
        ..setting
    }
}

const NO_TIERS: &str = "No effect: records are never moved to remote storage.";
const NO_COMPACTION: &str = "No effect: a compacted topic keeps every record.";
const PACED: &str = "No effect: replicas that catch up are paced by what the others leave free.";
const SYNCED: &str = "No effect: every acknowledged record is on the disks of a majority already.";
const LEVEL: &str = "No effect: the codec's own default level is used.";

/// Every setting of a topic.
pub const SETTINGS: &[Setting] = &[
    honoured(
        CLEANUP_POLICY,
        "log.cleanup.policy",
        SettingKind::Words(&["delete", "compact"]),
        "delete",
        "What happens to old records. `delete` removes them by retention.ms and retention.bytes. \
         `compact` alone keeps every record and refuses records without a key.",
    ),
    honoured(
        COMPRESSION_TYPE,
        COMPRESSION_TYPE,
        SettingKind::Choice(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
        "producer",
        "How batches are stored: `producer` as they came, else in this form.",
    ),
    kept(
        "compression.gzip.level",
        "compression.gzip.level",
        int(-1, 9),
        "-1",
        LEVEL,
    ),
    kept(
        "compression.lz4.level",
        "compression.lz4.level",
        int(1, 17),
        "9",
        LEVEL,
    ),
    kept(
        "compression.zstd.level",
        "compression.zstd.level",
        int(-131_072, 22),
        "3",
        LEVEL,
    ),
    kept(
        "delete.retention.ms",
        "log.cleaner.delete.retention.ms",
        long(0),
        "86400000",
        NO_COMPACTION,
    ),
    kept(
        "file.delete.delay.ms",
        "log.segment.delete.delay.ms",
        long(0),
        "60000",
        "No effect: files go as soon as no reader needs them.",
    ),
    kept(
        "flush.messages",
        "log.flush.interval.messages",
        long(1),
        FOREVER,
        SYNCED,
    ),
    kept(
        "flush.ms",
        "log.flush.interval.ms",
        long(0),
        FOREVER,
        SYNCED,
    ),
    topic_only(kept(
        "follower.replication.throttled.replicas",
        "",
        SettingKind::Replicas,
        "",
        PACED,
    )),
    kept(
        "index.interval.bytes",
        "log.index.interval.bytes",
        int(0, i32::MAX),
        "4096",
        "No effect: the index is as dense as the segment needs.",
    ),
    topic_only(kept(
        "leader.replication.throttled.replicas",
        "",
        SettingKind::Replicas,
        "",
        PACED,
    )),
    kept(
        "local.retention.bytes",
        "log.local.retention.bytes",
        long(-2),
        "-2",
        NO_TIERS,
    ),
    kept(
        "local.retention.ms",
        "log.local.retention.ms",
        long(-2),
        "-2",
        NO_TIERS,
    ),
    kept(
        "max.compaction.lag.ms",
        "log.cleaner.max.compaction.lag.ms",
        long(1),
        FOREVER,
        NO_COMPACTION,
    ),
    honoured(
        MAX_MESSAGE_BYTES,
        "message.max.bytes",
        int(0, BATCH_BYTES_MAX as i32),
        "1048588",
        "Largest record batch in bytes, as stored.",
    ),
    retired(kept(
        "message.downconversion.enable",
        "log.message.downconversion.enable",
        SettingKind::Boolean,
        "true",
        "No effect: records are stored and sent in one format.",
    )),
    retired(topic_only(kept(
        "message.format.version",
        "",
        SettingKind::FormatVersion,
        "3.0-IV1",
        "No effect: records are stored in the format of Kafka 0.11 and newer.",
    ))),
    honoured(
        TIMESTAMP_AFTER_MAX,
        "log.message.timestamp.after.max.ms",
        long(0),
        FOREVER,
        "How far a record's timestamp may be ahead of the broker's clock, milliseconds.",
    ),
    honoured(
        TIMESTAMP_BEFORE_MAX,
        "log.message.timestamp.before.max.ms",
        long(0),
        FOREVER,
        "How far a record's timestamp may be behind the broker's clock, milliseconds.",
    ),
    retired(topic_only(kept(
        TIMESTAMP_DIFFERENCE_MAX,
        "",
        long(0),
        FOREVER,
        "Both message.timestamp.before.max.ms and message.timestamp.after.max.ms, where those \
         are not set.",
    ))),
    honoured(
        TIMESTAMP_TYPE,
        "log.message.timestamp.type",
        SettingKind::Choice(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        "Whether records carry the time that their producer gave them, or that of the broker.",
    ),
    kept(
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
        SettingKind::Fraction,
        "0.5",
        NO_COMPACTION,
    ),
    kept(
        "min.compaction.lag.ms",
        "log.cleaner.min.compaction.lag.ms",
        long(0),
        "0",
        NO_COMPACTION,
    ),
    honoured(
        MIN_INSYNC_REPLICAS,
        MIN_INSYNC_REPLICAS,
        int(1, REPLICATION_MAX as i32),
        "1",
        "Replicas that have a record before acks=all is answered. A majority always has it, so \
         every value up to the majority is met; a larger one is refused.",
    ),
    kept(
        "preallocate",
        "log.preallocate",
        SettingKind::Boolean,
        "false",
        "No effect: the journal is written ahead of its use, partition segments are not.",
    ),
    topic_only(kept(
        "remote.log.copy.disable",
        "",
        SettingKind::Boolean,
        "false",
        NO_TIERS,
    )),
    topic_only(kept(
        "remote.log.delete.on.disable",
        "",
        SettingKind::Boolean,
        "false",
        NO_TIERS,
    )),
    topic_only(kept(
        "remote.storage.enable",
        "",
        SettingKind::AlwaysFalse,
        "false",
        "Records are never moved to remote storage; `true` is refused.",
    )),
    honoured(
        RETENTION_BYTES,
        "log.retention.bytes",
        long(-1),
        "-1",
        "Bytes of one partition above which its oldest segments are removed; -1 is no bound.",
    ),
    honoured(
        RETENTION_MS,
        "log.retention.ms",
        long(-1),
        "604800000",
        "Milliseconds after which records are removed; -1 keeps them for ever.",
    ),
    honoured(
        SEGMENT_BYTES,
        "log.segment.bytes",
        int(1 << 20, i32::MAX),
        "134217728",
        "Bytes at which a partition segment is closed; retention removes whole segments.",
    ),
    kept(
        "segment.index.bytes",
        "log.index.size.max.bytes",
        int(4, i32::MAX),
        "10485760",
        "No effect: the index is as large as the segment needs.",
    ),
    kept(
        "segment.jitter.ms",
        "log.roll.jitter.ms",
        long(0),
        "0",
        "No effect: a segment is closed by an append, not by a clock that many share.",
    ),
    honoured(
        SEGMENT_MS,
        "log.roll.ms",
        long(1),
        "604800000",
        "Time that the records of one partition segment may span, milliseconds.",
    ),
    kept(
        "unclean.leader.election.enable",
        "unclean.leader.election.enable",
        SettingKind::Boolean,
        "false",
        "No effect: a replica that lacks an acknowledged record never leads.",
    ),
    topic_only(honoured(
        "durability",
        "",
        SettingKind::Choice(&["fsync"]),
        "fsync",
        "An acknowledged record is on the disks of a majority. Not a setting of Kafka.",
    )),
];

const _: () = assert!(
    BATCH_BYTES_DEFAULT == 1_048_588,
    "the default of max.message.bytes"
);
