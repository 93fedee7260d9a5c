//! A record on its way to a topic.

use bytes::Bytes;
use floe_model::PartitionIndex;
use floe_record::Header;

/// What a producer sends. Clones share their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The key; records of one key stay in order in one partition.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order, duplicates allowed.
    pub headers: Vec<Header>,
    /// Milliseconds since the epoch; none is the time of the enqueue.
    pub timestamp_ms: Option<i64>,
    /// A partition that overrides the key's.
    pub partition: Option<PartitionIndex>,
}

impl Record {
    /// A record with this value and no key.
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// A record of `key` without a value: a tombstone.
    pub fn tombstone(key: impl Into<Bytes>) -> Self {
        Self::default().key(key)
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push(Header {
            key: Bytes::from(key.into()),
            value: Some(value.into()),
        });
        self
    }

    /// Sets the timestamp, milliseconds since the epoch.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// Sends it to this partition, whatever the key.
    #[must_use]
    pub fn partition(mut self, partition: u32) -> Self {
        self.partition = Some(PartitionIndex(partition));
        self
    }

    /// An upper bound of its bytes in a batch.
    pub(crate) fn size_bytes(&self) -> usize {
        const FIXED_BYTES_MAX: usize = 36;
        const HEADER_BYTES_MAX: usize = 10;
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter();
        let headers = headers.map(|h| HEADER_BYTES_MAX + h.key.len() + len(&h.value));
        FIXED_BYTES_MAX + len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}
