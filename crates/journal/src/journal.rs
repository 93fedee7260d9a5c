//! The store as a whole: whose it is, how it fares, and its end.

use std::sync::Arc;

use floe_env::{DirLock, IoThread};
use floe_model::ClusterId;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::node::Node;
use crate::{JournalMetrics, NodeIdentity, StoreError, StoreStatus, node_meta};

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

/// The threads of a store.
pub(crate) struct Machines {
    pub(crate) writer: IoThread,
    pub(crate) prewriter: Option<IoThread>,
    pub(crate) segments: IoThread,
}

impl Journal {
    pub(crate) fn running(
        node: Arc<Node>,
        identity: NodeIdentity,
        machines: Machines,
        lock: Box<dyn DirLock>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                node,
                identity: Mutex::new(identity),
                machines: Mutex::new(Some(machines)),
                _lock: lock,
            }),
        }
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
            journal_writes: node.write_mode.seen(),
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
