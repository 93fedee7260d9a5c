//! A commit group: the frames of one synced journal write.
//!
//! Little-endian header of 48 bytes: magic "JGRP" u32 | crc32c u32 | seg_seq u64 | first_lsn u64 |
//! body_len u32 | padded_len u32 | frame_count u32 | flags u32 | prev_group_crc u32 | reserved
//! u32. `crc32c` covers bytes 8..48 and every frame header; a payload has its own CRC in its
//! frame header. `padded_len` counts header, body and zeros up to the next 4096.
//!
//! `seg_seq`, `first_lsn` and the chain `prev_group_crc` stand under the CRC, so bytes of a
//! segment's earlier life can never look current.

use bytes::{Buf as _, BufMut as _};

use crate::frame::{FRAME_HEADER_BYTES, FrameHeader};
use crate::segment_header::JOURNAL_BLOCK_BYTES;

/// Bytes before the first frame.
pub(crate) const GROUP_HEADER_BYTES: usize = 48;

const MAGIC: u32 = u32::from_le_bytes(*b"JGRP");
const CRC_FROM: usize = 8;

/// The header of a commit group, but its own CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    pub(crate) seg_seq: u64,
    pub(crate) first_lsn: u64,
    pub(crate) body_len: u32,
    pub(crate) padded_len: u32,
    pub(crate) frame_count: u32,
    pub(crate) prev_group_crc: u32,
}

impl GroupHeader {
    /// Bytes of a group whose frames take `body_len`, padding included.
    pub(crate) fn padded(body_len: usize) -> usize {
        (GROUP_HEADER_BYTES + body_len).next_multiple_of(JOURNAL_BLOCK_BYTES)
    }

    /// Writes the header over the start of `group`, which holds the frames already, and returns
    /// the group's CRC.
    pub(crate) fn write(&self, group: &mut [u8]) -> u32 {
        let mut out = &mut group[..GROUP_HEADER_BYTES];
        out.put_u32_le(MAGIC);
        out.put_u32_le(0);
        out.put_u64_le(self.seg_seq);
        out.put_u64_le(self.first_lsn);
        out.put_u32_le(self.body_len);
        out.put_u32_le(self.padded_len);
        out.put_u32_le(self.frame_count);
        out.put_u32_le(0);
        out.put_u32_le(self.prev_group_crc);
        out.put_u32_le(0);
        let body_end = GROUP_HEADER_BYTES + self.body_len as usize;
        let crc = headers_crc(&group[..body_end]).unwrap_or_default();
        group[4..8].copy_from_slice(&crc.to_le_bytes());
        crc
    }

    /// Reads the fixed fields and the stated CRC, unchecked; `None` without the magic.
    pub(crate) fn peek(bytes: &[u8]) -> Option<(Self, u32)> {
        let mut fields = bytes.get(..GROUP_HEADER_BYTES)?;
        if fields.get_u32_le() != MAGIC {
            return None;
        }
        let crc = fields.get_u32_le();
        let seg_seq = fields.get_u64_le();
        let first_lsn = fields.get_u64_le();
        let body_len = fields.get_u32_le();
        let padded_len = fields.get_u32_le();
        let frame_count = fields.get_u32_le();
        fields.advance(4);
        let header = Self {
            seg_seq,
            first_lsn,
            body_len,
            padded_len,
            frame_count,
            prev_group_crc: fields.get_u32_le(),
        };
        let whole = Self::padded(body_len as usize) == padded_len as usize;
        whole.then_some((header, crc))
    }
}

/// The frames of a group whose headers are sound.
pub(crate) struct GroupView {
    pub(crate) header: GroupHeader,
    pub(crate) crc: u32,
    /// Each frame with the range of its payload in the group's bytes.
    pub(crate) frames: Vec<(FrameHeader, std::ops::Range<usize>)>,
}

