//! One group in memory: its identity, its log state, and the way from there to the machines.
//!
//! Lock order: the group's state, then a queue. Nothing waits for I/O while holding either.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use floe_model::{LogId, LogIndex, Offset, RaftGroupId};
use floe_record::Entry;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::frame::FRAME_HEADER_BYTES;
use crate::journal_queue::{FrameBody, QueuedFrame};
use crate::log_position::next_index;
use crate::log_state::LogState;
use crate::node::Node;
use crate::segment_work::FileWork;
use crate::{AppendError, Damage, GroupKind, OnDurable};

/// Everything about one group that is not in a file.
pub(crate) struct GroupCore {
    pub(crate) id: RaftGroupId,
    pub(crate) kind: GroupKind,
    pub(crate) meta: Bytes,
    /// The node owns the groups, so a group must not own the node.
    node: Weak<Node>,
    state: Mutex<LogState>,
    high_watermark: watch::Sender<Offset>,
    /// The name of the group's directory is durable.
    dir_is_durable: AtomicBool,
}

impl GroupCore {
    pub(crate) fn new(
        id: RaftGroupId,
        kind: GroupKind,
        meta: Bytes,
        node: Weak<Node>,
        state: LogState,
    ) -> Self {
        let high_watermark = watch::Sender::new(state.applied.next_offset);
        Self {
            id,
            kind,
            meta,
            node,
            state: Mutex::new(state),
            high_watermark,
            dir_is_durable: AtomicBool::new(false),
        }
    }

    pub(crate) fn dir_is_durable(&self) -> bool {
        self.dir_is_durable.load(Ordering::Acquire)
    }

