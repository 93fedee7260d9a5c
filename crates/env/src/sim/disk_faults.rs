//! What can go wrong with a simulated disk while its machine runs.
//!
//! Each fault belongs to one disk and may begin and end at any time; a crash ends those that a
//! restarted machine would not meet again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SimVfs;
use super::file_state::{FileState, SECTOR_BYTES};
use super::vfs::Node;

impl SimVfs {
    /// Lets `operations` more changes happen, then fails every one with EIO, as if the machine
    /// had stopped at exactly that boundary. `None` lifts the limit.
    pub fn set_budget(&self, operations: Option<u64>) {
        self.disk.lock().budget = operations;
    }

    /// Sets how much the disk holds; less than what is there refuses all growth.
    pub fn set_capacity(&self, capacity_bytes: u64) {
        self.disk.lock().capacity_bytes = capacity_bytes;
    }

    /// Makes every sync and every `direct_sync` write fail with EIO; a failed sync drops what was
    /// not synced, as Linux does.
    pub fn set_fail_syncs(&self, fail: bool) {
        self.disk.lock().fail_syncs = fail;
    }

    /// Makes syncs succeed and do nothing: a broken disk that no software can notice. Shows that a
    /// test which cuts the power would find data that was acknowledged too early.
    pub fn set_lies(&self, lies: bool) {
        self.disk.lock().lies = lies;
    }

    /// Makes the next `count` syncs fail with EIO and those behind them succeed, as a kernel does
    /// that reports a failed write-back once.
    pub fn fail_next_syncs(&self, count: u32) {
        self.disk.lock().failing_syncs = count;
    }

    /// Lets every step of I/O take up to twice `stall` more, on average `stall`.
    pub fn set_stall(&self, stall: Duration) {
        self.disk.lock().stall = stall;
    }

    /// What a step of I/O takes besides, on average.
    #[must_use]
    pub fn stall(&self) -> Duration {
        self.disk.lock().stall
    }

    /// Flips one bit in each of `count` randomly chosen places, durably: in files below `dir`
    /// whose names end with `suffix`, where something is written. Returns how many it found.
    pub fn rot(&self, dir: &Path, suffix: &str, count: u32) -> u32 {
        let mut disk = self.disk.lock();
        let rng = disk.rng.clone();
        let is_target =
            |path: &Path| path.starts_with(dir) && path.to_string_lossy().ends_with(suffix);
        let of_path = |(path, node): (&PathBuf, &Node)| match node {
            Node::File(id) if is_target(path) => Some(*id),
            Node::File(_) | Node::Dir => None,
        };
        let files: Vec<usize> = disk.live.iter().filter_map(of_path).collect();
        let mut hurt = 0;
        for _ in 0..count {
            let place = usize::try_from(rng.below(files.len() as u64)).unwrap_or(0);
            let Some(&id) = files.get(place) else {
                break;
            };
            let file = &mut disk.files[id];
            let from = usize::try_from(rng.below(file.live.len() as u64)).unwrap_or(0);
            let written = file.live.iter().skip(from).position(|byte| *byte != 0);
            let Some(at) = written.map(|ahead| from + ahead) else {
                continue;
            };
            hurt += u32::from(file.flip(at, 1 << rng.below(8)));
        }
        hurt
    }

    /// Replaces the disk by an empty one, while the machine is off.
    pub fn wipe(&self) {
        let mut disk = self.disk.lock();
        let root = BTreeMap::from([(PathBuf::from("/"), Node::Dir)]);
        disk.live.clone_from(&root);
        disk.durable = root;
        disk.in_flight.clear();
        disk.files.fill_with(FileState::default);
    }

    /// Whether a write of several sectors is on its way, which a power cut may tear.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        let disk = self.disk.lock();
        let mut writes = disk.in_flight.iter();
        writes.any(|id| {
            let before = disk.files[*id].in_flight.as_ref();
            before.is_some_and(|(_, before)| before.len() > SECTOR_BYTES)
        })
    }

    /// Flips one bit of a file, durably. `false` when the file has no such byte.
    pub fn flip_bit(&self, path: &Path, byte: u64, bit: u8) -> bool {
        let mut disk = self.disk.lock();
        let Some(Node::File(id)) = disk.live.get(path).copied() else {
            return false;
        };
        let at = usize::try_from(byte).unwrap_or(usize::MAX);
        disk.files[id].flip(at, 1 << (bit % 8))
    }
}
