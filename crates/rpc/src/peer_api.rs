//! What nodes ask of each other: the `PeerApi` service and its messages.
//!
//! Plain data. The wire is positional: methods and fields are only ever appended together with
//! a new protocol version. `append` goes over the data connection, `snapshot_chunk` over bulk,
//! all else over control. Raft votes are opaque bytes here. A message for a replica names the
//! replica and the disk it is meant for; another one refuses it.

use floe_model::{Incarnation, LeaderEpoch, LogId, NodeUuid, RaftGroupId, ReplicaId, Term};
use serde::{Deserialize, Serialize};

use crate::{ClusterReply, ClusterRequest, Failure, Payload, WireEntry};

/// The protocol between nodes.
#[tarpc::service]
pub trait PeerApi {
    /// Appends to the logs of many groups. One reply per request, in request order.
    async fn append(requests: Vec<AppendEntries>) -> Vec<AppendReply>;
    /// Asks for a vote.
    async fn vote(request: VoteRequest) -> VoteReply;
    /// Asks whether a vote would be given.
    async fn pre_vote(request: VoteRequest) -> VoteReply;
    /// Tells a follower to stand for leader at once.
    async fn transfer_leader(request: TransferLeader) -> TransferReply;
    /// A piece of a snapshot.
    async fn snapshot_chunk(request: SnapshotChunk) -> SnapshotReply;
    /// A sign of life with what the sender leads.
    async fn beat(beat: Beat) -> BeatReply;
    /// Whether the receiver, too, holds these groups to be leaderless.
    async fn agree_leaderless(request: AgreeLeaderless) -> AgreeLeaderlessReply;
    /// What a restarted replica's log ends with, for those to check that it acknowledged to.
    async fn last_log_ids(request: LastLogIds) -> LastLogIdsReply;
    /// Cluster matters: formation, registration, metadata.
    async fn cluster(request: ClusterRequest) -> Result<ClusterReply, Failure>;
}

/// Whom a message is from and for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The group.
    pub group: RaftGroupId,
    /// The sending replica.
    pub from: ReplicaId,
    /// The replica meant.
    pub to: ReplicaId,
    /// The disk that replica lives on.
    pub to_node_uuid: NodeUuid,
}

/// Entries for one replica of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendEntries {
    /// From and for whom.
    pub route: Route,
    /// The leader's vote.
    pub vote: Payload,
    /// The entry before the first one sent.
    pub prev: Option<LogId>,
    /// The leader's commit.
    pub commit: Option<LogId>,
    /// The entries; none is a heartbeat.
    pub entries: Vec<WireEntry>,
}

impl AppendEntries {
    /// An upper bound of the bytes this takes on the wire, a few percent above them.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let entries: usize = self
            .entries
            .iter()
            .map(|entry| entry.0.encoded_len() + 8 * entry.0.batches().len() + 16)
            .sum();
        entries + self.vote.len() + 128
    }
}

/// The answer to one [`AppendEntries`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendReply {
    /// The group.
    pub group: RaftGroupId,
    /// What happened.
    pub outcome: AppendOutcome,
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// All entries are durable.
    Appended,
    /// Entries up to this one are durable; the rest was not taken.
    AppendedUpto(Option<LogId>),
    /// The entry before the first one sent is not there.
    Conflict,
    /// The replica has seen this higher vote.
    HigherVote(Payload),
    /// No such group here, or not this replica of it.
    UnknownReplica,
    /// The replica's log is damaged.
    Damaged,
    /// Not now: the store is full.
    Busy,
    /// The replica stopped.
    Stopped,
}

/// A request for a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRequest {
    /// From and for whom.
    pub route: Route,
    /// The candidate's vote.
    pub vote: Payload,
    /// The end of the candidate's log.
    pub last_log_id: Option<LogId>,
    /// The leader itself asked the candidate to stand: its lease need not be honoured.
    pub leadership_transfer: bool,
}

/// The answer to a [`VoteRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VoteReply {
    /// The voter's decision.
    Voted {
        /// The voter's vote after the request.
        vote: Payload,
        /// Whether it is for the candidate.
        granted: bool,
        /// The end of the voter's log.
        last_log_id: Option<LogId>,
    },
    /// No such group here, or not this replica of it.
    UnknownReplica,
    /// The replica may not vote: damaged, fenced or stopped.
    MayNotVote,
}

/// An order to stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLeader {
    /// From and for whom.
    pub route: Route,
    /// The leader's vote.
    pub vote: Payload,
    /// The end of the leader's log.
    pub last_log_id: Option<LogId>,
}

/// The answer to a [`TransferLeader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferReply {
    /// The replica will stand once its log is complete.
    Accepted,
    /// It will not.
    Refused,
}

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotChunk {
    /// From and for whom.
    pub route: Route,
    /// The leader's vote.
    pub vote: Payload,
    /// The last entry that the snapshot covers.
    pub last_log_id: LogId,
    /// Distinguishes transfers.
    pub transfer_id: u64,
    /// Size of the whole snapshot.
    pub total_bytes: u64,
    /// Where `data` goes.
    pub offset_bytes: u64,
    /// The bytes.
    pub data: Payload,
}

/// The answer to a [`SnapshotChunk`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotReply {
    /// The piece, or with the last one the snapshot, is taken. Carries the receiver's vote.
    Accepted(Payload),
    /// Start again from byte 0.
    Restart,
    /// No such group here, or not this replica of it.
    UnknownReplica,
    /// The store cannot take it.
    Failed,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The sender's.
    pub incarnation: Incarnation,
    /// Place in the sequence of this connection, from 0; frame 0 carries all claims.
    pub seq: u64,
    /// Groups led since the frame before, or all of them in frame 0.
    pub claims: Vec<Claim>,
    /// Groups no longer led.
    pub withdrawn: Vec<RaftGroupId>,
}

/// A claim to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The group.
    pub group: RaftGroupId,
    /// The epoch of leadership.
    pub epoch: LeaderEpoch,
}

/// The answer to a [`Beat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BeatReply {
    /// Taken.
    Heard,
    /// A frame is missing: send all claims again as frame 0.
    Restart,
}

/// A question whether groups have no leader, before one is deposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreeLeaderless {
    /// One question per group.
    pub questions: Vec<LeaderlessQuestion>,
}

/// May the asker stand in this group?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderlessQuestion {
    /// From the candidate to a voter.
    pub route: Route,
    /// The end of the candidate's log.
    pub last_log_id: Option<LogId>,
}

/// The answer to an [`AgreeLeaderless`]: one verdict per question, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreeLeaderlessReply {
    /// The verdicts.
    pub verdicts: Vec<LeaderlessVerdict>,
}

/// What a voter thinks of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaderlessVerdict {
    /// There is no leader here either: stand.
    Agreed,
    /// The group has a live leader.
    HasLeader,
    /// The voter's own log is longer: the candidate cannot win its vote.
    LongerLog,
    /// No such replica, or one that may not vote.
    MayNotVote,
}

/// Where the logs of a restarted replica's groups end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLogIds {
    /// By group; at most some thousands a message.
    pub logs: Vec<LogEnd>,
}

/// Where the log of a restarted replica ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// The group.
    pub group: RaftGroupId,
    /// The restarted replica.
    pub replica: ReplicaId,
    /// Its term when it was started: nothing acknowledged in an earlier one can be judged.
    pub term: Term,
    /// Its last entry when it was started.
    pub last_log_id: Option<LogId>,
}

/// The answer to a [`LastLogIds`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLogIdsReply {
    /// Groups whose log must have reached further: their replicas are damaged.
    pub damaged: Vec<RaftGroupId>,
}
