//! The one module that holds bincode: values to bytes and back.
//!
//! `encode` and `decode` are for values that stand alone (commands, states, votes): a format
//! version byte, then the value. Frames of a connection carry no version byte, the handshake
//! names it. Invariant: decoding never allocates for a length it was merely told, beyond
//! [`BYTES_MAX`] at once; every byte must be used.

use bincode::config::{self, Config};
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use bytes::{Bytes, BytesMut};
use floe_model::limits::{CONTROL_FRAME_BYTES_MAX, FRAME_BYTES_MAX};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::payload::{FrameGuard, Pinning};

/// Largest value, bytes.
pub const BYTES_MAX: usize = FRAME_BYTES_MAX;

/// Format of values that stand alone.
const VERSION: u8 = 1;

/// Why bytes are not the value asked for, or a value has no bytes.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Another format version.
    #[error("format version {found}, this build reads {VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// No bytes at all.
    #[error("no bytes")]
    Empty,
    /// More bytes than any value may have.
    #[error("more than {limit_bytes} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit_bytes: usize,
    },
    /// Not this type's encoding.
    #[error("undecodable: {0}")]
    Undecodable(DecodeError),
    /// A value that refuses to be encoded.
    #[error("unencodable: {0}")]
    Unencodable(EncodeError),
    /// Bytes follow the value.
    #[error("{count} bytes follow the value")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

/// The bytes of `value`, version byte first.
///
/// # Errors
/// The value is larger than [`BYTES_MAX`] or its `Serialize` fails.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, WireError> {
    let mut bytes = BytesMut::new();
    bytes.extend_from_slice(&[VERSION]);
    append(value, &mut bytes, BYTES_MAX)?;
    Ok(bytes.freeze())
}

/// The value in `bytes`. Payloads inside it are slices of `bytes`.
///
/// # Errors
/// Anything but exactly what [`encode`] writes for a `T`.
pub fn decode<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, WireError> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&found) => return Err(WireError::Version { found }),
        None => return Err(WireError::Empty),
    }
    decode_frame(&bytes.slice(1..), BYTES_MAX, Pinning::Free)
}

/// Appends the encoding of `value`, at most `limit_bytes`, without a version byte. On error `out`
/// may hold a part of it.
pub(crate) fn append<T: Serialize + ?Sized>(
    value: &T,
    out: &mut BytesMut,
    limit_bytes: usize,
) -> Result<(), WireError> {
    let mut appender = Appender {
        room_bytes: limit_bytes,
        out,
    };
    let config = config::standard().with_limit::<FRAME_BYTES_MAX>();
    bincode::serde::encode_into_writer(value, &mut appender, config).map_err(|error| match error {
        EncodeError::UnexpectedEnd => WireError::TooLarge { limit_bytes },
        error => WireError::Unencodable(error),
    })
}

/// Reads a value without version byte that takes all of `frame`.
pub(crate) fn decode_frame<T: DeserializeOwned>(
    frame: &Bytes,
    limit_bytes: usize,
    pinning: Pinning,
) -> Result<T, WireError> {
    if frame.len() > limit_bytes {
        return Err(WireError::TooLarge { limit_bytes });
    }
    // bincode's limit is a type; it bounds what a forged length can make a decoder reserve.
    if limit_bytes <= CONTROL_FRAME_BYTES_MAX {
        let config = config::standard().with_limit::<CONTROL_FRAME_BYTES_MAX>();
        decode_with(frame, pinning, config)
    } else {
        let config = config::standard().with_limit::<FRAME_BYTES_MAX>();
        decode_with(frame, pinning, config)
    }
}

/// Reads a value at the start of `frame` and says how many bytes it takes.
pub(crate) fn decode_start<T: DeserializeOwned>(frame: &[u8]) -> Result<(T, usize), WireError> {
    let config = config::standard().with_limit::<CONTROL_FRAME_BYTES_MAX>();
    bincode::serde::decode_from_slice(frame, config).map_err(WireError::Undecodable)
}

fn decode_with<T: DeserializeOwned>(
    frame: &Bytes,
    pinning: Pinning,
    config: impl Config,
) -> Result<T, WireError> {
    let _guard = FrameGuard::set(frame, pinning);
    let (value, used) =
        bincode::serde::borrow_decode_from_slice(frame, config).map_err(WireError::Undecodable)?;
    if used == frame.len() {
        Ok(value)
    } else {
        Err(WireError::TrailingBytes {
            count: frame.len() - used,
        })
    }
}

/// Where encoded bytes go; `UnexpectedEnd` when there would be too many.
struct Appender<'a> {
    room_bytes: usize,
    out: &'a mut BytesMut,
}

impl Writer for &mut Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.room_bytes = self
            .room_bytes
            .checked_sub(bytes.len())
            .ok_or(EncodeError::UnexpectedEnd)?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
