//! Answers the other nodes.
//!
//! A message names the replica and the disk it is for; one for an unknown, deleted or other
//! replica is refused and creates nothing. Appends are handed to openraft in the order in which
//! they arrive on the connection: within the call of [`PeerService::handle`], before the future
//! it returns is first polled.

use std::sync::Arc;
use std::time::Duration;

use floe_journal::{GroupKind, StoreStatus};
use floe_model::RaftGroupId;
use floe_rpc::{
    AgreeLeaderless, AgreeLeaderlessReply, AppendEntries, AppendOutcome, AppendReply, Beat,
    BeatReply, ClusterReply, ClusterRequest, Context, Failure, LastLogIds, LastLogIdsReply,
    LeaderlessQuestion, LeaderlessVerdict, LogEnd, PeerApi, PeerApiRequest, PeerApiResponse,
    PeerIdentity, Route, Serve as _, ServerError, SnapshotChunk, SnapshotReply, TransferLeader,
    TransferReply, VoteReply, VoteRequest,
};
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};

use super::core::NodeCore;
use super::snapshot_inbox::Piece;
use crate::binding::layout::{self, LayoutError};
use crate::binding::type_config::{LogEntry, Types, from_raft, to_raft};
use crate::replica::Replica;

/// Time for one append to be durable, less than its caller waits.
const APPEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves one connection of one peer.
#[derive(Clone)]
pub(crate) struct PeerService {
    core: Arc<NodeCore>,
    peer: PeerIdentity,
}

/// An append that openraft has, or that was refused.
enum Begun {
    Refused(AppendOutcome),
    Queued(BoxFuture<'static, AppendOutcome>),
}

impl PeerService {
    pub(crate) fn new(core: Arc<NodeCore>, peer: PeerIdentity) -> Self {
        Self { core, peer }
    }

    /// Takes a request in arrival order and returns its answer to come.
    pub(crate) fn handle(
        &self,
        context: Context,
        request: PeerApiRequest,
    ) -> BoxFuture<'static, Result<PeerApiResponse, ServerError>> {
        match request {
            PeerApiRequest::Append { requests } => {
                let replies = self.begin_appends(requests);
                async move { Ok(PeerApiResponse::Append(replies.await)) }.boxed()
            }
            request => self.clone().serve().serve(context, request).boxed(),
        }
    }

