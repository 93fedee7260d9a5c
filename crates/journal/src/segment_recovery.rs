//! Finds out what the partition segments of one group hold after a restart.
//!
//! Up to the synced position of the checkpoint image everything must be there and valid, or the
//! group is damaged. Beyond it a file may hold anything: what is valid and continues the log was
//! committed and is kept, the rest is cut off, and the journal supplies it again.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use floe_env::{OpenMode, Vfs, VfsFile};
use floe_model::{LogIndex, RaftGroupId};

use crate::Damage;
use crate::GroupKind;
use crate::checkpoint_image::GroupImage;
use crate::index_file::decode_summary;
use crate::log_position::LogPosition;
use crate::partition_segment::{
    FileKind, SEGMENT_HEADER_BYTES, decode_header, file_name, parse_name,
};
use crate::segment_list::SegmentMeta;
use crate::segment_reader::{ScanError, scan};
use crate::segment_write::note_entry;
use crate::sparse_index::SparseIndex;
use crate::state_file;
use crate::term_index::TermIndex;

/// What a recovery may do to the files it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecoveryMode {
    /// Nothing.
    Look,
    /// Cut off unsynced rests, remove needless files.
    Mend,
    /// Also give up what is damaged and all that follows it.
    AcceptLoss,
}

/// The files of a group as found.
pub(crate) struct RecoveredSegments {
    pub(crate) list: Vec<SegmentMeta>,
    pub(crate) states: Vec<LogPosition>,
    pub(crate) terms: TermIndex,
    /// Where written entries end.
    pub(crate) written: LogPosition,
    pub(crate) damage: Option<Damage>,
}

/// Reads the directory of a group.
pub(crate) fn recover_segments(
    vfs: &dyn Vfs,
    dir: &Path,
    image: &GroupImage,
    mode: RecoveryMode,
) -> io::Result<RecoveredSegments> {
    let entries = match vfs.list(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let named: BTreeSet<(FileKind, LogIndex)> = entries
        .iter()
        .filter_map(|entry| parse_name(&entry.name))
        .map(|(index, kind)| (kind, index))
        .collect();
    let logs = named.iter().filter(|(kind, _)| *kind == FileKind::Log);
    let logs: Vec<LogIndex> = logs.map(|(_, index)| *index).collect();
    let mut found = Recovery {
        vfs,
        dir,
        image,
        mode,
        out: RecoveredSegments {
            list: Vec::new(),
            states: Vec::new(),
            terms: TermIndex::default(),
            written: image.start,
            damage: None,
        },
    };
    for (place, first_index) in logs.iter().enumerate() {
        let next = logs.get(place + 1);
        if next.is_some_and(|next| *next <= image.start.next_index()) {
            found.remove(&[*first_index])?;
        } else if !found.take_segment(*first_index)? {
            if found.out.damage.is_none() {
                found.remove(&logs[place..])?;
            }
            break;
        }
    }
    found.judge();
    found.take_states(&named)?;
    Ok(found.out)
}

struct Recovery<'a> {
    vfs: &'a dyn Vfs,
    dir: &'a Path,
    image: &'a GroupImage,
    mode: RecoveryMode,
    out: RecoveredSegments,
}

