//! The memory of one group's log. Guarded by one mutex in `GroupCore`; nothing here does I/O.
//!
//! Four watermarks: *appended* (end of the tail), *durable* (journal frame synced), *applied*
//! (committed, said by the state machine), *written* (in a partition segment). Invariants:
//! start <= written <= min(applied, durable) <= appended; everything above `written` is in the
//! tail; what is applied is never truncated.

use std::sync::Arc;

use bytes::Bytes;
use floe_model::{LeaderEpoch, LogId, LogIndex, Offset, RaftGroupId};
use floe_record::{Entry, EntryKind};

use crate::checkpoint_image::{GroupImage, GrowingImage};
use crate::log_position::{LogPosition, next_index};
use crate::segment_list::{Roll, SegmentList};
use crate::tail::{Tail, TailSlot};
use crate::term_index::TermIndex;
use crate::{AppendError, Damage, GroupKind, JournalConfig};

/// A state is captured at least every so many applied bytes: a bound on the replay at a restart.
const STATE_EVERY_BYTES: u64 = 1 << 20;
/// Larger states stay out of checkpoint images; the segment's own state file serves then.
const RECENT_STATE_BYTES_MAX: usize = 64 << 10;

/// What the group's mutex guards.
pub(crate) struct LogState {
    pub(crate) damage: Option<Damage>,
    /// A durable checkpoint image says that it is damaged.
    pub(crate) damage_recorded: bool,
    pub(crate) deleted: bool,
    pub(crate) vote: Option<Bytes>,
    /// Damaged when it was opened, with all that the journal had of it in a rescue file.
    pub(crate) rescued: bool,
    /// The journal segment in which it was begun anew; older ones hold nothing of it.
    pub(crate) begun_seq: u64,
    /// The last purged entry.
    pub(crate) start: LogPosition,
    /// The same as the journal has it for sure.
    pub(crate) durable_start: LogPosition,
    /// Where the log may be purged up to: the newest start that retention asked for.
    pub(crate) wanted_start: LogPosition,
    pub(crate) tail: Tail,
    pub(crate) terms: TermIndex,
    pub(crate) durable: Option<LogId>,
    pub(crate) applied: LogPosition,
    pub(crate) written: LogPosition,
    /// Up to here partition segments are synced.
    pub(crate) synced: LogPosition,
    /// The growing segment as it was synced.
    pub(crate) synced_growing: Option<GrowingImage>,
    /// A state captured between rolls, to go into the next checkpoint image.
    pub(crate) recent_state: Option<(LogPosition, Bytes)>,
    /// Applied bytes since the last captured state.
    pub(crate) bytes_since_state: u64,
    /// How many call for the next one.
    pub(crate) state_every_bytes: u64,
    /// Grows with each truncation and reset, so that completions of dead appends are known.
    pub(crate) generation: u64,
    /// Grows with each reset, so that file work begun before it is thrown away.
    pub(crate) resets: u64,
    /// How often the start of the log passed what the segment writer had still to do.
    pub(crate) overtaken: u64,
    /// Truncations, purges and resets whose frames are not durable yet.
    pub(crate) structural_in_flight: u32,
    pub(crate) uncommitted_bytes: u64,
    pub(crate) queued_bytes: u64,
    pub(crate) segments: SegmentList,
    pub(crate) in_write_queue: bool,
    pub(crate) in_eviction_queue: bool,
}

impl LogState {
    /// An empty log after `start`.
    pub(crate) fn new(start: LogPosition) -> Self {
        Self {
            damage: None,
            damage_recorded: false,
            deleted: false,
            rescued: false,
            begun_seq: 0,
            vote: None,
            start,
            durable_start: start,
            wanted_start: start,
            tail: Tail::new(start),
            terms: TermIndex::default(),
            durable: start.id,
            applied: start,
            written: start,
            synced: start,
            synced_growing: None,
            recent_state: None,
            bytes_since_state: 0,
            state_every_bytes: STATE_EVERY_BYTES,
            generation: 0,
            resets: 0,
            overtaken: 0,
            structural_in_flight: 0,
            uncommitted_bytes: 0,
            queued_bytes: 0,
            segments: SegmentList::default(),
            in_write_queue: false,
            in_eviction_queue: false,
        }
    }

