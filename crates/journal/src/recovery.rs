//! Puts a store together again from its directory: image, journal, partition segments.
//!
//! Order: the newest valid image; the journal from where the image says, frame by frame; then
//! group by group its partition segments and, behind them, the entries that only the journal has,
//! which come back to memory. Nothing is written but cuts of unsynced rests, so a crash in
//! recovery repeats it. Damage is recorded on the groups it may concern and never cut away.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use floe_env::{OpenMode, Vfs};
use floe_model::{LogIndex, NodeUuid, RaftGroupId};

use crate::checkpoint_image::{CheckpointImage, ImageError};
use crate::checkpointer::image_path;
use crate::group_recovery::{SlotFiles, recover_group, unsynced_files};
use crate::journal_file::open_for_writing;
use crate::journal_scan::{
    Found, JournalFile, ListError, in_order, list_files, read_direct, scan_segment,
};
use crate::journal_space::{FreeSegment, SealedSegment};
use crate::log_state::LogState;
use crate::node::{group_dir, groups_dir, journal_dir};
use crate::replay::{Locator, Replay};
use crate::segment_recovery::RecoveryMode;
use crate::writer::JournalEnd;
use crate::{Damage, GroupKind, JOURNAL_VERSION, OpenError};

/// A group as recovered.
pub(crate) struct RecoveredGroup {
    pub(crate) id: RaftGroupId,
    pub(crate) kind: GroupKind,
    pub(crate) meta: Bytes,
    pub(crate) state: LogState,
    /// Files of it that the first checkpoint must sync.
    pub(crate) unsynced: Vec<String>,
}

/// A store as recovered.
pub(crate) struct Recovered {
    pub(crate) groups: Vec<RecoveredGroup>,
    pub(crate) deleted: Vec<RaftGroupId>,
    pub(crate) lost: BTreeMap<RaftGroupId, Damage>,
    pub(crate) end: JournalEnd,
    pub(crate) sealed: VecDeque<SealedSegment>,
    pub(crate) free: VecDeque<FreeSegment>,
    pub(crate) next_slot: u32,
    pub(crate) generation: u64,
    pub(crate) scan_from_seq: u64,
}

/// What the journal holds, before any group is put together.
pub(crate) struct JournalReplay {
    pub(crate) replay: Replay,
    pub(crate) files: Vec<JournalFile>,
    pub(crate) end: JournalEnd,
    pub(crate) generation: u64,
    pub(crate) scan_from_seq: u64,
    /// For each live segment the highest index of each group in it.
    entries: BTreeMap<u64, BTreeMap<RaftGroupId, LogIndex>>,
}

/// Recovers the directory.
pub(crate) fn recover(
    vfs: &dyn Vfs,
    dir: &Path,
    node_uuid: NodeUuid,
    segment_bytes: u64,
    mode: RecoveryMode,
) -> Result<Recovered, OpenError> {
    let mut journal = replay_journal(vfs, dir, node_uuid)?;
    make_durable(vfs, dir, &journal)?;
    let mut slots = SlotFiles {
        vfs,
        paths: journal
            .files
            .iter()
            .map(|file| (file.slot, file.path.clone()))
            .collect(),
        open: BTreeMap::new(),
    };
    let mut groups = Vec::new();
    for (id, replay) in std::mem::take(&mut journal.replay.groups) {
        let path = group_dir(dir, id);
        let state = recover_group(vfs, &path, &replay, &mut slots, mode)?;
        groups.push(RecoveredGroup {
            id,
            kind: replay.image.kind,
            meta: replay.image.meta,
            unsynced: unsynced_files(&state),
            state,
        });
    }
    let next_slot = journal
        .files
        .iter()
        .map(|file| file.slot + 1)
        .max()
        .unwrap_or(0);
    let (sealed, free) = sort_files(vfs, &mut journal, segment_bytes)?;
    Ok(Recovered {
        groups,
        deleted: journal.replay.deleted.into_iter().collect(),
        lost: journal.replay.lost,
        end: journal.end,
        sealed,
        free,
        next_slot,
        generation: journal.generation,
        scan_from_seq: journal.scan_from_seq,
    })
}

