//! What a topic's settings ask of the batches that it takes, in the form that the produce path
//! reads. Made once for each change of the metadata's layout, not for each request.

use floe_metadata::{StoredCompression, TopicConfig};
use floe_record::{Compression, Limits};

/// Most bytes that the records of one batch may have when decompressed.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// The rules of one topic, whatever the time is.
pub(crate) struct TopicRules {
    pub(crate) limits: Limits,
    pub(crate) requires_keys: bool,
    /// How far timestamps may be behind and ahead of the node's clock, if there is a bound.
    pub(crate) timestamp_bounds_ms: Option<(Option<i64>, Option<i64>)>,
    /// The one compression to store, if there is one.
    pub(crate) compression: Option<Compression>,
    /// Whether batches get the node's time instead of their own.
    pub(crate) stamps_append_time: bool,
}

impl TopicRules {
    /// The rules of a topic with these settings.
    pub(crate) fn of(config: &TopicConfig) -> Self {
        let bounds = (
            config.timestamp_before_max_ms(),
            config.timestamp_after_max_ms(),
        );
        let stamps_append_time = config.stamps_append_time();
        Self {
            limits: Limits {
                batch_bytes_max: config.max_message_bytes(),
                decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
            },
            requires_keys: config.requires_keys(),
            timestamp_bounds_ms: Some(bounds)
                .filter(|bounds| !stamps_append_time && *bounds != (None, None)),
            compression: match config.stored_compression() {
                StoredCompression::AsProduced => None,
                StoredCompression::Uncompressed => Some(Compression::None),
                StoredCompression::Gzip => Some(Compression::Gzip),
                StoredCompression::Snappy => Some(Compression::Snappy),
                StoredCompression::Lz4 => Some(Compression::Lz4),
                StoredCompression::Zstd => Some(Compression::Zstd),
            },
            stamps_append_time,
        }
    }
}
