//! Removes old records: by age, by size, by order of a client; and old offsets of groups that
//! nobody uses.
//!
//! What is removed is decided by the leader and replicated as a trim; each replica deletes
//! segments behind the committed log start on its own. Only partitions with a closed segment are
//! looked at: they enter a queue when a segment rolls and leave it when one is left.

use std::collections::BTreeSet;
use std::sync::Arc;

use floe_group::offsets;
use floe_journal::SegmentInfo;
use floe_model::{GroupName, Offset, RaftGroupId};
use floe_rpc::Failure;
use parking_lot::Mutex;

use crate::coordinator::OffsetsReplica;
use crate::core::Core;
use crate::partition::{Control, Partition};

/// Partitions that have something to remove now or later.
#[derive(Clone, Default)]
pub(crate) struct DueQueue {
    /// Held to add or take.
    groups: Arc<Mutex<BTreeSet<RaftGroupId>>>,
}

impl DueQueue {
    pub(crate) fn add(&self, group: RaftGroupId) {
        self.groups.lock().insert(group);
    }

    pub(crate) fn take(&self) -> BTreeSet<RaftGroupId> {
        std::mem::take(&mut self.groups.lock())
    }
}

/// Looks at what is due, once in a while. Runs until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        tokio::time::sleep(core.config.retention_check).await;
        for group in core.due.take() {
            let Some(partition) = core.partitions.by_group(group) else {
                continue;
            };
            if let Err(failure) = enforce(&core, &partition).await {
                tracing::debug!(%group, %failure, "retention postponed");
            }
            if partition.log().segments().len() > 1 {
                core.due.add(group);
            }
        }
        for replica in core.coordinators.all() {
            expire_offsets(&core, &replica).await;
        }
    }
}

/// Drops old offsets of groups without members, as their coordinator.
async fn expire_offsets(core: &Core, replica: &OffsetsReplica) {
    let Ok(epoch) = replica.serving_epoch() else {
        return;
    };
    let kept_ms = i64::try_from(core.config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
    let before_ms = core.env.clock.wall_ms().saturating_sub(kept_ms);
    let aged: Vec<GroupName> = replica.state.lock().aged(before_ms).cloned().collect();
    for group in aged {
        let command = offsets::Command::Expire { group, before_ms };
        // A group that has members again refuses, and keeps them.
        if let Err(failure) = replica.command(epoch, &command).await {
            tracing::debug!(index = replica.index, %failure, "old offsets are kept for now");
        }
        if replica.serving_epoch() != Ok(epoch) {
            return;
        }
    }
}

/// Trims what the topic's settings no longer keep, as the leader; then drops, as any replica,
/// the segments that lie wholly below the log start.
async fn enforce(core: &Core, partition: &Partition) -> Result<(), Failure> {
    if partition.serving_epoch().is_ok() {
        let state = core.metadata.state();
        let Some(topic) = state.topic(&partition.key.topic_id) else {
            return Ok(());
        };
        let keep = Keep {
            after_ms: topic.config.retention_ms().map(|age_ms| {
                core.env
                    .clock
                    .wall_ms()
                    .saturating_sub(i64::try_from(age_ms).unwrap_or(i64::MAX))
            }),
            bytes: topic.config.retention_bytes(),
        };
        if let Some(before) = first_kept(&partition.log().segments(), &keep)
            && before > partition.log_start_offset()
        {
            partition.control(Control::TrimBefore(before)).await?;
        }
    }
    if let Err(error) = partition.raft().trim(partition.log_start_offset()).await {
        tracing::debug!(group = %partition.group(), %error, "segments not dropped yet");
    }
    Ok(())
}

/// What a topic's settings keep.
struct Keep {
    /// Records with a later timestamp.
    after_ms: Option<i64>,
    /// At least the newest so many bytes.
    bytes: Option<u64>,
}

/// The base offset of the first segment to keep; `None` when all are. The last one, which is
/// still written, always is.
fn first_kept(segments: &[SegmentInfo], keep: &Keep) -> Option<Offset> {
    let (_, closed) = segments.split_last()?;
    let mut bytes: u64 = segments.iter().map(|segment| segment.size_bytes).sum();
    let mut dropped = 0;
    for segment in closed {
        let too_old = keep
            .after_ms
            .is_some_and(|after_ms| segment.max_timestamp_ms < after_ms);
        let too_much = keep
            .bytes
            .is_some_and(|limit| bytes - segment.size_bytes >= limit);
        if !too_old && !too_much {
            break;
        }
        bytes -= segment.size_bytes;
        dropped += 1;
    }
    (dropped > 0).then(|| segments[dropped].base_offset)
}

#[cfg(test)]
mod tests;
