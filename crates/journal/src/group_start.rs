//! How the start of a group's log moves: saved states, purges, and the reset by a snapshot.
//!
//! Invariant: nothing is purged that a durable state does not cover; the log start moves in
//! memory first, then in the journal, and files go only after that. A log start never goes back.

use std::sync::Arc;

use bytes::Bytes;
use floe_model::{LogId, LogIndex, Offset};

use crate::durable::on_durable;
use crate::group_core::{GroupCore, check_open, refuse};
use crate::io_failure::IoFailure;
use crate::journal_queue::FrameBody;
use crate::log_position::{LogPosition, next_index};
use crate::log_state::LogState;
use crate::node::{Node, groups_dir};
use crate::node_meta::replace_file;
use crate::partition_segment::{FileKind, file_name};
use crate::segment_list::SegmentList;
use crate::segment_work::FileWork;
use crate::{AppendError, Damage, Durable, GroupKind, OnDurable, StoreError, state_file};

/// Bytes of a LOG_START payload.
const LOG_START_BYTES: usize = 16;

impl GroupCore {
    pub(crate) fn purge(self: &Arc<Self>, upto: LogId) -> Result<(), AppendError> {
        let node = self.node()?;
        check_open(&node)?;
        let mut state = self.lock();
        state.check_writable()?;
        if upto.index < state.start.next_index() {
            return Ok(());
        }
        let covered = self.covered(&state);
        let position = covered
            .filter(|covered| covered.index >= upto.index)
            .filter(|_| state.log_id_at(upto.index) == Some(upto))
            .and_then(|_| self.position_of(&state, upto));
        let Some(position) = position else {
            return Err(AppendError::NotCovered { upto, covered });
        };
        let (unwritten_bytes, freed_bytes) = move_start(&mut state, position);
        state.structural_in_flight += 1;
        let body = FrameBody::LogStart {
            position,
            reset: false,
        };
        let refused = self.push_frame_locked(&node, &state, body, LOG_START_BYTES, None);
        drop(state);
        node.budget.written(unwritten_bytes);
        node.budget.dropped(freed_bytes);
        refuse(&node, refused);
        Ok(())
    }

    fn covered(&self, state: &LogState) -> Option<LogId> {
        match self.kind {
            GroupKind::Data => state.wanted_start.id,
            GroupKind::State => newest_state(state).and_then(|position| position.id),
        }
    }

    /// The newest entry that may be purged.
    pub(crate) fn purgeable(&self) -> Option<LogId> {
        self.covered(&self.lock())
    }

    /// Chooses the newest segment boundary with only offsets below `before` behind it.
    pub(crate) fn advance_log_start(&self, before: Offset) -> Option<LogId> {
        let mut state = self.lock();
        if self.kind != GroupKind::Data || state.check_writable().is_err() {
            return None;
        }
        let (floor, last) = (state.applied_floor(), state.tail.end().id);
        let wanted = state.wanted_start.next_index();
        let synced = state.synced.next_index();
        let usable = |position: &&LogPosition| {
            position.next_offset <= before
                && position.next_index() > wanted
                && position.id <= floor
                // Its files are synced: those of the synced position itself may be on their way.
                && position.next_index() < synced
                // A log without any entry could be replicated by snapshots only.
                && position.id < last
        };
        let found = state.segments.states.iter().rev().find(usable).copied()?;
        state.wanted_start = found;
        found.id
    }

    /// The newest state that a restart could use. Reads one small file.
    pub(crate) fn latest_state(&self) -> Option<(LogId, Bytes)> {
        let (in_file, recent) = {
            let state = self.lock();
            let floor = state.applied_floor();
            let recent = state.recent_state.clone();
            let recent = recent.filter(|(position, _)| position.id <= floor);
            (newest_state(&state), recent)
        };
        match (in_file, recent) {
            (Some(file), Some((position, bytes))) if file.id <= position.id => {
                Some((position.id?, bytes))
            }
            (None, Some((position, bytes))) => Some((position.id?, bytes)),
            (Some(file), _) => self.read_state(&file),
            (None, None) => None,
        }
    }

    /// What a snapshot is made of.
    pub(crate) fn state_at_log_start(&self) -> Option<(LogId, Bytes)> {
        match self.kind {
            GroupKind::State => self.latest_state(),
            GroupKind::Data => {
                let start = self.lock().wanted_start;
                start.id.and_then(|_| self.read_state(&start))
            }
        }
    }

