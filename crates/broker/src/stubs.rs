//! Not written yet.
use crate::Broker;

use floe_model::{GroupName, NodeAddress, TopicId, TopicName};
use floe_rpc::client_api::*;
impl Broker {
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn describe_cluster(&self) -> Result<ClusterInfo, Failure> {
        
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn topics(&self, request: TopicsRequest) -> Result<Topics, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn create_topic(&self, request: CreateTopic) -> Result<TopicInfo, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn alter_topic(&self, request: AlterTopic) -> Result<TopicInfo, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn delete_topic(&self, topic: TopicName) -> Result<TopicId, Failure> {
        drop(topic);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn elect_leaders(&self, request: ElectLeaders) -> Result<u32, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn init_producer(&self) -> Result<ProducerIdentity, Failure> {
        
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn produce(&self, request: Produce) -> Result<Vec<ProducePartReply>, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn fetch(&self, request: Fetch) -> Result<Vec<FetchPartReply>, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn list_offsets(&self, request: ListOffsets) -> Result<Vec<ListedOffset>, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn trim(&self, request: Trim) -> Result<(), Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn find_coordinator(&self, group: GroupName) -> Result<NodeAddress, Failure> {
        drop(group);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn join_group(&self, request: JoinGroup) -> Result<JoinGroupReply, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn group_heartbeat(&self, request: GroupHeartbeat) -> Result<GroupHeartbeatReply, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn leave_group(&self, request: LeaveGroup) -> Result<(), Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn commit_offsets(&self, request: CommitOffsets) -> Result<(), Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn fetch_offsets(&self, request: FetchOffsets) -> Result<Vec<CommittedOffset>, Failure> {
        drop(request);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, Failure> {
        
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn describe_group(&self, group: GroupName) -> Result<GroupDescription, Failure> {
        drop(group);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn delete_group(&self, group: GroupName) -> Result<(), Failure> {
        drop(group);
        unimplemented!()
    }
    /// See the service method of the same name.
    ///
    /// # Errors
    /// As the service method.
    pub async fn node_stats(&self) -> Result<NodeStats, Failure> {
        
        unimplemented!()
    }
}