/// Reads image and journal. Changes nothing.
pub(crate) fn replay_journal(
    vfs: &dyn Vfs,
    dir: &Path,
    node_uuid: NodeUuid,
) -> Result<JournalReplay, OpenError> {
    let image = newest_image(vfs, dir)?;
    let (generation, image_seq) = (image.generation, image.scan_from_seq.max(1));
    let mut replay = Replay::new(image);
    let listed = list_files(vfs, &journal_dir(dir), node_uuid, image_seq);
    let files = listed.map_err(|error| match error {
        ListError::Io(path, error) => OpenError::io(path, error),
        ListError::Newer(path, found) => OpenError::NewerFormat {
            path,
            found,
            supported: JOURNAL_VERSION,
        },
    })?;
    let mut end = JournalEnd {
        next_seg_seq: image_seq,
        lsn: 0,
        prev_group_crc: 0,
    };
    let mut entries = BTreeMap::new();
    let live = in_order(&files, image_seq).map_err(|seg_seq| OpenError::Damaged {
        path: journal_dir(dir),
        damage: Damage::JournalGap { seg_seq },
    })?;
    let mut prev_crc = None;
    for (place, file) in live.iter().enumerate() {
        let Some(header) = file.header else { continue };
        let next = live.get(place + 1).and_then(|next| next.header);
        let bytes = read_direct(vfs, &file.path);
        let bytes = bytes.map_err(|error| OpenError::io(&file.path, error))?;
        let highest: &mut BTreeMap<RaftGroupId, LogIndex> =
            entries.entry(header.seg_seq).or_default();
        let next_lsn = next.map(|next| next.first_lsn);
        let scanned =
            scan_segment(
                bytes.as_slice(),
                &header,
                next_lsn,
                prev_crc,
                |found| match found {
                    Found::Frame(frame, payload, position) => {
                        let locator = Locator {
                            slot: file.slot,
                            seg_seq: header.seg_seq,
                            position,
                            len: frame.len,
                        };
                        if frame.kind == crate::frame::FrameKind::Append {
                            let highest = highest.entry(frame.group).or_default();
                            *highest = frame.id.index.max(*highest);
                        }
                        replay.frame(frame, payload, locator);
                    }
                    Found::DamagedFrame(frame, damage) => replay.damage(frame.group, damage),
                    Found::DamagedStretch(damage) => replay.damage_all(damage),
                },
            );
        prev_crc = scanned.last_crc;
        end = JournalEnd {
            next_seg_seq: header.seg_seq + 1,
            lsn: scanned.lsn,
            prev_group_crc: scanned.last_crc.unwrap_or_default(),
        };
    }
    Ok(JournalReplay {
        replay,
        files,
        end,
        generation,
        scan_from_seq: image_seq,
        entries,
    })
}

fn newest_image(vfs: &dyn Vfs, dir: &Path) -> Result<CheckpointImage, OpenError> {
    let mut newest = CheckpointImage::default();
    for generation in 0..2 {
        let path = image_path(dir, generation);
        let bytes = match crate::state_file::read_whole(vfs, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(OpenError::io(path, error)),
        };
        match CheckpointImage::decode(&bytes) {
            Ok(image) if image.generation >= newest.generation => newest = image,
            // Torn or older: the other one counts.
            Ok(_) | Err(ImageError::Damaged) => {}
            Err(ImageError::Newer(found)) => {
                return Err(OpenError::NewerFormat {
                    path,
                    found,
                    supported: 1,
                });
            }
        }
    }
    Ok(newest)
}

/// Syncs what was read and will be relied on. After the mere death of a process the page cache may
/// show writes whose sync never came; a power cut later must not take them back.
fn make_durable(vfs: &dyn Vfs, dir: &Path, journal: &JournalReplay) -> Result<(), OpenError> {
    let image = image_path(dir, journal.generation);
    let image = (journal.generation > 0).then_some(image);
    let live = journal.files.iter().filter(|file| file.header.is_some());
    for path in image.into_iter().chain(live.map(|file| file.path.clone())) {
        let synced = vfs
            .open(&path, OpenMode::WRITE)
            .and_then(|file| file.sync_data());
        synced.map_err(|error| OpenError::io(path, error))?;
    }
    for dir in [dir.to_owned(), journal_dir(dir), groups_dir(dir)] {
        let synced = vfs.sync_dir(&dir);
        synced.map_err(|error| OpenError::io(dir, error))?;
    }
    Ok(())
}

/// Sorts the journal files into those with live frames and those to be overwritten.
fn sort_files(
    vfs: &dyn Vfs,
    journal: &mut JournalReplay,
    segment_bytes: u64,
) -> Result<(VecDeque<SealedSegment>, VecDeque<FreeSegment>), OpenError> {
    let mut sealed = BTreeMap::new();
    let mut free = VecDeque::new();
    for file in &journal.files {
        let whole = file.len_bytes == segment_bytes;
        if file.header.is_none() && !whole {
            let removed = vfs.remove_file(&file.path);
            removed.map_err(|error| OpenError::io(&file.path, error))?;
            continue;
        }
        let opened = open_for_writing(vfs, &file.path);
        let (opened, direct) = opened.map_err(|error| OpenError::io(&file.path, error))?;
        let segment = FreeSegment {
            slot: file.slot,
            file: opened,
            direct,
            prewritten: whole,
        };
        match file.header {
            Some(header) => {
                let entries = journal.entries.remove(&header.seg_seq).unwrap_or_default();
                let segment = SealedSegment {
                    seg_seq: header.seg_seq,
                    segment,
                    entries: Arc::new(entries),
                };
                sealed.insert(header.seg_seq, segment);
            }
            None => free.push_back(segment),
        }
    }
    Ok((sealed.into_values().collect(), free))
}
