//! Fetch: record batches out, up to the high watermark.
//!
//! Only a leader that may serve answers. A long poll waits for a high watermark or a role to
//! change, never on a timer but its own end. A group member's fetch is served only when metadata
//! confirmed after the fetch arrived still has it as the owner.

use std::sync::Arc;
use std::time::Duration;

use floe_journal::ReadError;
use floe_model::{ErrorCode, LeaderEpoch, Offset};
use floe_rpc::{Failure, Fetch, FetchPart, FetchPartReply, WireBatch};
use futures::StreamExt as _;
use futures::future::Either;
use futures::stream::FuturesUnordered;

use crate::Broker;
use crate::broker::{hint_epoch, identity};
use crate::failure_facts::{fenced_token, out_of_range};
use crate::partition::Partition;

/// Longest wait that a request may ask for.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Most bytes in one answer, whatever is asked: it must fit a frame.
const BYTES_MAX: usize = 12 << 20;
/// How long to wait for the controller to confirm an owner.
const CONFIRM: Duration = Duration::from_secs(1);

/// What one look at all partitions gave.
struct Look {
    replies: Vec<FetchPartReply>,
    bytes: usize,
    failed: bool,
}

impl Broker {
    /// Reads record batches, waiting for `min_bytes` up to `wait_ms_max`.
    ///
    /// # Errors
    /// The whole request was refused.
    pub async fn fetch(&self, request: Fetch) -> Result<Vec<FetchPartReply>, Failure> {
        self.check_serving()?;
        let mut found = Vec::with_capacity(request.parts.len());
        for part in &request.parts {
            let partition = match self.check_owner(part) {
                Ok(()) => self.resolve(part.key).await,
                Err(failure) => Err(failure),
            };
            found.push(partition);
        }
        let wait = Duration::from_millis(request.wait_ms_max.into()).min(WAIT_MAX);
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        let mut expired = wait.is_zero();
        let look = loop {
            let changes = watch_changes(&found);
            let look = look(&request, &found, expired).await;
            let enough = look.bytes >= request.min_bytes as usize;
            if enough || look.failed || expired {
                break look;
            }
            tokio::select! {
                biased;
                () = changes => {}
                () = &mut end => expired = true,
                () = self.core.draining.cancelled() => expired = true,
            }
        };
        self.core.metrics.fetch_bytes.inc_by(look.bytes as u64);
        let replies = self.confirm_owners(&request, look).await;
        for failure in replies
            .iter()
            .filter_map(|reply| reply.outcome.as_ref().err())
        {
            self.core.metrics.failed("fetch", failure);
        }
        Ok(replies)
    }