    pub(crate) fn set_dir_durable(&self) {
        self.dir_is_durable.store(true, Ordering::Release);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, LogState> {
        self.state.lock()
    }

    /// The node; gone only while the whole store is being dropped.
    pub(crate) fn node(&self) -> Result<Arc<Node>, AppendError> {
        self.node.upgrade().ok_or(AppendError::Closed)
    }

    pub(crate) fn watch_high_watermark(&self) -> watch::Receiver<Offset> {
        self.high_watermark.subscribe()
    }

    pub(crate) fn append(
        self: &Arc<Self>,
        entries: Vec<Entry>,
        done: OnDurable,
    ) -> Result<(), AppendError> {
        let node = self.node()?;
        let bytes = entries
            .iter()
            .map(|entry| frame_bytes(entry.encoded_len()))
            .sum();
        check_open(&node)?;
        let journal_use_over = || {
            let usage = node.space.usage();
            usage.used > usage.max
        };
        if !node.queue.has_room(bytes)
            || node.budget.is_far_over(bytes)
            || (self.kind == GroupKind::Data && journal_use_over())
        {
            return Err(AppendError::Full);
        }
        let mut state = self.state.lock();
        state.check_writable()?;
        let stamped = state.stamp(entries, node.frame_bytes_max() - FRAME_HEADER_BYTES as u64)?;
        let (generation, applied) = (state.generation, state.applied.next_index().0);
        let mut done = Some(done);
        let mut charged_bytes = 0;
        let last = stamped.len().saturating_sub(1);
        let mut frames = Vec::with_capacity(stamped.len());
        for (place, entry) in stamped.into_iter().enumerate() {
            charged_bytes += state.push(entry.clone());
            frames.push(QueuedFrame {
                group: self.clone(),
                size_bytes: frame_bytes(entry.encoded_len()),
                body: FrameBody::Append {
                    entry,
                    generation,
                    reappend: false,
                },
                applied,
                done: if place == last { done.take() } else { None },
            });
        }
        node.budget.appended(charged_bytes);
        let refused = node.queue.push(frames);
        drop(state);
        refuse(&node, refused);
        if let Some(done) = done {
            // No entries: nothing to wait for but what was queued before.
            self.push_frame(&node, FrameBody::Nothing, 0, Some(done));
        }
        Ok(())
    }

    pub(crate) fn admit(&self, bytes: u64) -> Result<(), AppendError> {
        let node = self.node()?;
        check_open(&node)?;
        let pressed = self.kind == GroupKind::Data
            && (node.health.is_full()
                || node.budget.is_full(bytes)
                || node.budget.is_uncommitted_full(bytes));
        let state = self.state.lock();
        state.check_writable()?;
        let uncommitted = state.uncommitted_bytes;
        let over = uncommitted > 0 && uncommitted + bytes > node.config.uncommitted_group_bytes;
        if pressed || over || !node.queue.has_room(bytes) {
            return Err(AppendError::Full);
        }
        Ok(())
    }

    /// Refuses all changes from now on.
    pub(crate) fn mark_deleted(&self) {
        self.state.lock().deleted = true;
    }

    /// Gives the memory of a deleted group back.
    pub(crate) fn forget(&self, node: &Node) {
        let mut state = self.state.lock();
        let uncommitted_bytes = std::mem::take(&mut state.uncommitted_bytes);
        let end = state.tail.end();
        let unwritten_bytes = state.unwritten_bytes();
        let freed_bytes = state.tail.reset(end);
        state.resets += 1;
        state.generation += 1;
        drop(state);
        node.budget.committed(uncommitted_bytes);
        node.budget.written(unwritten_bytes);
        node.budget.dropped(freed_bytes);
    }

    /// Queues a frame that changes nothing in memory.
    pub(crate) fn push_frame(
        self: &Arc<Self>,
        node: &Node,
        body: FrameBody,
        payload_bytes: usize,
        done: Option<OnDurable>,
    ) {
        let state = self.state.lock();
        let refused = self.push_frame_locked(node, &state, body, payload_bytes, done);
        drop(state);
        refuse(node, refused);
    }

    /// The same under the lock that the change in memory needed. What comes back goes to
    /// `refuse` once the lock is released.
    #[must_use]
    pub(crate) fn push_frame_locked(
        self: &Arc<Self>,
        node: &Node,
        state: &LogState,
        body: FrameBody,
        payload_bytes: usize,
        done: Option<OnDurable>,
    ) -> Vec<QueuedFrame> {
        node.queue.push([QueuedFrame {
            group: self.clone(),
            body,
            applied: state.applied.next_index().0,
            size_bytes: frame_bytes(payload_bytes),
            done,
        }])
    }

    /// Called by the journal writer, in journal order, once the frame is on disk.
    pub(crate) fn frame_durable(self: &Arc<Self>, node: &Node, body: &FrameBody, seg_seq: u64) {
        let mut state = self.state.lock();
        match body {
            FrameBody::Append {
                entry,
                generation,
                reappend,
            } => {
                if let Some(slot) = state.tail.get_mut(entry.index)
                    && slot.generation == *generation
                {
                    slot.journal_seq = Some(seg_seq);
                    if !reappend && next_index(state.durable) <= entry.index {
                        state.durable = Some(entry.log_id());
                    }
                }
                if !reappend {
                    let charge_bytes = crate::tail::charge_bytes(entry);
                    state.queued_bytes = state.queued_bytes.saturating_sub(charge_bytes);
                }
            }
            FrameBody::TruncateFrom(_) => state.structural_in_flight -= 1,
            FrameBody::LogStart { position, reset } => {
                state.structural_in_flight -= 1;
                if state.durable_start.next_index() < position.next_index() {
                    state.durable_start = *position;
                }
                if *reset {
                    // No file of before counts; the pair describes none.
                    state.synced = *position;
                    state.synced_growing = None;
                }
                if next_index(state.durable) < position.next_index() {
                    state.durable = position.id;
                }
            }
            FrameBody::Renew { .. } => state.begun_seq = seg_seq,
            FrameBody::Vote(_)
            | FrameBody::Create { .. }
            | FrameBody::Delete
            | FrameBody::Nothing => {}
        }
        let push = state.enter_write_queue();
        drop(state);
        if push {
            node.work.push_dirty(self.clone());
        }
        if matches!(body, FrameBody::LogStart { .. }) {
            node.work.push_files(FileWork::Clean(self.clone()));
        }
    }

    pub(crate) fn applied(self: &Arc<Self>, id: LogId, capture: &mut dyn FnMut() -> Bytes) {
        let Ok(node) = self.node() else { return };
        let mut state = self.state.lock();
        let Some(committed_bytes) = state.apply(id, self.kind, &node.config, capture) else {
            return;
        };
        let offset = state.applied.next_offset;
        let push = state.enter_write_queue();
        drop(state);
        node.budget.committed(committed_bytes);
        self.publish_high_watermark(offset);
        if push {
            node.work.push_dirty(self.clone());
        }
    }

    pub(crate) fn publish_high_watermark(&self, offset: Offset) {
        self.high_watermark.send_if_modified(|current| {
            let changed = *current != offset;
            *current = offset;
            changed
        });
    }

    pub(crate) fn truncate_from(self: &Arc<Self>, index: LogIndex) -> Result<(), AppendError> {
        let node = self.node()?;
        check_open(&node)?;
        let mut state = self.state.lock();
        state.check_writable()?;
        let freed_bytes = state.truncate_from(index)?;
        state.structural_in_flight += 1;
        let refused =
            self.push_frame_locked(&node, &state, FrameBody::TruncateFrom(index), 0, None);
        drop(state);
        node.budget.committed(freed_bytes);
        node.budget.written(freed_bytes);
        node.budget.dropped(freed_bytes);
        refuse(&node, refused);
        Ok(())
    }

    pub(crate) fn save_vote(
        self: &Arc<Self>,
        vote: Bytes,
        done: OnDurable,
    ) -> Result<(), AppendError> {
        let node = self.node()?;
        check_open(&node)?;
        let limit_bytes = node.frame_bytes_max();
        if frame_bytes(vote.len()) > limit_bytes {
            return Err(AppendError::TooLarge {
                size_bytes: vote.len() as u64,
                limit_bytes,
            });
        }
        let mut state = self.state.lock();
        state.check_writable()?;
        state.vote = Some(vote.clone());
        if floe_model::mutant!("vote-not-synced") {
            drop(state);
            done(Ok(crate::Durable::synced_to(0)));
            return Ok(());
        }
        let len = vote.len();
        let refused = self.push_frame_locked(&node, &state, FrameBody::Vote(vote), len, Some(done));
        drop(state);
        refuse(&node, refused);
        Ok(())
    }

    /// Queues again what journal segments up to `seg_seq` hold of entries that are not applied,
    /// so that those segments can be freed. Says how many frames that are.
    pub(crate) fn reappend(self: &Arc<Self>, node: &Node, seg_seq: u64) -> u64 {
        let state = self.state.lock();
        if state.deleted {
            // Perhaps begun anew: a frame of before must not come behind that.
            return 0;
        }
        let applied = state.applied.next_index();
        let stuck = state.tail.from(applied).filter(|slot| {
            let old = |seq| seq <= seg_seq;
            slot.journal_seq.is_some_and(old)
        });
        let frames: Vec<QueuedFrame> = stuck
            .map(|slot| QueuedFrame {
                group: self.clone(),
                size_bytes: frame_bytes(slot.entry.encoded_len()),
                body: FrameBody::Append {
                    entry: slot.entry.clone(),
                    generation: slot.generation,
                    reappend: true,
                },
                applied: applied.0,
                done: None,
            })
            .collect();
        let count = frames.len() as u64;
        let refused = node.queue.push(frames);
        drop(state);
        refuse(node, refused);
        count
    }

    /// Drops written entries from memory, oldest first, until about `share_bytes` are freed.
    /// Says how many bytes, and whether more could be dropped.
    pub(crate) fn drop_written(&self, share_bytes: u64) -> (u64, bool) {
        let mut state = self.state.lock();
        let Some(written) = state.written.id else {
            state.in_eviction_queue = false;
            return (0, false);
        };
        let freed_bytes = state.tail.drop_front(written.index, share_bytes);
        let more = state.tail.front().next_index() <= written.index;
        state.in_eviction_queue = more;
        (freed_bytes, more)
    }

    /// Notes damage, and has it remembered: the next start may not meet it.
    pub(crate) fn set_damage(&self, damage: Damage) {
        let mut state = self.state.lock();
        if state.damage.is_some() {
            return;
        }
        tracing::error!(group = %self.id, %damage, "group is damaged");
        state.damage = Some(damage);
        drop(state);
        if let Ok(node) = self.node() {
            node.work.want_checkpoint();
        }
    }
}

/// Bytes of a frame in the journal.
pub(crate) fn frame_bytes(payload_bytes: usize) -> u64 {
    (FRAME_HEADER_BYTES + payload_bytes) as u64
}

/// Refuses changes of a stopped or closing store.
pub(crate) fn check_open(node: &Node) -> Result<(), AppendError> {
    match node.health.poisoned() {
        Some(cause) => Err(AppendError::Poisoned(cause)),
        None if node.queue.is_closed() => Err(AppendError::Closed),
        None => Ok(()),
    }
}

/// Answers frames that came too late for the writer.
pub(crate) fn refuse(node: &Node, frames: Vec<QueuedFrame>) {
    for done in frames.into_iter().filter_map(|frame| frame.done) {
        done(Err(node.stopped()));
    }
}
