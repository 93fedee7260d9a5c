//! Writes one message into a [`Frame`].
//!
//! Small values go into one buffer; large byte values are kept by reference and spliced in, so
//! that records are never copied. Invariant: a value that cannot be written leaves a fault which
//! [`Writer::finish`] returns, so no frame with a wrong length ever leaves.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::Wire;
use crate::{EncodeError, Frame};

/// Byte values from this size on are spliced: below it a copy costs less than another slice.
const SPLICE_BYTES_MIN: usize = 512;
/// Of the size that precedes a frame.
pub(crate) const SIZE_PREFIX_BYTES: usize = 4;

/// A frame under construction, of one version.
pub struct Writer {
    buffer: BytesMut,
    /// Positions in `buffer`, ascending, and what is spliced in there.
    splices: Vec<(usize, Bytes)>,
    spliced_bytes: usize,
    version: i16,
    flexible: bool,
    fault: Option<EncodeError>,
}

impl Writer {
    /// Leaves room for the size that `finish` writes.
    pub(crate) fn new(version: i16, flexible: bool) -> Self {
        let mut buffer = BytesMut::with_capacity(256);
        buffer.put_bytes(0, SIZE_PREFIX_BYTES);
        Self {
            buffer,
            splices: Vec::new(),
            spliced_bytes: 0,
            version,
            flexible,
            fault: None,
        }
    }

    pub(crate) fn version(&self) -> i16 {
        self.version
    }

    pub(crate) fn is_flexible(&self) -> bool {
        self.flexible
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    fn fail(&mut self, fault: EncodeError) {
        self.fault.get_or_insert(fault);
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8((value as u8) | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// The length of bytes, or the count of an array.
    fn length(&mut self, length: Option<usize>) {
        let Ok(short) = i32::try_from(length.unwrap_or(0)) else {
            return self.fail(EncodeError::TooLarge {
                bytes: length.unwrap_or(0),
            });
        };
        match (self.flexible, length) {
            (true, Some(_)) => self.varint(short.unsigned_abs() + 1),
            (true, None) => self.varint(0),
            (false, Some(_)) => self.buffer.put_i32(short),
            (false, None) => self.buffer.put_i32(-1),
        }
    }

    pub(crate) fn nullable_string(&mut self, text: Option<&str>) {
        if self.flexible {
            if let Some(text) = text.filter(|text| text.len() > i16::MAX as usize) {
                return self.fail(EncodeError::StringTooLong { bytes: text.len() });
            }
            self.length(text.map(str::len));
            self.put(text.unwrap_or_default().as_bytes());
        } else {
            self.nullable_legacy_string(text);
        }
    }

    /// A string whose length is an i16 in every version, as in the request header.
    pub(crate) fn nullable_legacy_string(&mut self, text: Option<&str>) {
        let bytes = text.map_or(0, str::len);
        match (i16::try_from(bytes), text) {
            (_, None) => self.buffer.put_i16(-1),
            (Ok(length), Some(text)) => {
                self.buffer.put_i16(length);
                self.put(text.as_bytes());
            }
            (Err(_), Some(_)) => self.fail(EncodeError::StringTooLong { bytes }),
        }
    }

    /// One byte value that is the concatenation of `slices`.
    pub(crate) fn nullable_bytes(&mut self, slices: Option<&[Bytes]>) {
        self.length(slices.map(|slices| slices.iter().map(Bytes::len).sum()));
        for slice in slices.unwrap_or_default() {
            if slice.len() < SPLICE_BYTES_MIN {
                self.put(slice);
            } else {
                self.spliced_bytes += slice.len();
                self.splices.push((self.buffer.len(), slice.clone()));
            }
        }
    }

    pub(crate) fn nullable_array<T: Wire>(&mut self, elements: Option<&[T]>) {
        self.length(elements.map(<[T]>::len));
        for element in elements.unwrap_or_default() {
            element.write(self);
        }
    }

    /// The number of tagged fields that follow; nothing in a version without them.
    pub(crate) fn tagged_field_count(&mut self, count: u32) {
        if self.flexible {
            self.varint(count);
        }
    }

    /// A tagged field. Its value is written aside, since its size precedes it; no message has
    /// records or other large values in one.
    pub(crate) fn tagged_field(&mut self, tag: u32, value: &impl Wire) {
        let mut aside = Self::new(self.version, self.flexible);
        value.write(&mut aside);
        if let Some(fault) = aside.fault.take() {
            self.fail(fault);
        }
        let (frame, size) = aside.into_frame();
        self.varint(tag);
        match u32::try_from(size) {
            Ok(size) => self.varint(size),
            Err(_) => self.fail(EncodeError::TooLarge { bytes: size }),
        }
        self.put(&frame.to_bytes()[SIZE_PREFIX_BYTES..]);
    }

    /// The frame and its size without the prefix.
    fn into_frame(self) -> (Frame, usize) {
        let size = self.buffer.len() - SIZE_PREFIX_BYTES + self.spliced_bytes;
        (Frame::splice(self.buffer.freeze(), self.splices), size)
    }

    /// The frame, led by its size.
    pub(crate) fn finish(mut self) -> Result<Frame, EncodeError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let bytes = self.buffer.len() - SIZE_PREFIX_BYTES + self.spliced_bytes;
        let size = i32::try_from(bytes).map_err(|_| EncodeError::TooLarge { bytes })?;
        self.buffer[..SIZE_PREFIX_BYTES].copy_from_slice(&size.to_be_bytes());
        Ok(self.into_frame().0)
    }
}
