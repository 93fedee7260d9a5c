//! An I/O error outside the journal, sorted by what may follow it.
//!
//! Lack of space before a sync was tried is back-pressure: nothing was promised yet, and the same
//! bytes are written again later. After a failed sync the content is unknown whatever the error
//! says, so it is fatal like everything else.

use std::io;
use std::path::{Path, PathBuf};

/// A failure and the file it concerns.
#[derive(Debug)]
pub(crate) enum IoFailure {
    /// No space; try again later.
    Space,
    /// The store ends.
    Fatal { path: PathBuf, source: io::Error },
}

impl IoFailure {
    /// Opening, writing or cutting failed.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Space,
            _ => Self::sync(path, source),
        }
    }

    /// A sync failed.
    pub(crate) fn sync(path: &Path, source: io::Error) -> Self {
        Self::Fatal {
            path: path.to_owned(),
            source,
        }
    }
}
