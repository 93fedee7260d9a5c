//! The messages of a [`Broker`](crate::Broker)'s methods, for callers in this process that have
//! nothing to do with the native protocol.

pub use floe_group::{classic, consumer};
pub use floe_metadata::{
    ConfigEdit, Effect, SETTINGS, Setting, SettingKind, StoredCompression, TopicConfig, setting,
    settings_table,
};
pub use floe_rpc::{
    AlterTopic, AssignedPartition, Assignor, ClusterInfo, CommitOffsets, CommittedOffset,
    CreateTopic, ElectLeaders, Failure, Fetch, FetchOffsets, FetchPart, FetchPartReply,
    GroupDescription, GroupListing, GroupMember, GroupPhase, LeaderHint, ListOffsets,
    ListOffsetsPart, ListedOffset, OffsetAt, OffsetToCommit, PartitionInfo, PartitionKey, Payload,
    Produce, ProducePart, ProducePartReply, Produced, ProducerIdentity, TopicInfo, Topics,
    TopicsRequest, Trim, WireBatch,
};

pub use crate::administration::{Intent, PlannedTopic, TopicPlan};
pub use crate::classic_groups::{Claimant, GroupFailure, GroupSnapshot, JoinOutcome, StoredOffset};
pub use crate::coordinator::{GroupState, ListedGroup, Readership};
pub use crate::lookup::{KnownNode, LogEnds};
pub use crate::offset_search::{FoundOffset, OffsetSought};
pub use crate::partition_facts::{ActiveProducer, EpochEnd, HostedReplica};
