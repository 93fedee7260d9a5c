//! Moves applied entries of one group from memory to its partition segment, a piece at a time.
//!
//! Invariant: only entries that are applied *and* durable in the journal are written, in order;
//! `written` moves after the write returned, under the group's lock, and only if no reset came
//! in between. Repeating a piece after a crash or a full disk writes the same bytes again.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use bytes::Bytes;
use floe_env::OpenMode;
use floe_model::{LogIndex, Term};
use floe_record::Entry;

use crate::group_core::GroupCore;
use crate::index_file::{self, SegmentSummary};
use crate::log_position::LogPosition;
use crate::log_state::LogState;
use crate::metrics::Counters;
use crate::node::Node;
use crate::partition_segment::{FileKind, SEGMENT_HEADER_BYTES, encode_header, file_name};
use crate::segment_list::SegmentMeta;
use crate::segment_reader::{ScanError, scan};
use crate::sparse_index::{IndexPoint, IndexWalk, SparseIndex};
use crate::state_file;

/// Bytes of one piece, unless one entry is larger.
const PIECE_BYTES: usize = 1 << 20;

/// What was done for a group.
pub(crate) struct Piece {
    /// Files with new bytes, to be synced by the next checkpoint.
    pub(crate) files: Vec<String>,
    /// A file got a name.
    pub(crate) new_names: bool,
    /// A directory got a name.
    pub(crate) new_dir: bool,
    /// The group has more to write.
    pub(crate) more: bool,
}

impl Piece {
    /// What an earlier life wrote and perhaps did not sync.
    pub(crate) fn unsynced(files: Vec<String>) -> Self {
        Self {
            files,
            new_names: true,
            new_dir: true,
            more: false,
        }
    }
}

enum Plan {
    Nothing,
    /// Complete the index of the segment that starts here before it is sealed.
    Fill(LogIndex, IndexWalk, Range<u64>),
    Roll(RollPlan),
    Write(WritePlan),
}

struct RollPlan {
    after: LogPosition,
    state: Option<Bytes>,
    sealed: Option<(SegmentSummary, SparseIndex)>,
    epoch: (u64, u64),
}

struct WritePlan {
    first: LogPosition,
    is_new: bool,
    len_bytes: u64,
    max_timestamp_ms: i64,
    entries: Vec<Arc<Entry>>,
    epoch: (u64, u64),
}

/// Writes the next piece of `group`, using `buffer` for the bytes.
pub(crate) fn write_piece(
    node: &Node,
    group: &Arc<GroupCore>,
    buffer: &mut Vec<u8>,
) -> io::Result<Piece> {
    let plan = plan(&group.lock());
    match plan {
        Plan::Nothing => Ok(Piece {
            files: Vec::new(),
            new_names: false,
            new_dir: false,
            more: false,
        }),
        Plan::Fill(first_index, walk, gap) => carry_out_fill(node, group, first_index, walk, gap),
        Plan::Roll(roll) => carry_out_roll(node, group, &roll),
        Plan::Write(write) => carry_out_write(node, group, &write, buffer),
    }
}

fn plan(state: &LogState) -> Plan {
    if !state.has_work() {
        return Plan::Nothing;
    }
    if let Some(roll) = state.segments.rolls.front()
        && state.written.next_index() >= roll.after.next_index()
    {
        if let Some(fill) = fill_plan(state) {
            return fill;
        }
        return Plan::Roll(RollPlan {
            after: roll.after,
            state: roll.state.clone(),
            sealed: sealed_summary(state),
            epoch: state.writer_epoch(),
        });
    }
    let end = match state.segments.rolls.front() {
        Some(roll) => roll.after.next_index().min(state.writable_end()),
        None => state.writable_end(),
    };
    let (mut bytes, mut entries) = (0, Vec::new());
    for slot in state.tail.from(state.written.next_index()) {
        let over = bytes + slot.entry.encoded_len() > PIECE_BYTES && !entries.is_empty();
        if slot.entry.index >= end || over {
            break;
        }
        bytes += slot.entry.encoded_len();
        entries.push(slot.entry.clone());
    }
    let growing = state.segments.list.last();
    let growing = growing.filter(|last| !last.sealed && last.end.id == state.written.id);
    let (first, len_bytes, max_timestamp_ms) = growing
        .map_or((state.written, SEGMENT_HEADER_BYTES, i64::MIN), |last| {
            (last.first, last.len_bytes, last.max_timestamp_ms)
        });
    Plan::Write(WritePlan {
        first,
        is_new: growing.is_none(),
        len_bytes,
        max_timestamp_ms,
        entries,
        epoch: state.writer_epoch(),
    })
}

