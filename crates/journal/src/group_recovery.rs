//! Puts one group together again: its partition segments, and behind them what only the journal
//! has.
//!
//! Invariant: what was durable is restored or the group is damaged; nothing is invented. What is
//! restored as applied is proven so by a frame, an image, a segment or a saved state, each of
//! which was written only after the entries it speaks of were applied.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use floe_env::{OpenMode, Vfs, VfsFile};
use floe_model::LogIndex;
use floe_record::Entry;

use crate::log_position::LogPosition;
use crate::log_state::LogState;
use crate::partition_segment::{FileKind, file_name};
use crate::replay::{GroupReplay, Locator};
use crate::rescue;
use crate::segment_recovery::{RecoveryMode, recover_segments};
use crate::tail::TailSlot;
use crate::{Damage, GroupKind, OpenError};

/// Journal files opened to read single entries.
pub(crate) struct SlotFiles<'a> {
    pub(crate) vfs: &'a dyn Vfs,
    pub(crate) paths: BTreeMap<u32, PathBuf>,
    pub(crate) open: BTreeMap<u32, Arc<dyn VfsFile>>,
}

impl SlotFiles<'_> {
    pub(crate) fn read(&mut self, locator: &Locator) -> io::Result<Option<Entry>> {
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
    state.damage_recorded = image.damaged && state.damage.is_some();
    state.vote.clone_from(&image.vote);
    state.terms = segments.terms;
    state.segments.list = segments.list;
    state.segments.states = segments.states;
    state.written = segments.written;
    state.synced = image.synced;
    state.synced_growing.clone_from(&image.growing);
    state.tail = crate::tail::Tail::new(segments.written);
    refill_tail(&mut state, vfs, dir, replay, slots, accept_loss).map_err(io)?;
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
    match mode {
        RecoveryMode::Mend | RecoveryMode::AcceptLoss if state.damage.is_some() => {
            rescue::write(vfs, dir, replay, slots)?;
            state.rescued = true;
        }
        // Repaired since, and the log may have gone another way.
        RecoveryMode::Mend => rescue::remove(vfs, dir).map_err(io)?,
        RecoveryMode::Look | RecoveryMode::AcceptLoss => {}
    }
    Ok(state)
}

/// Brings the entries that no partition segment holds back to memory. Where they end too early the
/// group is damaged, unless that loss is accepted.
fn refill_tail(
    state: &mut LogState,
    vfs: &dyn Vfs,
    dir: &Path,
    replay: &GroupReplay,
    slots: &mut SlotFiles<'_>,
    accept_loss: bool,
) -> io::Result<()> {
    let rescued = match accept_loss {
        true => rescue::read(vfs, dir)?,
        false => BTreeMap::new(),
    };
    let only_in_journal = state.written.next_index()..;
    let of_journal = replay.entries.range(only_in_journal.clone());
    let of_rescue = rescued.range(only_in_journal);
    let indexes = of_journal.map(|(index, _)| *index);
    let indexes: BTreeSet<LogIndex> = indexes.chain(of_rescue.map(|(index, _)| *index)).collect();
    for index in indexes {
        let end = state.tail.end();
        let wanted = state.damage.is_none() && index == end.next_index();
        let locator = replay.entries.get(&index).filter(|_| wanted);
        let read = locator.map_or(Ok(None), |locator| slots.read(locator));
        let follows = |entry: &Entry| {
            entry.index == end.next_index()
                && end.id.is_none_or(|id| entry.term >= id.term)
                && entry.verify_offsets(end.next_offset).is_ok()
        };
        let entry = read?.filter(follows);
        let rescued = || rescued.get(&index).filter(|entry| follows(entry)).cloned();
        match entry.or_else(rescued) {
            Some(entry) => {
                state.terms.push(entry.index, entry.term);
                let mut slot = TailSlot::new(Arc::new(entry), 0);
                // What comes from a rescue file is older than every segment.
                slot.journal_seq = Some(locator.map_or(0, |locator| locator.seg_seq));
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
    Ok(())
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

/// What an earlier life wrote to this group's files and may not have synced.
pub(crate) fn unsynced_files(state: &LogState) -> Vec<String> {
    let synced = state.synced.next_index();
    let growing = state
        .synced_growing
        .as_ref()
        .map(|growing| growing.first_index);
    let mut names = Vec::new();
    for segment in &state.segments.list {
        let first_index = segment.first.next_index();
        let grew = segment.end.next_index() > synced || growing == Some(first_index);
        if grew && state.written.next_index() > synced {
            names.push(file_name(first_index, FileKind::Log));
            names.push(file_name(first_index, FileKind::Index));
        }
    }
    // The state at the synced position may have been written after that sync.
    let states = state.segments.states.iter();
    let states = states
        .map(LogPosition::next_index)
        .filter(|index| *index >= synced);
    names.extend(states.map(|index| file_name(index, FileKind::State)));
    names
}

/// Up to where the newest state file says that entries were applied: that of an entry in this
/// log. It may be all that says so, and all that is left of what was purged before it.
fn proven_by_state(state: &LogState) -> LogIndex {
    let saved = state.segments.states.iter().rev();
    let mut of_this_log = saved.filter(|position| {
        let id = position.id;
        id.is_some_and(|id| state.log_id_at(id.index) == Some(id))
    });
    of_this_log
        .next()
        .map_or(LogIndex(0), LogPosition::next_index)
}

/// Sets the marks that follow from what was found.
fn settle(state: &mut LogState, replay: &GroupReplay) {
    let end = state.tail.end();
    state.terms.purge_before(state.start.next_index());
    state.durable = end.id;
    let floor = LogIndex(replay.image.applied).max(proven_by_state(state));
    let floor = floor.min(end.next_index());
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
