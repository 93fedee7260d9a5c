//! Openraft's network: one client per replica to reach, all over the node's links.
//!
//! Appends of one group to one replica are pipelined. One stream owns both the requests still to
//! come and the replies, so that the request stream dies with the reply stream: left alive, it
//! would hold openraft's stream mutex and stall replication to that replica. A link that is down
//! parks the stream instead of failing it, so that a dead node costs its groups no retries. A
//! parked stream makes way for a purge: openraft keeps what it may be sending.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use floe_model::{RaftGroupId, ReplicaId, Term};
use floe_rpc::{
    AppendEntries, AppendOutcome, AppendReply, LinkError, PeerLink, Route, SnapshotChunk,
    SnapshotReply, TransferLeader, TransferReply, VoteReply, WireEntry,
};
use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesOrdered, StreamExt as _};
use openraft::anyerror::AnyError;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError,
    StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use openraft::{OptionalSend, RPCTypes, RaftNetworkV2};

use super::acknowledged::Acknowledged;
use super::layout;
use super::type_config::{Home, LogEntry, RaftLogId, RaftVote, Types, from_raft, to_raft};
use crate::links::Links;

/// Appends of one group to one replica that may wait for their replies.
const WINDOW: usize = 8;
/// Least time for a vote or transfer to be answered.
const CONTROL_TIMEOUT: Duration = Duration::from_millis(500);
/// Bytes of one piece of a snapshot; a bulk frame holds it.
const CHUNK_BYTES: usize = 512 << 10;
/// Time for one piece of a snapshot to be taken; the last one includes its installation.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// A parked stream looks once in this time if it keeps entries from being purged.
const PARKED_CHECK: Duration = Duration::from_secs(3);

/// Tells something about the replica on this node.
pub(crate) type Fact = Arc<dyn Fn() -> bool + Send + Sync>;

type RpcResult<T> = Result<T, RPCError<Types>>;

/// Makes the clients of one replica.
pub(crate) struct GroupNetwork {
    pub(crate) group: RaftGroupId,
    pub(crate) replica_id: ReplicaId,
    pub(crate) links: Arc<Links>,
    pub(crate) transfers: Arc<AtomicU64>,
    pub(crate) acknowledged: Arc<Acknowledged>,
    /// It may ask for votes.
    pub(crate) may_ask: Fact,
    /// It holds entries that should be purged by now.
    pub(crate) purge_overdue: Fact,
}

impl RaftNetworkFactory<Types> for GroupNetwork {
    type Network = ReplicaClient;

    async fn new_client(&mut self, target: u64, home: &Home) -> ReplicaClient {
        ReplicaClient {
            route: Route {
                group: self.group,
                from: self.replica_id,
                to: ReplicaId(target),
                to_node_uuid: home.node_uuid,
            },
            home: *home,
            links: self.links.clone(),
            transfers: self.transfers.clone(),
            acknowledged: self.acknowledged.clone(),
            may_ask: self.may_ask.clone(),
            purge_overdue: self.purge_overdue.clone(),
        }
    }
}

/// Reaches one replica.
pub(crate) struct ReplicaClient {
    route: Route,
    home: Home,
    links: Arc<Links>,
    transfers: Arc<AtomicU64>,
    acknowledged: Arc<Acknowledged>,
    may_ask: Fact,
    purge_overdue: Fact,
}

impl ReplicaClient {
    fn link(&self) -> RpcResult<PeerLink> {
        self.links
            .get(self.home.node_id)
            .ok_or_else(|| unreachable(&LinkError::Down))
    }

    /// Waits for the link, as long as that keeps nothing from being purged.
    ///
    /// # Errors
    /// Unreachable: openraft purges when it hears that nothing is on its way, and what the replica
    /// then lacks is a snapshot to it.
    async fn up(&self) -> RpcResult<PeerLink> {
        let mut up = std::pin::pin!(self.links.up(self.home.node_id));
        loop {
            match tokio::time::timeout(PARKED_CHECK, up.as_mut()).await {
                Ok(link) => return Ok(link),
                Err(_) if (self.purge_overdue)() => return Err(unreachable(&LinkError::Down)),
                Err(_) => {}
            }
        }
    }

    fn message(&self, request: AppendEntriesRequest<Types>) -> (AppendEntries, Option<RaftLogId>) {
        let entries = request.entries.into_iter();
        let entries: Vec<_> = entries.map(LogEntry::into_entry).map(WireEntry).collect();
        let prev = request.prev_log_id.as_ref().map(from_raft);
        let last = entries.last().map(|entry| entry.0.log_id()).or(prev);
        let message = AppendEntries {
            route: self.route,
            vote: layout::encode_vote(&request.vote).into(),
            prev,
            commit: request.leader_commit.as_ref().map(from_raft),
            entries,
        };
        (message, last.map(to_raft))
    }

