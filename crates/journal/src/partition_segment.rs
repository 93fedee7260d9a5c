//! The header of a partition segment, and the names of a group's files.
//!
//! A segment holds committed entries of one group in the entry encoding, contiguous in index from
//! `first_index` on, so it *is* that stretch of the Raft log. Little-endian, 64 bytes: magic
//! "FSEG" u32 | version u16 | header_len u16 | group u64 | first_index u64 | base_offset i64 |
//! prev_term u64 | prev_appended_at_ms i64 | has_prev u8 | reserved 11 | crc32c u32 of bytes 0..60.
//!
//! Files are named by the first index, 20 digits: base offsets repeat when a segment holds no
//! records. `.log` is the segment, `.idx` its index, `.state` the state before that index.

use bytes::{Buf as _, BufMut as _};
use floe_model::{LogId, LogIndex, Offset, RaftGroupId, Term};

use crate::log_position::LogPosition;

/// Bytes before the first entry.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 64;
/// Version of partition segments.
pub const SEGMENT_VERSION: u16 = 1;

const MAGIC: u32 = u32::from_le_bytes(*b"FSEG");
const HEADER_LEN: usize = SEGMENT_HEADER_BYTES as usize;

/// The header of the segment of `group` whose entries follow `first`.
pub(crate) fn encode_header(group: RaftGroupId, first: &LogPosition) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    let mut out = &mut bytes[..];
    out.put_u32_le(MAGIC);
    out.put_u16_le(SEGMENT_VERSION);
    out.put_u16_le(HEADER_LEN as u16);
    out.put_u64_le(group.0);
    out.put_u64_le(first.next_index().0);
    out.put_i64_le(first.next_offset.0);
    out.put_u64_le(first.id.map_or(0, |id| id.term.0));
    out.put_i64_le(first.appended_at_ms);
    out.put_u8(u8::from(first.id.is_some()));
    let crc = crc32c::crc32c(&bytes[..HEADER_LEN - 4]);
    bytes[HEADER_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The group and the position before the first entry; `None` for anything damaged.
pub(crate) fn decode_header(bytes: &[u8]) -> Option<(RaftGroupId, LogPosition)> {
    let mut fields = bytes.get(..HEADER_LEN)?;
    let crc = crc32c::crc32c(&fields[..HEADER_LEN - 4]);
    let magic = fields.get_u32_le();
    let version = fields.get_u16_le();
    fields.advance(2);
    let group = RaftGroupId(fields.get_u64_le());
    let first_index = fields.get_u64_le();
    let next_offset = Offset(fields.get_i64_le());
    let term = Term(fields.get_u64_le());
    let appended_at_ms = fields.get_i64_le();
    let has_prev = fields.get_u8() == 1;
    fields.advance(11);
    if magic != MAGIC || version != SEGMENT_VERSION || fields.get_u32_le() != crc {
        return None;
    }
    let id = match (has_prev, first_index.checked_sub(1)) {
        (true, Some(index)) => Some(LogId {
            term,
            index: LogIndex(index),
        }),
        (false, None) => None,
        _ => return None,
    };
    let position = LogPosition {
        id,
        next_offset,
        appended_at_ms,
    };
    Some((group, position))
}

/// What a file in a group's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Log,
    Index,
    State,
}

/// The name of the file of `kind` that belongs to `index`.
pub(crate) fn file_name(index: LogIndex, kind: FileKind) -> String {
    let extension = match kind {
        FileKind::Log => "log",
        FileKind::Index => "idx",
        FileKind::State => "state",
    };
    format!("{:020}.{extension}", index.0)
}

/// Reads a name that `file_name` made.
pub(crate) fn parse_name(name: &str) -> Option<(LogIndex, FileKind)> {
    let (digits, extension) = name.split_once('.')?;
    let kind = match extension {
        "log" => FileKind::Log,
        "idx" => FileKind::Index,
        "state" => FileKind::State,
        _ => return None,
    };
    let index = LogIndex(digits.parse().ok()?);
    (file_name(index, kind) == name).then_some((index, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let first = LogPosition {
            id: Some(LogId {
                term: Term(3),
                index: LogIndex(9),
            }),
            next_offset: Offset(77),
            appended_at_ms: 1000,
        };
        let bytes = encode_header(RaftGroupId(1000), &first);
        let expected = "4653454701004000e8030000000000000a000000000000004d00000000000000\
                        0300000000000000e803000000000000010000000000000000000000";
        assert_eq!(floe_model::to_hex(&bytes[..60]), expected);
        assert_eq!(decode_header(&bytes), Some((RaftGroupId(1000), first)));
        let origin = encode_header(RaftGroupId(1), &LogPosition::ORIGIN);
        assert_eq!(
            decode_header(&origin),
            Some((RaftGroupId(1), LogPosition::ORIGIN))
        );
        for bit in 0..HEADER_LEN * 8 {
            let mut hurt = bytes;
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_header(&hurt), None, "{bit}");
        }
    }

    #[test]
    fn names_round_trip_and_others_are_not_ours() {
        let name = file_name(LogIndex(12), FileKind::State);
        assert_eq!(name, "00000000000000000012.state");
        assert_eq!(parse_name(&name), Some((LogIndex(12), FileKind::State)));
        for other in [
            "12.state",
            "00000000000000000012.state.new",
            "x.log",
            "lost+found",
        ] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
