//! Syncs partition segments one file at a time, writes the image, frees journal segments.
//!
//! Invariant: a journal segment is freed only after (a) every entry in it is in a *synced*
//! partition segment, superseded, or durable in a newer journal segment, and (b) an image that
//! says everything else in it is synced. The decision and the image are taken at one moment, per
//! group under its lock; segments go strictly oldest first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use floe_env::OpenMode;
use floe_model::RaftGroupId;

use crate::checkpoint_image::{CheckpointImage, GrowingImage};
use crate::group_core::GroupCore;
use crate::io_failure::IoFailure;
use crate::log_state::LogState;
use crate::metrics::Counters;
use crate::node::{Node, groups_dir};
use crate::segment_write::Piece;

/// Files of one group that were written since their last sync.
struct DirtyGroup {
    group: Arc<GroupCore>,
    files: BTreeSet<String>,
    new_names: bool,
}

/// The checkpoint of a store.
pub(crate) struct Checkpointer {
    dirty: BTreeMap<RaftGroupId, DirtyGroup>,
    /// Groups that the running checkpoint has still to sync.
    running: Option<VecDeque<RaftGroupId>>,
    new_group_dirs: bool,
    generation: u64,
    scan_from_seq: u64,
}

impl Checkpointer {
    /// Goes on after the image of `generation`, from which recovery scanned `scan_from_seq`.
    pub(crate) fn new(generation: u64, scan_from_seq: u64) -> Self {
        Self {
            dirty: BTreeMap::new(),
            running: None,
            new_group_dirs: true,
            generation,
            scan_from_seq,
        }
    }

    /// Notes what a write left unsynced.
    pub(crate) fn note(&mut self, group: &Arc<GroupCore>, piece: Piece) {
        if piece.files.is_empty() {
            return;
        }
        self.new_group_dirs |= piece.new_dir;
        let dirty = self.dirty.entry(group.id).or_insert_with(|| DirtyGroup {
            group: group.clone(),
            files: BTreeSet::new(),
            new_names: false,
        });
        dirty.new_names |= piece.new_names;
        dirty.files.extend(piece.files);
    }

