//! Makes a damaged data directory usable again by giving up what cannot be read.
//!
//! For the last replica of a partition only: any other is replaced from its peers. Each group is
//! cut to its readable prefix, which its rescue file may continue; what no partition segment holds
//! of it is written to the journal again, behind the damage; the last checkpoint then frees
//! everything before. Stopped halfway, the directory is as damaged as before and repair starts
//! over.

use std::path::Path;

use floe_env::Env;
use floe_model::{LogIndex, RaftGroupId};

use crate::durable::on_durable;
use crate::offline::Offline;
use crate::segment_recovery::RecoveryMode;
use crate::{Damage, Journal, JournalConfig, OpenError, StoreError};

/// What was given up of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The group.
    pub group: RaftGroupId,
    /// What was damaged.
    pub damage: Damage,
    /// The readable prefix ended before this index.
    pub from_index: LogIndex,
    /// The group is damaged still: its log start has no state to begin with.
    pub is_beyond_repair: bool,
}

/// Why a repair did not finish.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The directory could not be read or taken.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Writing failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Repairs the directory of a stopped node, accepting the loss of what is damaged.
///
/// # Errors
/// The directory is in use or unreadable as a whole, or writing failed.
pub async fn repair(dir: &Path, env: &Env) -> Result<Vec<GivenUp>, RepairError> {
    let (vfs, looked_at) = (env.vfs.clone(), dir.to_owned());
    let look = move || {
        let offline = Offline::open(vfs, &looked_at)?;
        let node_id = offline.identity().node_id;
        Ok::<_, OpenError>((node_id, offline.journal_segment_bytes(), offline.damages()?))
    };
    let looked = env.spawn.blocking(look).await;
    let (node_id, segment_bytes, damages) =
        looked.map_err(|source| OpenError::io(dir, source))??;
    let mut config = JournalConfig {
        prewrite: false,
        ..JournalConfig::new(dir)
    };
    config.journal_segment_bytes = segment_bytes.unwrap_or(config.journal_segment_bytes);
    let journal = Journal::open_in(config, node_id, env, RecoveryMode::AcceptLoss).await?;
    let node = journal.node().clone();
    node.groups.lock().lost.clear();
    let groups: Vec<_> = node.groups.lock().live.values().cloned().collect();
    let mut last = None;
    for group in &groups {
        group.reappend(&node, u64::MAX);
        let (done, finished) = on_durable();
        group.push_frame(
            &node,
            crate::journal_queue::FrameBody::Nothing,
            0,
            Some(done),
        );
        last = Some(finished);
    }
    if let Some(finished) = last {
        finished.await.unwrap_or(Err(StoreError::Closed))?;
    }
    let given_up = damages.into_iter().map(|(group, damage)| {
        let core = groups.iter().find(|core| core.id == group);
        let (from_index, rest) = core.map_or((LogIndex(0), Some(damage)), |core| {
            let state = core.lock();
            (state.tail.end().next_index(), state.damage)
        });
        GivenUp {
            group,
            damage,
            from_index,
            is_beyond_repair: rest.is_some(),
        }
    });
    let given_up = given_up.collect();
    journal.shutdown().await?;
    Ok(given_up)
}
