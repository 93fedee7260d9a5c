//! The journal's files: free ones, sealed ones, and how many there may be.
//!
//! A file is in exactly one place: the free pool, the writer's hands, or the sealed queue (oldest
//! first). `seg_seq` orders segments; a file's name is only a slot. The pool may run dry only
//! when appends were stopped long before; then the writer takes an extra file rather than stall
//! votes.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use floe_env::{IoWake, VfsFile};
use floe_model::{LogIndex, RaftGroupId};
use parking_lot::Mutex;

/// A journal file that may be overwritten.
pub(crate) struct FreeSegment {
    pub(crate) slot: u32,
    pub(crate) file: Arc<dyn VfsFile>,
    /// Opened for direct synchronous writes; otherwise each write needs a sync.
    pub(crate) direct: bool,
    /// All blocks were written once.
    pub(crate) prewritten: bool,
}

/// A journal segment that is full or was left behind by a former process.
pub(crate) struct SealedSegment {
    pub(crate) seg_seq: u64,
    /// The file, to be recycled.
    pub(crate) segment: FreeSegment,
    /// For each group with entries in it the highest of their indexes.
    pub(crate) entries: Arc<BTreeMap<RaftGroupId, LogIndex>>,
}

/// All journal files of a store.
pub(crate) struct JournalSpace {
    dir: PathBuf,
    segments_max: usize,
    reserve: usize,
    /// Held for one move.
    inner: Mutex<Inner>,
    prewriter: IoWake,
}

struct Inner {
    free: VecDeque<FreeSegment>,
    sealed: VecDeque<SealedSegment>,
    /// Files in existence, the writer's and the prewriter's included.
    total: usize,
    next_slot: u32,
    closing: bool,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalUse {
    pub(crate) free: usize,
    /// With live frames, the writer's included.
    pub(crate) used: usize,
    pub(crate) sealed: usize,
    pub(crate) max: usize,
    /// Only the reserve is left.
    pub(crate) is_full: bool,
}

impl JournalSpace {
    pub(crate) fn new(
        dir: PathBuf,
        segments_max: usize,
        sealed: VecDeque<SealedSegment>,
        free: VecDeque<FreeSegment>,
        next_slot: u32,
        prewriter: IoWake,
    ) -> Self {
        let total = sealed.len() + free.len();
        Self {
            dir,
            segments_max,
            reserve: (segments_max / 4).clamp(1, 2),
            inner: Mutex::new(Inner {
                free,
                sealed,
                total,
                next_slot,
                closing: false,
            }),
            prewriter,
        }
    }

    /// The path of the file in `slot`.
    pub(crate) fn path(&self, slot: u32) -> PathBuf {
        self.dir.join(format!("{slot:04}.seg"))
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    pub(crate) fn usage(&self) -> JournalUse {
        let inner = self.inner.lock();
        let used = inner.sealed.len() + 1;
        JournalUse {
            free: inner.free.len(),
            used,
            sealed: inner.sealed.len(),
            max: self.segments_max,
            is_full: used + self.reserve > self.segments_max,
        }
    }

    /// A file for the writer; `Err` gives the slot of a file it must make.
    pub(crate) fn take(&self) -> Result<FreeSegment, u32> {
        let mut inner = self.inner.lock();
        let taken = inner.free.pop_front();
        drop(inner);
        self.prewriter.wake();
        taken.ok_or_else(|| self.new_slot())
    }

    fn new_slot(&self) -> u32 {
        let mut inner = self.inner.lock();
        inner.total += 1;
        inner.next_slot += 1;
        inner.next_slot - 1
    }

    /// The slot of a file that should be made ahead of need, if there is one.
    pub(crate) fn slot_to_prewrite(&self, ahead: usize) -> Option<u32> {
        let inner = self.inner.lock();
        let wanted = inner.free.len() < ahead && inner.total < self.segments_max;
        drop(inner);
        wanted.then(|| self.new_slot())
    }

    /// Gives up a slot whose file could not be made.
    pub(crate) fn abandon(&self) {
        self.inner.lock().total -= 1;
    }

    pub(crate) fn add_free(&self, segment: FreeSegment) {
        self.inner.lock().free.push_back(segment);
    }

    pub(crate) fn seal(&self, segment: SealedSegment) {
        self.inner.lock().sealed.push_back(segment);
    }

    /// The sealed segments, oldest first, with their groups.
    pub(crate) fn sealed(&self) -> Vec<(u64, Arc<BTreeMap<RaftGroupId, LogIndex>>)> {
        let inner = self.inner.lock();
        let describe = |segment: &SealedSegment| (segment.seg_seq, segment.entries.clone());
        inner.sealed.iter().map(describe).collect()
    }

    /// Frees the sealed segments up to `seg_seq`. Files that are not worth keeping come back,
    /// to be removed.
    pub(crate) fn free_up_to(&self, seg_seq: u64) -> Vec<FreeSegment> {
        let mut surplus = Vec::new();
        let mut inner = self.inner.lock();
        while inner
            .sealed
            .front()
            .is_some_and(|oldest| oldest.seg_seq <= seg_seq)
        {
            let Some(freed) = inner.sealed.pop_front() else {
                break;
            };
            if freed.segment.prewritten && inner.total <= self.segments_max {
                inner.free.push_back(freed.segment);
            } else {
                inner.total -= 1;
                surplus.push(freed.segment);
            }
        }
        drop(inner);
        self.prewriter.wake();
        surplus
    }

    pub(crate) fn close(&self) {
        self.inner.lock().closing = true;
        self.prewriter.wake();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.inner.lock().closing
    }
}
