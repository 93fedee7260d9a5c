//! Keeps journal files ready: overwriting blocks that were written before is twice as fast as
//! growing a file, and needs no file system transaction.
//!
//! Zeros are written without O_DSYNC, synced once, then the file is opened again for direct
//! writes. A step is one MiB, so that the disk stays free for the journal itself. Lack of space is
//! no failure here: the half-made file is removed and tried again later.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use floe_env::{IoMachine, OpenMode, Step, VfsFile};

use crate::journal_file::open_for_writing;
use crate::journal_space::FreeSegment;
use crate::node::Node;

/// Segments kept ready.
const AHEAD: usize = 2;
const CHUNK_BYTES: u64 = 1 << 20;
const RETRY: Duration = Duration::from_secs(1);

/// The machine.
pub(crate) struct Prewriter {
    node: Arc<Node>,
    making: Option<Making>,
    zeros: Vec<u8>,
}

struct Making {
    slot: u32,
    file: Arc<dyn VfsFile>,
    done_bytes: u64,
}

impl Prewriter {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            making: None,
            zeros: Vec::new(),
        }
    }

    fn advance(&mut self) -> io::Result<Step> {
        let node = &self.node;
        let segment_bytes = node.config.journal_segment_bytes;
        let Some(making) = &mut self.making else {
            let Some(slot) = node.space.slot_to_prewrite(AHEAD) else {
                self.zeros = Vec::new();
                return Ok(Step::Idle);
            };
            let free = node.vfs.available_bytes(node.space.dir());
            if !free.is_ok_and(|free| free >= segment_bytes + node.config.disk_reserve_bytes) {
                node.space.abandon();
                return Ok(Step::IdleFor(RETRY));
            }
            let opened = node.vfs.open(&node.space.path(slot), OpenMode::CREATE);
            let file = opened.inspect_err(|_| node.space.abandon())?;
            self.making = Some(Making {
                slot,
                file,
                done_bytes: 0,
            });
            return Ok(Step::Again);
        };
        if making.done_bytes < segment_bytes {
            let chunk = CHUNK_BYTES.min(segment_bytes - making.done_bytes);
            self.zeros
                .resize(usize::try_from(CHUNK_BYTES).unwrap_or(1 << 20), 0);
            let zeros = &self.zeros[..usize::try_from(chunk).unwrap_or_default()];
            making.file.write_at(zeros, making.done_bytes)?;
            making.done_bytes += chunk;
            return Ok(Step::Again);
        }
        making.file.sync_data()?;
        if !floe_model::mutant!("journal-dir-not-synced") {
            node.vfs.sync_dir(node.space.dir())?;
        }
        let (file, direct) = open_for_writing(&*node.vfs, &node.space.path(making.slot))?;
        node.space.add_free(FreeSegment {
            slot: making.slot,
            file,
            direct,
            prewritten: true,
        });
        self.making = None;
        Ok(Step::Again)
    }
}

impl IoMachine for Prewriter {
    fn step(&mut self) -> Step {
        if self.node.space.is_closing() || self.node.health.poisoned().is_some() {
            return Step::Done;
        }
        match self.advance() {
            Ok(step) => step,
            Err(source) => {
                let path = self.making.take().map(|making| {
                    self.node.space.abandon();
                    self.node.space.path(making.slot)
                });
                if source.kind() == io::ErrorKind::StorageFull {
                    // The file holds nothing; if it stays, the next start finds it and removes it.
                    drop(path.map(|path| self.node.vfs.remove_file(&path)));
                    return Step::IdleFor(RETRY);
                }
                let path = path.unwrap_or_else(|| self.node.space.dir().to_owned());
                self.node.health.poison(&path, source);
                Step::Done
            }
        }
    }
}
