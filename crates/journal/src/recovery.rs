//! Puts a store together again from its directory: image, journal, partition segments.
//!
//! Order: the newest valid image; the journal from where the image says, frame by frame; then
//! group by group its partition segments and, behind them, the entries that only the journal has,
//! which come back to memory. Nothing is written but cuts of unsynced rests, so a crash in
//! recovery repeats it. Damage is recorded on the groups it may concern and never cut away.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use floe_env::{OpenMode, Vfs, VfsFile};
use floe_model::{LogIndex, NodeUuid, RaftGroupId};
use floe_record::Entry;

use crate::checkpoint_image::{CheckpointImage, ImageError};
use crate::checkpointer::image_path;
use crate::journal_file::open_for_writing;
use crate::journal_scan::{
    Found, JournalFile, ListError, in_order, list_files, read_file, scan_segment,
};
use crate::journal_space::{FreeSegment, SealedSegment};
use crate::log_position::LogPosition;
use crate::log_state::LogState;
use crate::node::{group_dir, groups_dir, journal_dir};
use crate::node_meta::replace_file;
use crate::partition_segment::{FileKind, file_name};
use crate::replay::{GroupReplay, Locator, Replay};
use crate::segment_recovery::{RecoveryMode, recover_segments};
use crate::tail::TailSlot;
use crate::writer::JournalEnd;
use crate::{Damage, GroupKind, JOURNAL_VERSION, OpenError};

/// What the journal had of a group when it was found damaged.
pub(crate) const RESCUE_FILE: &str = "rescue";

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
        let bytes = read_file(vfs, &file.path);
        let bytes = bytes.map_err(|error| OpenError::io(&file.path, error))?;
        let highest: &mut BTreeMap<RaftGroupId, LogIndex> =
            entries.entry(header.seg_seq).or_default();
        let next_lsn = next.map(|next| next.first_lsn);
        let scanned = scan_segment(&bytes, &header, next_lsn, prev_crc, |found| match found {
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
        });
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

/// Journal files opened to read single entries.
pub(crate) struct SlotFiles<'a> {
    pub(crate) vfs: &'a dyn Vfs,
    pub(crate) paths: BTreeMap<u32, PathBuf>,
    pub(crate) open: BTreeMap<u32, Arc<dyn VfsFile>>,
}

impl SlotFiles<'_> {
    fn read(&mut self, locator: &Locator) -> io::Result<Option<Entry>> {
        let file = match self.open.get(&locator.slot) {
            Some(file) => file.clone(),
            None => {
                let path = self
                    .paths
                    .get(&locator.slot)
                    .ok_or(io::ErrorKind::NotFound)?;
                let file = self.vfs.open(path, OpenMode::READ)?;
                self.open.insert(locator.slot, file.clone());
                file
            }
        };
        let mut bytes = vec![0; locator.len as usize];
        let read = file.read_at(&mut bytes, locator.position)?;
        bytes.truncate(read);
        let decoded = Entry::decode(&Bytes::from(bytes)).ok();
        Ok(decoded.map(|(entry, _)| entry).filter(Entry::verify_bodies))
    }
}

/// Puts one group together.
pub(crate) fn recover_group(
    vfs: &dyn Vfs,
    dir: &Path,
    replay: &GroupReplay,
    slots: &mut SlotFiles<'_>,
    mode: RecoveryMode,
) -> Result<LogState, OpenError> {
    let image = &replay.image;
    let io = |source| OpenError::io(dir, source);
    let accept_loss = mode == RecoveryMode::AcceptLoss;
    let damage = replay.damage.filter(|_| !accept_loss);
    let careful = match damage {
        Some(_) => RecoveryMode::Look,
        None => mode,
    };
    let segments = recover_segments(vfs, dir, image, careful).map_err(io)?;
    let mut state = LogState::new(image.start);
    state.damage = damage.or(segments.damage);
    state.vote.clone_from(&image.vote);
    state.terms = segments.terms;
    state.segments.list = segments.list;
    state.segments.states = segments.states;
    state.written = segments.written;
    state.synced = image.synced;
    state.synced_growing.clone_from(&image.growing);
    state.tail = crate::tail::Tail::new(segments.written);
    for (index, locator) in replay.entries.range(segments.written.next_index()..) {
        let end = state.tail.end();
        let entry = match state.damage {
            Some(_) => None,
            None if *index != end.next_index() => None,
            None => slots.read(locator).map_err(io)?,
        };
        let follows = |entry: &Entry| {
            entry.index == end.next_index()
                && end.id.is_none_or(|id| entry.term >= id.term)
                && entry.verify_offsets(end.next_offset).is_ok()
        };
        match entry.filter(follows) {
            Some(entry) => {
                state.terms.push(entry.index, entry.term);
                let mut slot = TailSlot::new(Arc::new(entry), 0);
                slot.journal_seq = Some(locator.seg_seq);
                state.tail.push(slot);
            }
            None => {
                let index = end.next_index();
                if !accept_loss {
                    state.damage.get_or_insert(Damage::LogGap { index });
                }
                break;
            }
        }
    }
    settle(&mut state, replay);
    let mends = mode != RecoveryMode::Look;
    if mends && state.damage.is_none() {
        forget_later_states(vfs, dir, &mut state).map_err(io)?;
    }
    if mends && image.kind == GroupKind::State && !state.segments.states.is_empty() {
        // A saved state is relied on without another checkpoint.
        vfs.sync_dir(dir).map_err(io)?;
    }
    if accept_loss && state.written.next_index() < state.synced.next_index() {
        // What was cut off may have been synced once.
        state.synced = state.start;
        state.synced_growing = None;
    }
    if mends && state.damage.is_some() {
        rescue(vfs, dir, replay, slots)?;
        state.rescued = true;
    }
    Ok(state)
}

