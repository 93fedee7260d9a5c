//! Everything that can go wrong, as facts: one enum per family of operations.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::io_failure::IoFailure;
use floe_model::{ClusterId, LogId, LogIndex, NodeId, Offset, RaftGroupId};

/// Why a data directory cannot be opened. It is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the directory.
    #[error("data directory {} is in use by another process", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory belongs to another node.
    #[error("data directory belongs to node {found}, not to node {expected}")]
    ForeignNode {
        /// The configured node.
        expected: NodeId,
        /// The node written in the directory.
        found: NodeId,
    },
    /// Written by a later version.
    #[error("{} has format {found}; this version reads up to {supported}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// Ours.
        supported: u16,
    },
    /// The file system cannot be written.
    #[error("{} cannot be written", path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
    },
    /// No space is left.
    #[error("disk full at {}", path.display())]
    DiskFull {
        /// What was to be written.
        path: PathBuf,
    },
    /// A structure that every group depends on is unreadable.
    #[error("{} is damaged: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        damage: Damage,
    },
    /// A setting outside its range.
    #[error("setting {setting} is out of range")]
    Setting {
        /// Its name.
        setting: &'static str,
    },
    /// Any other failure of the operating system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// The same for a failure that was sorted already.
    pub(crate) fn failure(path: impl Into<PathBuf>, failure: IoFailure) -> Self {
        match failure {
            IoFailure::Space => Self::DiskFull { path: path.into() },
            IoFailure::Fatal { path, source } => Self::io(path, source),
        }
    }

    /// Sorts an I/O error on `path` into the family.
    pub(crate) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }
}

/// Data that was durable once and cannot be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A checksum or structure check failed with valid data behind it, or in a sealed file.
    #[error("bad checksum at byte {position}")]
    Checksum {
        /// Byte position in the file.
        position: u64,
    },
    /// Journal segments are missing from the sequence.
    #[error("journal segment {seg_seq} is missing")]
    JournalGap {
        /// The first one missing.
        seg_seq: u64,
    },
    /// Entries between two that exist are missing.
    #[error("log entries from index {index} are missing")]
    LogGap {
        /// The first one missing.
        index: LogIndex,
    },
    /// The state that the log start stands for is missing.
    #[error("state file for index {index} is missing")]
    StateMissing {
        /// The first index after the state.
        index: LogIndex,
    },
    /// The file is not there, and what else is there depends on it.
    #[error("file is missing")]
    Missing,
    /// An earlier start found the group damaged; what exactly is in its log.
    #[error("found damaged before")]
    Recorded,
    /// A commit group of the journal is unreadable, so any frame of the group may be lost.
    #[error("journal damaged in segment {seg_seq} at byte {position}")]
    Journal {
        /// The journal segment.
        seg_seq: u64,
        /// Byte position in it.
        position: u64,
    },
}

/// The first failure that stopped the store.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct PoisonCause {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: Arc<io::Error>,
}

/// Why an operation on the store as a whole failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A write or sync failed earlier; the store does nothing any more.
    #[error("store stopped after a failed write: {0}")]
    Poisoned(PoisonCause),
    /// The store is shutting down.
    #[error("store is shutting down")]
    Closed,
    /// No disk space; nothing was changed.
    #[error("disk full")]
    Full,
    /// The group was deleted; its id is never used again.
    #[error("group {0} was deleted")]
    Deleted(RaftGroupId),
    /// The journal lost frames of this group, its creation perhaps among them: a new group under
    /// this id could forget what the old one promised.
    #[error("group {group} was lost: {damage}")]
    Lost {
        /// The group.
        group: RaftGroupId,
        /// What was found.
        damage: Damage,
    },
    /// The group does not exist.
    #[error("group {0} does not exist")]
    UnknownGroup(RaftGroupId),
    /// The next start would not know that the group is damaged; it may not even be.
    #[error("group {0} is not recorded as damaged")]
    NotDamaged(RaftGroupId),
    /// The group exists with another kind or other meta data.
    #[error("group {0} exists and differs")]
    GroupDiffers(RaftGroupId),
    /// The directory belongs to another cluster.
    #[error("data directory belongs to cluster {found}")]
    ForeignCluster {
        /// The cluster written in the directory.
        found: ClusterId,
    },
    /// The state would not advance the group: it is behind what is there.
    #[error("state at {given:?} is behind {have:?}")]
    StateBehind {
        /// The state's position.
        given: LogId,
        /// The position that stands.
        have: LogId,
    },
    /// Too large for one frame.
    #[error("{size_bytes} bytes exceed the largest frame of {limit_bytes}")]
    TooLarge {
        /// Bytes given.
        size_bytes: u64,
        /// Bytes allowed.
        limit_bytes: u64,
    },
    /// Reading or writing a file outside the journal failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

