//! The first 4096 bytes of a journal segment.
//!
//! Little-endian: magic "JSEG" u32 | version u16 | header_len u16 | node_uuid 16 | seg_seq u64 |
//! first_lsn u64 | segment_bytes u32 | crc32c u32 of bytes 0..44, then zeros to 4096.
//!
//! `first_lsn` is where the journal stood when the segment was begun. Recovery compares it with
//! where the segment before ends: equal means that nothing between them is missing, whatever
//! bytes a torn write left behind.

use bytes::{Buf as _, BufMut as _};
use floe_model::NodeUuid;

/// Bytes before the first commit group; also the alignment of every journal write.
pub(crate) const JOURNAL_BLOCK_BYTES: usize = 4096;
/// Version of segment header, commit group and frames together.
pub const JOURNAL_VERSION: u16 = 1;

const MAGIC: u32 = u32::from_le_bytes(*b"JSEG");
const FIELDS_BYTES: usize = 48;
const CRC_AT: usize = 44;

/// Which part of the endless journal a segment file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) node_uuid: NodeUuid,
    pub(crate) seg_seq: u64,
    pub(crate) first_lsn: u64,
    pub(crate) segment_bytes: u32,
}

/// What the first block of a segment file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderReading {
    /// Ours and whole.
    Valid(SegmentHeader),
    /// Written by a later version of Floe.
    Newer(u16),
    /// Never used, torn or rotten.
    Unreadable,
}

impl SegmentHeader {
    /// Appends the whole block to `out`.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_u32_le(MAGIC);
        out.put_u16_le(JOURNAL_VERSION);
        out.put_u16_le(FIELDS_BYTES as u16);
        out.put_slice(&self.node_uuid.0);
        out.put_u64_le(self.seg_seq);
        out.put_u64_le(self.first_lsn);
        out.put_u32_le(self.segment_bytes);
        let crc = crc32c::crc32c(&out[start..start + CRC_AT]);
        out.put_u32_le(crc);
        out.resize(start + JOURNAL_BLOCK_BYTES, 0);
    }

    /// Reads the start of a segment file.
    pub(crate) fn decode(bytes: &[u8]) -> HeaderReading {
        let Some(mut fields) = bytes.get(..FIELDS_BYTES) else {
            return HeaderReading::Unreadable;
        };
        let crc = crc32c::crc32c(&fields[..CRC_AT]);
        let magic = fields.get_u32_le();
        let version = fields.get_u16_le();
        let header_len = fields.get_u16_le();
        let mut node_uuid = [0; 16];
        fields.copy_to_slice(&mut node_uuid);
        let header = Self {
            node_uuid: NodeUuid(node_uuid),
            seg_seq: fields.get_u64_le(),
            first_lsn: fields.get_u64_le(),
            segment_bytes: fields.get_u32_le(),
        };
        if magic != MAGIC || fields.get_u32_le() != crc {
            HeaderReading::Unreadable
        } else if version != JOURNAL_VERSION {
            HeaderReading::Newer(version)
        } else if usize::from(header_len) != FIELDS_BYTES {
            HeaderReading::Unreadable
        } else {
            HeaderReading::Valid(header)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        node_uuid: NodeUuid([7; 16]),
        seg_seq: 3,
        first_lsn: 0x0102_0304,
        segment_bytes: 1 << 26,
    };

    #[test]
    fn golden_bytes() {
        let mut bytes = Vec::new();
        HEADER.encode_into(&mut bytes);
        assert_eq!(bytes.len(), JOURNAL_BLOCK_BYTES);
        let expected = "4a53454701003000070707070707070707070707070707070300000000000000\
                        040302010000000000000004";
        assert_eq!(floe_model::to_hex(&bytes[..CRC_AT]), expected);
        let crc = crc32c::crc32c(&bytes[..CRC_AT]).to_le_bytes();
        assert_eq!(bytes[CRC_AT..FIELDS_BYTES], crc);
        assert!(bytes[FIELDS_BYTES..].iter().all(|&byte| byte == 0));
        assert_eq!(SegmentHeader::decode(&bytes), HeaderReading::Valid(HEADER));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let mut bytes = Vec::new();
        HEADER.encode_into(&mut bytes);
        for bit in 0..FIELDS_BYTES * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                SegmentHeader::decode(&bytes),
                HeaderReading::Unreadable,
                "{bit}"
            );
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(
            SegmentHeader::decode(&bytes[..20]),
            HeaderReading::Unreadable
        );
    }
}