impl GroupView {
    /// Reads the group at the start of `bytes`, checking the CRC over all headers. Payloads
    /// are unchecked. Allocates at most what the frames in `bytes` need.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (header, crc) = GroupHeader::peek(bytes)?;
        let group = bytes.get(..GROUP_HEADER_BYTES + header.body_len as usize)?;
        if headers_crc(group)? != crc {
            return None;
        }
        let mut frames = Vec::with_capacity(group.len() / FRAME_HEADER_BYTES);
        let mut at = GROUP_HEADER_BYTES;
        while at < group.len() {
            let frame = FrameHeader::read(&group[at..])?;
            let start = at + FRAME_HEADER_BYTES;
            at = start + frame.len as usize;
            frames.push((frame, start..at));
        }
        (frames.len() == header.frame_count as usize).then_some(Self {
            header,
            crc,
            frames,
        })
    }
}

/// The CRC of bytes 8..48 of `group` and of every frame header; `None` when the frames do not
/// end where the group does.
fn headers_crc(group: &[u8]) -> Option<u32> {
    let mut crc = crc32c::crc32c(&group[CRC_FROM..GROUP_HEADER_BYTES]);
    let mut at = GROUP_HEADER_BYTES;
    while at < group.len() {
        let header = group.get(at..at + FRAME_HEADER_BYTES)?;
        crc = crc32c::crc32c_append(crc, header);
        let len = u32::from_le_bytes(*header.get(36..)?.first_chunk()?) as usize;
        at = at.checked_add(FRAME_HEADER_BYTES + len)?;
    }
    (at == group.len()).then_some(crc)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use floe_model::{LogId, RaftGroupId};

    use super::*;
    use crate::frame::FrameKind;

    fn group() -> (Vec<u8>, u32) {
        let payload = b"vote";
        let frame = FrameHeader {
            group: RaftGroupId(1),
            id: LogId::default(),
            applied: 0,
            kind: FrameKind::Vote,
            flags: 0,
            len: 4,
            payload_crc: crc32c::crc32c(payload),
        };
        let body_len = FRAME_HEADER_BYTES + payload.len();
        let mut bytes = vec![0; GROUP_HEADER_BYTES + body_len];
        frame.write(&mut bytes[GROUP_HEADER_BYTES..]);
        bytes[GROUP_HEADER_BYTES + FRAME_HEADER_BYTES..].copy_from_slice(payload);
        let header = GroupHeader {
            seg_seq: 2,
            first_lsn: 4096,
            body_len: u32::try_from(body_len).unwrap(),
            padded_len: 4096,
            frame_count: 1,
            prev_group_crc: 0x0a0b_0c0d,
        };
        let crc = header.write(&mut bytes);
        (bytes, crc)
    }

    #[test]
    fn golden_bytes() {
        let (bytes, crc) = group();
        let hex = floe_model::to_hex(&bytes);
        assert_eq!(&hex[..8], "4a475250");
        assert_eq!(hex[8..16], floe_model::to_hex(&crc.to_le_bytes()));
        let expected = "0200000000000000001000000000000034000000001000000100000000000000\
                        0d0c0b0a00000000";
        assert_eq!(&hex[16..96], expected);
        assert_eq!(
            crc, 0x23a9_734b,
            "the polynomial and what it covers are fixed: {crc:#x}"
        );
    }

    #[test]
    fn every_flipped_header_bit_is_seen_and_payload_bits_by_their_own_crc() {
        let (mut bytes, crc) = group();
        let view = GroupView::read(&bytes).unwrap();
        assert_eq!((view.crc, view.frames.len()), (crc, 1));
        let headers = GROUP_HEADER_BYTES + FRAME_HEADER_BYTES;
        for bit in 0..headers * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(GroupView::read(&bytes).is_none(), "{bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        bytes[headers] ^= 1;
        let view = GroupView::read(&bytes).unwrap();
        let (frame, range) = &view.frames[0];
        assert_ne!(crc32c::crc32c(&bytes[range.clone()]), frame.payload_crc);
    }
}
