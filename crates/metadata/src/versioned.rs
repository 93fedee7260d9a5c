//! A version byte in front of bincode: the form of every command, outcome and snapshot.
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

pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bincode::serde::encode_into_std_write(value, &mut bytes, config::standard())
        .expect("plain data always encodes into a Vec");
    bytes
}

pub(crate) fn decode<T: DeserializeOwned, const LIMIT: usize>(
    bytes: &[u8],
) -> Result<T, DecodeError> {
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
