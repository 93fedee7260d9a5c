//! The journal writer: takes all that waits, writes it as one commit group, answers everybody.
//!
//! Invariant: one commit group is in flight, ever, and its waiters are answered in the step after
//! the write returned. There is no linger: while a group is written the next one fills. A failed
//! write or sync poisons the store; nothing is retried. Votes, truncations and appends of all
//! groups share the one queue, so their order on disk is their order in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use floe_env::{IoMachine, Step};
use floe_model::{LogIndex, RaftGroupId};

use crate::aligned_buffer::AlignedBuffer;
use crate::group_encoder::{GroupPlace, encode_group, padded_bytes};
use crate::journal_file::open_for_writing;
use crate::journal_queue::{FrameBody, QueuedFrame};
use crate::journal_space::{FreeSegment, SealedSegment};
use crate::metrics::Counters;
use crate::node::Node;
use crate::segment_header::{JOURNAL_BLOCK_BYTES, SegmentHeader};
use crate::{Durable, StoreError};

/// Largest commit group, unless one frame is larger.
const GROUP_BYTES_MAX: u64 = 4 << 20;
const GROUP_FRAMES_MAX: usize = 4096;
/// After this long without work an empty group vouches for the last one.
const CLOSING_GROUP_AFTER: Duration = Duration::from_millis(100);
/// What the file system and others may take between a look at the free space and a write.
const GROWTH_MARGIN_BYTES: u64 = 1 << 20;
/// Pause before looking for disk space again.
const SPACE_RETRY: Duration = Duration::from_millis(200);

/// Where the next commit group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalEnd {
    /// Sequence number of the next segment to open.
    pub(crate) next_seg_seq: u64,
    pub(crate) lsn: u64,
    pub(crate) prev_group_crc: u32,
}

/// The machine. It alone writes journal files.
pub(crate) struct JournalWriter {
    node: Arc<Node>,
    current: Option<CurrentSegment>,
    end: JournalEnd,
    buffer: AlignedBuffer,
    /// Taken from the queue and not written yet.
    taken: Vec<QueuedFrame>,
    /// Written and not answered yet; the segment it is in.
    written: Option<u64>,
    /// When the writer ran out of work with its last group not vouched for.
    open_since: Option<Duration>,
}

struct CurrentSegment {
    seg_seq: u64,
    segment: FreeSegment,
    /// Bytes used; 0 while the header is not written.
    used_bytes: u64,
    entries: BTreeMap<RaftGroupId, LogIndex>,
}

impl JournalWriter {
    pub(crate) fn new(node: Arc<Node>, end: JournalEnd) -> Self {
        Self {
            node,
            current: None,
            end,
            buffer: AlignedBuffer::default(),
            taken: Vec::new(),
            written: None,
            open_since: None,
        }
    }

    fn answer(&mut self, seg_seq: u64) {
        let durable = Durable::synced_to(self.end.lsn);
        for frame in self.taken.drain(..) {
            frame.group.frame_durable(&self.node, &frame.body, seg_seq);
            if let Some(done) = frame.done {
                done(Ok(durable));
            }
        }
    }

    fn fail_all(&mut self, error: &StoreError) {
        loop {
            for done in self.taken.drain(..).filter_map(|frame| frame.done) {
                done(Err(error.clone()));
            }
            self.node.queue.take(&mut self.taken, u64::MAX, usize::MAX);
            if self.taken.is_empty() {
                return;
            }
        }
    }

    /// Writes what was taken as one group.
    fn write_taken(&mut self) -> Step {
        let padded = padded_bytes(&self.taken) as u64;
        if let Err(wait) = self.make_room(padded) {
            if self.node.queue.is_closed() && matches!(wait, Step::IdleFor(_)) {
                // Nobody waits for space at the end.
                self.fail_all(&StoreError::Full);
                self.open_since = None;
            }
            return wait;
        }
        let Some(current) = &mut self.current else {
            return Step::IdleFor(SPACE_RETRY);
        };
        let opens = current.used_bytes == 0;
        let place = GroupPlace {
            segment_header: opens.then(|| SegmentHeader {
                node_uuid: self.node.node_uuid,
                seg_seq: current.seg_seq,
                first_lsn: self.end.lsn,
                segment_bytes: u32::try_from(self.node.config.journal_segment_bytes)
                    .expect("checked at open"),
            }),
            seg_seq: current.seg_seq,
            first_lsn: self.end.lsn,
            prev_group_crc: self.end.prev_group_crc,
        };
        let crc = encode_group(&self.taken, &place, &mut self.buffer);
        let bytes = self.buffer.as_slice();
        let began = self.node.clock.now();
        if let Err(source) = write_synced(&current.segment, bytes, current.used_bytes)
            && !floe_model::mutant!("sync-failure-ignored")
        {
            let path = self.node.space.path(current.segment.slot);
            let cause = self.node.health.poison(&path, source);
            self.fail_all(&StoreError::Poisoned(cause));
            return Step::Again;
        }
        let counters = &self.node.counters;
        counters.record_sync(self.node.clock.now().saturating_sub(began));
        Counters::add(&counters.syncs, 1);
        Counters::add(&counters.groups_written, 1);
        Counters::add(&counters.frames_written, self.taken.len() as u64);
        Counters::add(&counters.journal_bytes_written, bytes.len() as u64);
        current.used_bytes += bytes.len() as u64;
        for frame in &self.taken {
            if let FrameBody::Append { entry, .. } = &frame.body {
                let highest = current.entries.entry(frame.group.id).or_default();
                *highest = entry.index.max(*highest);
            }
        }
        self.end.lsn += padded;
        self.end.prev_group_crc = crc;
        self.written = Some(current.seg_seq);
        Step::Again
    }