    /// Refuses changes of a damaged or deleted group.
    pub(crate) fn check_writable(&self) -> Result<(), AppendError> {
        match self.damage {
            _ if self.deleted => Err(AppendError::Deleted),
            Some(damage) => Err(AppendError::Damaged(damage)),
            None => Ok(()),
        }
    }

    /// Checks that `entries` continue the log and stamps them: a pure function of the log prefix
    /// and the entries. Changes nothing else.
    pub(crate) fn stamp(
        &self,
        entries: Vec<Entry>,
        frame_bytes_max: u64,
    ) -> Result<Vec<Arc<Entry>>, AppendError> {
        let mut position = self.tail.end();
        let mut stamped = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let index = entry.index;
            if index != position.next_index() {
                return Err(AppendError::Gap {
                    expected: position.next_index(),
                    got: index,
                });
            }
            let no_epoch =
                entry.kind() == EntryKind::Data && LeaderEpoch::from_term(entry.term).is_none();
            if no_epoch || position.id.is_some_and(|last| entry.term < last.term) {
                return Err(AppendError::Term { index });
            }
            let size_bytes = entry.encoded_len() as u64;
            if entry.check_limits().is_err() || size_bytes > frame_bytes_max {
                return Err(AppendError::TooLarge {
                    size_bytes,
                    limit_bytes: frame_bytes_max,
                });
            }
            let expected = position.next_offset;
            if entry.base_offset == Offset(-1) {
                entry.stamp_offsets(expected);
            } else if entry.verify_offsets(expected).is_err() {
                return Err(AppendError::OffsetMismatch {
                    index,
                    expected,
                    got: entry.base_offset,
                });
            }
            entry.appended_at_ms = entry.appended_at_ms.max(position.appended_at_ms);
            position = LogPosition {
                id: Some(entry.log_id()),
                next_offset: entry.next_offset(),
                appended_at_ms: entry.appended_at_ms,
            };
            stamped.push(Arc::new(entry));
        }
        Ok(stamped)
    }

    /// Adds a stamped entry and returns what it costs in memory.
    pub(crate) fn push(&mut self, entry: Arc<Entry>) -> u64 {
        self.terms.push(entry.index, entry.term);
        let slot = TailSlot::new(entry, self.generation);
        let charge_bytes = slot.charge_bytes;
        self.uncommitted_bytes += charge_bytes;
        self.queued_bytes += charge_bytes;
        self.tail.push(slot);
        charge_bytes
    }

    /// Removes the entries from `index` on and returns their bytes.
    pub(crate) fn truncate_from(&mut self, index: LogIndex) -> Result<u64, AppendError> {
        if index < self.applied.next_index() {
            return Err(AppendError::Applied {
                index,
                applied: self.applied.id.map_or(LogIndex(0), |id| id.index),
            });
        }
        let next = self.tail.end().next_index();
        if index > next {
            return Err(AppendError::Gap {
                expected: next,
                got: index,
            });
        }
        self.generation += 1;
        self.terms.truncate_from(index);
        let freed_bytes = self.tail.truncate_from(index);
        self.uncommitted_bytes -= freed_bytes;
        if next_index(self.durable) > index {
            // Nothing at or above `index` is in the log: the last durable entry is the one before.
            self.durable = self.tail.end().id;
        }
        Ok(freed_bytes)
    }

    /// The log id of `index`, the last purged entry included.
    pub(crate) fn log_id_at(&self, index: LogIndex) -> Option<LogId> {
        if self.start.id.is_some_and(|id| id.index == index) {
            return self.start.id;
        }
        let inside = index >= self.start.next_index() && index < self.tail.end().next_index();
        let term = self.terms.term_at(index).filter(|_| inside)?;
        Some(LogId { term, index })
    }

    /// The end of what may be written to partition segments, exclusive.
    pub(crate) fn writable_end(&self) -> LogIndex {
        self.applied.next_index().min(next_index(self.durable))
    }

    /// Bytes of the entries that are not in a partition segment.
    pub(crate) fn unwritten_bytes(&self) -> u64 {
        let unwritten = self.tail.from(self.written.next_index());
        unwritten.map(|slot| slot.charge_bytes).sum()
    }

    /// Changes when what the segment writer took to write is not to be noted any more.
    pub(crate) fn writer_epoch(&self) -> (u64, u64) {
        (self.resets, self.overtaken)
    }

    /// Whether the segment writer has something to do.
    pub(crate) fn is_dirty(&self) -> bool {
        // While the log's start is on its way to the journal no file may depend on it.
        let settled = self.structural_in_flight == 0;
        !self.deleted && settled && self.written.next_index() < self.writable_end()
    }

    /// Whether the segment writer can do something now, be it only a roll.
    pub(crate) fn has_work(&self) -> bool {
        let rolls = &self.segments.rolls;
        let reached = |roll: &Roll| roll.after.next_index() <= self.written.next_index();
        !self.deleted && (self.is_dirty() || rolls.front().is_some_and(reached))
    }

    /// Marks the group as queued for the segment writer; `true` if it must be pushed.
    pub(crate) fn enter_write_queue(&mut self) -> bool {
        let push = self.has_work() && !self.in_write_queue;
        self.in_write_queue |= push;
        push
    }

    /// Everything up to `id` is committed and applied. Returns the bytes that became committed;
    /// `None` when there was nothing new.
    pub(crate) fn apply(
        &mut self,
        id: LogId,
        kind: GroupKind,
        config: &JournalConfig,
        state: &mut dyn FnMut() -> Bytes,
    ) -> Option<u64> {
        if id.index < self.applied.next_index() {
            return None;
        }
        let position = self.tail.position_after(id.index)?;
        if position.id != Some(id) {
            tracing::error!(?id, log = ?position.id, "applied entry is not the one in the log");
            return None;
        }
        let (mut committed_bytes, mut roll) = (0, false);
        let from = self.applied.next_index();
        for slot in self.tail.from(from) {
            if slot.entry.index > id.index {
                break;
            }
            committed_bytes += slot.charge_bytes;
            roll |= self.segments.plan(
                slot.entry.encoded_len() as u64,
                slot.entry.appended_at_ms,
                config,
            );
        }
        self.uncommitted_bytes -= committed_bytes;
        self.applied = position;
        self.bytes_since_state += committed_bytes;
        let is_data = kind == GroupKind::Data;
        let captured =
            (is_data && (roll || self.bytes_since_state >= self.state_every_bytes)).then(state);
        if let Some(captured) = &captured {
            self.bytes_since_state = 0;
            // Capturing costs its size: keep that a small share of what is applied.
            self.state_every_bytes = STATE_EVERY_BYTES.max(16 * captured.len() as u64);
            let small = captured.len() <= RECENT_STATE_BYTES_MAX;
            self.recent_state = small.then(|| (position, captured.clone()));
        }
        if roll {
            self.segments.planned_bytes = 0;
            self.segments.planned_first_ms = None;
            self.segments.rolls.push_back(Roll {
                after: position,
                state: captured,
            });
        }
        Some(committed_bytes)
    }

    /// What a checkpoint image says of this group. Its vote and state may be newer than the
    /// journal's; its start is not.
    pub(crate) fn image(&self, id: RaftGroupId, kind: GroupKind, meta: Bytes) -> GroupImage {
        let floor = self.applied_floor();
        let recent = self.recent_state.as_ref();
        GroupImage {
            id,
            kind,
            meta,
            vote: self.vote.clone(),
            start: self.durable_start,
            synced: self.synced,
            applied: next_index(floor).0,
            growing: self.synced_growing.clone(),
            state: recent.filter(|(position, _)| position.id <= floor).cloned(),
            damaged: self.damage.is_some(),
        }
    }

    /// Whether journal segment `seg_seq`, where this group's highest index is `highest`, holds
    /// something that is nowhere else.
    pub(crate) fn pins(&self, seg_seq: u64, highest: LogIndex) -> bool {
        if self.deleted || self.rescued || seg_seq < self.begun_seq {
            return false;
        }
        if self.structural_in_flight > 0 {
            return true;
        }
        let kept = self
            .synced
            .next_index()
            .max(self.durable_start.next_index());
        if highest < kept {
            return false;
        }
        // What is written and not synced may have left memory: ask the next checkpoint.
        self.written.next_index() > kept
            || self
                .tail
                .from(kept)
                .take_while(|slot| slot.entry.index <= highest)
                .any(|slot| slot.journal_seq.is_some_and(|seq| seq <= seg_seq))
    }

    /// The last entry that is both applied and durable.
    pub(crate) fn applied_floor(&self) -> Option<LogId> {
        self.applied.id.min(self.durable)
    }
}
