//! A file system that can fail syncs, be full or be slow.
//!
//! An operation that fails changes nothing: what it was given is not on the disk.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::{DiskFault, Faults};
use crate::{DirEntry, DirLock, OpenMode, Vfs, VfsFile};

pub(super) struct BreakableVfs {
    inner: Arc<dyn Vfs>,
    faults: Faults,
}

impl BreakableVfs {
    pub(super) fn new(inner: &Arc<dyn Vfs>, faults: &Faults) -> Self {
        Self {
            inner: Arc::clone(inner),
            faults: faults.clone(),
        }
    }
}

/// What a fault does to a call that it concerns.
fn suffer(fault: Option<DiskFault>) -> io::Result<()> {
    match fault {
        None => Ok(()),
        Some(DiskFault::SyncFails) => Err(Errno::IO.into()),
        Some(DiskFault::Full) => Err(Errno::NOSPC.into()),
        Some(DiskFault::Slow(delay)) => {
            // Callers of files run where blocking is allowed.
            std::thread::sleep(delay);
            Ok(())
        }
    }
}

fn concerns_syncs(fault: DiskFault) -> bool {
    match fault {
        DiskFault::SyncFails | DiskFault::Slow(_) => true,
        DiskFault::Full => false,
    }
}

impl Vfs for BreakableVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        Ok(Arc::new(BreakableFile {
            inner: self.inner.open(path, mode)?,
            is_synchronous: mode.direct_sync,
            faults: self.faults.clone(),
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        suffer(self.faults.disk_fault(concerns_syncs))?;
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        self.inner.lock(path)
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        let full = self.faults.disk_fault(|fault| fault == DiskFault::Full);
        if full.is_some() {
            return Ok(0);
        }
        self.inner.available_bytes(path)
    }
}

struct BreakableFile {
    inner: Arc<dyn VfsFile>,
    /// Its writes are durable when they return.
    is_synchronous: bool,
    faults: Faults,
}

impl BreakableFile {
    fn before_write(&self, end: u64) -> io::Result<()> {
        let concerns = |fault| match fault {
            DiskFault::SyncFails => self.is_synchronous,
            // A length that cannot be read is one that cannot be relied on.
            DiskFault::Full => self.inner.len_bytes().map_or(true, |length| end > length),
            DiskFault::Slow(_) => true,
        };
        suffer(self.faults.disk_fault(concerns))
    }
}

impl VfsFile for BreakableFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.before_write(offset.saturating_add(bytes.len() as u64))?;
        self.inner.write_at(bytes, offset)
    }

    fn write_vectored_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        self.before_write(offset.saturating_add(length as u64))?;
        self.inner.write_vectored_at(slices, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        suffer(self.faults.disk_fault(concerns_syncs))?;
        self.inner.sync_data()
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.inner.set_len(len_bytes)
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.inner.len_bytes()
    }
}
