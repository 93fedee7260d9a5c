//! The fixed header of an entry as bytes; the table is in the parent module.
//!
//! Invariant: `read` returns only sizes and counts within the limits of `floe_model`, so that
//! what follows may reserve by them; `into_entry` returns only entries whose header CRC, sizes
//! and counts hold.

use bytes::{Buf, BufMut};
use floe_model::{LogIndex, Offset, Term, limits};

use super::{Entry, EntryBody, EntryKind};
use crate::{EntryError, StampedBatch};

/// Bytes of the fixed header of an entry.
pub const ENTRY_HEADER_BYTES: usize = 56;
/// The version byte of this layout.
pub const ENTRY_VERSION: u8 = 1;

/// Bytes of the header that its own checksum covers.
const CHECKED_BYTES: usize = 52;

/// The fields of the fixed header, in order.
pub(super) struct EntryHeader {
    pub(super) kind: EntryKind,
    pub(super) batch_count: usize,
    pub(super) size_bytes: usize,
    term: Term,
    index: LogIndex,
    base_offset: Offset,
    offset_count: u64,
    appended_at_ms: i64,
    body_crc: u32,
    header_crc: u32,
    /// CRC-32C of the fixed part alone; the prefixes of the batches still have to be added.
    fixed_crc: u32,
}

impl EntryHeader {
    /// Reads and bounds the header at the start of `bytes`; its CRC is checked in `into_entry`.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, EntryError> {
        // An unknown version may have another header, so it must not look incomplete.
        match bytes.first() {
            None | Some(&ENTRY_VERSION) => {}
            Some(&version) => return Err(EntryError::Version { version }),
        }
        let Some(mut fields) = bytes.get(..ENTRY_HEADER_BYTES) else {
            return Err(EntryError::Incomplete {
                needed: ENTRY_HEADER_BYTES,
            });
        };
        let fixed_crc = crc32c::crc32c(&fields[..CHECKED_BYTES]);
        fields.advance(1);
        let header = Self {
            kind: kind_of(fields.get_u8())?,
            batch_count: usize::from(fields.get_u16_le()),
            size_bytes: fields.get_u32_le() as usize,
            term: Term(fields.get_u64_le()),
            index: LogIndex(fields.get_u64_le()),
            base_offset: Offset(fields.get_i64_le()),
            offset_count: fields.get_u64_le(),
            appended_at_ms: fields.get_i64_le(),
            body_crc: fields.get_u32_le(),
            header_crc: fields.get_u32_le(),
            fixed_crc,
        };
        check_count(header.kind, header.batch_count)?;
        check_size(header.size_bytes)?;
        Ok(header)
    }

    /// The header of `entry`, its `header_crc` still 0.
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            kind: entry.kind(),
            batch_count: entry.batches().len(),
            size_bytes: entry.encoded_len(),
            term: entry.term,
            index: entry.index,
            base_offset: entry.base_offset,
            offset_count: entry.offset_count(),
            appended_at_ms: entry.appended_at_ms,
            body_crc: body_crc(&entry.body),
            header_crc: 0,
            fixed_crc: 0,
        }
    }

    /// The bytes of the header of an entry with these batches. Values beyond the limits are
    /// clipped to ones that `read` refuses.
    pub(super) fn write(&self, batches: &[StampedBatch]) -> [u8; ENTRY_HEADER_BYTES] {
        let mut bytes = [0; ENTRY_HEADER_BYTES];
        let mut fields = bytes.as_mut_slice();
        fields.put_u8(ENTRY_VERSION);
        fields.put_u8(self.kind as u8);
        fields.put_u16_le(u16::try_from(self.batch_count).unwrap_or(u16::MAX));
        fields.put_u32_le(u32::try_from(self.size_bytes).unwrap_or(u32::MAX));
        fields.put_u64_le(self.term.0);
        fields.put_u64_le(self.index.0);
        fields.put_i64_le(self.base_offset.0);
        fields.put_u64_le(self.offset_count);
        fields.put_i64_le(self.appended_at_ms);
        fields.put_u32_le(self.body_crc);
        let header_crc = with_prefixes(crc32c::crc32c(&bytes[..CHECKED_BYTES]), batches);
        bytes[CHECKED_BYTES..].copy_from_slice(&header_crc.to_le_bytes());
        bytes
    }

    /// The entry of this header and `body`, if they belong together.
    pub(super) fn into_entry(self, body: EntryBody) -> Result<Entry, EntryError> {
        let entry = Entry {
            term: self.term,
            index: self.index,
            base_offset: self.base_offset,
            appended_at_ms: self.appended_at_ms,
            body,
        };
        let count = entry.batches().len();
        if count != self.batch_count {
            return Err(EntryError::BatchCount { count });
        }
        let computed = with_prefixes(self.fixed_crc, entry.batches());
        if computed != self.header_crc {
            return Err(EntryError::HeaderCrc {
                stated: self.header_crc,
                computed,
            });
        }
        if entry.encoded_len() != self.size_bytes {
            return Err(EntryError::Size {
                size_bytes: entry.encoded_len(),
            });
        }
        let computed = body_crc(&entry.body);
        if computed != self.body_crc {
            return Err(EntryError::BodyCrc {
                stated: self.body_crc,
                computed,
            });
        }
        let found = entry.offset_count();
        if found != self.offset_count {
            return Err(EntryError::OffsetCount {
                stated: self.offset_count,
                found,
            });
        }
        Ok(entry)
    }
}

/// Whether an entry of `kind` may have `count` batches.
pub(super) fn check_count(kind: EntryKind, count: usize) -> Result<(), EntryError> {
    let possible = match kind {
        EntryKind::Data => (1..=limits::ENTRY_BATCHES_MAX).contains(&count),
        EntryKind::Blank | EntryKind::Membership | EntryKind::Control => count == 0,
    };
    if possible {
        Ok(())
    } else {
        Err(EntryError::BatchCount { count })
    }
}

/// Whether any entry may have `size_bytes`.
pub(super) fn check_size(size_bytes: usize) -> Result<(), EntryError> {
    if (ENTRY_HEADER_BYTES..=limits::ENTRY_BYTES_MAX).contains(&size_bytes) {
        Ok(())
    } else {
        Err(EntryError::Size { size_bytes })
    }
}

fn kind_of(byte: u8) -> Result<EntryKind, EntryError> {
    match byte {
        0 => Ok(EntryKind::Blank),
        1 => Ok(EntryKind::Membership),
        2 => Ok(EntryKind::Data),
        3 => Ok(EntryKind::Control),
        kind => Err(EntryError::Kind { kind }),
    }
}

fn with_prefixes(crc: u32, batches: &[StampedBatch]) -> u32 {
    batches
        .iter()
        .fold(crc, |crc, batch| crc32c::crc32c_append(crc, batch.prefix()))
}

fn body_crc(body: &EntryBody) -> u32 {
    match body {
        EntryBody::Membership(body) | EntryBody::Control(body) => crc32c::crc32c(body),
        EntryBody::Blank | EntryBody::Data(_) => 0,
    }
}
