//! Opening a store: the directory is taken, recovered, and handed to the machines.
//!
//! Invariant: nothing is written before the directory is locked and known to be ours, of this
//! node and of a format this build reads; the new incarnation is durable before anything is
//! served. What recovery found reaches memory before the first machine starts.

use std::io;
use std::sync::Arc;

use floe_env::{DirLock, Env};
use floe_model::{Incarnation, NodeId, NodeUuid};
use parking_lot::Mutex;

use crate::checkpointer::Checkpointer;
use crate::cold_reads::ColdReads;
use crate::group_core::GroupCore;
use crate::group_table::GroupTable;
use crate::health::Health;
use crate::journal::Machines;
use crate::journal_file::WriteMode;
use crate::journal_queue::JournalQueue;
use crate::journal_space::JournalSpace;
use crate::metrics::Counters;
use crate::node::{Node, Wakes, journal_dir};
use crate::node_meta;
use crate::prewriter::Prewriter;
use crate::recovery::{Recovered, RecoveredGroup, recover};
use crate::segment_cache::SegmentCache;
use crate::segment_header::JOURNAL_BLOCK_BYTES;
use crate::segment_machine::SegmentMachine;
use crate::segment_recovery::RecoveryMode;
use crate::segment_work::SegmentWork;
use crate::segment_write::Piece;
use crate::tail_budget::TailBudget;
use crate::writer::{JournalEnd, JournalWriter};
use crate::{Damage, Journal, JournalConfig, NodeIdentity, OpenError};

const SEGMENTS_MIN: u64 = 4;
/// Partition segments kept open.
const SEGMENT_FILES_OPEN: usize = 512;

impl Journal {
    /// Takes the directory, recovers what is in it, and starts the machines.
    ///
    /// # Errors
    /// The directory is in use, foreign, of a later version, damaged or cannot be written. It is
    /// left as it was, but for a first start that failed halfway.
    pub async fn open(
        config: JournalConfig,
        node_id: NodeId,
        env: &Env,
    ) -> Result<Self, OpenError> {
        Self::open_in(config, node_id, env, RecoveryMode::Mend).await
    }

    pub(crate) async fn open_in(
        config: JournalConfig,
        node_id: NodeId,
        env: &Env,
        mode: RecoveryMode,
    ) -> Result<Self, OpenError> {
        check(&config)?;
        let wakes = Wakes::default();
        let io = |source| OpenError::io(&config.dir, source);
        let (blocking_env, blocking_config) = (env.clone(), config.clone());
        let prepared = env
            .spawn
            .blocking(move || prepare(&blocking_env, &blocking_config, node_id, mode))
            .await
            .map_err(io)??;
        let (lock, identity, recovered) = prepared;
        let segments_max = (config.journal_bytes / config.journal_segment_bytes).max(SEGMENTS_MIN);
        let node = Arc::new(Node {
            node_uuid: identity.node_uuid,
            vfs: env.vfs.clone(),
            clock: env.clock.clone(),
            spawn: env.spawn.clone(),
            health: Health::new(),
            queue: JournalQueue::new(wakes.writer.clone()),
            space: JournalSpace::new(
                journal_dir(&config.dir),
                usize::try_from(segments_max).unwrap_or(usize::MAX),
                recovered.sealed,
                recovered.free,
                recovered.next_slot,
                wakes.prewriter.clone(),
            ),
            work: SegmentWork::new(wakes.segments.clone()),
            budget: TailBudget::new(config.tail_bytes),
            cache: SegmentCache::new(SEGMENT_FILES_OPEN),
            counters: Counters::new(),
            cold_reads: ColdReads::new(),
            write_mode: WriteMode::default(),
            groups: Mutex::new(GroupTable::default()),
            renewals: tokio::sync::Mutex::default(),
            config,
        });
        let mut checkpointer = Checkpointer::new(recovered.generation, recovered.scan_from_seq);
        {
            let mut table = node.groups.lock();
            table.deleted.extend(recovered.deleted);
            table.lost.extend(recovered.lost);
        }
        for group in recovered.groups {
            adopt(&node, group, &mut checkpointer);
        }
        node.budget.enforce();
        let machines = start(&node, &wakes, recovered.end, checkpointer, env)
            .map_err(|source| OpenError::io(&node.config.dir, source))?;
        Ok(Self::running(node, identity, machines, lock))
    }
}

