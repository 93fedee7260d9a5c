//! The newest entries of a group, in memory.
//!
//! Invariant: contiguous indexes; every entry that is not yet in a partition segment is here.
//! `front` is the log position before the first slot, so that a truncation down to it knows the
//! offset and log time to go on with.

use std::collections::VecDeque;
use std::sync::Arc;

use floe_model::{LogIndex, Offset};
use floe_record::Entry;

use crate::log_position::LogPosition;

/// What a slot costs beside the entry's bytes: the slot, the entry, its vector of batches.
const SLOT_OVERHEAD_BYTES: u64 = 256;

/// One entry in memory.
pub(crate) struct TailSlot {
    pub(crate) entry: Arc<Entry>,
    /// Tells apart two appends of the same index, one of which was truncated.
    pub(crate) generation: u64,
    /// The journal segment with its newest durable frame; `None` until that frame is durable.
    pub(crate) journal_seq: Option<u64>,
    /// Encoded length and overhead.
    pub(crate) charge_bytes: u64,
}

impl TailSlot {
    pub(crate) fn new(entry: Arc<Entry>, generation: u64) -> Self {
        Self {
            charge_bytes: charge_bytes(&entry),
            entry,
            generation,
            journal_seq: None,
        }
    }
}

/// What an entry in memory costs: its parts, and all of each buffer that they keep alive. Of
/// several batches in one buffer each answers for all of it, since any may be the last.
pub(crate) fn charge_bytes(entry: &Entry) -> u64 {
    let batches = entry.batches().iter();
    let beside = batches.map(|batch| batch.held_bytes().saturating_sub(batch.body().len()));
    (entry.encoded_len() + beside.sum::<usize>()) as u64 + SLOT_OVERHEAD_BYTES
}

/// The slots of one group.
pub(crate) struct Tail {
    front: LogPosition,
    slots: VecDeque<TailSlot>,
}

impl Tail {
    /// An empty tail at `front`.
    pub(crate) fn new(front: LogPosition) -> Self {
        Self {
            front,
            slots: VecDeque::new(),
        }
    }

    /// The position before the first slot.
    pub(crate) fn front(&self) -> &LogPosition {
        &self.front
    }

    /// The position after the last slot: the end of the log.
    pub(crate) fn end(&self) -> LogPosition {
        self.slots.back().map_or(self.front, position_after)
    }

    /// Adds the entry that follows.
    pub(crate) fn push(&mut self, slot: TailSlot) {
        debug_assert_eq!(slot.entry.index, self.end().next_index());
        self.slots.push_back(slot);
    }

    /// The slot of `index`.
    pub(crate) fn get(&self, index: LogIndex) -> Option<&TailSlot> {
        self.slots.get(self.place(index)?)
    }

    pub(crate) fn get_mut(&mut self, index: LogIndex) -> Option<&mut TailSlot> {
        let place = self.place(index)?;
        self.slots.get_mut(place)
    }

    /// The position after `index`, if it is here or just before.
    pub(crate) fn position_after(&self, index: LogIndex) -> Option<LogPosition> {
        if self.front.id.is_some_and(|id| id.index == index) {
            return Some(self.front);
        }
        self.get(index).map(position_after)
    }

    /// The slots from `index` on.
    pub(crate) fn from(&self, index: LogIndex) -> impl Iterator<Item = &TailSlot> {
        let skip = index.0.saturating_sub(self.front.next_index().0);
        self.slots.range(
            usize::try_from(skip)
                .unwrap_or(usize::MAX)
                .min(self.slots.len())..,
        )
    }

    /// The slots of entries whose offsets may reach beyond `offset`.
    pub(crate) fn reaching_beyond(&self, offset: Offset) -> impl Iterator<Item = &TailSlot> {
        let below = |slot: &TailSlot| slot.entry.next_offset() <= offset;
        self.slots.range(self.slots.partition_point(below)..)
    }

    /// Drops the entries from `index` on and gives the bytes freed.
    pub(crate) fn truncate_from(&mut self, index: LogIndex) -> u64 {
        let keep = index.0.saturating_sub(self.front.next_index().0);
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let mut freed = 0;
        while self.slots.len() > keep {
            freed += self.slots.pop_back().map_or(0, |slot| slot.charge_bytes);
        }
        freed
    }

    /// Drops entries up to and including `index`, at most about `max_bytes`, oldest first.
    pub(crate) fn drop_front(&mut self, index: LogIndex, max_bytes: u64) -> u64 {
        let mut freed = 0;
        while freed < max_bytes
            && self
                .slots
                .front()
                .is_some_and(|slot| slot.entry.index <= index)
        {
            if let Some(slot) = self.slots.pop_front() {
                freed += slot.charge_bytes;
                self.front = position_after(&slot);
            }
        }
        if self.slots.is_empty() {
            self.slots.shrink_to(4);
        }
        freed
    }

    /// Forgets everything and starts over at `front`; gives the bytes freed.
    pub(crate) fn reset(&mut self, front: LogPosition) -> u64 {
        let freed = self.slots.iter().map(|slot| slot.charge_bytes).sum();
        self.slots = VecDeque::new();
        self.front = front;
        freed
    }

    fn place(&self, index: LogIndex) -> Option<usize> {
        let place = index.0.checked_sub(self.front.next_index().0)?;
        usize::try_from(place).ok()
    }
}

fn position_after(slot: &TailSlot) -> LogPosition {
    LogPosition {
        id: Some(slot.entry.log_id()),
        next_offset: slot.entry.next_offset(),
        appended_at_ms: slot.entry.appended_at_ms,
    }
}