impl Recovery<'_> {
    fn mends(&self) -> bool {
        self.mode != RecoveryMode::Look
    }

    fn remove(&self, logs: &[LogIndex]) -> io::Result<()> {
        for index in logs.iter().filter(|_| self.mends()) {
            for kind in [FileKind::Log, FileKind::Index] {
                match self
                    .vfs
                    .remove_file(&self.dir.join(file_name(*index, kind)))
                {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        if self.mends() && !logs.is_empty() {
            // A power cut must not bring them back beside what is written next.
            self.vfs.sync_dir(self.dir)?;
        }
        Ok(())
    }

    /// Takes the next segment; `false` when it and all that follow do not count.
    fn take_segment(&mut self, first_index: LogIndex) -> io::Result<bool> {
        let growing = self.image.growing.as_ref();
        let (start, synced) = (
            self.image.start.next_index(),
            self.image.synced.next_index(),
        );
        let strict = self.mode != RecoveryMode::AcceptLoss;
        let growing = growing.filter(|growing| strict && growing.first_index == first_index);
        // When the log starts behind what was synced nothing here was promised: a reset or purge
        // left files whose rest may never have been synced.
        let promised = strict && start < synced;
        let trusted = promised && (growing.is_some() || first_index < synced);
        let path = self.dir.join(file_name(first_index, FileKind::Log));
        let mode = if self.mends() {
            OpenMode::WRITE
        } else {
            OpenMode::READ
        };
        let file = self.vfs.open(&path, mode)?;
        let len_bytes = file.len_bytes()?;
        let first = read_first(&*file, self.image.id, first_index)?;
        let Some(first) = first else {
            return Ok(self.refuse(trusted, Damage::Checksum { position: 0 }));
        };
        let expected = self.out.list.last().map(|last| last.end);
        let continues = match expected {
            Some(end) => end.id == first.id,
            None => first_index <= self.image.start.next_index(),
        };
        if !continues {
            let index = self.out.written.next_index();
            return Ok(self.refuse(trusted, Damage::LogGap { index }));
        }
        let mut meta = SegmentMeta::empty(first);
        if let Some(growing) = growing {
            meta.end = self.image.synced;
            meta.len_bytes = growing.len_bytes;
            meta.index = Some(SparseIndex::with_gap(
                SEGMENT_HEADER_BYTES..growing.len_bytes,
            ));
            meta.max_timestamp_ms = growing.max_timestamp_ms;
            self.push_terms(&growing.terms);
            if len_bytes < growing.len_bytes {
                let position = len_bytes;
                return Ok(self.refuse(trusted, Damage::Checksum { position }));
            }
        } else if trusted && self.take_summary(&mut meta, len_bytes)? {
            self.push(meta);
            return Ok(true);
        }
        let must_be_whole = trusted && growing.is_none();
        let whole = self.scan_rest(&file, &mut meta, len_bytes)?;
        if must_be_whole && !whole {
            let position = meta.len_bytes;
            self.push(meta);
            return Ok(self.refuse(true, Damage::Checksum { position }));
        }
        if !whole && self.mends() {
            file.set_len(meta.len_bytes)?;
            // The segment may be sealed before anything else is written to it.
            file.sync_data()?;
        }
        if whole && self.take_summary(&mut meta.clone(), len_bytes)? {
            meta.sealed = true;
            meta.index = None;
        }
        self.push(meta);
        Ok(true)
    }

    fn push(&mut self, meta: SegmentMeta) {
        self.out.written = meta.end;
        // A segment that others follow does not grow, whether or not its index file made it.
        if let Some(last) = self.out.list.last_mut() {
            last.sealed = true;
        }
        self.out.list.push(meta);
    }

    fn push_terms(&mut self, terms: &[(LogIndex, floe_model::Term)]) {
        for (index, term) in terms {
            self.out.terms.push(*index, *term);
        }
    }

    fn refuse(&mut self, trusted: bool, damage: Damage) -> bool {
        if trusted {
            self.out.damage.get_or_insert(damage);
        }
        false
    }

    /// Takes the index file's word for a sealed segment, if there is one that fits.
    fn take_summary(&mut self, meta: &mut SegmentMeta, len_bytes: u64) -> io::Result<bool> {
        let first_index = meta.first.next_index();
        let path = self.dir.join(file_name(first_index, FileKind::Index));
        let bytes = match state_file::read_whole(self.vfs, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let Some((summary, _)) = decode_summary(self.image.id, &bytes) else {
            return Ok(false);
        };
        if summary.first_index != first_index || summary.log_len != len_bytes {
            return Ok(false);
        }
        self.push_terms(&summary.terms);
        meta.end = summary.end;
        meta.len_bytes = len_bytes;
        meta.max_timestamp_ms = summary.max_timestamp_ms;
        meta.sealed = true;
        meta.index = None;
        Ok(true)
    }

    /// Reads on from `meta`'s end; `true` when the file is valid to its last byte.
    fn scan_rest(
        &mut self,
        file: &Arc<dyn VfsFile>,
        meta: &mut SegmentMeta,
        len_bytes: u64,
    ) -> io::Result<bool> {
        let terms = &mut self.out.terms;
        let mut broken = false;
        let range = meta.len_bytes..len_bytes;
        let scanned = scan(&**file, range, |entry, _| {
            let last_term = meta.end.id.map_or(entry.term, |id| id.term);
            let continues = entry.index == meta.end.next_index()
                && entry.term >= last_term
                && entry.verify_offsets(meta.end.next_offset).is_ok();
            if !continues {
                broken = true;
                return ControlFlow::Break(());
            }
            terms.push(entry.index, entry.term);
            note_entry(meta, &entry);
            ControlFlow::Continue(())
        });
        match scanned {
            Ok(_) => Ok(!broken),
            Err(ScanError::Damage(_)) => Ok(false),
            Err(ScanError::Io(error)) => Err(error),
        }
    }

    /// What was synced must be here.
    fn judge(&mut self) {
        let image = self.image;
        let needed = image.synced.next_index().max(image.start.next_index());
        if self.out.written.next_index() <= image.start.next_index() {
            // Purged as far as written: the log goes on in a new segment at the start.
            self.out.written = image.start;
            self.out.list.clear();
        }
        if self.mode != RecoveryMode::AcceptLoss && self.out.written.next_index() < needed {
            let index = self.out.written.next_index();
            self.out.damage.get_or_insert(Damage::LogGap { index });
        }
    }

    fn take_states(&mut self, named: &BTreeSet<(FileKind, LogIndex)>) -> io::Result<()> {
        let boundaries: Vec<LogPosition> = self
            .out
            .list
            .iter()
            .flat_map(|segment| [segment.first, segment.end])
            .chain([self.image.start])
            .collect();
        let files = named.iter().filter(|(kind, _)| *kind == FileKind::State);
        for (_, index) in files {
            let boundary = boundaries.iter().find(|at| at.next_index() == *index);
            // A state is written after the entry it follows, perhaps after that one's sync.
            let unsynced = *index >= self.image.synced.next_index();
            let torn_perhaps = |index: LogIndex| {
                let image = self.image;
                unsynced && image.kind == GroupKind::Data && index > image.start.next_index()
            };
            let position = match boundary {
                Some(at) if self.image.kind == GroupKind::Data && !unsynced => Some(*at),
                _ => {
                    let path = self.dir.join(file_name(*index, FileKind::State));
                    let read = state_file::read(self.vfs, &path, self.image.id)?;
                    read.map(|(position, _)| position)
                }
            };
            match position.filter(|position| position.next_index() == *index) {
                Some(position) => self.out.states.push(position),
                None if torn_perhaps(*index) && self.mends() => {
                    // Torn, or of a log that a crash took back. Once later entries are synced it
                    // would be believed unread.
                    let path = self.dir.join(file_name(*index, FileKind::State));
                    self.vfs.remove_file(&path)?;
                    self.vfs.sync_dir(self.dir)?;
                }
                None => {}
            }
        }
        let start = self.image.start.next_index();
        let covered = self
            .out
            .states
            .iter()
            .any(|state| state.next_index() >= start);
        if start > LogIndex(0) && !covered {
            self.out
                .damage
                .get_or_insert(Damage::StateMissing { index: start });
        }
        Ok(())
    }
}

/// The position before the first entry, if the header is whole and the right one.
fn read_first(
    file: &dyn VfsFile,
    group: RaftGroupId,
    first_index: LogIndex,
) -> io::Result<Option<LogPosition>> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
    let read = file.read_at(&mut bytes, 0)?;
    let header = decode_header(&bytes[..read]);
    let ours = header.filter(|(id, first)| *id == group && first.next_index() == first_index);
    Ok(ours.map(|(_, first)| first))
}
