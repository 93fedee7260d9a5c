//! Turns queued frames into the bytes of one commit group.
//!
//! The body of a batch is copied exactly once, here, into the aligned write buffer. Payload CRCs
//! are taken from the copy while it is warm in the cache.

use bytes::BufMut as _;
use floe_model::{LogId, LogIndex, RaftGroupId, Term};

use crate::aligned_buffer::AlignedBuffer;
use crate::commit_group::{GROUP_HEADER_BYTES, GroupHeader};
use crate::frame::{
    FLAG_REAPPEND, FLAG_RESET, FRAME_HEADER_BYTES, FrameHeader, FrameKind, put_log_start,
};
use crate::journal_queue::{FrameBody, QueuedFrame};
use crate::segment_header::{JOURNAL_BLOCK_BYTES, SegmentHeader};

/// Where in the journal a group goes.
pub(crate) struct GroupPlace {
    /// Written before the group when it opens a segment.
    pub(crate) segment_header: Option<SegmentHeader>,
    pub(crate) seg_seq: u64,
    pub(crate) first_lsn: u64,
    pub(crate) prev_group_crc: u32,
}

/// Bytes of a group of these frames, padding included, without a segment header.
pub(crate) fn padded_bytes(frames: &[QueuedFrame]) -> usize {
    let body: u64 = frames
        .iter()
        .filter(|frame| !matches!(frame.body, FrameBody::Nothing))
        .map(|frame| frame.size_bytes)
        .sum();
    GroupHeader::padded(usize::try_from(body).unwrap_or(usize::MAX / 2))
}

/// Fills `buffer` with everything to write at `place` and returns the group's CRC.
pub(crate) fn encode_group(
    frames: &[QueuedFrame],
    place: &GroupPlace,
    buffer: &mut AlignedBuffer,
) -> u32 {
    let padded_len = padded_bytes(frames);
    buffer.prepare(JOURNAL_BLOCK_BYTES + padded_len);
    if let Some(header) = &place.segment_header {
        header.encode_into(buffer.tail());
    }
    let group_at = buffer.len();
    buffer.pad_to(group_at + GROUP_HEADER_BYTES);
    let mut frame_count = 0;
    for frame in frames {
        if let Some((kind, flags, id)) = describe(&frame.body) {
            let header = Header {
                group: frame.group.id,
                id,
                applied: frame.applied,
                kind,
                flags,
            };
            put_frame(&header, &frame.body, buffer);
            frame_count += 1;
        }
    }
    let body_len = buffer.len() - group_at - GROUP_HEADER_BYTES;
    buffer.pad_to(group_at + padded_len);
    let fits = "a group is smaller than a segment, whose size is a u32";
    let header = GroupHeader {
        seg_seq: place.seg_seq,
        first_lsn: place.first_lsn,
        body_len: u32::try_from(body_len).expect(fits),
        padded_len: u32::try_from(padded_len).expect(fits),
        frame_count,
        prev_group_crc: place.prev_group_crc,
    };
    header.write(buffer.bytes_from(group_at))
}

struct Header {
    group: RaftGroupId,
    id: LogId,
    applied: u64,
    kind: FrameKind,
    flags: u8,
}

fn put_frame(header: &Header, body: &FrameBody, buffer: &mut AlignedBuffer) {
    let at = buffer.len();
    buffer.pad_to(at + FRAME_HEADER_BYTES);
    put_payload(body, buffer.tail());
    let payload = &buffer.as_slice()[at + FRAME_HEADER_BYTES..];
    let fits = "a frame is smaller than a segment, whose size is a u32";
    let frame = FrameHeader {
        group: header.group,
        id: header.id,
        applied: header.applied,
        kind: header.kind,
        flags: header.flags,
        len: u32::try_from(payload.len()).expect(fits),
        payload_crc: crc32c::crc32c(payload),
    };
    frame.write(buffer.bytes_from(at));
}

/// Kind, flags, index and term of a frame; `None` for what is no frame.
fn describe(body: &FrameBody) -> Option<(FrameKind, u8, LogId)> {
    let none = LogId::default();
    let described = match body {
        FrameBody::Append {
            entry, reappend, ..
        } => {
            let flags = if *reappend { FLAG_REAPPEND } else { 0 };
            (FrameKind::Append, flags, entry.log_id())
        }
        FrameBody::TruncateFrom(index) => (FrameKind::TruncateFrom, 0, at_index(*index)),
        FrameBody::Vote(_) => (FrameKind::Vote, 0, none),
        FrameBody::LogStart { position, reset } => {
            let flags = if *reset { FLAG_RESET } else { 0 };
            (FrameKind::LogStart, flags, position.id.unwrap_or_default())
        }
        FrameBody::Create { .. } => (FrameKind::Create, 0, none),
        FrameBody::Delete => (FrameKind::Delete, 0, none),
        FrameBody::Renew { .. } => (FrameKind::Renew, 0, none),
        FrameBody::Nothing => return None,
    };
    Some(described)
}

fn at_index(index: LogIndex) -> LogId {
    LogId {
        term: Term(0),
        index,
    }
}

fn put_payload(body: &FrameBody, out: &mut Vec<u8>) {
    match body {
        FrameBody::Append { entry, .. } => entry.encode_into(out),
        FrameBody::Vote(vote) => out.put_slice(vote),
        FrameBody::LogStart { position, .. } => put_log_start(position, out),
        FrameBody::Create { kind, meta } | FrameBody::Renew { kind, meta } => {
            out.put_u8(*kind as u8);
            out.put_slice(meta);
        }
        FrameBody::TruncateFrom(_) | FrameBody::Delete | FrameBody::Nothing => {}
    }
}
