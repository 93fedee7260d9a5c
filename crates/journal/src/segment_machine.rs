//! The background of a store: fills partition segments, checkpoints, removes old files.
//!
//! A step does one piece of each kind of work that is due, so that a long checkpoint does not
//! stop the writing and the other way round. Sleeps for good when nothing is dirty: idle groups
//! cost nothing here. A full disk is back-pressure and tried again; any other error poisons.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use floe_env::{IoMachine, Step};

use crate::StoreError;
use crate::checkpointer::{Checkpointer, reappend_oldest};
use crate::file_removal::{clean, remove_group};
use crate::io_failure::IoFailure;
use crate::node::Node;
use crate::segment_work::{FileWork, Pending};
use crate::segment_write::write_piece;

/// Applied entries wait this long for company.
const LINGER: Duration = Duration::from_millis(20);
/// Pause before looking for disk space again.
const SPACE_RETRY: Duration = Duration::from_millis(500);
/// Pause between checkpoints while the journal is more than a quarter full.
const PRESSED_PAUSE: Duration = Duration::from_millis(100);
/// Free space is looked at this often while something is written.
const SPACE_CHECK: Duration = Duration::from_secs(1);

/// The machine. It alone writes partition segments, images and removes files.
pub(crate) struct SegmentMachine {
    node: Arc<Node>,
    checkpointer: Checkpointer,
    buffer: Vec<u8>,
    /// When the waiting groups may be written.
    write_at: Option<Duration>,
    last_checkpoint: Duration,
    checkpoint_at: Option<Duration>,
    space_checked: Option<Duration>,
    /// The last checkpoint before the end is done.
    closed: bool,
}

impl SegmentMachine {
    pub(crate) fn new(node: Arc<Node>, checkpointer: Checkpointer) -> Self {
        let now = node.clock.now();
        Self {
            node,
            checkpointer,
            buffer: Vec::new(),
            write_at: None,
            last_checkpoint: now,
            checkpoint_at: None,
            space_checked: None,
            closed: false,
        }
    }

    /// Looks at the free space from time to time, more often while it is short; never at every
    /// step, or a disk that is full at its reserve would be found full and not full in turn.
    fn check_space(&mut self, now: Duration) {
        let pause = match self.node.health.is_disk_full() {
            true => SPACE_RETRY,
            false => SPACE_CHECK,
        };
        if self.space_checked.is_some_and(|at| now < at + pause) {
            return;
        }
        self.space_checked = Some(now);
        let config = &self.node.config;
        if let Ok(free) = self.node.vfs.available_bytes(&config.dir) {
            self.node
                .health
                .set_disk_full(free < config.disk_reserve_bytes);
        }
    }

    /// Waits for space, or ends.
    fn fail(&mut self, failure: IoFailure) -> Step {
        match self.node.fail(failure) {
            StoreError::Full => Step::IdleFor(SPACE_RETRY),
            _ => Step::Again,
        }
    }

    fn write_one(&mut self) -> Result<(), Step> {
        let Some(group) = self.node.work.pop_dirty() else {
            self.write_at = None;
            return Ok(());
        };
        let written = write_piece(&self.node, &group, &mut self.buffer);
        match written {
            Ok(piece) => {
                let more = piece.more;
                self.checkpointer.note(&group, piece);
                let again = more || {
                    // Decided under the lock, or an entry applied just now would be forgotten.
                    let mut state = group.lock();
                    let again = state.has_work();
                    state.in_write_queue = again;
                    again
                };
                if again {
                    self.node.work.push_dirty(group);
                }
                Ok(())
            }
            Err(source) => {
                let path = self.node.group_dir(group.id);
                self.node.work.push_dirty(group);
                Err(self.fail(IoFailure::write(&path, source)))
            }
        }
    }

