//! What a native client asks of a node: the `ClientApi` service and its messages.
//!
//! Plain data. The wire is positional: methods and fields are only ever appended, and together
//! with a new protocol version where ordinary work needs them. Every method answers `Result<_, Failure>`; a failure carries a stable
//! code, the facts behind it and, where the node knows better, who leads.

mod admin;
mod chaos;
mod detail;
mod group;
mod records;

pub use admin::{
    AlterTopic, ClusterInfo, CreateTopic, ElectLeaders, NodeInfo, NodeStats, PartitionInfo,
    StoreHealth, TopicInfo, Topics, TopicsRequest,
};
pub use chaos::{ChaosFault, ChaosHits, ChaosRequest, ChaosState};
pub use detail::{Awaited, Excerpt, FailureDetail};
pub use group::{
    AssignedPartition, Assignor, CommitOffsets, CommittedOffset, FetchOffsets, GroupDescription,
    GroupHeartbeat, GroupHeartbeatReply, GroupListing, GroupMember, GroupPhase, JoinGroup,
    JoinGroupReply, LeaveGroup, OffsetToCommit,
};
pub use records::{
    Fetch, FetchPart, FetchPartReply, ListOffsets, ListOffsetsPart, ListedOffset, OffsetAt,
    Ownership, PartitionKey, Produce, ProducePart, ProducePartReply, Produced, ProducerIdentity,
    Trim, WireBatch,
};

use std::fmt;

use floe_model::{ErrorCode, GroupName, LeaderEpoch, NodeAddress, NodeId, TopicId, TopicName};
use serde::{Deserialize, Serialize};

/// Why a request or a part of it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}{}", Facts(.detail.as_deref()))]
pub struct Failure {
    /// The stable code.
    pub code: ErrorCode,
    /// Who leads the partition or coordinates the group, when this node knows.
    pub leader: Option<LeaderHint>,
    /// What it ran into, where there is more to say than the code does.
    pub detail: Option<Box<FailureDetail>>,
}

impl Failure {
    /// A failure with its facts.
    #[must_use]
    pub fn new(code: ErrorCode, detail: FailureDetail) -> Self {
        Self {
            code,
            leader: None,
            detail: Some(Box::new(detail)),
        }
    }

    /// A failure that another node would not have given, as far as this one knows.
    #[must_use]
    pub fn elsewhere(code: ErrorCode, leader: Option<LeaderHint>) -> Self {
        Self {
            code,
            leader,
            detail: None,
        }
    }
}

/// What follows the code.
struct Facts<'a>(Option<&'a FailureDetail>);

impl fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

/// Where to go instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderHint {
    /// The node.
    pub node: NodeId,
    /// Its epoch; a hint with a lower one than already known is stale.
    pub epoch: LeaderEpoch,
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::elsewhere(code, None)
    }
}

/// The native client protocol.
#[tarpc::service]
pub trait ClientApi {
    /// The cluster as this node sees it.
    async fn describe_cluster() -> Result<ClusterInfo, Failure>;
    /// Layout of some or all topics.
    async fn topics(request: TopicsRequest) -> Result<Topics, Failure>;
    /// Makes a topic; answers when each partition has a leader that can be written.
    async fn create_topic(request: CreateTopic) -> Result<TopicInfo, Failure>;
    /// Changes settings or adds partitions.
    async fn alter_topic(request: AlterTopic) -> Result<TopicInfo, Failure>;
    /// Deletes a topic and its records.
    async fn delete_topic(topic: TopicName) -> Result<TopicId, Failure>;
    /// Moves leadership to the preferred replicas, or to one node.
    async fn elect_leaders(request: ElectLeaders) -> Result<u32, Failure>;
    /// A fresh identity for an idempotent producer.
    async fn init_producer() -> Result<ProducerIdentity, Failure>;
    /// Appends record batches. The parts fail or succeed one by one, in request order.
    async fn produce(request: Produce) -> Result<Vec<ProducePartReply>, Failure>;
    /// Reads record batches, waiting for `min_bytes` up to `wait_ms_max`.
    async fn fetch(request: Fetch) -> Result<Vec<FetchPartReply>, Failure>;
    /// Looks up offsets by time or at the ends.
    async fn list_offsets(request: ListOffsets) -> Result<Vec<ListedOffset>, Failure>;
    /// Moves the log start of partitions forward.
    async fn trim(request: Trim) -> Result<(), Failure>;
    /// Which node coordinates a group.
    async fn find_coordinator(group: GroupName) -> Result<NodeAddress, Failure>;
    /// Joins or rejoins a group; answers at once, assignments come with heartbeats.
    async fn join_group(request: JoinGroup) -> Result<JoinGroupReply, Failure>;
    /// Keeps a membership alive and learns what to own or give up.
    async fn group_heartbeat(request: GroupHeartbeat) -> Result<GroupHeartbeatReply, Failure>;
    /// Leaves a group.
    async fn leave_group(request: LeaveGroup) -> Result<(), Failure>;
    /// Stores offsets. All or none.
    async fn commit_offsets(request: CommitOffsets) -> Result<(), Failure>;
    /// Reads stored offsets, linearizably.
    async fn fetch_offsets(request: FetchOffsets) -> Result<Vec<CommittedOffset>, Failure>;
    /// The groups this node coordinates.
    async fn list_groups() -> Result<Vec<GroupListing>, Failure>;
    /// One group in full.
    async fn describe_group(group: GroupName) -> Result<GroupDescription, Failure>;
    /// Deletes an empty group and its offsets.
    async fn delete_group(group: GroupName) -> Result<(), Failure>;
    /// Counters of this node, for benchmarks and status.
    async fn node_stats() -> Result<NodeStats, Failure>;
    /// Injects, ends or describes faults of this node; refused unless its configuration allows it.
    async fn chaos(request: ChaosRequest) -> Result<ChaosState, Failure>;
}
