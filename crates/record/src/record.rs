//! One record of a batch, and its headers, as users see them.

use bytes::Bytes;

/// A record without its offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The key; none and empty are different.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone on a compacted topic.
    pub value: Option<Bytes>,
    /// Headers in the producer's order, duplicates included.
    pub headers: Vec<Header>,
}

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// UTF-8 by convention; checked by the edge that shows it, not here.
    pub key: Bytes,
    /// The value; none and empty are different.
    pub value: Option<Bytes>,
}

/// Bytes of the longest encoding of a record's length, timestamp and offset deltas, attributes,
/// key and value lengths and header count together.
const FIXED_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
/// Bytes of the longest encoding of the two lengths of a header.
const HEADER_FIXED_BYTES_MAX: usize = 5 + 5;

impl Record {
    /// An upper bound of the record's uncompressed bytes in a batch.
    #[must_use]
    pub fn size_bytes_max(&self) -> usize {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter();
        let headers = headers.map(|h| HEADER_FIXED_BYTES_MAX + h.key.len() + len(&h.value));
        FIXED_BYTES_MAX + len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}
