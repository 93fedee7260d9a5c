//! A state file: the state of a group's state machine right after one entry.
//!
//! Little-endian, 64 bytes then the state: magic "FSTA" u32 | version u16 | reserved u16 | group
//! u64 | term u64 | index u64 | next_offset i64 | appended_at_ms i64 | len u64 | reserved u32 |
//! crc32c u32 of bytes 0..60 and of the state. Written under a temporary name, synced and renamed
//! where its durability is answered for; at a segment roll it is synced by the checkpoint instead.

use std::io;
use std::path::Path;

use bytes::{Buf as _, BufMut as _, Bytes};
use floe_env::{OpenMode, Vfs};
use floe_model::{LogId, LogIndex, Offset, RaftGroupId, Term};

use crate::log_position::LogPosition;

const MAGIC: u32 = u32::from_le_bytes(*b"FSTA");
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 64;

/// The bytes of the file for `state` after `position.id`.
pub(crate) fn encode(group: RaftGroupId, position: &LogPosition, state: &[u8]) -> Vec<u8> {
    let id = position.id.unwrap_or_default();
    let mut out = Vec::with_capacity(HEADER_BYTES + state.len());
    out.put_u32_le(MAGIC);
    out.put_u16_le(VERSION);
    out.put_u16_le(0);
    out.put_u64_le(group.0);
    out.put_u64_le(id.term.0);
    out.put_u64_le(id.index.0);
    out.put_i64_le(position.next_offset.0);
    out.put_i64_le(position.appended_at_ms);
    out.put_u64_le(state.len() as u64);
    out.put_u32_le(0);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), state);
    out.put_u32_le(crc);
    out.put_slice(state);
    out
}

/// The position and state in a file; `None` for anything damaged.
pub(crate) fn decode(group: RaftGroupId, bytes: &Bytes) -> Option<(LogPosition, Bytes)> {
    let mut fields = bytes.get(..HEADER_BYTES)?;
    let state = bytes.slice(HEADER_BYTES..);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&fields[..HEADER_BYTES - 4]), &state);
    let magic = fields.get_u32_le();
    let version = fields.get_u16_le();
    fields.advance(2);
    let found = RaftGroupId(fields.get_u64_le());
    let term = Term(fields.get_u64_le());
    let index = LogIndex(fields.get_u64_le());
    let position = LogPosition {
        id: Some(LogId { term, index }),
        next_offset: Offset(fields.get_i64_le()),
        appended_at_ms: fields.get_i64_le(),
    };
    let len = fields.get_u64_le();
    fields.advance(4);
    let sound = magic == MAGIC
        && version == VERSION
        && found == group
        && len == state.len() as u64
        && fields.get_u32_le() == crc;
    sound.then_some((position, state))
}

/// Reads a whole file; `None` when it is missing or damaged.
pub(crate) fn read(
    vfs: &dyn Vfs,
    path: &Path,
    group: RaftGroupId,
) -> io::Result<Option<(LogPosition, Bytes)>> {
    match read_whole(vfs, path) {
        Ok(bytes) => Ok(decode(group, &bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All bytes of a file.
pub(crate) fn read_whole(vfs: &dyn Vfs, path: &Path) -> io::Result<Bytes> {
    let file = vfs.open(path, OpenMode::READ)?;
    let len = usize::try_from(file.len_bytes()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn golden_bytes() {
        let position = LogPosition {
            id: Some(LogId {
                term: Term(2),
                index: LogIndex(5),
            }),
            next_offset: Offset(6),
            appended_at_ms: 7,
        };
        let bytes = encode(RaftGroupId(1), &position, b"state");
        let expected = "465354410100000001000000000000000200000000000000050000000000\
                        0000060000000000000007000000000000000500000000000000000000\
                        00";
        assert_eq!(floe_model::to_hex(&bytes[..60]), expected);
        let bytes = Bytes::from(bytes);
        let (read, state) = decode(RaftGroupId(1), &bytes).unwrap();
        assert_eq!((read, &state[..]), (position, &b"state"[..]));
        assert!(decode(RaftGroupId(2), &bytes).is_none());
        for bit in 0..bytes.len() * 8 {
            let mut hurt = bytes.to_vec();
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(RaftGroupId(1), &hurt.into()).is_none(), "{bit}");
        }
    }
}