    fn begin_appends(&self, requests: Vec<AppendEntries>) -> BoxFuture<'static, Vec<AppendReply>> {
        let begun = requests.into_iter().map(|request| {
            let group = request.route.group;
            let begun = self.begin_append(request);
            async move {
                let outcome = match begun {
                    Begun::Refused(outcome) => outcome,
                    // A stuck group must not hold up the others in its call.
                    Begun::Queued(outcome) => tokio::time::timeout(APPEND_TIMEOUT, outcome)
                        .await
                        .unwrap_or(AppendOutcome::Busy),
                };
                AppendReply { group, outcome }
            }
        });
        let begun: Vec<_> = begun.collect();
        join_all(begun).boxed()
    }

    fn begin_append(&self, mut request: AppendEntries) -> Begun {
        let Some(replica) = self.replica(&request.route) else {
            return Begun::Refused(AppendOutcome::UnknownReplica);
        };
        if replica.signals.is_damaged() {
            return Begun::Refused(AppendOutcome::Damaged);
        }
        if self
            .core
            .liveness
            .lock()
            .is_unchecked(replica.spec.group, self.peer.node_id)
        {
            return Begun::Refused(AppendOutcome::Busy);
        }
        // A full store keeps voting and committing what it has, but takes no more: entries that
        // wait for room behind openraft would fill the memory instead.
        let is_full = matches!(*self.core.store_status.borrow(), StoreStatus::Full { .. });
        let left_out = is_full
            && replica.log.kind() == GroupKind::Data
            && !std::mem::take(&mut request.entries).is_empty();
        let Ok(request) = append_request(request) else {
            return Begun::Refused(AppendOutcome::Stopped);
        };
        let raft = replica.raft.clone();
        let append = async move {
            match raft.append_entries(request).await {
                Ok(AppendEntriesResponse::Success) if left_out => AppendOutcome::Busy,
                Ok(AppendEntriesResponse::Success) => AppendOutcome::Appended,
                Ok(AppendEntriesResponse::PartialSuccess(upto)) => {
                    AppendOutcome::AppendedUpto(upto.as_ref().map(from_raft))
                }
                Ok(AppendEntriesResponse::Conflict) => AppendOutcome::Conflict,
                Ok(AppendEntriesResponse::HigherVote(vote)) => {
                    AppendOutcome::HigherVote(layout::encode_vote(&vote).into())
                }
                Err(_) => AppendOutcome::Stopped,
            }
        };
        queue_now(append.boxed()).map_or_else(Begun::Refused, Begun::Queued)
    }

    /// The replica that a message is for, if it is here and on this disk.
    fn replica(&self, route: &Route) -> Option<Arc<Replica>> {
        let replica = self.core.replica(route.group)?;
        let ours = self.core.journal.identity().node_uuid == route.to_node_uuid;
        (ours && replica.spec.replica_id == route.to).then_some(replica)
    }

    /// A replica that may vote for one on the peer's node: not damaged, and its log checked.
    fn voter(&self, route: &Route) -> Result<Arc<Replica>, VoteReply> {
        let replica = self.replica(route).ok_or(VoteReply::UnknownReplica)?;
        let checked = self
            .core
            .liveness
            .lock()
            .may_vote_for(route.group, self.peer.node_id);
        if checked && !replica.is_stopped() {
            Ok(replica)
        } else {
            Err(VoteReply::MayNotVote)
        }
    }

    async fn decide(&self, request: VoteRequest, pre_vote: bool) -> VoteReply {
        let replica = match self.voter(&request.route) {
            Ok(replica) => replica,
            Err(refusal) => return refusal,
        };
        let Ok(vote) = layout::decode_vote(&request.vote) else {
            return VoteReply::MayNotVote;
        };
        let last_log_id = request.last_log_id.map(to_raft);
        let mut vote_request = openraft::raft::VoteRequest::new(vote, last_log_id);
        let (now, group) = (self.core.now(), request.route.group);
        let passes = self
            .core
            .liveness
            .lock()
            .lets_pass(group, self.peer.node_id, now);
        // Skips the leases, which are a day long; never the checks of log and term.
        vote_request.leadership_transfer = request.leadership_transfer || passes;
        let decision = if pre_vote {
            replica.raft.pre_vote(vote_request).await
        } else {
            replica.raft.vote(vote_request).await
        };
        match decision {
            Ok(response) => VoteReply::Voted {
                vote: layout::encode_vote(&response.vote).into(),
                granted: response.vote_granted,
                last_log_id: response.last_log_id.as_ref().map(from_raft),
            },
            Err(_) => VoteReply::MayNotVote,
        }
    }

    fn verdict(&self, question: &LeaderlessQuestion) -> LeaderlessVerdict {
        let Ok(replica) = self.voter(&question.route) else {
            return LeaderlessVerdict::MayNotVote;
        };
        let now = self.core.now();
        let group = question.route.group;
        let mut liveness = self.core.liveness.lock();
        if !liveness.lets_pass(group, self.peer.node_id, now) {
            return LeaderlessVerdict::HasLeader;
        }
        let ours = replica
            .log
            .last_log_id()
            .or_else(|| replica.log.log_start());
        if ours > question.last_log_id {
            liveness.stand_soon(group, now);
            drop(liveness);
            self.core.queue_wake.notify_one();
            return LeaderlessVerdict::LongerLog;
        }
        LeaderlessVerdict::Agreed
    }

    /// Whether the asking replica acknowledged more than it has.
    fn has_lost(&self, end: &LogEnd) -> bool {
        let replica = self.core.replica(end.group);
        replica.is_some_and(|replica| replica.acknowledged.is_lost(end))
    }

    async fn take_snapshot(&self, chunk: SnapshotChunk) -> SnapshotReply {
        let Some(replica) = self.replica(&chunk.route) else {
            return SnapshotReply::UnknownReplica;
        };
        let unchecked = self
            .core
            .liveness
            .lock()
            .is_unchecked(chunk.route.group, self.peer.node_id);
        let full = matches!(*self.core.store_status.borrow(), StoreStatus::Full { .. });
        if unchecked || full || replica.is_stopped() {
            return SnapshotReply::Failed;
        }
        let Ok(vote) = layout::decode_vote(&chunk.vote) else {
            return SnapshotReply::Failed;
        };
        let transfer = (chunk.route.from, chunk.transfer_id);
        let piece = {
            let mut inbox = replica.inbox.lock();
            inbox.take(transfer, chunk.offset_bytes, chunk.total_bytes, &chunk.data)
        };
        let snapshot = match piece {
            Piece::More => return SnapshotReply::Accepted(chunk.vote),
            Piece::Restart => return SnapshotReply::Restart,
            Piece::Whole(snapshot) => snapshot,
        };
        let Ok(state) = layout::decode_state(&snapshot) else {
            return SnapshotReply::Failed;
        };
        let meta = SnapshotMetaOf::<Types> {
            last_log_id: Some(to_raft(chunk.last_log_id)),
            last_membership: state.membership,
        };
        let snapshot = SnapshotOf::<Types, bytes::Bytes> { meta, snapshot };
        match replica.raft.install_full_snapshot(vote, snapshot).await {
            Ok(response) => SnapshotReply::Accepted(layout::encode_vote(&response.vote).into()),
            Err(_) => SnapshotReply::Failed,
        }
    }
}

