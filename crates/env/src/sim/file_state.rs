//! The content of one simulated file: what is seen, and what a power cut leaves of it.
//!
//! Invariant: `live` and `durable` differ at most inside `dirty` and in length.

use std::ops::Range;

use super::CrashPlan;
use crate::Rng;

/// What a disk writes as a whole.
pub(super) const SECTOR_BYTES: usize = 512;

#[derive(Default)]
pub(super) struct FileState {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// The bytes that may differ from `durable`: one range around all that was written, cut or
    /// grown since the last sync.
    pub(super) dirty: Range<usize>,
    /// The last `direct_sync` write: where, and what was there before. A crash may still tear it.
    pub(super) in_flight: Option<(usize, Vec<u8>)>,
}

impl FileState {
    /// These bytes may differ from what is durable.
    pub(super) fn touch(&mut self, bytes: Range<usize>) {
        if self.dirty.is_empty() {
            self.dirty = bytes;
        } else if !bytes.is_empty() {
            self.dirty.start = self.dirty.start.min(bytes.start);
            self.dirty.end = self.dirty.end.max(bytes.end);
        }
    }

    /// Flips bits of one byte, on the disk itself. `false` when there is no such byte.
    pub(super) fn flip(&mut self, at: usize, mask: u8) -> bool {
        let Some(live) = self.live.get_mut(at) else {
            return false;
        };
        *live ^= mask;
        if let Some(durable) = self.durable.get_mut(at) {
            *durable ^= mask;
        }
        true
    }

    pub(super) fn make_durable(&mut self) {
        self.durable.resize(self.live.len(), 0);
        let end = self.dirty.end.min(self.live.len());
        let dirty = self.dirty.start.min(end)..end;
        self.durable[dirty.clone()].copy_from_slice(&self.live[dirty]);
        self.dirty = 0..0;
    }

    pub(super) fn lose_unsynced(&mut self, plan: CrashPlan, rng: &Rng) {
        let mut kept = std::mem::take(&mut self.durable);
        if let Some((offset, before)) = self.in_flight.take() {
            // The write was issued and not yet seen to finish: any of its sectors may be old.
            for (place, sector) in before.chunks(SECTOR_BYTES).enumerate() {
                if plan == CrashPlan::LoseUnsynced || rng.chance(0.5) {
                    let at = offset + place * SECTOR_BYTES;
                    kept[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        if plan == CrashPlan::KeepRandomSectors && !self.dirty.is_empty() {
            if self.live.len() != kept.len() && rng.chance(0.5) {
                kept.resize(self.live.len(), 0);
            }
            let end = self.dirty.end.min(kept.len()).min(self.live.len());
            let start = self.dirty.start / SECTOR_BYTES * SECTOR_BYTES;
            for at in (start..end).step_by(SECTOR_BYTES) {
                let sector = at..(at + SECTOR_BYTES).min(kept.len()).min(self.live.len());
                if rng.chance(0.5) {
                    kept[sector.clone()].copy_from_slice(&self.live[sector]);
                }
            }
        }
        self.live.clone_from(&kept);
        self.durable = kept;
        self.dirty = 0..0;
    }
}
