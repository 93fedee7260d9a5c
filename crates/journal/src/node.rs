//! What the parts of one store share: configuration, seams, queues, bounds and counters.

use std::path::PathBuf;
use std::sync::Arc;

use floe_env::{Clock, IoWake, Spawn, Vfs};
use floe_model::{NodeUuid, RaftGroupId};
use parking_lot::Mutex;

use crate::cold_reads::ColdReads;
use crate::group_table::GroupTable;
use crate::health::Health;
use crate::io_failure::IoFailure;
use crate::journal_file::WriteMode;
use crate::journal_queue::JournalQueue;
use crate::journal_space::JournalSpace;
use crate::metrics::Counters;
use crate::segment_cache::SegmentCache;
use crate::segment_work::SegmentWork;
use crate::tail_budget::TailBudget;
use crate::{JournalConfig, StoreError};

/// The shared part of a store.
pub(crate) struct Node {
    pub(crate) config: JournalConfig,
    pub(crate) node_uuid: NodeUuid,
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawn: Spawn,
    pub(crate) health: Health,
    pub(crate) queue: JournalQueue,
    pub(crate) space: JournalSpace,
    pub(crate) work: SegmentWork,
    pub(crate) budget: TailBudget,
    pub(crate) cache: SegmentCache,
    pub(crate) counters: Counters,
    pub(crate) cold_reads: ColdReads,
    pub(crate) write_mode: WriteMode,
    pub(crate) groups: Mutex<GroupTable>,
    /// One renewal at a time.
    pub(crate) renewals: tokio::sync::Mutex<()>,
}

/// Wakes of the machines of a store.
#[derive(Clone, Default)]
pub(crate) struct Wakes {
    pub(crate) writer: IoWake,
    pub(crate) prewriter: IoWake,
    pub(crate) segments: IoWake,
}

impl Node {
    /// The largest frame, bytes.
    pub(crate) fn frame_bytes_max(&self) -> u64 {
        self.config.journal_segment_bytes / 4
    }

    /// Lets an I/O failure take effect.
    pub(crate) fn fail(&self, failure: IoFailure) -> StoreError {
        match failure {
            IoFailure::Space => {
                self.health.set_disk_full(true);
                self.work.wake();
                StoreError::Full
            }
            IoFailure::Fatal { path, source } => {
                StoreError::Poisoned(self.health.poison(&path, source))
            }
        }
    }

    /// Why nothing can be done any more.
    pub(crate) fn stopped(&self) -> StoreError {
        let cause = self.health.poisoned();
        cause.map_or(StoreError::Closed, StoreError::Poisoned)
    }

    /// The directory of a group's partition segments and state files.
    pub(crate) fn group_dir(&self, id: RaftGroupId) -> PathBuf {
        group_dir(&self.config.dir, id)
    }
}

/// The directory of the journal segments.
pub(crate) fn journal_dir(dir: &std::path::Path) -> PathBuf {
    dir.join("journal")
}

/// The directory that holds one directory per group.
pub(crate) fn groups_dir(dir: &std::path::Path) -> PathBuf {
    dir.join("p")
}

/// The directory of one group.
pub(crate) fn group_dir(dir: &std::path::Path, id: RaftGroupId) -> PathBuf {
    groups_dir(dir).join(format!("{:016x}", id.0))
}