    fn remove_some(&mut self) -> Result<bool, Step> {
        let Some(work) = self.node.work.pop_files() else {
            return Ok(false);
        };
        let removed = match &work {
            FileWork::Clean(group) => clean(&self.node, group),
            FileWork::RemoveGroup(id) => remove_group(&self.node, *id).map(|()| false),
            FileWork::SetAside(files) => files.carry_out(&self.node).map(|()| false),
        };
        match (removed, work) {
            (Ok(true), work) => self.node.work.push_files(work),
            (Ok(false), FileWork::SetAside(files)) => {
                // What it was to sync is not the successor's.
                self.checkpointer.forget(files.id);
                files.finish();
            }
            (Ok(false), FileWork::Clean(_) | FileWork::RemoveGroup(_)) => {}
            (Err(source), _) => {
                let path = PathBuf::from(&self.node.config.dir);
                return Err(self.fail(IoFailure::write(&path, source)));
            }
        }
        Ok(true)
    }

    /// Begins a checkpoint when one is due and does a step of the running one.
    fn checkpoint(&mut self, now: Duration, pending: Pending) -> Result<(), Step> {
        let interval = Duration::from_millis(self.node.config.checkpoint_interval_ms);
        let due = self.checkpointer.is_dirty() && now >= self.last_checkpoint + interval;
        let asked = self.checkpoint_at.is_some_and(|at| now >= at);
        let ending = pending.closing && pending.dirty == 0;
        if pending.checkpoint_wanted || due || asked || ending {
            self.checkpoint_at = None;
            self.checkpointer.begin();
        }
        if !self.checkpointer.is_running() {
            return Ok(());
        }
        let running = &self.node.counters.checkpoint_is_running;
        running.store(true, Ordering::Relaxed);
        match self.checkpointer.advance(&self.node) {
            Ok(true) => {
                running.store(false, Ordering::Relaxed);
                self.last_checkpoint = now;
                self.closed = ending;
                let usage = self.node.space.usage();
                let pressed = usage.used * 4 >= usage.max && usage.sealed > 0;
                if pressed && !pending.closing {
                    let queued = reappend_oldest(&self.node);
                    if queued || self.checkpointer.is_dirty() || usage.is_full {
                        self.checkpoint_at = Some(now + PRESSED_PAUSE);
                    }
                }
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// How long there is nothing to do.
    fn rest(&self, now: Duration) -> Step {
        let interval = Duration::from_millis(self.node.config.checkpoint_interval_ms);
        let dirty = self.checkpointer.is_dirty();
        let wakes = [
            self.write_at,
            self.checkpoint_at,
            dirty.then_some(self.last_checkpoint + interval),
            self.node.health.is_disk_full().then_some(now + SPACE_RETRY),
        ];
        match wakes.into_iter().flatten().min() {
            Some(at) if at <= now => Step::Again,
            Some(at) => Step::IdleFor(at - now),
            None => Step::Idle,
        }
    }

    fn next(&mut self) -> Step {
        if self.node.health.poisoned().is_some() {
            // Nothing is written over a failed sync; the groups stay readable without us.
            return Step::Done;
        }
        let closing = self.node.work.is_closing();
        match self.work() {
            Ok(step) => step,
            // No space to finish in: recovery does from the journal what is left undone.
            Err(Step::IdleFor(_)) if closing => Step::Done,
            Err(step) => step,
        }
    }

    fn work(&mut self) -> Result<Step, Step> {
        let now = self.node.clock.now();
        let pending = self.node.work.pending();
        if self.closed {
            return Ok(Step::Done);
        }
        if pending.dirty > 0 || self.node.health.is_disk_full() {
            self.check_space(now);
        }
        if pending.dirty > 0 && self.write_at.is_none() {
            self.write_at = Some(now + LINGER);
        }
        let removed = self.remove_some()?;
        let due = self.write_at.is_some_and(|at| now >= at) || pending.closing;
        if due {
            self.write_one()?;
        }
        self.checkpoint(now, pending)?;
        let busy = removed || due || self.checkpointer.is_running() || self.closed;
        Ok(if busy { Step::Again } else { self.rest(now) })
    }
}

impl IoMachine for SegmentMachine {
    fn step(&mut self) -> Step {
        let step = self.next();
        if matches!(step, Step::Done) {
            self.node.work.end();
        }
        step
    }
}