/// What is missing in the index of the growing segment.
fn fill_plan(state: &LogState) -> Option<Plan> {
    let last = state.segments.list.last().filter(|last| !last.sealed)?;
    let index = last.index.as_ref()?;
    let (walk, gap) = (index.walk()?, index.gap()?);
    Some(Plan::Fill(last.first.next_index(), walk, gap))
}

/// What the index file of the growing segment says; `None` when there is none to seal.
fn sealed_summary(state: &LogState) -> Option<(SegmentSummary, SparseIndex)> {
    let last = state.segments.list.last().filter(|last| !last.sealed)?;
    let summary = SegmentSummary {
        first_index: last.first.next_index(),
        log_len: last.len_bytes,
        end: last.end,
        max_timestamp_ms: last.max_timestamp_ms,
        terms: terms_between(state, last.first.next_index(), last.end.next_index()),
    };
    Some((summary, last.index.clone().unwrap_or_default()))
}

fn terms_between(state: &LogState, from: LogIndex, to: LogIndex) -> Vec<(LogIndex, Term)> {
    state.terms.between(from, to)
}

/// Reads on through the stretch of a growing segment whose index points a restart lost.
fn carry_out_fill(
    node: &Node,
    group: &Arc<GroupCore>,
    first_index: LogIndex,
    mut walk: IndexWalk,
    gap: Range<u64>,
) -> io::Result<Piece> {
    let dir = node.group_dir(group.id);
    let segment = node
        .cache
        .open(&*node.vfs, &dir, (group.id, first_index), false)?;
    let scanned = scan(&*segment.file, gap, |entry, at| {
        walk.note(&entry, at);
        if walk.passed_bytes() < PIECE_BYTES as u64 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let damage = match scanned {
        Ok(_) => None,
        Err(ScanError::Damage(damage)) => Some(damage),
        Err(ScanError::Io(error)) => return Err(error),
    };
    if let Some(damage) = damage {
        group.set_damage(damage);
    }
    let mut state = group.lock();
    if damage.is_some()
        && let Some(last) = state.segments.list.last_mut()
        && let Some(index) = &mut last.index
    {
        index.give_up_gap();
    }
    state.segments.fill_gap(first_index, walk);
    Ok(Piece {
        files: Vec::new(),
        new_names: false,
        new_dir: false,
        more: state.has_work(),
    })
}

fn carry_out_roll(node: &Node, group: &Arc<GroupCore>, roll: &RollPlan) -> io::Result<Piece> {
    let dir = node.group_dir(group.id);
    let mut files = Vec::new();
    let mut bytes = 0;
    let mut write = |name: String, content: &[u8]| {
        let file = node.vfs.open(&dir.join(&name), OpenMode::CREATE)?;
        file.set_len(0)?;
        file.write_at(content, 0)?;
        bytes += content.len() as u64;
        files.push(name);
        io::Result::Ok(())
    };
    if let Some((summary, index)) = &roll.sealed {
        let content = index_file::encode(group.id, summary, index);
        write(file_name(summary.first_index, FileKind::Index), &content)?;
    }
    if let Some(state) = &roll.state {
        let content = state_file::encode(group.id, &roll.after, state);
        write(
            file_name(roll.after.next_index(), FileKind::State),
            &content,
        )?;
    }
    let mut state = group.lock();
    if state.writer_epoch() == roll.epoch {
        state.segments.rolls.pop_front();
        if roll.state.is_some() {
            state.segments.add_state(roll.after);
        }
        if let Some(last) = state.segments.list.last_mut()
            && roll.sealed.is_some()
        {
            last.sealed = true;
            last.index = None;
        }
    }
    let more = state.has_work();
    drop(state);
    if let Some((summary, _)) = &roll.sealed {
        // The next reader loads the index from its file.
        node.cache.forget((group.id, summary.first_index));
    }
    Counters::add(&node.counters.segment_bytes_written, bytes);
    Ok(Piece {
        new_names: !files.is_empty(),
        files,
        new_dir: false,
        more,
    })
}

fn carry_out_write(
    node: &Node,
    group: &Arc<GroupCore>,
    write: &WritePlan,
    buffer: &mut Vec<u8>,
) -> io::Result<Piece> {
    let dir = node.group_dir(group.id);
    let first_index = write.first.next_index();
    if write.is_new {
        node.vfs.create_dir_all(&dir)?;
    }
    let key = (group.id, first_index);
    let segment = node.cache.open(&*node.vfs, &dir, key, write.is_new)?;
    buffer.clear();
    let mut at = write.len_bytes;
    if write.is_new {
        // A file of that name can only be what a former life left behind unsynced.
        segment.file.set_len(0)?;
        buffer.extend_from_slice(&encode_header(group.id, &write.first));
        at = 0;
    }
    for entry in &write.entries {
        entry.encode_into(buffer);
    }
    match segment.file.write_at(buffer, at) {
        Err(error)
            if error.kind() == io::ErrorKind::StorageFull
                && floe_model::mutant!("disk-full-swallowed") => {}
        written => written?,
    }
    let bytes = buffer.len() as u64;
    Counters::add(&node.counters.segment_bytes_written, bytes);
    buffer.shrink_to(2 * PIECE_BYTES);

    let mut state = group.lock();
    let mut freed_bytes = 0;
    let mut queue = false;
    if state.writer_epoch() == write.epoch {
        freed_bytes = note_written(&mut state, write);
        queue = !std::mem::replace(&mut state.in_eviction_queue, true);
    }
    let more = state.has_work();
    drop(state);
    node.budget.written(freed_bytes);
    if queue {
        node.budget.queue(group);
    }
    node.budget.enforce();
    Ok(Piece {
        files: vec![file_name(first_index, FileKind::Log)],
        new_names: write.is_new,
        new_dir: write.is_new && !group.dir_is_durable(),
        more,
    })
}

/// Moves `written` behind the entries of `write`; returns the bytes that may leave memory.
fn note_written(state: &mut LogState, write: &WritePlan) -> u64 {
    if write.is_new {
        state.segments.list.push(SegmentMeta::empty(write.first));
    }
    let Some(last) = state.segments.list.last_mut() else {
        return 0;
    };
    let mut written_bytes = 0;
    for entry in &write.entries {
        note_entry(last, entry);
        written_bytes += crate::tail::charge_bytes(entry);
    }
    debug_assert!(write.max_timestamp_ms <= last.max_timestamp_ms);
    state.written = last.end;
    written_bytes
}

/// Adds an entry at the end of a growing segment.
pub(crate) fn note_entry(segment: &mut SegmentMeta, entry: &Entry) {
    if let Some(index) = &mut segment.index {
        index.offer(IndexPoint {
            base_offset: entry.base_offset,
            index: entry.index,
            max_timestamp_ms: segment.max_timestamp_ms,
            position: segment.len_bytes,
        });
    }
    let timestamps = entry
        .batches()
        .iter()
        .map(|batch| batch.header().max_timestamp_ms);
    segment.max_timestamp_ms = timestamps.fold(segment.max_timestamp_ms, i64::max);
    segment.len_bytes += entry.encoded_len() as u64;
    segment.end = LogPosition {
        id: Some(entry.log_id()),
        next_offset: entry.next_offset(),
        appended_at_ms: entry.appended_at_ms,
    };
}

#[cfg(test)]
mod tests {
    use floe_model::{LogId, Offset};
    use floe_record::EntryBody;

    use super::*;
    use crate::group_start::move_start;

    /// A log of `count` applied and durable entries of which nothing is written.
    fn unwritten(count: u64) -> (LogState, u64) {
        let mut state = LogState::new(LogPosition::ORIGIN);
        let mut charged_bytes = 0;
        for index in 0..count {
            let entry = Entry {
                term: Term(1),
                index: LogIndex(index),
                base_offset: Offset(0),
                appended_at_ms: 5,
                body: EntryBody::Control(Bytes::from_static(b"value")),
            };
            charged_bytes += state.push(Arc::new(entry));
        }
        let last = LogId {
            term: Term(1),
            index: LogIndex(count - 1),
        };
        state.durable = Some(last);
        state.applied = state.tail.end();
        (state, charged_bytes)
    }

    /// Notes a write that was planned before the start moved behind `index`; what is counted as
    /// written by both.
    fn counted_with_purge_up_to(state: &mut LogState, index: u64) -> u64 {
        let Plan::Write(write) = plan(state) else {
            panic!("there is something to write");
        };
        let position = state.tail.position_after(LogIndex(index)).unwrap();
        let (purged_bytes, _) = move_start(state, position);
        let is_noted = state.writer_epoch() == write.epoch;
        purged_bytes
            + if is_noted {
                note_written(state, &write)
            } else {
                0
            }
    }

    #[test]
    fn what_a_purge_overtakes_is_counted_as_written_once() {
        let (mut state, charged_bytes) = unwritten(4);
        assert_eq!(counted_with_purge_up_to(&mut state, 3), charged_bytes);
        assert_eq!(state.written, state.start);
        assert!(!state.has_work());
    }

    #[test]
    fn what_a_purge_leaves_is_written_by_the_next_plan() {
        let (mut state, charged_bytes) = unwritten(4);
        assert_eq!(counted_with_purge_up_to(&mut state, 1), charged_bytes / 2);
        let Plan::Write(write) = plan(&state) else {
            panic!("two entries are left");
        };
        assert!(write.is_new);
        assert_eq!(note_written(&mut state, &write), charged_bytes / 2);
        assert_eq!(state.written, state.applied);
    }
}
