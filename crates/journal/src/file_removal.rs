//! Removes what a purge or deletion left behind: late, off every hot path, a few files a step.
//!
//! Invariant: a file goes only when the log start that makes it needless is durable, so a crash
//! at any point leaves files too many, never too few.

use std::io;
use std::sync::Arc;

use floe_model::{LogIndex, RaftGroupId};

use crate::GroupKind;
use crate::group_core::GroupCore;
use crate::group_start::newest_state;
use crate::log_position::next_index;
use crate::node::Node;
use crate::partition_segment::{FileKind, parse_name};
use crate::renewal::remove_set_aside;

/// Files removed in one step: each costs the file system a transaction.
const FILES_PER_STEP: usize = 16;

/// Removes files of `group` that lie before its durable log start; `true` when more are left.
pub(crate) fn clean(node: &Node, group: &Arc<GroupCore>) -> io::Result<bool> {
    let dir = node.group_dir(group.id);
    let (first_kept, first_state) = {
        let state = group.lock();
        if state.deleted {
            // The directory may belong to its successor.
            return Ok(false);
        }
        if state.structural_in_flight > 0 {
            // Memory is ahead of the journal; this comes again when they agree.
            return Ok(false);
        }
        let start = state.durable_start.next_index();
        let covering = state.segments.list.iter();
        let covering = covering.filter(|segment| segment.end.next_index() > start);
        let first_kept = covering.map(|segment| segment.first.next_index()).min();
        let floor = state.applied_floor();
        let newest = newest_state(&state);
        let first_state = match group.kind {
            GroupKind::Data => start,
            GroupKind::State => newest.map_or(start, |position| position.next_index()),
        };
        // Without a segment in memory the next one starts where writing stands.
        let next = state.written.next_index().min(next_index(floor));
        (first_kept.unwrap_or(next), first_state)
    };
    let entries = match node.vfs.list(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let needless = |name: &str| match parse_name(name) {
        Some((index, FileKind::Log | FileKind::Index)) => index < first_kept,
        Some((index, FileKind::State)) => index < first_state && index > LogIndex(0),
        None => false,
    };
    let mut gone = entries.iter().filter(|entry| needless(&entry.name));
    for entry in gone.by_ref().take(FILES_PER_STEP) {
        if let Some((index, FileKind::Log)) = parse_name(&entry.name) {
            node.cache.forget((group.id, index));
        }
        node.vfs.remove_file(&dir.join(&entry.name))?;
    }
    Ok(gone.next().is_some())
}

/// Removes everything of a deleted group.
pub(crate) fn remove_group(node: &Node, id: RaftGroupId) -> io::Result<()> {
    node.cache.forget_group(id);
    match node.vfs.remove_dir_all(&node.group_dir(id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => remove_set_aside(node, id),
    }
}
