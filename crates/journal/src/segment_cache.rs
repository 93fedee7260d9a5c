//! Open partition segments, least recently used first out.
//!
//! One descriptor per segment serves readers and the writer; the index of a sealed segment is
//! loaded on first use and lives as long as the descriptor. Invariant: at most `capacity` files
//! are kept; those in use live on until their last user drops them.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use floe_env::{OpenMode, Vfs, VfsFile};
use floe_model::{LogIndex, RaftGroupId};
use parking_lot::Mutex;

use crate::index_file;
use crate::partition_segment::{FileKind, SEGMENT_HEADER_BYTES, file_name};
use crate::segment_reader::scan;
use crate::sparse_index::SparseIndex;
use crate::state_file::read_whole;

/// An open segment.
pub(crate) struct CachedSegment {
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) path: PathBuf,
    index: OnceLock<Option<SparseIndex>>,
}

impl CachedSegment {
    /// The index of a sealed segment of `len_bytes`. Made again by one pass over the segment when
    /// its file is missing or damaged; `None` when the segment is damaged too.
    pub(crate) fn index(
        &self,
        vfs: &dyn Vfs,
        group: RaftGroupId,
        len_bytes: u64,
    ) -> Option<&SparseIndex> {
        let load = || {
            let bytes = read_whole(vfs, &self.path.with_extension("idx")).ok();
            let from_file = bytes.and_then(|bytes| index_file::decode_points(group, &bytes));
            from_file.or_else(|| self.rebuild(len_bytes))
        };
        self.index.get_or_init(load).as_ref()
    }

    fn rebuild(&self, len_bytes: u64) -> Option<SparseIndex> {
        let mut index = SparseIndex::with_gap(SEGMENT_HEADER_BYTES..len_bytes);
        let mut walk = index.walk()?;
        let walked = scan(&*self.file, SEGMENT_HEADER_BYTES..len_bytes, |entry, at| {
            walk.note(&entry, at);
            ControlFlow::Continue(())
        });
        walked.ok()?;
        index.fill(walk);
        Some(index)
    }
}

type Key = (RaftGroupId, LogIndex);

/// The cache of one node.
pub(crate) struct SegmentCache {
    capacity: usize,
    /// Held for one look-up; files are opened outside.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    open: BTreeMap<Key, (Arc<CachedSegment>, u64)>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
}

impl Inner {
    fn touch(&mut self, key: Key) -> Option<Arc<CachedSegment>> {
        self.uses += 1;
        let (segment, used) = self.open.get_mut(&key)?;
        self.by_use.remove(used);
        *used = self.uses;
        self.by_use.insert(self.uses, key);
        Some(segment.clone())
    }

    fn remove(&mut self, key: Key) {
        if let Some((_, used)) = self.open.remove(&key) {
            self.by_use.remove(&used);
        }
    }
}

impl SegmentCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::new(Inner::default()),
        }
    }

    /// The segment of `group` that starts at `first`, in `dir`; made when `create` says so.
    pub(crate) fn open(
        &self,
        vfs: &dyn Vfs,
        dir: &Path,
        key: Key,
        create: bool,
    ) -> io::Result<Arc<CachedSegment>> {
        if let Some(segment) = self.inner.lock().touch(key) {
            return Ok(segment);
        }
        let path = dir.join(file_name(key.1, FileKind::Log));
        let mode = if create {
            OpenMode::CREATE
        } else {
            OpenMode::WRITE
        };
        let segment = Arc::new(CachedSegment {
            file: vfs.open(&path, mode)?,
            path,
            index: OnceLock::new(),
        });
        let mut inner = self.inner.lock();
        if let Some(segment) = inner.touch(key) {
            return Ok(segment);
        }
        let used = inner.uses;
        inner.open.insert(key, (segment.clone(), used));
        inner.by_use.insert(used, key);
        if inner.open.len() > self.capacity
            && let Some((_, oldest)) = inner.by_use.pop_first()
        {
            inner.open.remove(&oldest);
        }
        Ok(segment)
    }

    /// Forgets one segment: it is sealed, removed or replaced.
    pub(crate) fn forget(&self, key: Key) {
        self.inner.lock().remove(key);
    }

    /// Forgets all segments of a group.
    pub(crate) fn forget_group(&self, group: RaftGroupId) {
        let mut inner = self.inner.lock();
        let range = (group, LogIndex(0))..=(group, LogIndex(u64::MAX));
        let keys: Vec<Key> = inner.open.range(range).map(|(key, _)| *key).collect();
        for key in keys {
            inner.remove(key);
        }
    }
}
