//! The rescue file: what the journal alone had of a group when it was found damaged.
//!
//! A damaged group is not written any more, so without it the group would pin the journal for
//! ever. Entries stand in the file one after the other, in index order, perhaps with gaps; a
//! repair continues the readable prefix from them. Invariant: only a damaged group has one. The
//! first start that finds the group whole again removes it, before its log can go another way.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use floe_env::{OpenMode, Vfs};
use floe_model::LogIndex;
use floe_record::Entry;

use crate::OpenError;
use crate::group_recovery::SlotFiles;
use crate::node_meta::replace_file;
use crate::replay::GroupReplay;
use crate::state_file::read_whole;

const RESCUE_FILE: &str = "rescue";

/// Copies what the journal has of a group beside its segments, unless an earlier start did.
pub(crate) fn write(
    vfs: &dyn Vfs,
    dir: &Path,
    replay: &GroupReplay,
    slots: &mut SlotFiles<'_>,
) -> Result<(), OpenError> {
    if replay.entries.is_empty() {
        return Ok(());
    }
    let io = |source| OpenError::io(dir, source);
    vfs.create_dir_all(dir).map_err(io)?;
    if vfs.open(&dir.join(RESCUE_FILE), OpenMode::READ).is_ok() {
        // That start saw more than is left now.
        return Ok(());
    }
    let mut bytes = Vec::new();
    for locator in replay.entries.values() {
        if let Some(entry) = slots.read(locator).map_err(io)? {
            entry.encode_into(&mut bytes);
        }
    }
    replace_file(vfs, dir, RESCUE_FILE, &bytes)
        .map_err(|failure| OpenError::failure(dir, failure))?;
    dir.parent()
        .map_or(Ok(()), |groups| vfs.sync_dir(groups))
        .map_err(io)
}

/// The entries of the file up to its first damage; none without a file.
pub(crate) fn read(vfs: &dyn Vfs, dir: &Path) -> io::Result<BTreeMap<LogIndex, Entry>> {
    let mut rest = match read_whole(vfs, &dir.join(RESCUE_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut entries = BTreeMap::new();
    while let Ok((entry, size_bytes)) = Entry::decode(&rest) {
        if !entry.verify_bodies() {
            break;
        }
        rest = rest.slice(size_bytes..);
        entries.insert(entry.index, entry);
    }
    Ok(entries)
}

/// Removes the file of a group that is whole.
pub(crate) fn remove(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    match vfs.remove_file(&dir.join(RESCUE_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => vfs.sync_dir(dir),
    }
}
