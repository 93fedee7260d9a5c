//! How journal files are opened: direct and synchronous, or buffered where that is refused.

use std::io;
use std::path::Path;
use std::sync::Arc;

use floe_env::{OpenMode, Vfs, VfsFile};

/// Opens or makes a journal file for writing; `true` when each write is durable by itself.
pub(crate) fn open_for_writing(vfs: &dyn Vfs, path: &Path) -> io::Result<(Arc<dyn VfsFile>, bool)> {
    let direct = OpenMode {
        direct_sync: true,
        ..OpenMode::CREATE
    };
    match vfs.open(path, direct) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok((vfs.open(path, OpenMode::CREATE)?, false))
        }
        Err(error) => Err(error),
    }
}
