//! What waits for the journal writer: one FIFO of frames for all groups.
//!
//! Invariant: the frames of one group stand in the order in which they changed its memory, since
//! they are pushed under the group's lock. Bounded in bytes by the appends that feed it: an
//! append that would exceed the bound is refused before it changes anything.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use floe_env::IoWake;
use floe_model::LogIndex;
use floe_record::Entry;
use parking_lot::Mutex;

use crate::group_core::GroupCore;
use crate::log_position::LogPosition;
use crate::{GroupKind, OnDurable};

/// Bytes that may wait; a single larger frame is let in when nothing else waits.
pub(crate) const QUEUE_BYTES_MAX: u64 = 64 << 20;

/// A change of one group on its way to disk.
pub(crate) struct QueuedFrame {
    pub(crate) group: Arc<GroupCore>,
    pub(crate) body: FrameBody,
    /// One more than the highest applied index when this was queued; 0 for none.
    pub(crate) applied: u64,
    /// Bytes of the frame in the journal.
    pub(crate) size_bytes: u64,
    pub(crate) done: Option<OnDurable>,
}

/// What the frame says.
pub(crate) enum FrameBody {
    Append {
        entry: Arc<Entry>,
        generation: u64,
        reappend: bool,
    },
    TruncateFrom(LogIndex),
    Vote(Bytes),
    LogStart {
        position: LogPosition,
        reset: bool,
    },
    Create {
        kind: GroupKind,
        meta: Bytes,
    },
    Delete,
    Renew {
        kind: GroupKind,
        meta: Bytes,
    },
    /// No frame at all: only a place in the order.
    Nothing,
}

/// The queue; pushing wakes the writer.
pub(crate) struct JournalQueue {
    /// Held for one push or one take.
    inner: Mutex<Inner>,
    wake: IoWake,
}

struct Inner {
    frames: VecDeque<QueuedFrame>,
    bytes: u64,
    closing: bool,
    closed: bool,
}

/// What the writer found.
pub(crate) struct Taken {
    /// Nothing more will come.
    pub(crate) closing: bool,
}

impl JournalQueue {
    pub(crate) fn new(wake: IoWake) -> Self {
        Self {
            inner: Mutex::new(Inner {
                frames: VecDeque::new(),
                bytes: 0,
                closing: false,
                closed: false,
            }),
            wake,
        }
    }

    /// Whether `bytes` more may wait. Frames that are not appends do not ask.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let inner = self.inner.lock();
        inner.bytes == 0 || inner.bytes + bytes <= QUEUE_BYTES_MAX
    }

    pub(crate) fn is_closed(&self) -> bool {
        let inner = self.inner.lock();
        inner.closing || inner.closed
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.inner.lock().bytes
    }

    /// Adds frames in order. After the writer ended they come back.
    pub(crate) fn push(&self, frames: impl IntoIterator<Item = QueuedFrame>) -> Vec<QueuedFrame> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return frames.into_iter().collect();
        }
        for frame in frames {
            inner.bytes += frame.size_bytes;
            inner.frames.push_back(frame);
        }
        drop(inner);
        self.wake.wake();
        Vec::new()
    }

    /// Moves frames to `into` until the next would exceed `max_bytes` or `max_frames`; one always
    /// fits.
    pub(crate) fn take(
        &self,
        into: &mut Vec<QueuedFrame>,
        max_bytes: u64,
        max_frames: usize,
    ) -> Taken {
        let mut inner = self.inner.lock();
        let mut bytes = 0;
        while let Some(next) = inner.frames.front() {
            let over = bytes + next.size_bytes > max_bytes || into.len() >= max_frames;
            if over && !into.is_empty() {
                break;
            }
            bytes += next.size_bytes;
            into.extend(inner.frames.pop_front());
        }
        inner.bytes -= bytes;
        Taken {
            closing: inner.closing && inner.frames.is_empty(),
        }
    }

    /// Refuses new changes; the writer ends once the queue is empty.
    pub(crate) fn close(&self) {
        self.inner.lock().closing = true;
        self.wake.wake();
    }

    /// Called by the writer at its end.
    pub(crate) fn set_closed(&self) {
        self.inner.lock().closed = true;
    }
}
