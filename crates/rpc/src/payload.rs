//! Bytes that are decoded without a copy.
//!
//! While a frame is decoded its bytes stand in a thread-local; a [`Payload`] found inside it
//! becomes a slice of the frame. Invariant: under `Pinning::Bounded` what is kept of a frame
//! holds at most about [`PIN_FACTOR`] times its own size; smaller pieces are copied out, so that
//! a few bytes kept for long cannot hold megabytes.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::BUFFER_BYTES;

/// A piece shorter than its buffer divided by this is copied under `Pinning::Bounded`.
const PIN_FACTOR: usize = 4;

/// Opaque bytes on the wire.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Payload(pub Bytes);

/// Whether small pieces may hold their frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// Requests: a server may keep pieces for long.
    Bounded,
    /// Replies and single values: the frame lives as long as its largest user anyway.
    Free,
}

thread_local! {
    static FRAME: RefCell<Option<(Bytes, Pinning)>> = const { RefCell::new(None) };
}

/// Names the frame that this thread decodes until it is dropped.
pub(crate) struct FrameGuard(());

impl FrameGuard {
    pub(crate) fn set(frame: &Bytes, pinning: Pinning) -> Self {
        FRAME.set(Some((frame.clone(), pinning)));
        Self(())
    }
}

impl Drop for FrameGuard {
    fn drop(&mut self) {
        FRAME.set(None);
    }
}

/// `part` as a slice of the frame in hand, or as a copy.
fn share(part: &[u8]) -> Bytes {
    FRAME.with_borrow(|frame| match frame {
        Some((frame, pinning)) if lies_in(frame, part) => {
            // A small frame is itself a slice of a read buffer.
            let buffer_bytes = frame.len().max(BUFFER_BYTES);
            let small = part.len() < buffer_bytes / PIN_FACTOR;
            if small && *pinning == Pinning::Bounded {
                Bytes::copy_from_slice(part)
            } else {
                frame.slice_ref(part)
            }
        }
        Some(_) | None => Bytes::copy_from_slice(part),
    })
}

/// Bytes of the buffer that `part`, decoded a moment ago from the frame in hand, keeps alive.
pub(crate) fn held_by(part: &Bytes) -> usize {
    FRAME.with_borrow(|frame| match frame {
        Some((frame, _)) if lies_in(frame, part) => frame.len().max(BUFFER_BYTES),
        Some(_) | None => part.len(),
    })
}

fn lies_in(frame: &[u8], part: &[u8]) -> bool {
    let (frame, part) = (frame.as_ptr_range(), part.as_ptr_range());
    frame.start <= part.start && part.end <= frame.end
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(PayloadVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Payload, E> {
        Ok(Payload(share(bytes)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Payload, E> {
        Ok(Payload(Bytes::copy_from_slice(bytes)))
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}
