//! A checkpoint image: what the freed journal segments said and partition segments do not.
//!
//! Two files alternate; the valid one with the higher generation wins, so a torn write loses
//! nothing. Little-endian: magic "FCKP" u32 | version u16 | reserved u16 | generation u64 |
//! scan_from_seq u64 | group_count u32 | deleted_count u32 | lost_count u32 | reserved u32 (40
//! bytes), then the groups, then the ids u64 of deleted groups and those of lost ones, then crc32c
//! u32 of everything before.
//!
//! A group: id u64 | kind u8 | flags u8 (1 vote, 2 growing, 4 state, 8 damaged) | reserved u16 |
//! meta_len u32 | meta | [vote_len u32 | vote] | start position | synced position | applied u64 (index + 1) | [growing:
//! first_index u64 | len_bytes u64 | max_timestamp_ms i64 | term_count u32 | {index u64, term
//! u64}...] | [state: position | len u32 | bytes]. A position: has_id u8 | term u64 | index u64 |
//! next_offset i64 | appended_at_ms i64.

use bytes::{Buf, BufMut as _, Bytes};
use floe_model::{LogId, LogIndex, Offset, RaftGroupId, Term};

use crate::GroupKind;
use crate::log_position::LogPosition;

const MAGIC: u32 = u32::from_le_bytes(*b"FCKP");
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 40;
const FLAG_VOTE: u8 = 1;
const FLAG_GROWING: u8 = 2;
const FLAG_STATE: u8 = 4;
const FLAG_DAMAGED: u8 = 8;

/// The image as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckpointImage {
    pub(crate) generation: u64,
    /// The first journal segment that recovery must scan.
    pub(crate) scan_from_seq: u64,
    pub(crate) groups: Vec<GroupImage>,
    pub(crate) deleted: Vec<RaftGroupId>,
    /// Groups whose creation the journal lost.
    pub(crate) lost: Vec<RaftGroupId>,
}

/// One group in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupImage {
    pub(crate) id: RaftGroupId,
    pub(crate) kind: GroupKind,
    pub(crate) meta: Bytes,
    pub(crate) vote: Option<Bytes>,
    pub(crate) start: LogPosition,
    /// Up to here partition segments are synced.
    pub(crate) synced: LogPosition,
    /// One more than the highest applied and durable index.
    pub(crate) applied: u64,
    pub(crate) growing: Option<GrowingImage>,
    /// A recent state of the group, to shorten the replay of the growing segment.
    pub(crate) state: Option<(LogPosition, Bytes)>,
    /// Data was lost; only the operator or a new replica ends that.
    pub(crate) damaged: bool,
}

/// The synced part of a growing segment, which ends at `synced`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GrowingImage {
    pub(crate) first_index: LogIndex,
    pub(crate) len_bytes: u64,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) terms: Vec<(LogIndex, Term)>,
}

/// Why a file is no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageError {
    Damaged,
    Newer(u16),
}

impl CheckpointImage {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(HEADER_BYTES + self.groups.len() * 256);
        out.put_u32_le(MAGIC);
        out.put_u16_le(VERSION);
        out.put_u16_le(0);
        out.put_u64_le(self.generation);
        out.put_u64_le(self.scan_from_seq);
        out.put_u32_le(count(self.groups.len()));
        out.put_u32_le(count(self.deleted.len()));
        out.put_u32_le(count(self.lost.len()));
        out.put_u32_le(0);
        for group in &self.groups {
            group.put(&mut out);
        }
        for id in self.deleted.iter().chain(&self.lost) {
            out.put_u64_le(id.0);
        }
        out.put_u32_le(crc32c::crc32c(&out));
        out
    }

    /// Reads an image. Checked as a whole before anything in it is believed.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        let body_len = bytes.len().checked_sub(4).ok_or(ImageError::Damaged)?;
        let (body, mut stated) = bytes.split_at(body_len);
        if body_len < HEADER_BYTES || stated.get_u32_le() != crc32c::crc32c(body) {
            return Err(ImageError::Damaged);
        }
        let mut fields = body;
        if fields.get_u32_le() != MAGIC {
            return Err(ImageError::Damaged);
        }
        let version = fields.get_u16_le();
        if version != VERSION {
            return Err(ImageError::Newer(version));
        }
        fields.advance(2);
        Self::read_body(&mut fields).ok_or(ImageError::Damaged)
    }

    fn read_body(fields: &mut &[u8]) -> Option<Self> {
        let mut image = Self {
            generation: fields.try_get_u64_le().ok()?,
            scan_from_seq: fields.try_get_u64_le().ok()?,
            ..Self::default()
        };
        let group_count = fields.try_get_u32_le().ok()?;
        let deleted_count = fields.try_get_u32_le().ok()?;
        let lost_count = fields.try_get_u32_le().ok()?;
        fields.try_get_u32_le().ok()?;
        for _ in 0..group_count {
            image.groups.push(GroupImage::read(fields)?);
        }
        for _ in 0..deleted_count {
            image
                .deleted
                .push(RaftGroupId(fields.try_get_u64_le().ok()?));
        }
        for _ in 0..lost_count {
            image.lost.push(RaftGroupId(fields.try_get_u64_le().ok()?));
        }
        fields.is_empty().then_some(image)
    }
}

