//! Looks into the data directory of a stopped node without changing a byte of it.
//!
//! The directory is locked while it is looked at, and read the way a start would read it, but
//! nothing is cut, removed or rewritten. `verify` also reads what a start trusts unread: sealed
//! segments and state files.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use floe_env::{DirLock, OpenMode, Vfs};
use floe_model::RaftGroupId;
use floe_record::Entry;

use crate::group_recovery::{SlotFiles, recover_group};
use crate::log_state::LogState;
use crate::node::group_dir;
use crate::partition_segment::{FileKind, SEGMENT_HEADER_BYTES, file_name};
use crate::recovery::{JournalReplay, replay_journal};
use crate::segment_reader::{ScanError, scan};
use crate::segment_recovery::RecoveryMode;
use crate::{Damage, GroupKind, NodeIdentity, OpenError, node_meta, state_file};

/// A data directory that no node has open.
pub struct Offline {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    identity: NodeIdentity,
    journal: JournalReplay,
    _lock: Box<dyn DirLock>,
}

/// One group in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineGroup {
    /// The group.
    pub id: RaftGroupId,
    /// What it keeps.
    pub kind: GroupKind,
    /// Entries that can be read.
    pub entries: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of partition segments and state files.
    pub file_bytes: u64,
    /// What was durable once and cannot be read, with the file where that shows.
    pub damage: Option<(PathBuf, Damage)>,
}

/// Where an entry was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// In a partition segment, at this byte.
    Segment(PathBuf, u64),
    /// Only in the journal.
    Journal,
}

impl Offline {
    /// Takes the directory and reads the journal.
    ///
    /// # Errors
    /// There is no node's data, it is in use, of a later version, or damaged as a whole.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<Self, OpenError> {
        let lock = vfs.lock(dir).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse {
                dir: dir.to_owned(),
            },
            _ => OpenError::io(dir, source),
        })?;
        let missing = || {
            OpenError::io(
                dir.join(node_meta::NODE_META),
                io::ErrorKind::NotFound.into(),
            )
        };
        let identity = node_meta::read(&*vfs, dir)?.ok_or_else(missing)?;
        let journal = replay_journal(&*vfs, dir, identity.node_uuid)?;
        Ok(Self {
            vfs,
            dir: dir.to_owned(),
            identity,
            journal,
            _lock: lock,
        })
    }

    /// Whose data it is.
    #[must_use]
    pub fn identity(&self) -> NodeIdentity {
        self.identity
    }

    /// The groups that are not deleted, ascending.
    #[must_use]
    pub fn groups(&self) -> Vec<RaftGroupId> {
        self.journal.replay.groups.keys().copied().collect()
    }

    /// The size of the journal segments in use.
    pub(crate) fn journal_segment_bytes(&self) -> Option<u64> {
        let headers = self.journal.files.iter().filter_map(|file| file.header);
        headers.map(|header| u64::from(header.segment_bytes)).max()
    }

    /// The groups that a start would find damaged.
    pub(crate) fn damages(&self) -> Result<Vec<(RaftGroupId, Damage)>, OpenError> {
        let mut damages: Vec<_> = self
            .journal
            .replay
            .lost
            .iter()
            .map(|(id, at)| (*id, *at))
            .collect();
        for id in self.groups() {
            let all = &mut |_: &Entry, _: &Found| ControlFlow::Continue(());
            let damage = self.read_group(id, all)?.and_then(|group| group.damage);
            damages.extend(damage.map(|(_, damage)| (id, damage)));
        }
        Ok(damages)
    }

    /// Visits the entries of one group in order until `visit` breaks, and says what was read.
    ///
    /// # Errors
    /// The operating system failed. Damage is part of the answer.
    pub fn read_group(
        &self,
        id: RaftGroupId,
        visit: &mut dyn FnMut(&Entry, &Found) -> ControlFlow<()>,
    ) -> Result<Option<OfflineGroup>, OpenError> {
        let Some(replay) = self.journal.replay.groups.get(&id) else {
            return Ok(None);
        };
        let dir = group_dir(&self.dir, id);
        let files = self.journal.files.iter();
        let mut slots = SlotFiles {
            vfs: &*self.vfs,
            paths: files.map(|file| (file.slot, file.path.clone())).collect(),
            open: std::collections::BTreeMap::new(),
        };
        let io = |error| OpenError::io(&dir, error);
        let state = recover_group(&*self.vfs, &dir, replay, &mut slots, RecoveryMode::Look)?;
        let mut group = OfflineGroup {
            id,
            kind: replay.image.kind,
            entries: 0,
            records: 0,
            file_bytes: 0,
            damage: state.damage.map(|damage| (dir.clone(), damage)),
        };
        let mut reading = Reading {
            vfs: &*self.vfs,
            dir: &dir,
            group: &mut group,
            visit,
        };
        reading.all(&state).map_err(io)?;
        Ok(Some(group))
    }
}

/// One pass over a group.
struct Reading<'a> {
    vfs: &'a dyn Vfs,
    dir: &'a Path,
    group: &'a mut OfflineGroup,
    visit: &'a mut dyn FnMut(&Entry, &Found) -> ControlFlow<()>,
}

impl Reading<'_> {
    fn all(&mut self, state: &LogState) -> io::Result<()> {
        self.states(state)?;
        for segment in &state.segments.list {
            let path = self
                .dir
                .join(file_name(segment.first.next_index(), FileKind::Log));
            let file = self.vfs.open(&path, OpenMode::READ)?;
            self.group.file_bytes += segment.len_bytes;
            let mut stopped = false;
            let scanned = scan(
                &*file,
                SEGMENT_HEADER_BYTES..segment.len_bytes,
                |entry, at| {
                    let flow = self.take(&entry, &Found::Segment(path.clone(), at));
                    stopped = flow.is_break();
                    flow
                },
            );
            match scanned {
                Ok(_) if stopped => return Ok(()),
                Ok(_) => {}
                Err(ScanError::Damage(damage)) => self.damaged(path, damage),
                Err(ScanError::Io(error)) => return Err(error),
            }
        }
        for slot in state.tail.from(state.written.next_index()) {
            if self.take(&slot.entry, &Found::Journal).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn states(&mut self, state: &LogState) -> io::Result<()> {
        for position in &state.segments.states {
            let path = self
                .dir
                .join(file_name(position.next_index(), FileKind::State));
            self.group.file_bytes += self.vfs.open(&path, OpenMode::READ)?.len_bytes()?;
            if state_file::read(self.vfs, &path, self.group.id)?.is_none() {
                self.damaged(path, Damage::Checksum { position: 0 });
            }
        }
        Ok(())
    }

    fn damaged(&mut self, path: PathBuf, damage: Damage) {
        self.group.damage.get_or_insert((path, damage));
    }

    fn take(&mut self, entry: &Entry, found: &Found) -> ControlFlow<()> {
        self.group.entries += 1;
        self.group.records += entry.offset_count();
        (self.visit)(entry, found)
    }
}
