//! How journal files are opened: direct and synchronous, or buffered where that is refused.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use floe_env::{OpenMode, Vfs, VfsFile};

/// How journal writes reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalWrites {
    /// Past the page cache, durable when the write returns.
    Direct,
    /// Through the page cache with a sync behind each write: the file system refuses the other.
    Buffered,
}

/// Which way the store writes, known with its first journal file. All of them lie in one
/// directory and go the same way.
#[derive(Default)]
pub(crate) struct WriteMode {
    writes: OnceLock<JournalWrites>,
}

impl WriteMode {
    /// Notes how a file was opened; the first one is logged.
    pub(crate) fn note(&self, path: &Path, direct: bool) {
        let writes = if direct {
            JournalWrites::Direct
        } else {
            JournalWrites::Buffered
        };
        if self.writes.set(writes).is_err() {
            return;
        }
        let path = path.display();
        match writes {
            JournalWrites::Direct => tracing::info!(%path, "journal writes are direct"),
            JournalWrites::Buffered => tracing::warn!(
                %path,
                "the file system refuses direct writes: journal writes are buffered and synced one by one"
            ),
        }
    }

    pub(crate) fn seen(&self) -> Option<JournalWrites> {
        self.writes.get().copied()
    }
}

/// Opens or makes a journal file for writing; `true` when each write is durable by itself.
pub(crate) fn open_for_writing(vfs: &dyn Vfs, path: &Path) -> io::Result<(Arc<dyn VfsFile>, bool)> {
    let direct = OpenMode {
        direct_sync: true,
        ..OpenMode::CREATE
    };
    if floe_model::mutant!("sync-skipped") {
        return Ok((vfs.open(path, OpenMode::CREATE)?, false));
    }
    match vfs.open(path, direct) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok((vfs.open(path, OpenMode::CREATE)?, false))
        }
        Err(error) => Err(error),
    }
}
