//! A disk whose writes and syncs can be made to hang, as those of a failing device do.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use floe_env::{DirEntry, DirLock, OpenMode, Vfs, VfsFile};

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct StuckDisk {
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl StuckDisk {
    pub(crate) fn hang(&self) {
        *self.gate.0.lock().unwrap() = true;
    }

    pub(crate) fn release(&self) {
        *self.gate.0.lock().unwrap() = false;
        self.gate.1.notify_all();
    }

    pub(crate) fn vfs(&self, inner: Arc<dyn Vfs>) -> Arc<dyn Vfs> {
        let disk = self.clone();
        Arc::new(StuckVfs { disk, inner })
    }

    fn pass(&self) {
        let stuck = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(stuck, |stuck| *stuck).unwrap());
    }
}

struct StuckVfs {
    disk: StuckDisk,
    inner: Arc<dyn Vfs>,
}

impl Vfs for StuckVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let inner = self.inner.open(path, mode)?;
        let disk = self.disk.clone();
        Ok(Arc::new(StuckFile { disk, inner }))
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
        self.disk.pass();
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        self.inner.lock(path)
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        self.inner.available_bytes(path)
    }
}

struct StuckFile {
    disk: StuckDisk,
    inner: Arc<dyn VfsFile>,
}

impl VfsFile for StuckFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.pass();
        self.inner.write_at(bytes, offset)
    }

    fn write_vectored_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.disk.pass();
        self.inner.write_vectored_at(slices, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.pass();
        self.inner.sync_data()
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.inner.set_len(len_bytes)
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.inner.len_bytes()
    }
}
