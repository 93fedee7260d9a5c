//! Reads the journal segments that may hold live frames, in order.
//!
//! Where a segment ends is known exactly when a later one exists: its `first_lsn` says how much of
//! this one counts, and everything up to there must be valid. In the newest segment the first
//! group that fails is a torn write, never acknowledged, unless something valid follows it: then
//! it is damage. Damaged frames are named; an unreadable stretch may have held any frame.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use floe_env::{OpenMode, Vfs};
use floe_model::NodeUuid;

use crate::Damage;
use crate::aligned_buffer::AlignedBuffer;
use crate::commit_group::{GROUP_HEADER_BYTES, GroupView};
use crate::frame::FrameHeader;
use crate::segment_header::{HeaderReading, JOURNAL_BLOCK_BYTES, SegmentHeader};

/// Bytes of one read.
const READ_BYTES: usize = 4 << 20;

/// A file in the journal directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalFile {
    pub(crate) slot: u32,
    pub(crate) path: PathBuf,
    pub(crate) len_bytes: u64,
    /// What it holds, unless it was never used or its life is over.
    pub(crate) header: Option<SegmentHeader>,
}

/// Something found in a segment.
pub(crate) enum Found<'a> {
    /// A frame whose checksums hold, with its payload and where that is in the file.
    Frame(&'a FrameHeader, &'a [u8], u64),
    /// A frame whose payload is damaged.
    DamagedFrame(&'a FrameHeader, Damage),
    /// A stretch in which any frame may be lost.
    DamagedStretch(Damage),
}

/// Where a segment's valid part ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentEnd {
    pub(crate) lsn: u64,
    /// CRC of its last group; `None` when that is unknown.
    pub(crate) last_crc: Option<u32>,
}

/// A header that cannot be worked with.
pub(crate) enum ListError {
    Io(PathBuf, io::Error),
    Newer(PathBuf, u16),
}

/// The files of the journal directory with what their headers say. Segments before
/// `scan_from_seq` are over.
pub(crate) fn list_files(
    vfs: &dyn Vfs,
    dir: &Path,
    node_uuid: NodeUuid,
    scan_from_seq: u64,
) -> Result<Vec<JournalFile>, ListError> {
    let mut files = Vec::new();
    let entries = vfs
        .list(dir)
        .map_err(|error| ListError::Io(dir.to_owned(), error))?;
    for entry in entries {
        let digits = entry.name.strip_suffix(".seg");
        let Some(slot) = digits.and_then(|digits| digits.parse().ok()) else {
            continue;
        };
        let path = dir.join(&entry.name);
        let bytes = read_start(vfs, &path).map_err(|error| ListError::Io(path.clone(), error))?;
        let header = match SegmentHeader::decode(&bytes) {
            HeaderReading::Valid(header) if header.node_uuid == node_uuid => Some(header),
            HeaderReading::Valid(_) => None,
            HeaderReading::Newer(version) => return Err(ListError::Newer(path, version)),
            HeaderReading::Unreadable if bytes.iter().all(|&byte| byte == 0) => None,
            HeaderReading::Unreadable => {
                let whole = read_direct(vfs, &path);
                let whole = whole.map_err(|error| ListError::Io(path.clone(), error))?;
                header_from_groups(whole.as_slice(), node_uuid, scan_from_seq)
            }
        };
        files.push(JournalFile {
            slot,
            path,
            len_bytes: entry.len_bytes,
            header: header.filter(|header| header.seg_seq >= scan_from_seq),
        });
    }
    Ok(files)
}

fn read_start(vfs: &dyn Vfs, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; JOURNAL_BLOCK_BYTES + GROUP_HEADER_BYTES];
    let read = vfs.open(path, OpenMode::READ)?.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The bytes of a whole segment file, past the page cache where the file system allows it: its
/// blocks were written that way, and reading them through the cache is several times slower.
pub(crate) fn read_direct(vfs: &dyn Vfs, path: &Path) -> io::Result<AlignedBuffer> {
    let direct = OpenMode {
        direct_sync: true,
        ..OpenMode::READ
    };
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::InvalidInput;
    match read_into_aligned(vfs, path, direct) {
        // A file that was not written ahead may end within a block.
        Err(error) if refused(&error) => read_into_aligned(vfs, path, OpenMode::READ),
        read => read,
    }
}

fn read_into_aligned(vfs: &dyn Vfs, path: &Path, mode: OpenMode) -> io::Result<AlignedBuffer> {
    let file = vfs.open(path, mode)?;
    let len = usize::try_from(file.len_bytes()?).map_err(io::Error::other)?;
    let mut buffer = AlignedBuffer::default();
    buffer.prepare(len);
    buffer.pad_to(len);
    let mut at = 0;
    while at < len {
        let end = len.min(at + READ_BYTES);
        let read = file.read_at(&mut buffer.bytes_from(0)[at..end], at as u64)?;
        if read < end - at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = end;
    }
    Ok(buffer)
}