    /// Refuses a member that is known here to own the partition no more. Tokens only grow, so
    /// metadata that is behind never refuses an owner.
    fn check_owner(&self, part: &FetchPart) -> Result<(), Failure> {
        let Some(owner) = &part.owner else {
            return Ok(());
        };
        let state = self.core.metadata.state();
        match state.token(&owner.group, &identity(part.key)) {
            Some(token) if token > owner.token => Err(fenced_token(owner.token, Some(token))),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes records back out of the answer where the member is not the owner for certain.
    async fn confirm_owners(&self, request: &Fetch, look: Look) -> Vec<FetchPartReply> {
        let mut replies = look.replies;
        let owned = |reply: &FetchPartReply| reply.outcome.as_ref().is_ok_and(|b| !b.is_empty());
        let asked = request.parts.iter().zip(&replies);
        if !asked
            .into_iter()
            .any(|(part, reply)| part.owner.is_some() && owned(reply))
        {
            return replies;
        }
        let confirmed = self.core.confirmer.confirm(CONFIRM).await;
        for (part, reply) in request.parts.iter().zip(&mut replies) {
            let Some(owner) = part.owner.as_ref().filter(|_| owned(reply)) else {
                continue;
            };
            let token = confirmed
                .as_ref()
                .map(|state| state.token(&owner.group, &identity(part.key)));
            match token {
                Ok(Some(token)) if token == owner.token => {}
                Ok(current) => reply.outcome = Err(fenced_token(owner.token, current)),
                Err(failure) => reply.outcome = Err((*failure).clone()),
            }
        }
        replies
    }
}

/// Resolves when one of the partitions may answer differently than now.
fn watch_changes(
    found: &[Result<Arc<Partition>, Failure>],
) -> impl Future<Output = ()> + Send + use<> {
    let changes: FuturesUnordered<_> = found
        .iter()
        .flatten()
        .flat_map(|partition| {
            let mut high_watermark = partition.log().watch_high_watermark();
            let mut role = partition.raft().watch_role();
            high_watermark.mark_unchanged();
            role.mark_unchanged();
            // An error means that the replica closed, which is a change as well.
            [
                Either::Left(async move { drop(high_watermark.changed().await) }),
                Either::Right(async move { drop(role.changed().await) }),
            ]
        })
        .collect();
    async move {
        let mut changes = changes;
        if changes.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

async fn look(request: &Fetch, found: &[Result<Arc<Partition>, Failure>], last: bool) -> Look {
    let mut look = Look {
        replies: Vec::with_capacity(found.len()),
        bytes: 0,
        failed: false,
    };
    let bytes_max = (request.bytes_max as usize).min(BYTES_MAX);
    for (part, found) in request.parts.iter().zip(found) {
        let room = bytes_max.saturating_sub(look.bytes);
        // One batch is always allowed, or a batch larger than the limit could never be read.
        let room = if look.bytes == 0 { room.max(1) } else { room };
        let reply = match found {
            Ok(partition) => read(partition, part, room, last).await,
            Err(failure) => failed(part, hint_epoch(failure), failure.clone()),
        };
        match &reply.outcome {
            Ok(batches) => look.bytes += batches.iter().map(size_bytes).sum::<usize>(),
            Err(_) => look.failed = true,
        }
        look.replies.push(reply);
    }
    look
}

async fn read(partition: &Partition, part: &FetchPart, room: usize, last: bool) -> FetchPartReply {
    let leader_epoch = match partition.serving_epoch() {
        Ok(epoch) => epoch,
        Err(failure) => return failed(part, hint_epoch(&failure), failure),
    };
    let log = partition.log();
    let mut high_watermark = log.high_watermark();
    if floe_model::mutant!("uncommitted-read") {
        high_watermark = log.next_offset();
    }
    let log_start_offset = partition.log_start_offset();
    let outcome = if part.offset < log_start_offset {
        let end = log.next_offset();
        Err(out_of_range(part.offset, log_start_offset, end))
    } else if part.offset > log.next_offset() {
        // A leader that was replaced unnoticed may lack what its successor has.
        let certain = partition.leads_for_certain(leader_epoch).await;
        let end = log.next_offset();
        Err(if certain && part.offset > end {
            out_of_range(part.offset, log_start_offset, end)
        } else {
            ErrorCode::OffsetNotAvailable.into()
        })
    } else if part.offset > high_watermark {
        // Appended and not committed yet: it will be soon, or never have been.
        if last {
            Err(ErrorCode::OffsetNotAvailable.into())
        } else {
            Ok(Vec::new())
        }
    } else if part.offset == high_watermark || room == 0 {
        Ok(Vec::new())
    } else {
        let bytes_max = (part.bytes_max as usize).clamp(1, room);
        match log.fetch(part.offset, bytes_max, high_watermark).await {
            Ok(batches) => Ok(batches.iter().map(WireBatch::from_batch).collect()),
            Err(error) => Err(read_failure(partition, &error)),
        }
    };
    FetchPartReply {
        key: part.key,
        log_start_offset,
        high_watermark,
        leader_epoch,
        outcome,
    }
}

/// A failed read in the words of the client protocol.
pub(crate) fn read_failure(partition: &Partition, error: &ReadError) -> Failure {
    match error {
        ReadError::OffsetOutOfRange { .. } | ReadError::Purged { .. } => {
            ErrorCode::OffsetOutOfRange.into()
        }
        ReadError::Gap { .. } => ErrorCode::OffsetNotAvailable.into(),
        ReadError::Damaged(_) | ReadError::Io { .. } => {
            let (topic, index) = (&partition.topic, partition.key.partition);
            tracing::error!(%topic, partition = %index, %error, "read failed");
            let raft = partition.raft();
            // Others have what this disk lost, and one of them will lead.
            if raft.withdraw_damaged() && raft.voters().len() > 1 {
                return ErrorCode::NotLeader.into();
            }
            ErrorCode::StorageFailed.into()
        }
    }
}

fn failed(part: &FetchPart, leader_epoch: LeaderEpoch, failure: Failure) -> FetchPartReply {
    let unknown = Offset(-1);
    FetchPartReply {
        key: part.key,
        log_start_offset: unknown,
        high_watermark: unknown,
        leader_epoch,
        outcome: Err(failure),
    }
}

fn size_bytes(batch: &WireBatch) -> usize {
    batch.prefix.len() + batch.body.len()
}
