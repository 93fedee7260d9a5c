//! A file system in memory that forgets what was not synced.
//!
//! Sits under the same trait as the real one. A crash keeps, of every file, what was synced and
//! a random part of the rest, cut at 512-byte sectors and written in any order; of every
//! directory the names that were synced. Files opened with `direct_sync` are durable per write,
//! except that the last write to each may be torn until [`SimVfs::settle`] says that it is over.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::file_state::FileState;
use crate::{DirEntry, DirLock, OpenMode, Rng, Vfs, VfsFile};

/// What a crash does to data that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPlan {
    /// The process dies, the machine lives on: everything written stays.
    Process,
    /// Power fails: all that was not synced is lost.
    LoseUnsynced,
    /// Power fails: of what was not synced a random set of sectors survives.
    KeepRandomSectors,
}

/// The simulated file system of one host. Clones share it; it outlives the host's crashes.
#[derive(Clone)]
pub struct SimVfs {
    /// Held for one call; no call waits inside.
    pub(super) disk: Arc<Mutex<Disk>>,
}

pub(super) struct Disk {
    /// Directories with the names that survive a power cut and those visible now.
    pub(super) live: BTreeMap<PathBuf, Node>,
    pub(super) durable: BTreeMap<PathBuf, Node>,
    pub(super) files: Vec<FileState>,
    pub(super) rng: Rng,
    pub(super) capacity_bytes: u64,
    /// Operations that change the disk, counted from the last `set_budget`.
    pub(super) budget: Option<u64>,
    pub(super) fail_syncs: bool,
    /// Syncs to come that fail although those behind them succeed.
    pub(super) failing_syncs: u32,
    /// What every step of I/O takes besides.
    pub(super) stall: Duration,
    pub(super) lies: bool,
    /// Bytes handed out by reads.
    bytes_read: u64,
    /// Files with a write in flight.
    pub(super) in_flight: Vec<usize>,
    locked: BTreeMap<PathBuf, u64>,
    generation: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File(usize),
}

impl SimVfs {
    /// An empty disk of `capacity_bytes`.
    #[must_use]
    pub fn new(rng: Rng, capacity_bytes: u64) -> Self {
        let root = BTreeMap::from([(PathBuf::from("/"), Node::Dir)]);
        Self {
            disk: Arc::new(Mutex::new(Disk {
                live: root.clone(),
                durable: root,
                files: Vec::new(),
                rng,
                capacity_bytes,
                budget: None,
                fail_syncs: false,
                failing_syncs: 0,
                stall: Duration::ZERO,
                lies: false,
                bytes_read: 0,
                in_flight: Vec::new(),
                locked: BTreeMap::new(),
                generation: 0,
            })),
        }
    }

    /// Ends the writes in flight: whoever issued them has seen that they are done. The driver of
    /// [`IoMachine`](crate::IoMachine)s calls it before a step.
    pub fn settle(&self) {
        let mut disk = self.disk.lock();
        for id in std::mem::take(&mut disk.in_flight) {
            disk.files[id].in_flight = None;
        }
    }

    /// Bytes that reads have handed out so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.disk.lock().bytes_read
    }

    /// Stops the host. Files opened before are dead; locks are released.
    pub fn crash(&self, plan: CrashPlan) {
        self.disk.lock().crash(plan);
    }
}

impl std::fmt::Debug for SimVfs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimVfs")
    }
}

