//! Which groups a store has: making, finding and deleting them.
//!
//! Invariant: an id that was deleted is never made again, one that was lost only by a renewal. A
//! group joins and leaves the table on the journal thread, right after its frame is on disk, so
//! that a checkpoint image never disagrees with the frames it makes unnecessary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use floe_model::RaftGroupId;

use crate::durable::on_durable;
use crate::group_core::GroupCore;
use crate::journal_queue::FrameBody;
use crate::log_position::LogPosition;
use crate::log_state::LogState;
use crate::node::Node;
use crate::segment_work::FileWork;
use crate::{Damage, Durable, GroupKind, GroupLog, Journal, StoreError};

/// The groups of a store.
#[derive(Default)]
pub(crate) struct GroupTable {
    pub(crate) live: BTreeMap<RaftGroupId, Arc<GroupCore>>,
    pub(crate) deleted: BTreeSet<RaftGroupId>,
    /// Groups that the journal lost, their creation perhaps included.
    pub(crate) lost: BTreeMap<RaftGroupId, Damage>,
}

impl Journal {
    /// The groups that exist, ascending.
    #[must_use]
    pub fn groups(&self) -> Vec<RaftGroupId> {
        self.node().groups.lock().live.keys().copied().collect()
    }

    /// The groups whose data here is damaged or lost, ascending, and whether the next start will
    /// know that for sure.
    #[must_use]
    pub fn damaged_groups(&self) -> Vec<(RaftGroupId, bool)> {
        let groups = self.node().groups.lock();
        // What was lost is lost to every start that reads the same journal, or it is in the image.
        let lost = groups.lost.keys().map(|id| (*id, true));
        let damaged = groups.live.values().filter_map(|group| {
            let state = group.lock();
            state.damage.map(|_| (group.id, state.damage_recorded))
        });
        let all: BTreeMap<_, _> = damaged.chain(lost).collect();
        all.into_iter().collect()
    }

    /// Groups of which the journal lost frames and does not even know that they exist. Their ids
    /// cannot be created again here, only renewed.
    #[must_use]
    pub fn lost_groups(&self) -> Vec<(RaftGroupId, Damage)> {
        let groups = self.node().groups.lock();
        groups
            .lost
            .iter()
            .map(|(id, damage)| (*id, *damage))
            .collect()
    }

    /// One group.
    #[must_use]
    pub fn group(&self, id: RaftGroupId) -> Option<GroupLog> {
        let groups = self.node().groups.lock();
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
        let node = self.node();
        check_meta(node, &meta)?;
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
        let node = self.node();
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
}

/// Refuses meta data that would make too large a frame.
pub(crate) fn check_meta(node: &Node, meta: &Bytes) -> Result<(), StoreError> {
    let (size_bytes, limit_bytes) = (meta.len() as u64, node.frame_bytes_max() / 2);
    if size_bytes > limit_bytes {
        return Err(StoreError::TooLarge {
            size_bytes,
            limit_bytes,
        });
    }
    Ok(())
}

pub(crate) fn same_group(
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
pub(crate) async fn durable(
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