    /// Queues an append on `link` before it returns.
    fn send(
        &self,
        link: &PeerLink,
        request: AppendEntriesRequest<Types>,
    ) -> impl Future<Output = RpcResult<StreamAppendResult<Types>>> + Send + 'static {
        let term = Term(request.vote.leader_id.term);
        let (message, last) = self.message(request);
        let prev = message.prev.map(to_raft);
        let (acknowledged, to) = (self.acknowledged.clone(), self.route.to);
        let asked = acknowledged.ask(to);
        let reply = link.append(message);
        async move {
            let result = append_result(reply.await, prev, last)?;
            if let Ok(upto) = &result {
                let upto = upto.as_ref().map(from_raft);
                if !acknowledged.note(to, asked, term, upto) {
                    return Err(void());
                }
            }
            Ok(result)
        }
    }

    async fn ask(
        &self,
        request: VoteRequest<Types>,
        option: RPCOption,
        pre_vote: bool,
    ) -> RpcResult<VoteResponse<Types>> {
        let message = floe_rpc::VoteRequest {
            route: self.route,
            vote: layout::encode_vote(&request.vote).into(),
            last_log_id: request.last_log_id.as_ref().map(from_raft),
            leadership_transfer: request.leadership_transfer,
        };
        // Openraft's own timers know nothing of logs that are still to be checked.
        if !(self.may_ask)() {
            return Err(unreachable(&AnyError::error("this replica may not stand")));
        }
        let timeout = option.hard_ttl().max(CONTROL_TIMEOUT);
        let term = Term(request.vote.leader_id.term);
        let asked = self.acknowledged.ask(self.route.to);
        let link = self.link()?;
        let reply = if pre_vote {
            let call = link.control(timeout, |api, ctx| async move {
                api.pre_vote(ctx, message).await
            });
            call.await
        } else {
            let call = link.control(
                timeout,
                |api, ctx| async move { api.vote(ctx, message).await },
            );
            call.await
        };
        match reply.map_err(|error| failed(&error, RPCTypes::Vote, self.route, timeout))? {
            VoteReply::Voted {
                vote,
                granted,
                last_log_id,
            } => {
                let vote = read_vote(&vote)?;
                let promises = granted && !pre_vote;
                if promises && !self.acknowledged.note(self.route.to, asked, term, None) {
                    return Err(void());
                }
                Ok(VoteResponse::new(vote, last_log_id.map(to_raft), granted))
            }
            reply @ (VoteReply::UnknownReplica | VoteReply::MayNotVote) => {
                Err(unreachable(&AnyError::error(format!("{reply:?}"))))
            }
        }
    }

    async fn send_snapshot(
        &self,
        vote: &RaftVote,
        snapshot: SnapshotOf<Types, Bytes>,
    ) -> RpcResult<RaftVote> {
        let Some(last_log_id) = snapshot.meta.last_log_id.as_ref().map(from_raft) else {
            return Err(unreachable(&AnyError::error("a snapshot of nothing")));
        };
        let data = snapshot.snapshot;
        // A snapshot keeps nothing from being purged.
        let link = self.links.up(self.home.node_id).await;
        let transfer_id = self.transfers.fetch_add(1, Ordering::Relaxed);
        let term = Term(vote.leader_id.term);
        let (to, asked) = (self.route.to, self.acknowledged.ask(self.route.to));
        let mut offset = 0;
        loop {
            let end = data.len().min(offset + CHUNK_BYTES);
            let chunk = SnapshotChunk {
                route: self.route,
                vote: layout::encode_vote(vote).into(),
                last_log_id,
                transfer_id,
                total_bytes: data.len() as u64,
                offset_bytes: offset as u64,
                data: data.slice(offset..end).into(),
            };
            let call = link.bulk(CHUNK_TIMEOUT, |api, ctx| async move {
                api.snapshot_chunk(ctx, chunk).await
            });
            let reply = call.await.map_err(|error| {
                failed(&error, RPCTypes::InstallSnapshot, self.route, CHUNK_TIMEOUT)
            })?;
            match reply {
                SnapshotReply::Accepted(vote) if end == data.len() => {
                    let vote = read_vote(&vote)?;
                    // A higher vote refuses the snapshot.
                    let taken = vote.leader_id.term == term.0;
                    if taken && !self.acknowledged.note(to, asked, term, Some(last_log_id)) {
                        return Err(void());
                    }
                    return Ok(vote);
                }
                SnapshotReply::Accepted(_) => offset = end,
                SnapshotReply::Restart | SnapshotReply::UnknownReplica | SnapshotReply::Failed => {
                    return Err(unreachable(&AnyError::error(format!("{reply:?}"))));
                }
            }
        }
    }
}