fn check(config: &JournalConfig) -> Result<(), OpenError> {
    let block = JOURNAL_BLOCK_BYTES as u64;
    let segment_bytes = config.journal_segment_bytes;
    let segment_ok = segment_bytes.is_multiple_of(block)
        && segment_bytes >= 8 * block
        && u32::try_from(segment_bytes).is_ok();
    for (holds, setting) in [
        (segment_ok, "journal_segment_bytes"),
        (
            config.partition_segment_bytes > 0,
            "partition_segment_bytes",
        ),
        (config.partition_segment_ms > 0, "partition_segment_ms"),
        (config.tail_bytes > 0, "tail_bytes"),
        (
            config.uncommitted_group_bytes > 0,
            "uncommitted_group_bytes",
        ),
        (config.checkpoint_interval_ms > 0, "checkpoint_interval_ms"),
    ] {
        if !holds {
            return Err(OpenError::Setting { setting });
        }
    }
    Ok(())
}

type Prepared = (Box<dyn DirLock>, NodeIdentity, Recovered);

/// Locks the directory, says who it is and what is in it; a fresh one gets its identity.
fn prepare(
    env: &Env,
    config: &JournalConfig,
    node_id: NodeId,
    mode: RecoveryMode,
) -> Result<Prepared, OpenError> {
    let (vfs, dir) = (&*env.vfs, &config.dir);
    let io = |source| OpenError::io(dir, source);
    vfs.create_dir_all(dir).map_err(io)?;
    let lock = vfs.lock(dir).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { dir: dir.clone() },
        _ => OpenError::io(dir, source),
    })?;
    let is_fresh = node_meta::read(vfs, dir)?.is_none();
    let has_journal = vfs
        .list(&journal_dir(dir))
        .is_ok_and(|files| !files.is_empty());
    if is_fresh && has_journal {
        return Err(OpenError::Damaged {
            path: dir.join(node_meta::NODE_META),
            damage: Damage::Missing,
        });
    }
    let identity = match node_meta::read(vfs, dir)? {
        Some(found) if found.node_id != node_id => {
            return Err(OpenError::ForeignNode {
                expected: node_id,
                found: found.node_id,
            });
        }
        Some(found) => NodeIdentity {
            incarnation: Incarnation(found.incarnation.0 + 1),
            ..found
        },
        None => NodeIdentity {
            cluster_id: None,
            node_id,
            node_uuid: NodeUuid(env.rng.bytes16()),
            incarnation: Incarnation(1),
        },
    };
    for made in [journal_dir(dir), crate::node::groups_dir(dir)] {
        vfs.create_dir_all(&made).map_err(io)?;
    }
    let segment_bytes = config.journal_segment_bytes;
    let recovered = recover(vfs, dir, identity.node_uuid, segment_bytes, mode)?;
    node_meta::write(vfs, dir, &identity).map_err(|failure| OpenError::failure(dir, failure))?;
    // The names of the directories above are durable before anything in them is believed.
    for above in dir.ancestors().skip(1) {
        if vfs.sync_dir(above).is_err() {
            break;
        }
    }
    Ok((lock, identity, recovered))
}

/// Gives a recovered group its place, and the machines what is left to do for it.
fn adopt(node: &Arc<Node>, recovered: RecoveredGroup, checkpointer: &mut Checkpointer) {
    let RecoveredGroup {
        id,
        kind,
        meta,
        state,
        unsynced,
    } = recovered;
    if let Some(damage) = state.damage {
        tracing::error!(group = %id, %damage, "group is damaged");
        node.work.want_checkpoint();
    }
    let unwritten_bytes = state.unwritten_bytes();
    let uncommitted_bytes = state.uncommitted_bytes;
    let group = Arc::new(GroupCore::new(id, kind, meta, Arc::downgrade(node), state));
    node.budget.appended(unwritten_bytes);
    node.budget.committed(unwritten_bytes - uncommitted_bytes);
    checkpointer.note(&group, Piece::unsynced(unsynced));
    if group.lock().enter_write_queue() {
        node.work.push_dirty(group.clone());
    }
    node.groups.lock().live.insert(id, group);
}

fn start(
    node: &Arc<Node>,
    wakes: &Wakes,
    end: JournalEnd,
    checkpointer: Checkpointer,
    env: &Env,
) -> io::Result<Machines> {
    let writer = JournalWriter::new(node.clone(), end);
    let writer = env
        .spawn
        .io_thread("floe-journal", wakes.writer.clone(), writer)?;
    let prewriter = if node.config.prewrite {
        let prewriter = Prewriter::new(node.clone());
        let wake = wakes.prewriter.clone();
        Some(env.spawn.io_thread("floe-prewrite", wake, prewriter)?)
    } else {
        None
    };
    let machine = SegmentMachine::new(node.clone(), checkpointer);
    let segments = env
        .spawn
        .io_thread("floe-segments", wakes.segments.clone(), machine)?;
    Ok(Machines {
        writer,
        prewriter,
        segments,
    })
}