/// State files beyond what is restored belong to a log that a crash took back. They would be
/// mistaken for states of what is applied next.
fn forget_later_states(vfs: &dyn Vfs, dir: &Path, state: &mut LogState) -> io::Result<()> {
    let floor = state.applied.next_index();
    let kept = state
        .segments
        .states
        .partition_point(|at| at.next_index() <= floor);
    let later = state.segments.states.split_off(kept);
    for position in &later {
        let name = file_name(position.next_index(), FileKind::State);
        vfs.remove_file(&dir.join(name))?;
    }
    if later.is_empty() {
        Ok(())
    } else {
        vfs.sync_dir(dir)
    }
}

/// Copies what the journal has of a damaged group beside its segments, so that the journal can be
/// recycled and a repair still finds it. Entries stand in the file one after the other.
fn rescue(
    vfs: &dyn Vfs,
    dir: &Path,
    replay: &GroupReplay,
    slots: &mut SlotFiles<'_>,
) -> Result<(), OpenError> {
    if replay.entries.is_empty() {
        return Ok(());
    }
    let io = |source| OpenError::io(dir, source);
    vfs.create_dir_all(dir).map_err(io)?;
    if vfs.open(&dir.join(RESCUE_FILE), OpenMode::READ).is_ok() {
        // An earlier start saw more than is left now.
        return Ok(());
    }
    let mut bytes = Vec::new();
    for locator in replay.entries.values() {
        if let Some(entry) = slots.read(locator).map_err(io)? {
            entry.encode_into(&mut bytes);
        }
    }
    replace_file(vfs, dir, RESCUE_FILE, &bytes)
        .map_err(|failure| OpenError::failure(dir, failure))?;
    dir.parent()
        .map_or(Ok(()), |groups| vfs.sync_dir(groups))
        .map_err(io)
}

/// What an earlier life wrote to this group's files and may not have synced.
fn unsynced_files(state: &LogState) -> Vec<String> {
    let synced = state.synced.next_index();
    let growing = state
        .synced_growing
        .as_ref()
        .map(|growing| growing.first_index);
    let mut names = Vec::new();
    for segment in &state.segments.list {
        let first_index = segment.first.next_index();
        if segment.end.next_index() > synced || growing == Some(first_index) {
            names.push(file_name(first_index, FileKind::Log));
            names.push(file_name(first_index, FileKind::Index));
        }
    }
    let states = state.segments.states.iter();
    let states = states
        .map(LogPosition::next_index)
        .filter(|index| *index >= synced);
    names.extend(states.map(|index| file_name(index, FileKind::State)));
    if state.written.next_index() > synced {
        names
    } else {
        Vec::new()
    }
}

/// Sets the marks that follow from what was found.
fn settle(state: &mut LogState, replay: &GroupReplay) {
    let end = state.tail.end();
    state.terms.purge_before(state.start.next_index());
    state.durable = end.id;
    let floor = LogIndex(replay.image.applied).min(end.next_index());
    state.applied = match floor.0.checked_sub(1) {
        Some(index) if floor > state.written.next_index() => state
            .tail
            .position_after(LogIndex(index))
            .unwrap_or(state.written),
        _ => state.written,
    };
    let recent = replay.image.state.clone();
    state.recent_state = recent.filter(|(position, _)| position.id <= state.applied.id);
    let growing = state.segments.list.last().filter(|last| !last.sealed);
    let unwritten: usize = state
        .tail
        .from(state.written.next_index())
        .take_while(|slot| slot.entry.index < floor)
        .map(|slot| slot.entry.encoded_len())
        .sum();
    state.segments.planned_bytes = growing.map_or(0, |last| last.len_bytes) + unwritten as u64;
    state.segments.planned_first_ms = growing.map(|last| match last.first.appended_at_ms {
        i64::MIN => last.end.appended_at_ms,
        appended_at_ms => appended_at_ms,
    });
    let uncommitted = state.tail.from(floor);
    state.uncommitted_bytes = uncommitted.map(|slot| slot.charge_bytes).sum();
}