impl Disk {
    fn change(&mut self) -> io::Result<()> {
        match &mut self.budget {
            Some(0) => Err(rustix::io::Errno::IO.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether the sync asked for now fails.
    fn sync_fails(&mut self) -> bool {
        let fails = self.fail_syncs || self.failing_syncs > 0;
        self.failing_syncs = self.failing_syncs.saturating_sub(1);
        fails
    }

    fn used_bytes(&self) -> u64 {
        let files = self.live.values().filter_map(|node| match node {
            Node::File(id) => Some(self.files[*id].live.len() as u64),
            Node::Dir => None,
        });
        files.sum()
    }

    fn grow(&mut self, id: usize, len: usize) -> io::Result<()> {
        let have = self.files[id].live.len();
        if len > have {
            if self.used_bytes() + (len - have) as u64 > self.capacity_bytes {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.files[id].live.resize(len, 0);
            self.files[id].touch(have..len);
        }
        Ok(())
    }

    fn crash(&mut self, plan: CrashPlan) {
        self.generation += 1;
        self.locked.clear();
        self.budget = None;
        self.fail_syncs = false;
        self.failing_syncs = 0;
        self.stall = Duration::ZERO;
        if plan == CrashPlan::Process {
            return;
        }
        self.live = self.durable.clone();
        self.in_flight.clear();
        let rng = self.rng.clone();
        for file in &mut self.files {
            file.lose_unsynced(plan, &rng);
        }
    }
}

impl Vfs for SimVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let mut disk = self.disk.lock();
        let id = match disk.live.get(path).copied() {
            Some(Node::File(id)) => id,
            Some(Node::Dir) => return Err(io::ErrorKind::IsADirectory.into()),
            None if mode.create => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                if disk.live.get(parent) != Some(&Node::Dir) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                disk.change()?;
                let id = disk.files.len();
                disk.files.push(FileState::default());
                disk.live.insert(path.to_owned(), Node::File(id));
                id
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        let generation = disk.generation;
        Ok(Arc::new(SimFile {
            disk: self.disk.clone(),
            id,
            mode,
            generation,
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let mut missing: Vec<&Path> = path
            .ancestors()
            .take_while(|dir| !disk.live.contains_key(*dir))
            .collect();
        while let Some(dir) = missing.pop() {
            disk.change()?;
            disk.live.insert(dir.to_owned(), Node::Dir);
        }
        match disk.live.get(path) {
            Some(Node::Dir) => Ok(()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let disk = self.disk.lock();
        if disk.live.get(path) != Some(&Node::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut entries = Vec::new();
        for (child, node) in &disk.live {
            if child.parent() != Some(path) {
                continue;
            }
            let Some(name) = child.file_name() else {
                continue;
            };
            let (is_dir, len_bytes) = match node {
                Node::Dir => (true, 0),
                Node::File(id) => (false, disk.files[*id].live.len() as u64),
            };
            entries.push(DirEntry {
                name: name.to_string_lossy().into_owned(),
                is_dir,
                len_bytes,
            });
        }
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.change()?;
        let node = disk.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.live.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.change()?;
        match disk.live.remove(path) {
            Some(Node::File(_)) => Ok(()),
            Some(Node::Dir) => {
                disk.live.insert(path.to_owned(), Node::Dir);
                Err(io::ErrorKind::IsADirectory.into())
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.change()?;
        disk.live.retain(|node, _| !node.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.change()?;
        if disk.sync_fails() {
            return Err(rustix::io::Errno::IO.into());
        }
        if disk.live.get(path) != Some(&Node::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let gone: Vec<PathBuf> = disk
            .durable
            .keys()
            .filter(|node| node.parent() == Some(path) && !disk.live.contains_key(*node))
            .cloned()
            .collect();
        for name in gone {
            disk.durable.retain(|node, _| !node.starts_with(&name));
        }
        let names: Vec<(PathBuf, Node)> = disk
            .live
            .iter()
            .filter(|(node, _)| node.parent() == Some(path) || *node == path)
            .map(|(node, kind)| (node.clone(), *kind))
            .collect();
        disk.durable.extend(names);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let mut disk = self.disk.lock();
        let generation = disk.generation;
        if disk.locked.insert(path.to_owned(), generation) == Some(generation) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock {
            disk: self.disk.clone(),
            path: path.to_owned(),
            generation,
        }))
    }

    fn available_bytes(&self, _path: &Path) -> io::Result<u64> {
        let disk = self.disk.lock();
        Ok(disk.capacity_bytes.saturating_sub(disk.used_bytes()))
    }
}

struct SimLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
    generation: u64,
}

impl DirLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.locked.get(&self.path) == Some(&self.generation) {
            disk.locked.remove(&self.path);
        }
    }
}

struct SimFile {
    disk: Arc<Mutex<Disk>>,
    id: usize,
    mode: OpenMode,
    generation: u64,
}

impl SimFile {
    /// A handle of before the crash belongs to a process that no longer exists.
    fn alive(&self, disk: &Disk) -> io::Result<()> {
        if disk.generation == self.generation {
            Ok(())
        } else {
            Err(rustix::io::Errno::BADF.into())
        }
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        self.alive(&disk)?;
        let live = &disk.files[self.id].live;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(live.len());
        let count = buffer.len().min(live.len() - start);
        buffer[..count].copy_from_slice(&live[start..start + count]);
        disk.bytes_read += count as u64;
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.alive(&disk)?;
        if !self.mode.write {
            return Err(rustix::io::Errno::BADF.into());
        }
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start + bytes.len();
        if self.mode.direct_sync
            && (!start.is_multiple_of(4096) || !bytes.len().is_multiple_of(4096))
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        disk.change()?;
        if self.mode.direct_sync && disk.sync_fails() {
            return Err(rustix::io::Errno::IO.into());
        }
        disk.grow(self.id, end)?;
        let is_durable = self.mode.direct_sync && !disk.lies;
        let file = &mut disk.files[self.id];
        if is_durable {
            if file.durable.len() < end {
                file.durable.resize(end, 0);
            }
            file.in_flight = Some((start, file.durable[start..end].to_vec()));
            file.durable[start..end].copy_from_slice(bytes);
        } else {
            file.touch(start..end);
        }
        file.live[start..end].copy_from_slice(bytes);
        if self.mode.direct_sync {
            disk.in_flight.push(self.id);
        }
        Ok(())
    }

    fn write_vectored_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let joined: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        self.write_at(&joined, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.alive(&disk)?;
        disk.change()?;
        let (fail, lies) = (disk.sync_fails(), disk.lies);
        let file = &mut disk.files[self.id];
        file.in_flight = None;
        if fail {
            // The kernel drops dirty pages after a failed write-back: a second sync would lie.
            file.live.clone_from(&file.durable);
            file.dirty = 0..0;
            return Err(rustix::io::Errno::IO.into());
        }
        if !lies {
            file.make_durable();
        }
        Ok(())
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.alive(&disk)?;
        disk.change()?;
        let len = usize::try_from(len_bytes).map_err(io::Error::other)?;
        disk.grow(self.id, len)?;
        let file = &mut disk.files[self.id];
        let before = file.live.len();
        file.live.truncate(len);
        file.touch(len.min(before)..before);
        Ok(())
    }

    fn len_bytes(&self) -> io::Result<u64> {
        let disk = self.disk.lock();
        self.alive(&disk)?;
        Ok(disk.files[self.id].live.len() as u64)
    }
}

#[cfg(test)]
mod tests;