    fn read_state(&self, position: &LogPosition) -> Option<(LogId, Bytes)> {
        let node = self.node().ok()?;
        let index = position.next_index();
        let path = node
            .group_dir(self.id)
            .join(file_name(index, FileKind::State));
        match state_file::read(&*node.vfs, &path, self.id) {
            Ok(Some((found, bytes))) if found.id == position.id => Some((found.id?, bytes)),
            Ok(_) => {
                self.set_damage(Damage::StateMissing { index });
                None
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "state file is unreadable");
                None
            }
        }
    }

    pub(crate) async fn save_state(
        self: &Arc<Self>,
        id: LogId,
        bytes: Bytes,
    ) -> Result<Durable, StoreError> {
        let node = self.node().map_err(|_| StoreError::Closed)?;
        if check_open(&node).is_err() {
            return Err(node.stopped());
        }
        let (position, resets) = {
            let state = self.lock();
            let have = newest_state(&state).and_then(|position| position.id);
            let have = have.or(state.start.id).unwrap_or_default();
            let known = id.index < state.applied.next_index() && id >= have;
            match self.position_of(&state, id).filter(|_| known) {
                Some(position) => (position, state.resets),
                None => return Err(StoreError::StateBehind { given: id, have }),
            }
        };
        self.write_state(&node, position, bytes).await?;
        let mut state = self.lock();
        if state.resets == resets {
            state.segments.add_state(position);
        }
        drop(state);
        node.work.push_files(FileWork::Clean(self.clone()));
        Ok(Durable::synced_to(0))
    }

    pub(crate) async fn reset(
        self: &Arc<Self>,
        log_start: LogId,
        next_offset: Offset,
        bytes: Bytes,
    ) -> Result<Durable, StoreError> {
        let node = self.node().map_err(|_| StoreError::Closed)?;
        if check_open(&node).is_err() {
            return Err(node.stopped());
        }
        let position = LogPosition {
            id: Some(log_start),
            next_offset,
            appended_at_ms: self.lock().applied.appended_at_ms,
        };
        self.check_ahead(&self.lock(), log_start)?;
        if floe_model::mutant!("snapshot-not-durable") {
            let (done, _) = on_durable();
            self.start_over(&node, position, done)?;
            return Ok(Durable::synced_to(0));
        }
        self.write_state(&node, position, bytes).await?;
        let (done, finished) = on_durable();
        self.start_over(&node, position, done)?;
        finished.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Drops the whole log in memory and queues the frame that says so.
    fn start_over(
        self: &Arc<Self>,
        node: &Arc<Node>,
        position: LogPosition,
        done: OnDurable,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if let Some(log_start) = position.id {
            self.check_ahead(&state, log_start)?;
        }
        let kept = kept_suffix(&state, &position);
        let from = position.next_index();
        let dropped = match &kept {
            Some(_) => drop_before(&mut state, from),
            None => drop_all(&mut state, position),
        };
        let position = kept.unwrap_or(position);
        state.segments = SegmentList::default();
        state.segments.add_state(position);
        state.resets += 1;
        state.structural_in_flight += 1;
        state.start = position;
        state.wanted_start = position;
        state.applied = position;
        state.written = position;
        state.recent_state = None;
        let body = FrameBody::LogStart {
            position,
            reset: kept.is_none(),
        };
        let refused = self.push_frame_locked(node, &state, body, LOG_START_BYTES, Some(done));
        drop(state);
        node.budget.committed(dropped.uncommitted_bytes);
        node.budget.written(dropped.unwritten_bytes);
        node.budget.dropped(dropped.freed_bytes);
        node.cache.forget_group(self.id);
        self.publish_high_watermark(position.next_offset);
        refuse(node, refused);
        Ok(())
    }

    fn check_ahead(&self, state: &LogState, log_start: LogId) -> Result<(), StoreError> {
        if state.deleted {
            return Err(StoreError::Deleted(self.id));
        }
        match state.applied.id {
            Some(have) if have.index >= log_start.index => Err(StoreError::StateBehind {
                given: log_start,
                have,
            }),
            _ => Ok(()),
        }
    }

    /// Makes the state file of `position` durable.
    async fn write_state(
        &self,
        node: &Arc<Node>,
        position: LogPosition,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        if self.lock().deleted {
            return Err(StoreError::Deleted(self.id));
        }
        let (group, dir) = (self.id, node.group_dir(self.id));
        let blocking = node.clone();
        let durable_dir = self.dir_is_durable();
        let write = move || {
            let (vfs, groups) = (&*blocking.vfs, groups_dir(&blocking.config.dir));
            vfs.create_dir_all(&dir)
                .map_err(|error| IoFailure::write(&dir, error))?;
            if !durable_dir {
                vfs.sync_dir(&groups)
                    .map_err(|error| IoFailure::sync(&groups, error))?;
            }
            let name = file_name(position.next_index(), FileKind::State);
            replace_file(
                vfs,
                &dir,
                &name,
                &state_file::encode(group, &position, &bytes),
            )
        };
        let written = node
            .spawn
            .blocking(write)
            .await
            .map_err(|_| StoreError::Closed)?;
        written.map_err(|failure| node.fail(failure))?;
        self.set_dir_durable();
        Ok(())
    }

    /// The position after `id`, an entry of this log.
    fn position_of(&self, state: &LogState, id: LogId) -> Option<LogPosition> {
        if state.log_id_at(id.index) != Some(id) {
            return None;
        }
        let known = [state.applied, state.written, state.start];
        let from_tail = state.tail.position_after(id.index);
        let mut all = known.iter().chain(&state.segments.states).chain(&from_tail);
        let exact = all.find(|position| position.id == Some(id)).copied();
        exact.or((self.kind == GroupKind::State).then_some(LogPosition {
            // Such a group has no records, and every later entry states its own log time.
            id: Some(id),
            ..state.applied
        }))
    }
}