    /// Makes sure that the current segment takes `padded` bytes.
    fn make_room(&mut self, padded: u64) -> Result<(), Step> {
        let segment_bytes = self.node.config.journal_segment_bytes;
        if let Some(current) = &self.current
            && current.used_bytes.max(JOURNAL_BLOCK_BYTES as u64) + padded <= segment_bytes
        {
            return self.check_growth(current, padded);
        }
        let segment = match self.node.space.take() {
            Ok(segment) => segment,
            Err(slot) => self.make_segment(slot)?,
        };
        let path = self.node.space.path(segment.slot);
        self.node.write_mode.note(&path, segment.direct);
        let seg_seq = self.end.next_seg_seq;
        self.end.next_seg_seq += 1;
        let next = CurrentSegment {
            seg_seq,
            segment,
            used_bytes: 0,
            entries: BTreeMap::new(),
        };
        if let Some(full) = self.current.replace(next) {
            self.node.space.seal(SealedSegment {
                seg_seq: full.seg_seq,
                segment: full.segment,
                entries: Arc::new(full.entries),
            });
        }
        let usage = self.node.space.usage();
        self.node.health.set_journal_full(usage.is_full);
        if usage.used * 4 >= usage.max {
            self.node.work.want_checkpoint();
        }
        Ok(())
    }

    /// A file that was not written ahead needs space for every group. Looked for first: a failed
    /// write could not be tried again.
    fn check_growth(&self, current: &CurrentSegment, padded: u64) -> Result<(), Step> {
        if current.segment.prewritten {
            return Ok(());
        }
        match self.node.vfs.available_bytes(self.node.space.dir()) {
            Ok(free) if free < padded + GROWTH_MARGIN_BYTES => {
                self.node.health.set_disk_full(true);
                self.node.work.wake();
                Err(Step::IdleFor(SPACE_RETRY))
            }
            // Unknown free space is no reason to stop.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Makes a file that grows as it is written: at the first start, or when the pool ran dry.
    fn make_segment(&self, slot: u32) -> Result<FreeSegment, Step> {
        let node = &self.node;
        let path = node.space.path(slot);
        let made = node.vfs.available_bytes(node.space.dir()).and_then(|free| {
            if free < node.config.journal_segment_bytes {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let (file, direct) = open_for_writing(&*node.vfs, &path)?;
            if !floe_model::mutant!("journal-dir-not-synced") {
                node.vfs.sync_dir(node.space.dir())?;
            }
            Ok((file, direct))
        });
        match made {
            Ok((file, direct)) => Ok(FreeSegment {
                slot,
                file,
                direct,
                prewritten: false,
            }),
            Err(source) => {
                node.space.abandon();
                if source.kind() == io::ErrorKind::StorageFull {
                    // Nothing was written yet, so waiting for space is no retry of a failed write.
                    node.health.set_disk_full(true);
                    node.work.wake();
                    Err(Step::IdleFor(SPACE_RETRY))
                } else {
                    node.health.poison(&path, source);
                    Err(Step::Again)
                }
            }
        }
    }

    /// Nothing waits: vouch for the last group once, then sleep.
    fn idle(&mut self) -> Step {
        let Some(since) = self.open_since else {
            return Step::Idle;
        };
        let idle_for = self.node.clock.now().saturating_sub(since);
        match CLOSING_GROUP_AFTER.checked_sub(idle_for) {
            Some(left) if !left.is_zero() => Step::IdleFor(left),
            _ => {
                self.open_since = None;
                self.write_taken()
            }
        }
    }
}

impl IoMachine for JournalWriter {
    fn step(&mut self) -> Step {
        if let Some(seg_seq) = self.written.take() {
            self.answer(seg_seq);
        }
        if let Some(cause) = self.node.health.poisoned() {
            self.fail_all(&StoreError::Poisoned(cause));
            if self.node.queue.is_closed() {
                self.node.queue.set_closed();
                self.fail_all(&self.node.stopped());
                return Step::Done;
            }
            return Step::Idle;
        }
        let group_bytes = GROUP_BYTES_MAX.min(self.node.config.journal_segment_bytes / 2);
        let mut closing = false;
        if self.taken.is_empty() {
            let queue = &self.node.queue;
            closing = queue
                .take(&mut self.taken, group_bytes, GROUP_FRAMES_MAX)
                .closing;
        }
        if !self.taken.is_empty() {
            self.open_since = Some(self.node.clock.now());
            return self.write_taken();
        }
        if !closing {
            return self.idle();
        }
        if self.open_since.take().is_some() {
            return self.write_taken();
        }
        self.node.queue.set_closed();
        self.fail_all(&StoreError::Closed);
        Step::Done
    }
}

/// Writes `bytes` so that they are durable on success.
fn write_synced(segment: &FreeSegment, bytes: &[u8], at: u64) -> io::Result<()> {
    segment.file.write_at(bytes, at)?;
    if segment.direct || floe_model::mutant!("sync-skipped") {
        Ok(())
    } else {
        segment.file.sync_data()
    }
}