/// Polls `append` once, so that its message stands in openraft's queue when this returns. The
/// queue is first come first served even when it is full.
fn queue_now(
    mut append: BoxFuture<'static, AppendOutcome>,
) -> Result<BoxFuture<'static, AppendOutcome>, AppendOutcome> {
    match tokio::task::unconstrained(&mut append).now_or_never() {
        Some(outcome) => Err(outcome),
        None => Ok(append),
    }
}

fn append_request(request: AppendEntries) -> Result<AppendEntriesRequest<Types>, LayoutError> {
    let entries = request.entries.into_iter();
    Ok(AppendEntriesRequest {
        vote: layout::decode_vote(&request.vote)?,
        prev_log_id: request.prev.map(to_raft),
        leader_commit: request.commit.map(to_raft),
        entries: entries
            .map(|entry| LogEntry::from_entry(entry.0))
            .collect::<Result<_, _>>()?,
    })
}

impl PeerApi for PeerService {
    async fn append(self, _: Context, requests: Vec<AppendEntries>) -> Vec<AppendReply> {
        self.begin_appends(requests).await
    }

    async fn vote(self, _: Context, request: VoteRequest) -> VoteReply {
        self.decide(request, false).await
    }

    async fn pre_vote(self, _: Context, request: VoteRequest) -> VoteReply {
        self.decide(request, true).await
    }

    async fn transfer_leader(self, _: Context, request: TransferLeader) -> TransferReply {
        let Ok(replica) = self.voter(&request.route) else {
            return TransferReply::Refused;
        };
        let Ok(vote) = layout::decode_vote(&request.vote) else {
            return TransferReply::Refused;
        };
        let last_log_id = request.last_log_id.map(to_raft);
        let request = TransferLeaderRequest::new(vote, request.route.to.0, last_log_id);
        match replica.raft.handle_transfer_leader(request).await {
            Ok(Ok(())) => TransferReply::Accepted,
            Ok(Err(_)) | Err(_) => TransferReply::Refused,
        }
    }

    async fn snapshot_chunk(self, _: Context, chunk: SnapshotChunk) -> SnapshotReply {
        self.take_snapshot(chunk).await
    }

    async fn beat(self, _: Context, beat: Beat) -> BeatReply {
        let now = self.core.now();
        let (reply, effects, is_due_earlier) = {
            let mut liveness = self.core.liveness.lock();
            let due = liveness.next_due();
            let (reply, effects) = liveness.beat(self.peer.node_id, &beat, now);
            let due_now = liveness.next_due();
            let earlier = due_now.is_some_and(|now| due.is_none_or(|due| now < due));
            (reply, effects, earlier)
        };
        self.core.carry_out(&effects);
        if is_due_earlier {
            self.core.queue_wake.notify_one();
        }
        reply
    }

    async fn agree_leaderless(self, _: Context, request: AgreeLeaderless) -> AgreeLeaderlessReply {
        let verdicts = request
            .questions
            .iter()
            .map(|question| self.verdict(question));
        AgreeLeaderlessReply {
            verdicts: verdicts.collect(),
        }
    }

    async fn last_log_ids(self, _: Context, request: LastLogIds) -> LastLogIdsReply {
        let lost = request.logs.iter().filter(|end| self.has_lost(end));
        let damaged: Vec<RaftGroupId> = lost.map(|end| end.group).collect();
        LastLogIdsReply { damaged }
    }

    async fn cluster(self, _: Context, request: ClusterRequest) -> Result<ClusterReply, Failure> {
        let handler = self.core.cluster.clone();
        handler.handle(self.peer, request).await
    }
}
