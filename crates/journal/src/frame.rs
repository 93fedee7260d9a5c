//! One frame of the journal: a change of one group.
//!
//! Little-endian header of 48 bytes: group u64 | index u64 | term u64 | applied u64 | kind u8 |
//! flags u8 | reserved u16 | len u32 | payload_crc u32 | reserved u32, then `len` payload bytes.
//!
//! `applied` is one more than the highest index that the group had applied when the frame was
//! queued, 0 for none: the commit hint. It never runs ahead of the log, because the frames of
//! the entries it covers stand before it. No frame removes entries but TRUNCATE_FROM, LOG_START
//! and RENEW; APPEND at an index asserts only that this entry is in the log there.

use bytes::{Buf as _, BufMut as _, Bytes};
use floe_model::{LogId, LogIndex, Offset, RaftGroupId, Term};

use crate::GroupKind;
use crate::log_position::LogPosition;

/// Bytes before the payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 48;
/// APPEND: the same entry stands in an older segment that is about to be recycled.
pub(crate) const FLAG_REAPPEND: u8 = 1;
/// LOG_START: the whole log before this frame is gone, not only its start.
pub(crate) const FLAG_RESET: u8 = 2;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// One entry, in the entry encoding.
    Append = 1,
    /// Entries from `index` on are gone.
    TruncateFrom = 2,
    /// The group's vote, opaque.
    Vote = 3,
    /// Entries up to (term, index) are gone; payload: next_offset i64, appended_at_ms i64.
    LogStart = 4,
    /// The group exists; payload: kind u8, meta.
    Create = 5,
    /// The group is gone and its id is never used again.
    Delete = 6,
    /// What the group was is over and it begins anew, empty; payload as of CREATE, with meta data
    /// that it never had before.
    Renew = 7,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) group: RaftGroupId,
    pub(crate) id: LogId,
    pub(crate) applied: u64,
    pub(crate) kind: FrameKind,
    pub(crate) flags: u8,
    pub(crate) len: u32,
    pub(crate) payload_crc: u32,
}

impl FrameHeader {
    /// Writes the header over the first 48 bytes of `place`.
    pub(crate) fn write(&self, place: &mut [u8]) {
        let mut out = &mut place[..FRAME_HEADER_BYTES];
        out.put_u64_le(self.group.0);
        out.put_u64_le(self.id.index.0);
        out.put_u64_le(self.id.term.0);
        out.put_u64_le(self.applied);
        out.put_u8(self.kind as u8);
        out.put_u8(self.flags);
        out.put_u16_le(0);
        out.put_u32_le(self.len);
        out.put_u32_le(self.payload_crc);
        out.put_u32_le(0);
    }

    /// Reads a header; `None` when `bytes` are too few or the kind is unknown.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.get(..FRAME_HEADER_BYTES)?;
        let group = RaftGroupId(fields.get_u64_le());
        let index = LogIndex(fields.get_u64_le());
        let term = Term(fields.get_u64_le());
        let applied = fields.get_u64_le();
        let kind = match fields.get_u8() {
            1 => FrameKind::Append,
            2 => FrameKind::TruncateFrom,
            3 => FrameKind::Vote,
            4 => FrameKind::LogStart,
            5 => FrameKind::Create,
            6 => FrameKind::Delete,
            7 => FrameKind::Renew,
            _ => return None,
        };
        let flags = fields.get_u8();
        fields.advance(2);
        Some(Self {
            group,
            id: LogId { term, index },
            applied,
            kind,
            flags,
            len: fields.get_u32_le(),
            payload_crc: fields.get_u32_le(),
        })
    }
}

/// Appends the payload of a LOG_START frame.
pub(crate) fn put_log_start(position: &LogPosition, out: &mut Vec<u8>) {
    out.put_i64_le(position.next_offset.0);
    out.put_i64_le(position.appended_at_ms);
}

/// Reads the payload of a LOG_START frame for `id`.
pub(crate) fn read_log_start(id: LogId, mut payload: &[u8]) -> Option<LogPosition> {
    if payload.len() != 16 {
        return None;
    }
    Some(LogPosition {
        id: Some(id),
        next_offset: Offset(payload.get_i64_le()),
        appended_at_ms: payload.get_i64_le(),
    })
}

/// Reads the payload of a CREATE or RENEW frame.
pub(crate) fn read_create(payload: &Bytes) -> Option<(GroupKind, Bytes)> {
    let kind = GroupKind::from_code(*payload.first()?)?;
    // The payload is a slice of a whole read chunk; the meta data outlives it.
    Some((kind, Bytes::copy_from_slice(&payload[1..])))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn golden_bytes() {
        let header = FrameHeader {
            group: RaftGroupId(1000),
            id: LogId {
                term: Term(4),
                index: LogIndex(9),
            },
            applied: 8,
            kind: FrameKind::Append,
            flags: FLAG_REAPPEND,
            len: 77,
            payload_crc: 0xdead_beef,
        };
        let mut bytes = [0xff; FRAME_HEADER_BYTES];
        header.write(&mut bytes);
        let expected = "e803000000000000090000000000000004000000000000000800000000000000\
                        010100004d000000efbeadde00000000";
        assert_eq!(floe_model::to_hex(&bytes), expected);
        assert_eq!(FrameHeader::read(&bytes), Some(header));
    }

    #[test]
    fn kinds_have_their_numbers() {
        for (kind, number) in [
            (FrameKind::Append, 1),
            (FrameKind::TruncateFrom, 2),
            (FrameKind::Vote, 3),
            (FrameKind::LogStart, 4),
            (FrameKind::Create, 5),
            (FrameKind::Delete, 6),
            (FrameKind::Renew, 7),
        ] {
            assert_eq!(kind as u8, number);
        }
    }

    #[test]
    fn log_start_payload_round_trips() {
        let position = LogPosition {
            id: Some(LogId::default()),
            next_offset: Offset(5),
            appended_at_ms: -1,
        };
        let mut bytes = Vec::new();
        put_log_start(&position, &mut bytes);
        assert_eq!(read_log_start(LogId::default(), &bytes), Some(position));
        assert_eq!(read_log_start(LogId::default(), &bytes[1..]), None);
    }
}
