//! The index file of a sealed partition segment: a summary, then the points of its sparse index.
//!
//! Little-endian: magic "FIDX" u32 | version u16 | reserved u16 | group u64 | first_index u64 |
//! log_len u64 | last_term u64 | last_index u64 | next_offset i64 | last_appended_at_ms i64 |
//! max_timestamp_ms i64 | term_count u32 | point_count u32 (80 bytes), then `term_count` x {index
//! u64, term u64}, crc32c u32 of all that, then `point_count` x {base_offset i64, index u64,
//! max_timestamp_ms i64, position u64}, crc32c u32 of the points.
//!
//! Opening a group reads only the summary. A missing or damaged index is made again by a scan.

use bytes::{Buf as _, BufMut as _};
use floe_model::{LogId, LogIndex, Offset, RaftGroupId, Term};

use crate::log_position::LogPosition;
use crate::sparse_index::{IndexPoint, SparseIndex};

const MAGIC: u32 = u32::from_le_bytes(*b"FIDX");
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 80;
const TERM_BYTES: usize = 16;
const POINT_BYTES: usize = 32;

/// What is known of a segment without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentSummary {
    pub(crate) first_index: LogIndex,
    pub(crate) log_len: u64,
    /// The position after its last entry.
    pub(crate) end: LogPosition,
    pub(crate) max_timestamp_ms: i64,
    /// The first index of each term in it.
    pub(crate) terms: Vec<(LogIndex, Term)>,
}

/// The whole file.
pub(crate) fn encode(group: RaftGroupId, summary: &SegmentSummary, index: &SparseIndex) -> Vec<u8> {
    let points = index.points();
    let room = FIXED_BYTES + summary.terms.len() * TERM_BYTES + points.len() * POINT_BYTES + 8;
    let mut out = Vec::with_capacity(room);
    let last = summary.end.id.unwrap_or_default();
    out.put_u32_le(MAGIC);
    out.put_u16_le(VERSION);
    out.put_u16_le(0);
    out.put_u64_le(group.0);
    out.put_u64_le(summary.first_index.0);
    out.put_u64_le(summary.log_len);
    out.put_u64_le(last.term.0);
    out.put_u64_le(last.index.0);
    out.put_i64_le(summary.end.next_offset.0);
    out.put_i64_le(summary.end.appended_at_ms);
    out.put_i64_le(summary.max_timestamp_ms);
    out.put_u32_le(u32::try_from(summary.terms.len()).unwrap_or(u32::MAX));
    out.put_u32_le(u32::try_from(points.len()).unwrap_or(u32::MAX));
    for (index, term) in &summary.terms {
        out.put_u64_le(index.0);
        out.put_u64_le(term.0);
    }
    out.put_u32_le(crc32c::crc32c(&out));
    let points_at = out.len();
    for point in points {
        out.put_i64_le(point.base_offset.0);
        out.put_u64_le(point.index.0);
        out.put_i64_le(point.max_timestamp_ms);
        out.put_u64_le(point.position);
    }
    out.put_u32_le(crc32c::crc32c(&out[points_at..]));
    out
}

/// The summary and where the points are; `None` for anything damaged.
pub(crate) fn decode_summary(
    group: RaftGroupId,
    bytes: &[u8],
) -> Option<(SegmentSummary, std::ops::Range<usize>)> {
    let mut fields = bytes.get(..FIXED_BYTES)?;
    let magic = fields.get_u32_le();
    let version = fields.get_u16_le();
    fields.advance(2);
    let found = RaftGroupId(fields.get_u64_le());
    if magic != MAGIC || version != VERSION || found != group {
        return None;
    }
    let first_index = LogIndex(fields.get_u64_le());
    let log_len = fields.get_u64_le();
    let term = Term(fields.get_u64_le());
    let index = LogIndex(fields.get_u64_le());
    let end = LogPosition {
        id: Some(LogId { term, index }),
        next_offset: Offset(fields.get_i64_le()),
        appended_at_ms: fields.get_i64_le(),
    };
    let max_timestamp_ms = fields.get_i64_le();
    let term_count = fields.get_u32_le() as usize;
    let point_count = fields.get_u32_le() as usize;
    let crc_at = FIXED_BYTES + term_count * TERM_BYTES;
    let stated = bytes.get(crc_at..crc_at + 4)?;
    if crc32c::crc32c(&bytes[..crc_at]).to_le_bytes() != stated {
        return None;
    }
    let pairs = bytes[FIXED_BYTES..crc_at].chunks_exact(TERM_BYTES);
    let terms = pairs.map(|mut pair| (LogIndex(pair.get_u64_le()), Term(pair.get_u64_le())));
    let summary = SegmentSummary {
        first_index,
        log_len,
        end,
        max_timestamp_ms,
        terms: terms.collect(),
    };
    let points_at = crc_at + 4;
    Some((summary, points_at..points_at + point_count * POINT_BYTES))
}

/// The points; `None` for anything damaged.
pub(crate) fn decode_points(group: RaftGroupId, bytes: &[u8]) -> Option<SparseIndex> {
    let (_, range) = decode_summary(group, bytes)?;
    let points = bytes.get(range.clone())?;
    let stated = bytes.get(range.end..range.end + 4)?;
    if crc32c::crc32c(points).to_le_bytes() != stated {
        return None;
    }
    let points = points
        .chunks_exact(POINT_BYTES)
        .map(|mut point| IndexPoint {
            base_offset: Offset(point.get_i64_le()),
            index: LogIndex(point.get_u64_le()),
            max_timestamp_ms: point.get_i64_le(),
            position: point.get_u64_le(),
        });
    SparseIndex::from_points(points.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample() -> (SegmentSummary, SparseIndex) {
        let summary = SegmentSummary {
            first_index: LogIndex(5),
            log_len: 1000,
            end: LogPosition {
                id: Some(LogId {
                    term: Term(2),
                    index: LogIndex(9),
                }),
                next_offset: Offset(50),
                appended_at_ms: 60,
            },
            max_timestamp_ms: 70,
            terms: vec![(LogIndex(5), Term(1)), (LogIndex(7), Term(2))],
        };
        let points = vec![IndexPoint {
            base_offset: Offset(10),
            index: LogIndex(5),
            max_timestamp_ms: i64::MIN,
            position: 64,
        }];
        (summary, SparseIndex::from_points(points).unwrap())
    }

    #[test]
    fn golden_bytes() {
        let (summary, index) = sample();
        let bytes = encode(RaftGroupId(1), &summary, &index);
        let expected = "4649445801000000\
                        01000000000000000500000000000000e8030000000000000200000000000000\
                        090000000000000032000000000000003c000000000000004600000000000000\
                        0200000001000000\
                        05000000000000000100000000000000\
                        07000000000000000200000000000000";
        assert_eq!(floe_model::to_hex(&bytes[..112]), expected);
        let points = "0a000000000000000500000000000000000000000000008040000000\
                      00000000";
        assert_eq!(floe_model::to_hex(&bytes[116..148]), points);
        assert_eq!(bytes.len(), 152);
    }

    #[test]
    fn round_trips_and_sees_every_flipped_bit() {
        let (summary, index) = sample();
        let bytes = encode(RaftGroupId(1), &summary, &index);
        assert_eq!(decode_summary(RaftGroupId(1), &bytes).unwrap().0, summary);
        assert_eq!(decode_points(RaftGroupId(1), &bytes), Some(index));
        for bit in 0..bytes.len() * 8 {
            let mut hurt = bytes.clone();
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_points(RaftGroupId(1), &hurt).is_none(), "{bit}");
        }
    }
}