/// The entries behind a snapshot that agrees with the log stay, as Raft prescribes: they may be
/// acknowledged. Gives the log's own position there.
fn kept_suffix(state: &LogState, position: &LogPosition) -> Option<LogPosition> {
    let id = position.id?;
    let agrees = state.log_id_at(id.index) == Some(id) && id.index >= state.start.next_index();
    let own = state.tail.position_after(id.index).filter(|_| agrees)?;
    (own.next_offset == position.next_offset).then_some(own)
}

/// What left memory.
struct Dropped {
    uncommitted_bytes: u64,
    unwritten_bytes: u64,
    freed_bytes: u64,
}

fn drop_before(state: &mut LogState, from: LogIndex) -> Dropped {
    let bytes_after = |state: &LogState, index: LogIndex| {
        let slots = state.tail.from(index);
        let slots = slots.take_while(|slot| slot.entry.index < from);
        slots.map(|slot| slot.charge_bytes).sum::<u64>()
    };
    let dropped = Dropped {
        uncommitted_bytes: bytes_after(state, state.applied.next_index()),
        unwritten_bytes: bytes_after(state, state.written.next_index()),
        freed_bytes: from
            .0
            .checked_sub(1)
            .map_or(0, |last| state.tail.drop_front(LogIndex(last), u64::MAX)),
    };
    state.uncommitted_bytes -= dropped.uncommitted_bytes;
    state.terms.purge_before(from);
    dropped
}

fn drop_all(state: &mut LogState, position: LogPosition) -> Dropped {
    let dropped = Dropped {
        uncommitted_bytes: std::mem::take(&mut state.uncommitted_bytes),
        unwritten_bytes: state.unwritten_bytes(),
        freed_bytes: state.tail.reset(position),
    };
    state.terms.clear();
    state.generation += 1;
    state.durable = None;
    dropped
}

/// The newest state file that a restart could use.
pub(crate) fn newest_state(state: &LogState) -> Option<LogPosition> {
    let floor = next_index(state.applied_floor());
    let mut states = state.segments.states.iter().rev();
    states
        .find(|position| position.next_index() <= floor)
        .copied()
}

/// Moves the log start to `position`, at or below the applied entry. Returns the bytes that
/// need not be written any more and those that left memory.
pub(crate) fn move_start(state: &mut LogState, position: LogPosition) -> (u64, u64) {
    let start = position.next_index();
    state.start = position;
    if state.wanted_start.next_index() < start {
        state.wanted_start = position;
    }
    let unwritten = state.tail.from(state.written.next_index());
    let unwritten = unwritten.take_while(|slot| slot.entry.index < start);
    let unwritten_bytes = unwritten.map(|slot| slot.charge_bytes).sum();
    let freed_bytes = position
        .id
        .map_or(0, |id| state.tail.drop_front(id.index, u64::MAX));
    state.terms.purge_before(start);
    state.segments.purge_before(&position);
    let is_written = state.written.next_index() >= start;
    if !is_written {
        state.written = position;
    }
    let rolls = &mut state.segments.rolls;
    let is_next_gone = rolls
        .front()
        .is_some_and(|roll| roll.after.next_index() <= start);
    rolls.retain(|roll| roll.after.next_index() > start);
    if !is_written || is_next_gone {
        // The segment writer may be at work on just that: what it took is counted here.
        state.overtaken += 1;
    }
    (unwritten_bytes, freed_bytes)
}
