//! A byte buffer whose start is aligned for direct writes.
//!
//! Direct writes need memory aligned to 4096. The buffer over-allocates once and starts at the
//! first aligned byte; `prepare` gives room for everything that follows, because growing later
//! would move the bytes off their alignment.

use crate::segment_header::JOURNAL_BLOCK_BYTES;

/// Kept between groups; a larger group gives its surplus back afterwards.
const KEPT_BYTES: usize = 4 << 20;

/// The write buffer of the journal.
#[derive(Default)]
pub(crate) struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    /// Empties the buffer and makes room for `len` bytes from an aligned start.
    pub(crate) fn prepare(&mut self, len: usize) {
        self.bytes.clear();
        let too_large = self.bytes.capacity() > KEPT_BYTES + JOURNAL_BLOCK_BYTES;
        if self.bytes.capacity() < len + JOURNAL_BLOCK_BYTES || (too_large && len <= KEPT_BYTES) {
            let room = len.next_power_of_two().max(64 << 10);
            self.bytes = Vec::with_capacity(room + JOURNAL_BLOCK_BYTES);
        }
        self.start = self.bytes.as_ptr().align_offset(JOURNAL_BLOCK_BYTES);
        self.bytes.resize(self.start, 0);
    }

    /// Bytes written since `prepare`.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Where to append. Only the room asked for may be used.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Fills with zeros up to `len`.
    pub(crate) fn pad_to(&mut self, len: usize) {
        self.bytes.resize(self.start + len, 0);
    }

    /// The bytes, from the aligned start.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The bytes from `at` on.
    pub(crate) fn bytes_from(&mut self, at: usize) -> &mut [u8] {
        &mut self.bytes[self.start + at..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_stays_aligned_while_the_room_is_used() {
        let mut buffer = AlignedBuffer::default();
        for len in [1, 5000, 1 << 20, 10 << 20, 7] {
            buffer.prepare(len);
            buffer.tail().extend(std::iter::repeat_n(1, len));
            buffer.pad_to(len.next_multiple_of(JOURNAL_BLOCK_BYTES));
            assert_eq!(
                buffer.as_slice().as_ptr().align_offset(JOURNAL_BLOCK_BYTES),
                0
            );
            assert_eq!(buffer.len() % JOURNAL_BLOCK_BYTES, 0);
        }
        assert!(buffer.bytes.capacity() <= KEPT_BYTES + 2 * JOURNAL_BLOCK_BYTES);
    }
}
