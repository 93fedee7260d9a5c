//! A version byte in front of bincode: the form of every command, outcome, snapshot and
//! subscription of the replicated state machines.
//!
//! Enums are append-only, so one version reads all that older builds of it wrote. Decoding
//! never panics, refuses trailing bytes, and allocates no more than the stated limit.

use bincode::config;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The only version so far.
const VERSION: u8 = 1;

/// Why bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Nothing at all, not even a version.
    #[error("empty input")]
    Empty,
    /// Written by another, probably newer, build.
    #[error("version {found}, this build reads {VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// More bytes than this kind of value may have.
    #[error("{length} bytes exceed the limit of {limit}")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The value ends before the bytes do.
    #[error("{excess} bytes follow the value")]
    Trailing {
        /// Bytes left over.
        excess: usize,
    },
    /// Not an encoding of the value.
    #[error("malformed: {0}")]
    Malformed(#[from] bincode::error::DecodeError),
}

/// The bytes of a value.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bincode::serde::encode_into_std_write(value, &mut bytes, config::standard())
        .expect("plain data always encodes into a Vec");
    bytes
}

/// Reads what [`encode`] wrote, `LIMIT` bytes at most.
///
/// # Errors
/// Bytes of another version, too many, or malformed.
pub fn decode<T: DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > LIMIT {
        return Err(DecodeError::TooLong {
            length: bytes.len(),
            limit: LIMIT,
        });
    }
    let (&found, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if found != VERSION {
        return Err(DecodeError::Version { found });
    }
    let (value, consumed) =
        bincode::serde::decode_from_slice(body, config::standard().with_limit::<LIMIT>())?;
    match body.len() - consumed {
        0 => Ok(value),
        excess => Err(DecodeError::Trailing { excess }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_value_has_a_version_byte_and_reads_back() {
        let value = (7_u32, "ab".to_owned(), Some(-1_i64));
        let bytes = encode(&value);
        assert_eq!(bytes, [1, 7, 2, b'a', b'b', 1, 1]);
        assert_eq!(
            decode::<(u32, String, Option<i64>), 64>(&bytes).unwrap(),
            value
        );
    }

    #[test]
    fn what_is_not_exactly_one_value_of_this_version_is_refused() {
        let read = |bytes: &[u8]| decode::<String, 8>(bytes);
        assert!(matches!(read(&[]), Err(DecodeError::Empty)));
        assert!(matches!(
            read(&[2, 0]),
            Err(DecodeError::Version { found: 2 })
        ));
        assert!(matches!(
            read(&[1, 0, 9]),
            Err(DecodeError::Trailing { excess: 1 })
        ));
        assert!(matches!(
            read(&[1, 3, b'a']),
            Err(DecodeError::Malformed(_))
        ));
        let long = read(&[1; 9]);
        assert!(matches!(
            long,
            Err(DecodeError::TooLong {
                length: 9,
                limit: 8
            })
        ));
        // A forged length beyond the limit allocates nothing.
        let forged = read(&[1, 253, 255, 255, 255, 255, 255, 255]);
        assert!(matches!(forged, Err(DecodeError::Malformed(_))));
    }
}
