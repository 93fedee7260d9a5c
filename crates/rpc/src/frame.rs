//! Frames: a length (u32, big-endian) and that many bytes.
//!
//! Invariant: a frame over the limit is never begun to be read or written, and a buffer grows
//! by [`GROWTH_BYTES`] ahead of what has arrived, not by what a length field promises.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::limits::BUFFER_BYTES;
use crate::wire::WireError;

const LENGTH_BYTES: usize = 4;
const GROWTH_BYTES: usize = 256 << 10;
/// An empty write buffer larger than this is given back.
const KEPT_BYTES: usize = 4 << 20;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    /// A frame announces more bytes than its channel allows.
    #[error("frame of {size_bytes} bytes, at most {limit_bytes} are allowed")]
    TooLarge {
        /// Bytes announced.
        size_bytes: usize,
        /// Bytes allowed.
        limit_bytes: usize,
    },
    /// A frame's bytes are no message, or a message does not fit a frame.
    #[error("bad frame: {0}")]
    Wire(#[from] WireError),
    /// A request has the id of one that is not answered yet.
    #[error("request id {id} is in use")]
    DuplicateRequest {
        /// The id.
        id: u64,
    },
    /// A reply is not of the method that was called.
    #[error("reply {id} is to another method")]
    WrongReply {
        /// The id of the request.
        id: u64,
    },
}

/// Appends a frame of what `write` appends. On error `out` is as it was.
pub(crate) fn put(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), WireError>,
) -> Result<(), WireError> {
    if out.is_empty() && out.capacity() > KEPT_BYTES {
        *out = BytesMut::with_capacity(BUFFER_BYTES);
    }
    let start = out.len();
    out.put_u32(0);
    let outcome = write(out);
    let size_bytes = out.len() - start - LENGTH_BYTES;
    match (outcome, u32::try_from(size_bytes)) {
        (Ok(()), Ok(length)) => {
            out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        (Ok(()), Err(_)) => {
            out.truncate(start);
            let limit_bytes = u32::MAX as usize;
            Err(WireError::TooLarge { limit_bytes })
        }
        (Err(error), _) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Takes the frame at the start of `arrived`, if it is there whole.
pub(crate) fn take(
    arrived: &mut BytesMut,
    limit_bytes: usize,
) -> Result<Option<Bytes>, FrameError> {
    let Some(length) = arrived.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let size_bytes = u32::from_be_bytes(*length) as usize;
    if size_bytes > limit_bytes {
        return Err(FrameError::TooLarge {
            size_bytes,
            limit_bytes,
        });
    }
    let missing = (LENGTH_BYTES + size_bytes).saturating_sub(arrived.len());
    if missing > 0 {
        arrived.reserve(missing.min(GROWTH_BYTES));
        return Ok(None);
    }
    arrived.advance(LENGTH_BYTES);
    Ok(Some(arrived.split_to(size_bytes).freeze()))
}
