//! The store as a whole.
use bytes::Bytes;
use floe_env::Env;
use floe_model::{ClusterId, NodeId, RaftGroupId};
use tokio::sync::watch;
use crate::{GroupKind, GroupLog, JournalConfig, JournalMetrics, NodeIdentity, OpenError, StoreError, StoreStatus};

/// The store of one node. Cheap to clone.
#[derive(Clone)]
pub struct Journal;

#[allow(missing_docs, unused_variables, clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::must_use_candidate, clippy::unused_async)]
impl Journal {
    pub async fn open(config: JournalConfig, node_id: NodeId, env: &Env) -> Result<Journal, OpenError> { unimplemented!() }
    pub fn identity(&self) -> NodeIdentity { unimplemented!() }
    pub async fn set_cluster_id(&self, cluster_id: ClusterId) -> Result<(), StoreError> { unimplemented!() }
    pub fn groups(&self) -> Vec<RaftGroupId> { unimplemented!() }
    pub fn group(&self, id: RaftGroupId) -> Option<GroupLog> { unimplemented!() }
    pub async fn create_group(&self, id: RaftGroupId, kind: GroupKind, meta: Bytes) -> Result<GroupLog, StoreError> { unimplemented!() }
    pub async fn delete_group(&self, id: RaftGroupId) -> Result<(), StoreError> { unimplemented!() }
    pub fn status(&self) -> watch::Receiver<StoreStatus> { unimplemented!() }
    pub fn metrics(&self) -> JournalMetrics { unimplemented!() }
    pub async fn shutdown(self) -> Result<(), StoreError> { unimplemented!() }
}
