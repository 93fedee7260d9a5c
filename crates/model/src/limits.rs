//! Every limit that two crates must agree on. Bytes and counts, never configuration.

/// Longest topic name, bytes (Kafka's rule).
pub const TOPIC_NAME_BYTES_MAX: usize = 249;
/// Longest consumer group name, bytes.
pub const GROUP_NAME_BYTES_MAX: usize = 249;
/// Default `max.message.bytes`, one record batch as stored: Kafka's, 1 MiB and the 12 bytes in
/// front of a batch's length.
pub const BATCH_BYTES_DEFAULT: usize = (1 << 20) + 12;
/// Largest record batch that any setting can allow, bytes.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// Largest Raft entry, bytes: several batches share one, one batch always fits.
pub const ENTRY_BYTES_MAX: usize = BATCH_BYTES_MAX + (64 << 10);
/// Most batches in one Raft entry.
pub const ENTRY_BATCHES_MAX: usize = 256;
/// Largest frame on the data and bulk connections and of a native client, bytes.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Largest frame on a control connection, bytes.
pub const CONTROL_FRAME_BYTES_MAX: usize = 1 << 20;
/// Partitions one topic may have.
pub const TOPIC_PARTITIONS_MAX: u32 = 10_000;
/// Replicas one partition may have.
pub const REPLICATION_MAX: u32 = 7;
/// Raft groups that hold committed offsets. Fixed at formation.
pub const OFFSETS_PARTITIONS: u32 = 8;
/// Batches a partition remembers per producer to answer duplicates (Kafka's rule).
pub const PRODUCER_BATCHES_KEPT: usize = 5;
/// Members one consumer group may have.
pub const GROUP_MEMBERS_MAX: usize = 10_000;
/// Longest member id of a consumer group, bytes.
pub const MEMBER_ID_BYTES_MAX: usize = 512;
/// Longest text that a member stores beside a committed offset, bytes (Kafka's rule).
pub const OFFSET_METADATA_BYTES_MAX: usize = 4096;
