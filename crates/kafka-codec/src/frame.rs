//! One message as it goes to the socket: a big-endian i32 size, a header, a body.
//!
//! A frame is a list of slices for one vectored write; large records in it are shared with where
//! they came from.

use bytes::{Bytes, BytesMut};

/// An encoded message, its size prefix included. The slices, one after the other, are its bytes;
/// none is empty.
#[derive(Clone, Debug)]
pub struct Frame {
    slices: Vec<Bytes>,
}

impl Frame {
    /// Puts each splice into `buffer` at its position; positions ascend.
    pub(crate) fn splice(mut buffer: Bytes, splices: Vec<(usize, Bytes)>) -> Self {
        let mut slices = Vec::with_capacity(2 * splices.len() + 1);
        let mut from = 0;
        for (at, splice) in splices {
            let before = buffer.split_to(at - from);
            from = at;
            slices.extend([before, splice]);
        }
        slices.push(buffer);
        slices.retain(|slice| !slice.is_empty());
        Self { slices }
    }

    /// The bytes, in order.
    #[must_use]
    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }

    /// The bytes, in order, as a queue of writes takes them.
    #[must_use]
    pub fn into_slices(self) -> Vec<Bytes> {
        self.slices
    }

    /// Size of all slices.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.slices.iter().map(Bytes::len).sum()
    }

    /// All in one piece, copied unless there is only one slice.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if let [only] = self.slices.as_slice() {
            return only.clone();
        }
        let mut whole = BytesMut::with_capacity(self.size_bytes());
        for slice in &self.slices {
            whole.extend_from_slice(slice);
        }
        whole.freeze()
    }
}
