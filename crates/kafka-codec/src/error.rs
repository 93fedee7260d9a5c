//! Why bytes are not a message, and why a message has no bytes. Facts for a log line: the gateway
//! closes the connection of a peer whose request does not decode.

use crate::ApiKey;

/// Bytes that are no message of the version they claim. `at` counts bytes from the start of the
/// bytes given to the decoder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("{wanted} bytes wanted at byte {at}, {remaining} left")]
    Truncated {
        /// Where the value starts.
        at: usize,
        /// Its size.
        wanted: usize,
        /// What is there.
        remaining: usize,
    },
    /// A variable-length integer of more than 32 bits.
    #[error("variable-length integer at byte {at} exceeds 32 bits")]
    VarintTooLong {
        /// Where it starts.
        at: usize,
    },
    /// A length that no value of its type can have.
    #[error("length {length} at byte {at}")]
    BadLength {
        /// Where the value starts.
        at: usize,
        /// The length it states.
        length: i64,
    },
    /// More array elements than there are bytes left for them.
    #[error("{count} elements at byte {at}, {remaining} bytes left")]
    CountBeyondInput {
        /// Behind the count.
        at: usize,
        /// Elements stated.
        count: usize,
        /// Bytes left; each element takes at least one.
        remaining: usize,
    },
    /// Null where the version has no null.
    #[error("null at byte {at}")]
    UnexpectedNull {
        /// Where the null stands.
        at: usize,
    },
    /// A string that is not UTF-8.
    #[error("string at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where its characters start.
        at: usize,
    },
    /// A known tagged field that is shorter than the size it states.
    #[error("tagged field {tag} ends at byte {at} before its stated size")]
    TaggedFieldTooLong {
        /// Where the value ends.
        at: usize,
        /// Which field.
        tag: u32,
    },
    /// Decoded values would take more memory than [`crate::decoded_bytes_max`] grants the input.
    #[error("decoding beyond byte {at} would take more than {limit} bytes of memory")]
    MemoryLimit {
        /// Where decoding stopped.
        at: usize,
        /// The limit.
        limit: usize,
    },
    /// The version is not served.
    #[error("{api:?} has no version {version} here")]
    UnsupportedVersion {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
    },
    /// What members tell each other is led by a version from 0 on.
    #[error("consumer protocol of version {version}")]
    NegativeVersion {
        /// The version stated.
        version: i16,
    },
}

/// A message that has no bytes in the version asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Strings have at most `i16::MAX` bytes.
    #[error("a string of {bytes} bytes exceeds {max}", max = i16::MAX)]
    StringTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A count, a length or the whole frame does not fit its 32-bit field.
    #[error("{bytes} bytes or elements do not fit a 32-bit length")]
    TooLarge {
        /// The length.
        bytes: usize,
    },
    /// The version is not served.
    #[error("{api:?} has no version {version} here")]
    UnsupportedVersion {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
    },
}
