//! The store as a whole: opening, groups, status, shutdown.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use floe_env::{DirLock, Env, IoThread};
use floe_model::{ClusterId, Incarnation, NodeId, NodeUuid, RaftGroupId};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::checkpointer::Checkpointer;
use crate::group_core::GroupCore;
use crate::health::Health;
use crate::journal_queue::{FrameBody, JournalQueue};
use crate::journal_space::JournalSpace;
use crate::log_position::LogPosition;
use crate::log_state::LogState;
use crate::metrics::Counters;
use crate::node::{GroupTable, Node, Wakes, journal_dir};
use crate::node_meta;
use crate::prewriter::Prewriter;
use crate::recovery::{Recovered, RecoveredGroup, recover};
use crate::segment_cache::SegmentCache;
use crate::segment_header::JOURNAL_BLOCK_BYTES;
use crate::segment_machine::SegmentMachine;
use crate::segment_recovery::RecoveryMode;
use crate::segment_work::{FileWork, SegmentWork};
use crate::segment_write::Piece;
use crate::tail_budget::TailBudget;
use crate::writer::{JournalEnd, JournalWriter};
use crate::{
    Damage, Durable, GroupKind, GroupLog, JournalConfig, JournalMetrics, NodeIdentity, OnDurable,
    OpenError, StoreError, StoreStatus,
};

const SEGMENTS_MIN: u64 = 4;
/// Partition segments kept open.
const SEGMENT_FILES_OPEN: usize = 512;

/// The store of one node. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    node: Arc<Node>,
    identity: Mutex<NodeIdentity>,
    /// Taken by the one shutdown.
    machines: Mutex<Option<Machines>>,
    _lock: Box<dyn DirLock>,
}

