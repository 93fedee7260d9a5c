//! Reads wire values from one message body, front to back.
//!
//! Invariant: nothing is believed that the bytes do not show. A length or count is checked against
//! the bytes that remain before it is used; what decoded values occupy is charged to a budget
//! proportional to the input; every read moves forward or fails, so reading ends. Byte values are
//! slices of the input, never copies.

use bytes::Bytes;

use crate::DecodeError;
use crate::wire::Wire;

/// Memory granted to decoded values per byte of input. The widest element with a name in it, a
/// string of one character in two bytes, decodes to 25 bytes.
const MEMORY_FACTOR: usize = 16;
/// Memory granted to every input, so that small messages of empty arrays pass too.
const MEMORY_SLACK_BYTES: usize = 64 << 10;

/// The memory that strings and array elements decoded from `input_bytes` bytes may occupy at most.
/// Vectors grow by doubling, so the allocator may be asked for twice as much. Byte values take
/// none: they are slices of the input.
#[must_use]
pub const fn decoded_bytes_max(input_bytes: usize) -> usize {
    input_bytes
        .saturating_mul(MEMORY_FACTOR)
        .saturating_add(MEMORY_SLACK_BYTES)
}

/// The unread part of a message body of one version.
pub struct Reader<'a> {
    input: &'a Bytes,
    at: usize,
    end: usize,
    version: i16,
    flexible: bool,
    memory_left: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a Bytes, version: i16, flexible: bool) -> Self {
        let memory_left = decoded_bytes_max(input.len());
        Self {
            input,
            at: 0,
            end: input.len(),
            version,
            flexible,
            memory_left,
        }
    }

    pub(crate) fn version(&self) -> i16 {
        self.version
    }

    /// What follows has compact lengths and tagged fields.
    pub(crate) fn become_flexible(&mut self) {
        self.flexible = true;
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> Bytes {
        self.input.slice(self.at..self.end)
    }

    fn remaining(&self) -> usize {
        self.end - self.at
    }

    fn take(&mut self, wanted: usize) -> Result<&'a [u8], DecodeError> {
        let (at, remaining) = (self.at, self.remaining());
        if wanted > remaining {
            return Err(DecodeError::Truncated {
                at,
                wanted,
                remaining,
            });
        }
        self.at += wanted;
        Ok(&self.input[at..self.at])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn varint(&mut self) -> Result<u32, DecodeError> {
        let at = self.at;
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong { at })
    }

    /// A length or count: compact, or as the integer `N` bytes wide; `None` for null.
    fn length<const N: usize>(&mut self) -> Result<Option<usize>, DecodeError> {
        let at = self.at;
        let length = if self.flexible {
            i64::from(self.varint()?) - 1
        } else {
            let bytes = self.array::<N>()?;
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
            bytes
                .iter()
                .fold(sign, |value, byte| (value << 8) | i64::from(*byte))
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(DecodeError::BadLength { at, length }),
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.memory_left.checked_sub(bytes) {
            Some(left) => self.memory_left = left,
            None => {
                let limit = decoded_bytes_max(self.input.len());
                return Err(DecodeError::MemoryLimit { at: self.at, limit });
            }
        }
        Ok(())
    }

    pub(crate) fn nullable_string(&mut self) -> Result<Option<String>, DecodeError> {
        let start = self.at;
        let Some(length) = self.length::<2>()? else {
            return Ok(None);
        };
        if length > i16::MAX as usize {
            return Err(DecodeError::BadLength {
                at: start,
                length: length as i64,
            });
        }
        let at = self.at;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8 { at })?;
        self.charge(length)?;
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn nullable_bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(length) = self.length::<4>()? else {
            return Ok(None);
        };
        let start = self.at;
        self.take(length)?;
        Ok(Some(self.input.slice(start..self.at)))
    }

    pub(crate) fn nullable_array<T: Wire>(&mut self) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length::<4>()? else {
            return Ok(None);
        };
        let (at, remaining) = (self.at, self.remaining());
        if count > remaining {
            return Err(DecodeError::CountBeyondInput {
                at,
                count,
                remaining,
            });
        }
        // At least one: a vector that starts empty grows to four.
        let reserved = count.min((remaining / size_of::<T>()).max(1));
        self.charge(reserved * size_of::<T>())?;
        let mut elements = Vec::with_capacity(reserved);
        for index in 0..count {
            if index >= reserved {
                self.charge(size_of::<T>())?;
            }
            elements.push(T::read(self)?);
        }
        Ok(Some(elements))
    }

    /// The tagged fields at the end of a structure of a flexible version. `known` reads the value
    /// of a tag it knows and says whether it did; other tags are skipped.
    pub(crate) fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let size = self.varint()? as usize;
            let start = self.at;
            self.take(size)?;
            let outer_end = std::mem::replace(&mut self.end, self.at);
            let value_end = std::mem::replace(&mut self.at, start);
            let at = if known(tag, self)? {
                self.at
            } else {
                value_end
            };
            if at != value_end {
                return Err(DecodeError::TaggedFieldTooLong { at, tag });
            }
            (self.at, self.end) = (value_end, outer_end);
        }
        Ok(())
    }
}
