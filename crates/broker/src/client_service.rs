//! The native client protocol served by a [`Broker`]: one method of the service, one call.
//!
//! The inherent methods carry the work, so that callers in this process need no rpc context.

use floe_model::{GroupName, NodeAddress, TopicId, TopicName};
use floe_rpc::{
    AlterTopic, ChaosRequest, ChaosState, ClientApi, ClusterInfo, CommitOffsets, CommittedOffset,
    CreateTopic, ElectLeaders, Failure, Fetch, FetchOffsets, FetchPartReply, GroupDescription,
    GroupHeartbeat, GroupHeartbeatReply, GroupListing, JoinGroup, JoinGroupReply, LeaveGroup,
    ListOffsets, ListedOffset, NodeStats, Produce, ProducePartReply, ProducerIdentity, TopicInfo,
    Topics, TopicsRequest, Trim,
};
use tarpc::context::Context;

use crate::Broker;

impl ClientApi for Broker {
    async fn describe_cluster(self, _: Context) -> Result<ClusterInfo, Failure> {
        Broker::describe_cluster(&self).await
    }

    async fn topics(self, _: Context, request: TopicsRequest) -> Result<Topics, Failure> {
        Broker::topics(&self, request).await
    }

    async fn create_topic(self, _: Context, request: CreateTopic) -> Result<TopicInfo, Failure> {
        Broker::create_topic(&self, request).await
    }

    async fn alter_topic(self, _: Context, request: AlterTopic) -> Result<TopicInfo, Failure> {
        Broker::alter_topic(&self, request).await
    }

    async fn delete_topic(self, _: Context, topic: TopicName) -> Result<TopicId, Failure> {
        Broker::delete_topic(&self, topic).await
    }

    async fn elect_leaders(self, _: Context, request: ElectLeaders) -> Result<u32, Failure> {
        Broker::elect_leaders(&self, request).await
    }

    async fn init_producer(self, _: Context) -> Result<ProducerIdentity, Failure> {
        Broker::init_producer(&self).await
    }

    async fn produce(self, _: Context, request: Produce) -> Result<Vec<ProducePartReply>, Failure> {
        Broker::produce(&self, request).await
    }

    async fn fetch(self, _: Context, request: Fetch) -> Result<Vec<FetchPartReply>, Failure> {
        Broker::fetch(&self, request).await
    }

    async fn list_offsets(
        self,
        _: Context,
        request: ListOffsets,
    ) -> Result<Vec<ListedOffset>, Failure> {
        Broker::list_offsets(&self, request).await
    }

    async fn trim(self, _: Context, request: Trim) -> Result<(), Failure> {
        Broker::trim(&self, request).await
    }

    async fn find_coordinator(self, _: Context, group: GroupName) -> Result<NodeAddress, Failure> {
        Broker::find_coordinator(&self, group).await
    }

    async fn join_group(self, _: Context, request: JoinGroup) -> Result<JoinGroupReply, Failure> {
        Broker::join_group(&self, request).await
    }

    async fn group_heartbeat(
        self,
        _: Context,
        request: GroupHeartbeat,
    ) -> Result<GroupHeartbeatReply, Failure> {
        Broker::group_heartbeat(&self, request).await
    }

    async fn leave_group(self, _: Context, request: LeaveGroup) -> Result<(), Failure> {
        Broker::leave_group(&self, request).await
    }

    async fn commit_offsets(self, _: Context, request: CommitOffsets) -> Result<(), Failure> {
        Broker::commit_offsets(&self, request).await
    }

    async fn fetch_offsets(
        self,
        _: Context,
        request: FetchOffsets,
    ) -> Result<Vec<CommittedOffset>, Failure> {
        Broker::fetch_offsets(&self, request).await
    }

    async fn list_groups(self, _: Context) -> Result<Vec<GroupListing>, Failure> {
        Broker::list_groups(&self).await
    }

    async fn describe_group(
        self,
        _: Context,
        group: GroupName,
    ) -> Result<GroupDescription, Failure> {
        Broker::describe_group(&self, group).await
    }

    async fn delete_group(self, _: Context, group: GroupName) -> Result<(), Failure> {
        Broker::delete_group(&self, group).await
    }

    async fn node_stats(self, _: Context) -> Result<NodeStats, Failure> {
        Broker::node_stats(&self).await
    }

    async fn chaos(self, _: Context, request: ChaosRequest) -> Result<ChaosState, Failure> {
        Broker::chaos(&self, request)
    }
}