struct Machines {
    writer: IoThread,
    prewriter: Option<IoThread>,
    segments: IoThread,
}

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
            groups: Mutex::new(GroupTable::default()),
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
        Ok(Self {
            inner: Arc::new(Inner {
                node,
                identity: Mutex::new(identity),
                machines: Mutex::new(Some(machines)),
                _lock: lock,
            }),
        })
    }

    /// Whose store this is.
    #[must_use]
    pub fn identity(&self) -> NodeIdentity {
        *self.inner.identity.lock()
    }

    /// Binds the directory to a cluster, once and durably.
    ///
    /// # Errors
    /// It belongs to another cluster, or could not be written.
    pub async fn set_cluster_id(&self, cluster_id: ClusterId) -> Result<(), StoreError> {
        let mut identity = self.identity();
        match identity.cluster_id {
            Some(found) if found == cluster_id => return Ok(()),
            Some(found) => return Err(StoreError::ForeignCluster { found }),
            None => identity.cluster_id = Some(cluster_id),
        }
        let node = self.inner.node.clone();
        let written = self.inner.node.spawn.blocking(move || {
            let dir = &node.config.dir;
            node_meta::write(&*node.vfs, dir, &identity).map_err(|failure| node.fail(failure))
        });
        written.await.unwrap_or(Err(StoreError::Closed))?;
        self.inner.identity.lock().cluster_id = Some(cluster_id);
        Ok(())
    }

    /// The groups that exist, ascending.
    #[must_use]
    pub fn groups(&self) -> Vec<RaftGroupId> {
        self.inner.node.groups.lock().live.keys().copied().collect()
    }

    /// Groups of which the journal lost frames and does not even know that they exist. Their ids
    /// cannot be created again here.
    #[must_use]
    pub fn lost_groups(&self) -> Vec<(RaftGroupId, Damage)> {
        let groups = self.inner.node.groups.lock();
        groups
            .lost
            .iter()
            .map(|(id, damage)| (*id, *damage))
            .collect()
    }

    /// One group.
    #[must_use]
    pub fn group(&self, id: RaftGroupId) -> Option<GroupLog> {
        let groups = self.inner.node.groups.lock();
        groups.live.get(&id).cloned().map(GroupLog::new)
    }

    /// Makes a group durably. Doing so again with equal arguments changes nothing.
    ///
    /// # Errors
    /// The id was deleted once, exists with other arguments, or the store failed.
    pub async fn create_group(
        &self,
        id: RaftGroupId,
        kind: GroupKind,
        meta: Bytes,
    ) -> Result<GroupLog, StoreError> {
        let node = &self.inner.node;
        let limit_bytes = node.frame_bytes_max() / 2;
        if meta.len() as u64 > limit_bytes {
            return Err(StoreError::TooLarge {
                size_bytes: meta.len() as u64,
                limit_bytes,
            });
        }
        let existing = {
            let groups = node.groups.lock();
            if groups.deleted.contains(&id) {
                return Err(StoreError::Deleted(id));
            }
            if let Some(damage) = groups.lost.get(&id) {
                let (group, damage) = (id, *damage);
                return Err(StoreError::Lost { group, damage });
            }
            groups.live.get(&id).cloned()
        };
        if let Some(group) = existing {
            return same_group(group, kind, &meta);
        }
        let state = LogState::new(LogPosition::ORIGIN);
        let made = GroupCore::new(id, kind, meta.clone(), Arc::downgrade(node), state);
        let made = Arc::new(made);
        let body = FrameBody::Create {
            kind,
            meta: meta.clone(),
        };
        // The group joins the table on the journal thread: no checkpoint image taken after its
        // frame was written misses it.
        let (table, newcomer) = (Arc::downgrade(node), made.clone());
        let join = move || {
            if let Some(node) = table.upgrade() {
                let mut groups = node.groups.lock();
                if !groups.deleted.contains(&newcomer.id) {
                    groups.live.entry(newcomer.id).or_insert(newcomer);
                }
            }
        };
        durable(node, &made, body, meta.len() + 1, join).await?;
        match self.group(id) {
            Some(group) => same_group(group.core().clone(), kind, &meta),
            None => Err(StoreError::Deleted(id)),
        }
    }

    /// Deletes a group durably; its files go later.
    ///
    /// # Errors
    /// The group does not exist, or the store failed.
    pub async fn delete_group(&self, id: RaftGroupId) -> Result<(), StoreError> {
        let node = &self.inner.node;
        let group = {
            let groups = node.groups.lock();
            if groups.deleted.contains(&id) {
                return Ok(());
            }
            let group = groups.live.get(&id).cloned();
            group.ok_or(StoreError::UnknownGroup(id))?
        };
        group.mark_deleted();
        let (table, leaving) = (Arc::downgrade(node), group.clone());
        let leave = move || {
            if let Some(node) = table.upgrade() {
                let mut groups = node.groups.lock();
                groups.deleted.insert(id);
                groups.live.remove(&id);
                drop(groups);
                leaving.forget(&node);
                node.work.push_files(FileWork::RemoveGroup(id));
            }
        };
        durable(node, &group, FrameBody::Delete, 0, leave)
            .await
            .map(drop)
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.inner.node
    }

    /// Follows whether the store takes data.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<StoreStatus> {
        self.inner.node.health.watch()
    }

    /// A reading of all counters.
    #[must_use]
    pub fn metrics(&self) -> JournalMetrics {
        let node = &self.inner.node;
        let usage = node.space.usage();
        JournalMetrics {
            free_journal_segments: usage.free as u64,
            used_journal_segments: usage.used as u64,
            tail_bytes: node.budget.tail_bytes(),
            unwritten_bytes: node.budget.unwritten_bytes(),
            queued_bytes: node.queue.bytes(),
            ..node.counters.read()
        }
    }

    /// Writes and syncs everything, and ends the machines. New changes are refused from the
    /// first moment on; clones of this handle and of groups stay readable.
    ///
    /// # Errors
    /// The store was poisoned before or during this.
    pub async fn shutdown(self) -> Result<(), StoreError> {
        let Some(machines) = self.inner.machines.lock().take() else {
            return Ok(());
        };
        let node = &self.inner.node;
        node.queue.close();
        node.space.close();
        if let Some(prewriter) = machines.prewriter {
            prewriter.join().await;
        }
        machines.writer.join().await;
        // Everything is durable now, so everything applied can be written.
        node.work.close();
        machines.segments.join().await;
        match node.health.poisoned() {
            Some(cause) => Err(StoreError::Poisoned(cause)),
            None => Ok(()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.node.queue.close();
        self.node.space.close();
        self.node.work.close();
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

fn same_group(
    group: Arc<GroupCore>,
    kind: GroupKind,
    meta: &Bytes,
) -> Result<GroupLog, StoreError> {
    if group.kind == kind && group.meta == *meta {
        Ok(GroupLog::new(group))
    } else {
        Err(StoreError::GroupDiffers(group.id))
    }
}

/// Queues a frame and waits until it is on disk; `effect` happens on the journal thread then.
async fn durable(
    node: &Node,
    group: &Arc<GroupCore>,
    body: FrameBody,
    payload_bytes: usize,
    effect: impl FnOnce() + Send + 'static,
) -> Result<Durable, StoreError> {
    let (answer, finished) = on_durable();
    let done = Box::new(move |result: Result<Durable, StoreError>| {
        if result.is_ok() {
            effect();
        }
        answer(result);
    });
    group.push_frame(node, body, payload_bytes, Some(done));
    finished.await.unwrap_or(Err(StoreError::Closed))
}

/// A callback and what it will say.
pub(crate) fn on_durable() -> (OnDurable, oneshot::Receiver<Result<Durable, StoreError>>) {
    let (sender, finished) = oneshot::channel();
    // Whoever asked may have given up; the frame is durable all the same.
    (Box::new(|result| drop(sender.send(result))), finished)
}