impl GroupImage {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.id.0);
        out.put_u8(self.kind as u8);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.put_u8(
            flag(self.vote.is_some(), FLAG_VOTE)
                | flag(self.growing.is_some(), FLAG_GROWING)
                | flag(self.state.is_some(), FLAG_STATE)
                | flag(self.damaged, FLAG_DAMAGED),
        );
        out.put_u16_le(0);
        put_bytes(&self.meta, out);
        if let Some(vote) = &self.vote {
            put_bytes(vote, out);
        }
        put_position(&self.start, out);
        put_position(&self.synced, out);
        out.put_u64_le(self.applied);
        if let Some(growing) = &self.growing {
            out.put_u64_le(growing.first_index.0);
            out.put_u64_le(growing.len_bytes);
            out.put_i64_le(growing.max_timestamp_ms);
            out.put_u32_le(u32::try_from(growing.terms.len()).unwrap_or(u32::MAX));
            for (index, term) in &growing.terms {
                out.put_u64_le(index.0);
                out.put_u64_le(term.0);
            }
        }
        if let Some((position, state)) = &self.state {
            put_position(position, out);
            put_bytes(state, out);
        }
    }

    fn read(fields: &mut &[u8]) -> Option<Self> {
        let id = RaftGroupId(fields.try_get_u64_le().ok()?);
        let kind = GroupKind::from_code(fields.try_get_u8().ok()?)?;
        let flags = fields.try_get_u8().ok()?;
        let has = |flag: u8| flags & flag != 0;
        fields.try_get_u16_le().ok()?;
        Some(Self {
            id,
            kind,
            damaged: has(FLAG_DAMAGED),
            meta: read_bytes(fields)?,
            vote: if has(FLAG_VOTE) {
                Some(read_bytes(fields)?)
            } else {
                None
            },
            start: read_position(fields)?,
            synced: read_position(fields)?,
            applied: fields.try_get_u64_le().ok()?,
            growing: if has(FLAG_GROWING) {
                Some(GrowingImage::read(fields)?)
            } else {
                None
            },
            state: if has(FLAG_STATE) {
                Some((read_position(fields)?, read_bytes(fields)?))
            } else {
                None
            },
        })
    }
}

impl GrowingImage {
    fn read(fields: &mut &[u8]) -> Option<Self> {
        let mut growing = Self {
            first_index: LogIndex(fields.try_get_u64_le().ok()?),
            len_bytes: fields.try_get_u64_le().ok()?,
            max_timestamp_ms: fields.try_get_i64_le().ok()?,
            terms: Vec::new(),
        };
        for _ in 0..fields.try_get_u32_le().ok()? {
            let index = LogIndex(fields.try_get_u64_le().ok()?);
            growing
                .terms
                .push((index, Term(fields.try_get_u64_le().ok()?)));
        }
        Some(growing)
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.put_u32_le(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn read_bytes(fields: &mut &[u8]) -> Option<Bytes> {
    let len = fields.try_get_u32_le().ok()? as usize;
    let (bytes, rest) = fields.split_at_checked(len)?;
    *fields = rest;
    Some(Bytes::copy_from_slice(bytes))
}

fn put_position(position: &LogPosition, out: &mut Vec<u8>) {
    let id = position.id.unwrap_or_default();
    out.put_u8(u8::from(position.id.is_some()));
    out.put_u64_le(id.term.0);
    out.put_u64_le(id.index.0);
    out.put_i64_le(position.next_offset.0);
    out.put_i64_le(position.appended_at_ms);
}

fn read_position(fields: &mut &[u8]) -> Option<LogPosition> {
    let has_id = fields.try_get_u8().ok()? == 1;
    let id = LogId {
        term: Term(fields.try_get_u64_le().ok()?),
        index: LogIndex(fields.try_get_u64_le().ok()?),
    };
    Some(LogPosition {
        id: has_id.then_some(id),
        next_offset: Offset(fields.try_get_i64_le().ok()?),
        appended_at_ms: fields.try_get_i64_le().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> CheckpointImage {
        let position = LogPosition {
            id: Some(LogId {
                term: Term(2),
                index: LogIndex(3),
            }),
            next_offset: Offset(4),
            appended_at_ms: 5,
        };
        let group = GroupImage {
            id: RaftGroupId(1000),
            kind: GroupKind::Data,
            meta: Bytes::from_static(b"meta"),
            vote: Some(Bytes::from_static(b"vote")),
            start: LogPosition::ORIGIN,
            synced: position,
            applied: 4,
            growing: Some(GrowingImage {
                first_index: LogIndex(0),
                len_bytes: 999,
                max_timestamp_ms: 6,
                terms: vec![(LogIndex(0), Term(2))],
            }),
            state: Some((position, Bytes::from_static(b"s"))),
            damaged: false,
        };
        CheckpointImage {
            generation: 7,
            scan_from_seq: 8,
            groups: vec![group],
            deleted: vec![RaftGroupId(11)],
            lost: vec![RaftGroupId(12)],
        }
    }

    #[test]
    fn golden_bytes() {
        let bytes = image().encode();
        let expected = "46434b50010000000700000000000000080000000000000001000000\
                        010000000100000000000000\
                        e80300000000000000070000\
                        040000006d657461\
                        04000000766f7465\
                        000000000000000000000000000000000000000000000000000000000000000080\
                        010200000000000000030000000000000004000000000000000500000000000000\
                        0400000000000000\
                        0000000000000000e7030000000000000600000000000000\
                        0100000000000000000000000200000000000000\
                        010200000000000000030000000000000004000000000000000500000000000000\
                        0100000073\
                        0b000000000000000c00000000000000";
        assert_eq!(floe_model::to_hex(&bytes[..bytes.len() - 4]), expected);
        assert_eq!(CheckpointImage::decode(&bytes), Ok(image()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let bytes = image().encode();
        for bit in 0..bytes.len() * 8 {
            let mut hurt = bytes.clone();
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert!(CheckpointImage::decode(&hurt).is_err(), "{bit}");
        }
        for len in 0..bytes.len() {
            assert!(CheckpointImage::decode(&bytes[..len]).is_err(), "{len}");
        }
    }
}
