//! Files. All calls block; they run on I/O threads or through [`crate::Spawn::blocking`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

/// O_DSYNC: a write returns when its data is on disk. rustix's constant of that name is O_SYNC,
/// which waits for the file's timestamps too, and so for a file system transaction.
const DSYNC: OFlags = OFlags::from_bits_retain(0o10_000);

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenMode {
    /// Allow writes.
    pub write: bool,
    /// Make the file when it is missing.
    pub create: bool,
    /// Bypass the page cache and make every write durable before it returns. Offsets, lengths
    /// and buffers must be multiples of 4096. Opening fails with `InvalidInput` where the file
    /// system cannot do it.
    pub direct_sync: bool,
}

impl OpenMode {
    /// An existing file, read only.
    pub const READ: Self = Self {
        write: false,
        create: false,
        direct_sync: false,
    };
    /// Read and write, made when missing.
    pub const CREATE: Self = Self {
        write: true,
        create: true,
        direct_sync: false,
    };
    /// Read and write an existing file.
    pub const WRITE: Self = Self {
        write: true,
        create: false,
        direct_sync: false,
    };
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name without its directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// File length in bytes; 0 for directories.
    pub len_bytes: u64,
}

/// Holds a directory for one process; dropping releases it.
pub trait DirLock: Send + Sync {}

/// A file system.
pub trait Vfs: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>>;
    /// Makes a directory and its parents. Durable only after `sync_dir` of the parent.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Moves a file, replacing the target. Durable only after `sync_dir`.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all in it.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the directory for this process alone; `WouldBlock` when another holds it.
    ///
    /// # Errors
    /// As the operating system says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>>;
    /// Bytes the file system of `path` can still take.
    ///
    /// # Errors
    /// As the operating system says.
    fn available_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file; positions are explicit, so threads can share it.
pub trait VfsFile: Send + Sync {
    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As the operating system says; part of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Writes all slices in order from `offset`, without joining them first.
    ///
    /// # Errors
    /// As the operating system says; part of the bytes may have been written.
    fn write_vectored_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Makes content and length durable, not the name. After a failure the content is unknown
    /// and must not be synced again.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends with zeros.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;
    /// Length in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn len_bytes(&self) -> io::Result<u64>;
}

/// The operating system's files.
#[derive(Debug)]
pub struct RealVfs;

impl Vfs for RealVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        Ok(Arc::new(RealFile(options_of(mode)?.open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            // A name that is not UTF-8 is not ours.
            if let Ok(name) = entry.file_name().into_string() {
                let is_dir = metadata.is_dir();
                let len_bytes = if is_dir { 0 } else { metadata.len() };
                entries.push(DirEntry {
                    name,
                    is_dir,
                    len_bytes,
                });
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let directory = File::open(path)?;
        directory.try_lock()?;
        Ok(Box::new(RealLock {
            _directory: directory,
        }))
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn options_of(mode: OpenMode) -> io::Result<OpenOptions> {
    let mut options = OpenOptions::new();
    options.read(true).write(mode.write).create(mode.create);
    if mode.direct_sync {
        let flags = OFlags::DIRECT | DSYNC;
        options.custom_flags(i32::try_from(flags.bits()).map_err(io::Error::other)?);
    }
    Ok(options)
}

/// The kernel releases the lock when the descriptor closes.
struct RealLock {
    _directory: File,
}

impl DirLock for RealLock {}

struct RealFile(File);

impl VfsFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn write_vectored_at(&self, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        // IOV_MAX of Linux: more slices in one call are refused.
        const SLICES_MAX: usize = 1024;
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let some = slices.len().min(SLICES_MAX);
            match rustix::io::pwritev(&self.0, &slices[..some], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    IoSlice::advance_slices(&mut slices, count);
                    offset += count as u64;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.0.set_len(len_bytes)
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_synchronous_file_waits_for_its_data_and_not_for_its_timestamps() {
        // Without O_DIRECT, which not every temporary directory has.
        let dir = tempfile::tempdir().unwrap();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(i32::try_from(DSYNC.bits()).unwrap())
            .open(dir.path().join("file"))
            .unwrap();
        let kernel = format!(
            "/proc/self/fdinfo/{}",
            std::os::fd::AsRawFd::as_raw_fd(&file)
        );
        let text = fs::read_to_string(kernel).unwrap();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        let (data_only, everything) = (0o10_000, 0o4_010_000);
        assert_eq!(flags & everything, data_only);
    }
}
