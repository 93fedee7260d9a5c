//! How many bytes of entries the node keeps in memory.
//!
//! Entries that are not in a partition segment cannot be dropped: they count as *unwritten*, and
//! at the limit appends are refused. The others are dropped when the whole exceeds the budget:
//! groups stand in a queue from their first written entry on and give up a share at their turn.
//! Nothing scans all groups.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::group_core::GroupCore;

/// Least that a group gives up at its turn.
const SHARE_BYTES_MIN: u64 = 256 << 10;

/// The budget of one node.
pub(crate) struct TailBudget {
    limit_bytes: u64,
    tail_bytes: AtomicU64,
    unwritten_bytes: AtomicU64,
    uncommitted_bytes: AtomicU64,
    /// Groups with entries that may be dropped, each at most once. Held for one push or pop.
    turns: Mutex<VecDeque<Weak<GroupCore>>>,
}

impl TailBudget {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            tail_bytes: AtomicU64::new(0),
            unwritten_bytes: AtomicU64::new(0),
            uncommitted_bytes: AtomicU64::new(0),
            turns: Mutex::new(VecDeque::new()),
        }
    }

    pub(crate) fn tail_bytes(&self) -> u64 {
        self.tail_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn unwritten_bytes(&self) -> u64 {
        self.unwritten_bytes.load(Ordering::Relaxed)
    }

    /// Whether the unwritten entries leave no room for `bytes` more.
    pub(crate) fn is_full(&self, bytes: u64) -> bool {
        let unwritten = self.unwritten_bytes();
        unwritten > 0 && unwritten + bytes > self.limit_bytes
    }

    /// Whether they exceed twice the limit: the last stop for entries from other nodes, which
    /// bound themselves by their own leaders' budgets.
    pub(crate) fn is_far_over(&self, bytes: u64) -> bool {
        let unwritten = self.unwritten_bytes();
        unwritten > 0 && unwritten + bytes > self.limit_bytes * 2
    }

    /// Whether uncommitted entries take their share of the budget, a quarter, with `bytes` more.
    pub(crate) fn is_uncommitted_full(&self, bytes: u64) -> bool {
        let uncommitted = self.uncommitted_bytes.load(Ordering::Relaxed);
        uncommitted > 0 && uncommitted + bytes > self.limit_bytes / 4
    }

    /// Entries were appended.
    pub(crate) fn appended(&self, bytes: u64) {
        self.tail_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.unwritten_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.uncommitted_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Entries were applied, or truncated before that.
    pub(crate) fn committed(&self, bytes: u64) {
        self.uncommitted_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Entries may be dropped from now on, or are gone.
    pub(crate) fn written(&self, bytes: u64) {
        self.unwritten_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Entries left memory.
    pub(crate) fn dropped(&self, bytes: u64) {
        self.tail_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Queues a group that has written entries in memory and is not queued yet.
    pub(crate) fn queue(&self, group: &Arc<GroupCore>) {
        self.turns.lock().push_back(Arc::downgrade(group));
    }

    /// Drops written entries until the budget holds or nothing can be dropped.
    pub(crate) fn enforce(&self) {
        let mut turns_left = self.turns.lock().len().saturating_mul(4);
        while self.tail_bytes() > self.limit_bytes && turns_left > 0 {
            turns_left -= 1;
            let Some(turn) = self.turns.lock().pop_front() else {
                return;
            };
            if let Some(group) = turn.upgrade() {
                let (freed_bytes, more) = group.drop_written(SHARE_BYTES_MIN);
                self.dropped(freed_bytes);
                if more {
                    self.turns.lock().push_back(turn);
                }
            }
        }
    }
}