impl RaftNetworkV2<Types> for ReplicaClient {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<Types>> {
        let link = self.link()?;
        let result = self.send(&link, request).await?;
        Ok(AppendEntriesResponse::from(result))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<StreamAppendResult<Types>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let client: &'s Self = self;
        let session = Session {
            input,
            in_flight: FuturesOrdered::new(),
            link: None,
            open: true,
        };
        let replies = stream::unfold(Some(session), move |session| async move {
            let mut session = session?;
            let reply = session.next_reply(client).await?;
            // An error or a conflict ends the stream and drops its input.
            let go_on = matches!(reply, Ok(Ok(_)));
            Some((reply, go_on.then_some(session)))
        });
        Box::pin(async move {
            let replies: BoxStream<'s, _> = Box::pin(replies);
            Ok(replies)
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<Types>> {
        self.ask(request, option, false).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<Types>> {
        self.ask(request, option, true).await
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: SnapshotOf<Types, Bytes>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(&vote, snapshot) => match sent {
                Ok(vote) => Ok(SnapshotResponse::new(vote)),
                Err(error) => Err(streaming(error)),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<Types>> {
        let message = TransferLeader {
            route: Route {
                to: ReplicaId(*request.to_node_id()),
                ..self.route
            },
            vote: layout::encode_vote(request.from_leader()).into(),
            last_log_id: request.last_log_id().map(from_raft),
        };
        let timeout = option.hard_ttl().max(CONTROL_TIMEOUT);
        let link = self.link()?;
        let call = link.control(timeout, |api, ctx| async move {
            api.transfer_leader(ctx, message).await
        });
        let reply = call.await;
        match reply
            .map_err(|error| failed(&error, RPCTypes::TransferLeader, self.route, timeout))?
        {
            TransferReply::Accepted => Ok(Ok(())),
            TransferReply::Refused => {
                Err(unreachable(&AnyError::error("the replica does not stand")))
            }
        }
    }
}

/// One pipelined stream of appends.
struct Session<S, F: Future> {
    input: S,
    in_flight: FuturesOrdered<F>,
    link: Option<PeerLink>,
    open: bool,
}

impl<S> Session<S, BoxFuture<'static, RpcResult<StreamAppendResult<Types>>>>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Unpin,
{
    /// Sends requests as they come and returns the next reply, in request order.
    async fn next_reply(
        &mut self,
        client: &ReplicaClient,
    ) -> Option<RpcResult<StreamAppendResult<Types>>> {
        let link = match &self.link {
            Some(link) => link.clone(),
            None => match client.up().await {
                Ok(link) => self.link.insert(link).clone(),
                Err(error) => return Some(Err(error)),
            },
        };
        loop {
            tokio::select! {
                biased;
                Some(reply) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    return Some(reply);
                }
                request = self.input.next(), if self.open && self.in_flight.len() < WINDOW => {
                    match request {
                        Some(request) => {
                            let reply: BoxFuture<'static, _> = Box::pin(client.send(&link, request));
                            self.in_flight.push_back(reply);
                        }
                        None => self.open = false,
                    }
                }
                else => return None,
            }
        }
    }
}

fn append_result(
    reply: Result<AppendReply, LinkError>,
    prev: Option<RaftLogId>,
    last: Option<RaftLogId>,
) -> RpcResult<StreamAppendResult<Types>> {
    let refused = |outcome: &AppendOutcome| unreachable(&AnyError::error(format!("{outcome:?}")));
    match reply.map_err(|error| unreachable(&error))?.outcome {
        AppendOutcome::Appended => Ok(Ok(last)),
        AppendOutcome::AppendedUpto(upto) => Ok(Ok(upto.map(to_raft))),
        AppendOutcome::Conflict => match prev {
            Some(prev) => Ok(Err(StreamAppendError::Conflict(prev))),
            None => Err(refused(&AppendOutcome::Conflict)),
        },
        AppendOutcome::HigherVote(vote) => {
            Ok(Err(StreamAppendError::HigherVote(read_vote(&vote)?)))
        }
        outcome @ (AppendOutcome::UnknownReplica
        | AppendOutcome::Damaged
        | AppendOutcome::Busy
        | AppendOutcome::Stopped) => Err(refused(&outcome)),
    }
}

fn read_vote(bytes: &[u8]) -> RpcResult<RaftVote> {
    layout::decode_vote(bytes).map_err(|error| unreachable(&error))
}

fn unreachable(error: &(impl std::error::Error + 'static)) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::new(error))
}

/// An acknowledgement of what may be lost since: its outcome is unknown.
fn void() -> RPCError<Types> {
    unreachable(&AnyError::error("acknowledged before a restart"))
}

fn failed(error: &LinkError, action: RPCTypes, route: Route, timeout: Duration) -> RPCError<Types> {
    match error {
        LinkError::Timeout => RPCError::Timeout(Timeout {
            action,
            id: route.from.0,
            target: route.to.0,
            timeout,
        }),
        error => unreachable(error),
    }
}

fn streaming(error: RPCError<Types>) -> StreamingError<Types> {
    match error {
        RPCError::Timeout(timeout) => StreamingError::Timeout(timeout),
        RPCError::Unreachable(unreachable) => StreamingError::Unreachable(unreachable),
        RPCError::Network(network) => StreamingError::Network(network),
        RPCError::RemoteError(error) => {
            StreamingError::Unreachable(Unreachable::new(&AnyError::error(error)))
        }
    }
}

#[cfg(test)]
mod tests;