    /// Forgets what a group wrote: its files are not its own any more.
    pub(crate) fn forget(&mut self, id: RaftGroupId) {
        self.dirty.remove(&id);
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Begins a checkpoint of what is dirty now, unless one runs.
    pub(crate) fn begin(&mut self) {
        if self.running.is_none() {
            self.running = Some(self.dirty.keys().copied().collect());
        }
    }

    /// Does one sync of the running checkpoint, or its last step. `true` when it is finished.
    pub(crate) fn advance(&mut self, node: &Node) -> Result<bool, IoFailure> {
        let Some(running) = &mut self.running else {
            return Ok(true);
        };
        if std::mem::take(&mut self.new_group_dirs) {
            // Before anything in them counts as synced.
            let groups = groups_dir(&node.config.dir);
            let synced = node.vfs.sync_dir(&groups);
            synced.map_err(|error| IoFailure::sync(&groups, error))?;
            return Ok(false);
        }
        while let Some(id) = running.pop_front() {
            let Some(dirty) = self.dirty.remove(&id) else {
                continue;
            };
            let synced = sync_group(node, &dirty);
            if !matches!(synced, Ok(true)) {
                // Not settled: the next checkpoint syncs these files again.
                self.dirty.insert(id, dirty);
            }
            synced?;
            return Ok(false);
        }
        self.finish(node)?;
        self.running = None;
        Counters::add(&node.counters.checkpoints, 1);
        Ok(true)
    }

    fn finish(&mut self, node: &Node) -> Result<(), IoFailure> {
        let dir = &node.config.dir;
        let (image, free_up_to) = self.image(node);
        let path = image_path(dir, image.generation);
        let bytes = image.encode();
        let write = |error| IoFailure::write(&path, error);
        let file = node.vfs.open(&path, OpenMode::CREATE).map_err(write)?;
        file.set_len(0).map_err(write)?;
        file.write_at(&bytes, 0).map_err(write)?;
        let synced = file.sync_data().and_then(|()| node.vfs.sync_dir(dir));
        synced.map_err(|error| IoFailure::sync(&path, error))?;
        Counters::add(&node.counters.segment_bytes_written, bytes.len() as u64);
        self.generation = image.generation;
        self.scan_from_seq = image.scan_from_seq;
        note_recorded(node, &image);
        if let Some(seg_seq) = free_up_to {
            for surplus in node.space.free_up_to(seg_seq) {
                // A file that stays is found and removed by the next start.
                drop(node.vfs.remove_file(&node.space.path(surplus.slot)));
            }
        }
        node.health.set_journal_full(node.space.usage().is_full);
        Ok(())
    }

    /// The image of this moment, and up to where it allows to free the journal.
    fn image(&self, node: &Node) -> (CheckpointImage, Option<u64>) {
        // Looked at first: what the frames in them did to the table is done by now.
        let sealed = node.space.sealed();
        let (live, deleted, lost) = {
            let groups = node.groups.lock();
            let live: Vec<Arc<GroupCore>> = groups.live.values().cloned().collect();
            let deleted = groups.deleted.iter().copied().collect();
            (live, deleted, groups.lost.keys().copied().collect())
        };
        let by_id: BTreeMap<RaftGroupId, &Arc<GroupCore>> =
            live.iter().map(|group| (group.id, group)).collect();
        let mut free_up_to = None;
        for (seg_seq, entries) in sealed {
            let pinned = entries.iter().any(|(id, highest)| {
                let group = by_id.get(id);
                group.is_some_and(|group| group.lock().pins(seg_seq, *highest))
            });
            if pinned && !floe_model::mutant!("journal-freed-early") {
                break;
            }
            free_up_to = Some(seg_seq);
        }
        let image = CheckpointImage {
            generation: self.generation + 1,
            scan_from_seq: free_up_to.map_or(self.scan_from_seq, |seq| seq + 1),
            groups: live
                .iter()
                .map(|group| group.lock().image(group.id, group.kind, group.meta.clone()))
                .collect(),
            deleted,
            lost,
        };
        (image, free_up_to)
    }
}

/// Notes which damage a durable image tells the next start of.
fn note_recorded(node: &Node, image: &CheckpointImage) {
    let groups = node.groups.lock();
    for damaged in image.groups.iter().filter(|group| group.damaged) {
        let live = groups.live.get(&damaged.id);
        // Begun anew since, it is another one.
        if let Some(group) = live.filter(|group| group.meta == damaged.meta) {
            group.lock().damage_recorded = true;
        }
    }
}

/// Queues again what pins the oldest journal segment without a chance to be applied soon. `true`
/// when something was queued.
pub(crate) fn reappend_oldest(node: &Node) -> bool {
    let Some((seg_seq, entries)) = node.space.sealed().into_iter().next() else {
        return false;
    };
    let mut frames = 0;
    for (id, highest) in entries.iter() {
        let group = node.groups.lock().live.get(id).cloned();
        if let Some(group) = group
            && group.lock().pins(seg_seq, *highest)
        {
            frames += group.reappend(node, seg_seq);
        }
    }
    Counters::add(&node.counters.frames_reappended, frames);
    frames > 0
}

/// The path of the image of `generation`.
pub(crate) fn image_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("ckpt.{}", generation & 1))
}

/// Syncs the files of a group; `false` when its log changed in a way that leaves open what that
/// means.
fn sync_group(node: &Node, dirty: &DirtyGroup) -> Result<bool, IoFailure> {
    let group = &dirty.group;
    let (written, growing, resets) = {
        let state = group.lock();
        if state.deleted {
            return Ok(true);
        }
        if state.structural_in_flight > 0 {
            return Ok(false);
        }
        (state.written, growing_image(&state), state.resets)
    };
    let dir = node.group_dir(group.id);
    for name in &dirty.files {
        let path = dir.join(name);
        let file = match node.vfs.open(&path, OpenMode::WRITE) {
            Ok(file) => file,
            // Purged since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(IoFailure::write(&path, error)),
        };
        if !floe_model::mutant!("checkpoint-unsynced") {
            file.sync_data()
                .map_err(|error| IoFailure::sync(&path, error))?;
        }
        Counters::add(&node.counters.checkpoint_syncs, 1);
    }
    if dirty.new_names && !floe_model::mutant!("segment-dir-not-synced") {
        match node.vfs.sync_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(IoFailure::sync(&dir, error));
            }
            _ => {}
        }
    }
    let mut state = group.lock();
    if state.structural_in_flight > 0 || state.resets != resets {
        return Ok(false);
    }
    if state.synced.next_index() < written.next_index() {
        state.synced = written;
        state.synced_growing = growing;
    }
    Ok(true)
}

fn growing_image(state: &LogState) -> Option<GrowingImage> {
    let last = state.segments.list.last().filter(|last| !last.sealed)?;
    let first_index = last.first.next_index();
    Some(GrowingImage {
        first_index,
        len_bytes: last.len_bytes,
        max_timestamp_ms: last.max_timestamp_ms,
        terms: state.terms.between(first_index, last.end.next_index()),
    })
}
