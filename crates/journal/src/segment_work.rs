//! What waits for the segment machine: groups with entries to write, files to remove.
//!
//! A group stands here at most once, however many entries it has. Waking is left to those who
//! need speed: a dirty group alone waits for the machine's linger, so that a trickle of small
//! entries becomes one write.

use std::collections::VecDeque;
use std::sync::Arc;

use floe_env::IoWake;
use floe_model::RaftGroupId;
use parking_lot::Mutex;

use crate::group_core::GroupCore;
use crate::renewal::SetAside;

/// One piece of background work on files.
pub(crate) enum FileWork {
    /// Remove what lies wholly before the group's log start.
    Clean(Arc<GroupCore>),
    /// Remove all files of a deleted group.
    RemoveGroup(RaftGroupId),
    /// Move all files of a group away, before it begins anew.
    SetAside(SetAside),
}

/// The queue of the segment machine.
pub(crate) struct SegmentWork {
    /// Held for one push or pop.
    inner: Mutex<Inner>,
    wake: IoWake,
}

#[derive(Default)]
struct Inner {
    dirty: VecDeque<Arc<GroupCore>>,
    files: VecDeque<FileWork>,
    checkpoint_wanted: bool,
    closing: bool,
    /// The machine is gone.
    ended: bool,
}

/// What the machine does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) dirty: usize,
    pub(crate) checkpoint_wanted: bool,
    pub(crate) closing: bool,
}

impl SegmentWork {
    pub(crate) fn new(wake: IoWake) -> Self {
        Self {
            inner: Mutex::new(Inner::default()),
            wake,
        }
    }

    /// Queues a group that has something to write and is not queued.
    pub(crate) fn push_dirty(&self, group: Arc<GroupCore>) {
        let mut inner = self.inner.lock();
        inner.dirty.push_back(group);
        if inner.dirty.len() == 1 {
            drop(inner);
            self.wake.wake();
        }
    }

    pub(crate) fn pop_dirty(&self) -> Option<Arc<GroupCore>> {
        self.inner.lock().dirty.pop_front()
    }

    pub(crate) fn push_files(&self, work: FileWork) {
        let mut inner = self.inner.lock();
        if inner.ended {
            // Dropped, so that who waits for it sees that nobody comes.
            return;
        }
        inner.files.push_back(work);
        drop(inner);
        self.wake.wake();
    }

    pub(crate) fn pop_files(&self) -> Option<FileWork> {
        self.inner.lock().files.pop_front()
    }

    /// Asks for a checkpoint soon.
    pub(crate) fn want_checkpoint(&self) {
        self.inner.lock().checkpoint_wanted = true;
        self.wake.wake();
    }

    /// Ends the machine after everything that can be written is written and synced.
    pub(crate) fn close(&self) {
        self.inner.lock().closing = true;
        self.wake.wake();
    }

    /// The machine does nothing any more.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.lock();
        inner.ended = true;
        inner.files.clear();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.inner.lock().closing
    }

    pub(crate) fn wake(&self) {
        self.wake.wake();
    }

    /// What is there to do; clears the wish for a checkpoint.
    pub(crate) fn pending(&self) -> Pending {
        let mut inner = self.inner.lock();
        Pending {
            dirty: inner.dirty.len(),
            checkpoint_wanted: std::mem::take(&mut inner.checkpoint_wanted),
            closing: inner.closing,
        }
    }
}