/// A segment's first block may be torn or rotten while its groups are whole, and they say the
/// same. Groups of the file's former lives have lower sequence numbers.
fn header_from_groups(
    bytes: &[u8],
    node_uuid: NodeUuid,
    scan_from_seq: u64,
) -> Option<SegmentHeader> {
    (JOURNAL_BLOCK_BYTES..bytes.len())
        .step_by(JOURNAL_BLOCK_BYTES)
        .find_map(|at| {
            let header = GroupView::read(&bytes[at..])?.header;
            let before = (at - JOURNAL_BLOCK_BYTES) as u64;
            let first_lsn = header.first_lsn.checked_sub(before)?;
            (header.seg_seq >= scan_from_seq).then_some(SegmentHeader {
                node_uuid,
                seg_seq: header.seg_seq,
                first_lsn,
                segment_bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            })
        })
}

/// Reads the groups of one segment. `next_first_lsn` is where the next segment begins, if there is
/// one; `prev_crc` the CRC of the group before.
pub(crate) fn scan_segment(
    bytes: &[u8],
    header: &SegmentHeader,
    next_first_lsn: Option<u64>,
    mut prev_crc: Option<u32>,
    mut found: impl FnMut(Found<'_>),
) -> SegmentEnd {
    let scan = Scan { bytes, header };
    let mut at = JOURNAL_BLOCK_BYTES;
    let end = next_first_lsn.map(|lsn| scan.position_of(lsn));
    loop {
        if end.is_some_and(|end| at >= end) || at >= bytes.len() {
            break;
        }
        let view = scan.group_at(at, prev_crc);
        let next = view
            .as_ref()
            .map(|view| at + view.header.padded_len as usize);
        let bad = view.as_ref().map(|view| scan.bad_payloads(at, view));
        if let (Some(view), Some(next), Some(bad)) = (&view, next, &bad) {
            // Damaged frames in a group that something follows; alone at the end it is torn.
            if bad.is_empty() || end.is_some() || scan.group_after(next).is_some() {
                scan.report(at, view, bad, &mut found);
                prev_crc = Some(view.crc);
                at = next;
                continue;
            }
        }
        let damage = Damage::Journal {
            seg_seq: header.seg_seq,
            position: at as u64,
        };
        match (scan.group_after(at + JOURNAL_BLOCK_BYTES), end) {
            (Some(next), _) => {
                found(Found::DamagedStretch(damage));
                at = next;
                prev_crc = None;
            }
            (None, Some(end)) => {
                found(Found::DamagedStretch(damage));
                at = end;
                prev_crc = None;
            }
            (None, None) => break,
        }
    }
    SegmentEnd {
        lsn: header.first_lsn + (at - JOURNAL_BLOCK_BYTES) as u64,
        last_crc: prev_crc,
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    header: &'a SegmentHeader,
}

impl Scan<'_> {
    fn position_of(&self, lsn: u64) -> usize {
        let inside = lsn.saturating_sub(self.header.first_lsn);
        usize::try_from(inside).unwrap_or(usize::MAX / 2) + JOURNAL_BLOCK_BYTES
    }

    /// The group at `at` if its headers are sound and belong exactly there.
    fn group_at(&self, at: usize, prev_crc: Option<u32>) -> Option<GroupView> {
        let view = GroupView::read(self.bytes.get(at..)?)?;
        let lsn = self.header.first_lsn + (at - JOURNAL_BLOCK_BYTES) as u64;
        let ours = view.header.seg_seq == self.header.seg_seq && view.header.first_lsn == lsn;
        let chained = prev_crc.is_none_or(|crc| crc == view.header.prev_group_crc);
        (ours && chained).then_some(view)
    }

    /// Where the first sound group at or after `from` starts.
    fn group_after(&self, from: usize) -> Option<usize> {
        (from..self.bytes.len())
            .step_by(JOURNAL_BLOCK_BYTES)
            .find(|at| self.group_at(*at, None).is_some())
    }

    /// Which frames of the group have a payload that fails its checksum.
    fn bad_payloads(&self, at: usize, view: &GroupView) -> Vec<usize> {
        let payload = |range: &Range<usize>| &self.bytes[at + range.start..at + range.end];
        let frames = view.frames.iter().enumerate();
        let bad = frames
            .filter(|(_, (frame, range))| crc32c::crc32c(payload(range)) != frame.payload_crc)
            .filter(|_| !floe_model::mutant!("checksum-unchecked"));
        bad.map(|(place, _)| place).collect()
    }

    fn report(
        &self,
        at: usize,
        view: &GroupView,
        bad: &[usize],
        found: &mut impl FnMut(Found<'_>),
    ) {
        for (place, (frame, range)) in view.frames.iter().enumerate() {
            let position = at + range.start;
            if bad.contains(&place) {
                let damage = Damage::Journal {
                    seg_seq: self.header.seg_seq,
                    position: position as u64,
                };
                found(Found::DamagedFrame(frame, damage));
            } else {
                let payload = &self.bytes[position..at + range.end];
                found(Found::Frame(frame, payload, position as u64));
            }
        }
    }
}

/// The live segments in order. `Err` with the first sequence number that is missing.
pub(crate) fn in_order(
    files: &[JournalFile],
    scan_from_seq: u64,
) -> Result<Vec<&JournalFile>, u64> {
    let by_seq: BTreeMap<u64, &JournalFile> = files
        .iter()
        .filter_map(|file| Some((file.header?.seg_seq, file)))
        .collect();
    let expected = scan_from_seq..;
    match by_seq
        .keys()
        .zip(expected)
        .find(|(found, expected)| *found != expected)
    {
        Some((_, missing)) => Err(missing),
        None => Ok(by_seq.into_values().collect()),
    }
}
