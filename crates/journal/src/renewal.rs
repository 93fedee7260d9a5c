//! Begins a group anew under its id: what a damaged replica left is set aside, and its successor
//! starts with an empty log.
//!
//! Order: the old life takes no more changes; its files leave the group's directory, durably;
//! then one RENEW frame ends it and begins the new one. A crash before the frame leaves the old
//! life, and what it lacks by then is damage; after the frame nothing of it is believed. That
//! nobody needs what is given up is for the caller to know.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use floe_model::{Incarnation, RaftGroupId};
use tokio::sync::oneshot;

use crate::group_core::GroupCore;
use crate::group_table::{check_meta, durable, same_group};
use crate::journal_queue::FrameBody;
use crate::log_position::LogPosition;
use crate::log_state::LogState;
use crate::node::Node;
use crate::segment_work::FileWork;
use crate::{GroupKind, GroupLog, Journal, StoreError};

/// The files of one group, to be moved out of its directory.
pub(crate) struct SetAside {
    pub(crate) id: RaftGroupId,
    incarnation: Incarnation,
    done: oneshot::Sender<()>,
}

impl Journal {
    /// Ends what a damaged or lost group was and begins it anew with other `meta`, which it never
    /// had before, and an empty log, durably. The files of before are kept under `damaged`.
    /// Doing so again with equal `meta` changes nothing.
    ///
    /// # Errors
    /// The group was deleted, never was, or no checkpoint image says that it is damaged; or the
    /// store failed, and the group takes no changes until this succeeds.
    pub async fn renew_group(
        &self,
        id: RaftGroupId,
        kind: GroupKind,
        meta: Bytes,
    ) -> Result<GroupLog, StoreError> {
        let node = self.node();
        check_meta(node, &meta)?;
        let _alone = node.renewals.lock().await;
        let former = {
            let groups = node.groups.lock();
            if groups.deleted.contains(&id) {
                return Err(StoreError::Deleted(id));
            }
            match groups.live.get(&id) {
                Some(group) => Some(group.clone()),
                None if groups.lost.contains_key(&id) => None,
                None => return Err(StoreError::UnknownGroup(id)),
            }
        };
        if let Some(former) = former {
            if former.meta == meta {
                return same_group(former, kind, &meta);
            }
            if !former.lock().damage_recorded {
                return Err(StoreError::NotDamaged(id));
            }
            // Under its lock, before the frame: no frame of it comes behind that one.
            former.mark_deleted();
        }
        let (done, finished) = oneshot::channel();
        node.work.push_files(FileWork::SetAside(SetAside {
            id,
            incarnation: self.identity().incarnation,
            done,
        }));
        if finished.await.is_err() {
            return Err(node.stopped());
        }
        let state = LogState::new(LogPosition::ORIGIN);
        let made = GroupCore::new(id, kind, meta.clone(), Arc::downgrade(node), state);
        let made = Arc::new(made);
        let body = FrameBody::Renew {
            kind,
            meta: meta.clone(),
        };
        let (table, newcomer) = (Arc::downgrade(node), made.clone());
        let succeed = move || {
            if let Some(node) = table.upgrade() {
                take_over(&node, newcomer);
            }
        };
        durable(node, &made, body, meta.len() + 1, succeed).await?;
        match self.group(id) {
            Some(group) => same_group(group.core().clone(), kind, &meta),
            None => Err(StoreError::Deleted(id)),
        }
    }
}

/// Puts the new life in the place of the old one, on the journal thread.
fn take_over(node: &Node, newcomer: Arc<GroupCore>) {
    let id = newcomer.id;
    let mut groups = node.groups.lock();
    if groups.deleted.contains(&id) {
        return;
    }
    groups.lost.remove(&id);
    let former = groups.live.insert(id, newcomer);
    drop(groups);
    if let Some(former) = former {
        former.forget(node);
    }
    node.cache.forget_group(id);
}

impl SetAside {
    /// Moves the files. On the thread that alone writes them.
    pub(crate) fn carry_out(&self, node: &Node) -> io::Result<()> {
        let (vfs, dir) = (&*node.vfs, &node.config.dir);
        let from = node.group_dir(self.id);
        let files = match vfs.list(&from) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if !files.is_empty() {
            let above = damaged_dir(dir);
            let to = above.join(format!("{}{}", prefix(self.id), self.incarnation.0));
            vfs.create_dir_all(&to)?;
            for file in &files {
                vfs.rename(&from.join(&file.name), &to.join(&file.name))?;
            }
            for made in [&to, &above, dir] {
                vfs.sync_dir(made)?;
            }
        }
        // Also when it is empty: an earlier process may have moved them and not come to this.
        vfs.sync_dir(&from)?;
        node.cache.forget_group(self.id);
        Ok(())
    }

    /// Tells who waits that the files are moved.
    pub(crate) fn finish(self) {
        // Who gave up will ask again.
        let _gone = self.done.send(());
    }
}

/// Removes what was set aside of a group that is deleted.
pub(crate) fn remove_set_aside(node: &Node, id: RaftGroupId) -> io::Result<()> {
    let above = damaged_dir(&node.config.dir);
    let kept = match node.vfs.list(&above) {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let prefix = prefix(id);
    for entry in kept.iter().filter(|entry| entry.name.starts_with(&prefix)) {
        node.vfs.remove_dir_all(&above.join(&entry.name))?;
    }
    Ok(())
}

fn damaged_dir(dir: &Path) -> PathBuf {
    dir.join("damaged")
}

fn prefix(id: RaftGroupId) -> String {
    format!("{:016x}.", id.0)
}