/// Why a change of a group's log was refused. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The entry does not continue the log.
    #[error("entry {got} does not follow: {expected} is next")]
    Gap {
        /// The next index of the log.
        expected: LogIndex,
        /// The index given.
        got: LogIndex,
    },
    /// The entry was stamped with another offset than this log gives it.
    #[error("entry {index} is stamped {got}, this log gives it {expected}")]
    OffsetMismatch {
        /// The entry.
        index: LogIndex,
        /// The offset this log gives it.
        expected: Offset,
        /// The offset it carries.
        got: Offset,
    },
    /// The entry's term is lower than its predecessor's, or above what an epoch can hold.
    #[error("entry {index} has a term out of order")]
    Term {
        /// The entry.
        index: LogIndex,
    },
    /// Larger than a frame may be.
    #[error("{size_bytes} bytes exceed the largest frame of {limit_bytes}")]
    TooLarge {
        /// Bytes given.
        size_bytes: u64,
        /// Bytes allowed.
        limit_bytes: u64,
    },
    /// A bound is reached (see [`StoreStatus`] and the configuration); try again later.
    #[error("store is full, try later")]
    Full,
    /// Entries at or below the applied position are final.
    #[error("index {index} is final: applied up to {applied}")]
    Applied {
        /// The index given.
        index: LogIndex,
        /// The applied position.
        applied: LogIndex,
    },
    /// A purge above what the group's state covers would lose data.
    #[error("purge up to {upto:?} refused: the state covers {covered:?}")]
    NotCovered {
        /// The position asked for.
        upto: LogId,
        /// The position that a durable state covers.
        covered: Option<LogId>,
    },
    /// The group lost data and takes no changes.
    #[error("group is damaged: {0}")]
    Damaged(Damage),
    /// The group was deleted.
    #[error("group was deleted")]
    Deleted,
    /// The store is shutting down.
    #[error("store is shutting down")]
    Closed,
    /// A write or sync failed earlier; the store does nothing any more.
    #[error("store stopped after a failed write: {0}")]
    Poisoned(PoisonCause),
}

/// Why a read gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The entries were purged.
    #[error("log starts after {log_start:?}")]
    Purged {
        /// The last purged entry.
        log_start: Option<LogId>,
    },
    /// The log does not reach that far.
    #[error("index {index} is not in the log: {next} is next")]
    Gap {
        /// The index asked for.
        index: LogIndex,
        /// The next index of the log.
        next: LogIndex,
    },
    /// The offset is outside of what is here.
    #[error("offset outside {first}..{next}")]
    OffsetOutOfRange {
        /// First offset here.
        first: Offset,
        /// Log end offset.
        next: Offset,
    },
    /// A checksum failed; the group is damaged from now on.
    #[error("damaged: {0}")]
    Damaged(Damage),
    /// The operating system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

/// Whether the store takes data.
#[derive(Clone, Debug)]
pub enum StoreStatus {
    /// Everything works.
    Healthy,
    /// Back-pressure: produce is refused; reads and votes go on, and service resumes by itself.
    Full {
        /// The disk has less than its reserve.
        disk: bool,
        /// The journal has only its reserve left.
        journal: bool,
    },
    /// A write or sync failed. Only a restart helps, and only when the disk does.
    Poisoned {
        /// What failed first.
        cause: PoisonCause,
    },
}
