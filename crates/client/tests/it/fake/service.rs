//! What a fake node answers.

use std::sync::Arc;
use std::time::Duration;

use floe_client::{
    ChaosRequest, ChaosState, ClusterInfo, CommittedOffset, ElectLeaders, ErrorCode,
    GroupDescription, GroupListing, GroupName, NodeId, NodeInfo, NodeStats, Offset, PartitionIndex,
    PartitionInfo, TopicId, TopicInfo, TopicName,
};
use floe_model::{NodeAddress, ProducerEpoch, ProducerId};
use floe_record::StampedBatch;
use floe_rpc::{
    AlterTopic, ClientApi, CommitOffsets, Context, CreateTopic, Failure, Fetch, FetchOffsets,
    FetchPartReply, GroupHeartbeat, GroupHeartbeatReply, JoinGroup, JoinGroupReply, LeaderHint,
    LeaveGroup, ListOffsets, ListedOffset, OffsetAt, Produce, ProducePart, ProducePartReply,
    Produced, ProducerIdentity, Topics, TopicsRequest, Trim, WireBatch,
};

use super::{CLUSTER, Fault, Seen, Shared, State, Topic};

#[derive(Clone)]
pub(super) struct Service {
    pub(super) shared: Arc<Shared>,
    pub(super) id: NodeId,
}

impl State {
    fn nodes(&self) -> Vec<NodeInfo> {
        let nodes = self.addrs.iter().map(|(node, addr)| NodeInfo {
            node: *node,
            client_addr: addr.clone(),
            kafka_addr: None,
            http_addr: None,
            rack: None,
            alive: true,
            leaders: 0,
            replicas: 0,
        });
        nodes.collect()
    }

    fn describe(&self, name: &TopicName, topic: &Topic) -> TopicInfo {
        let partitions = (0..)
            .zip(&topic.partitions)
            .map(|(index, log)| PartitionInfo {
                partition: PartitionIndex(index),
                leader: log.leader,
                leader_epoch: log.epoch,
                replicas: self.addrs.keys().copied().collect(),
                alive_replicas: self.addrs.keys().copied().collect(),
                log_start_offset: Some(log.start),
                high_watermark: Some(log.next),
            });
        TopicInfo {
            name: name.clone(),
            topic_id: topic.id,
            configs: Default::default(),
            partitions: partitions.collect(),
        }
    }

    fn not_led_by(&mut self, key: floe_client::PartitionKey, node: NodeId) -> Option<Failure> {
        let gives_hints = self.gives_hints;
        let Some(log) = self.log(key) else {
            return Some(ErrorCode::UnknownTopicOrPartition.into());
        };
        if log.leader == Some(node) {
            return None;
        }
        let hint = log.leader.map(|node| LeaderHint {
            node,
            epoch: log.epoch,
        });
        let hint = hint.filter(|_| gives_hints);
        Some(Failure::elsewhere(ErrorCode::NotLeader, hint))
    }
}

impl Service {
    fn take_fault(&self) -> Option<Fault> {
        self.shared
            .state
            .lock()
            .faults
            .get_mut(&self.id)?
            .pop_front()
    }

    fn cut(&self) {
        let mut state = self.shared.state.lock();
        let fresh = tokio_util::sync::CancellationToken::new();
        state.cuts.insert(self.id, fresh).unwrap().cancel();
    }

    fn append(&self, part: &ProducePart, fault: Option<Fault>) -> Result<Produced, Failure> {
        let mut state = self.shared.state.lock();
        if let Some(failure) = state.not_led_by(part.key, self.id) {
            return Err(failure);
        }
        if let Some(Fault::Refuse(code)) = fault {
            return Err(code.into());
        }
        let log = state.log(part.key).unwrap();
        if let Some(Fault::ForgetProducers) = fault {
            log.forget_producers();
        }
        let mut base_offsets = Vec::new();
        for batch in &part.batches {
            base_offsets.push(log.append(batch.0.clone())?);
        }
        let leader_epoch = log.epoch;
        if let Some(Fault::AppendThenTimeout) = fault {
            return Err(ErrorCode::Timeout.into());
        }
        Ok(Produced {
            base_offsets,
            leader_epoch,
            append_time_ms: None,
        })
    }

    async fn while_held(&self) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.shared.state.lock().holds_produce {
                return;
            }
            changed.await;
        }
    }

    fn read(&self, fetch: &Fetch) -> Vec<FetchPartReply> {
        let mut state = self.shared.state.lock();
        let mut replies = Vec::new();
        for part in &fetch.parts {
            let may_read = part
                .owner
                .as_ref()
                .is_none_or(|owner| state.groups.may_read(part.key, owner.token));
            let failure = state.not_led_by(part.key, self.id);
            let log = state.log(part.key);
            let found = log.map(|log| (log.start, log.next, log.epoch, log.read(part.offset)));
            let (start, next, epoch, read) = found.or_unknown();
            let outcome = match failure {
                Some(failure) => Err(failure),
                None if !may_read => Err(ErrorCode::FencedToken.into()),
                None => read.map_err(Failure::from),
            };
            let wire =
                |batches: Vec<StampedBatch>| batches.iter().map(WireBatch::from_batch).collect();
            replies.push(FetchPartReply {
                key: part.key,
                log_start_offset: start,
                high_watermark: next,
                leader_epoch: epoch,
                outcome: outcome.map(wire),
            });
        }
        replies
    }
}

type Found = (
    Offset,
    Offset,
    floe_client::LeaderEpoch,
    Result<Vec<StampedBatch>, ErrorCode>,
);

/// A read of a partition that is not there.
trait OrUnknown {
    fn or_unknown(self) -> Found;
}

impl OrUnknown for Option<Found> {
    fn or_unknown(self) -> Found {
        let unknown = Err(ErrorCode::UnknownTopicOrPartition);
        self.unwrap_or((
            Offset(-1),
            Offset(-1),
            floe_client::LeaderEpoch(-1),
            unknown,
        ))
    }
}

impl ClientApi for Service {
    async fn describe_cluster(self, _: Context) -> Result<ClusterInfo, Failure> {
        let state = self.shared.state.lock();
        Ok(ClusterInfo {
            cluster_id: CLUSTER,
            name: "fake".to_owned(),
            controller: Some(self.id),
            answered_by: self.id,
            nodes: state.nodes(),
            metadata_version: state.metadata_version,
        })
    }

    async fn topics(self, _: Context, request: TopicsRequest) -> Result<Topics, Failure> {
        let state = self.shared.state.lock();
        let wanted = |name: &TopicName| {
            request
                .names
                .as_ref()
                .is_none_or(|names| names.contains(name))
        };
        let found = state.topics.iter().filter(|(name, _)| wanted(name));
        let topics = found.map(|(name, topic)| state.describe(name, topic));
        Ok(Topics {
            metadata_version: state.metadata_version,
            nodes: state.nodes(),
            topics: topics.collect(),
        })
    }

    async fn create_topic(self, _: Context, request: CreateTopic) -> Result<TopicInfo, Failure> {
        let mut state = self.shared.state.lock();
        if state.topics.contains_key(&request.name) {
            if !request.if_not_exists {
                return Err(ErrorCode::TopicExists.into());
            }
        } else {
            state.create(&request.name, request.partitions);
        }
        let fault = state
            .faults
            .get_mut(&self.id)
            .and_then(|faults| faults.pop_front());
        if let Some(Fault::AppendThenTimeout) = fault {
            return Err(ErrorCode::Timeout.into());
        }
        Ok(state.describe(&request.name, &state.topics[&request.name]))
    }

    async fn alter_topic(self, _: Context, _: AlterTopic) -> Result<TopicInfo, Failure> {
        Err(ErrorCode::InvalidRequest.into())
    }

    async fn delete_topic(self, _: Context, topic: TopicName) -> Result<TopicId, Failure> {
        let mut state = self.shared.state.lock();
        state.metadata_version += 1;
        let removed = state.topics.remove(&topic);
        removed
            .map(|topic| topic.id)
            .ok_or(ErrorCode::UnknownTopicOrPartition.into())
    }

    async fn elect_leaders(self, _: Context, _: ElectLeaders) -> Result<u32, Failure> {
        Ok(0)
    }

    async fn init_producer(self, _: Context) -> Result<ProducerIdentity, Failure> {
        let mut state = self.shared.state.lock();
        state.next_producer += 1;
        Ok(ProducerIdentity {
            producer_id: ProducerId(state.next_producer),
            producer_epoch: ProducerEpoch(0),
        })
    }

    async fn produce(self, _: Context, request: Produce) -> Result<Vec<ProducePartReply>, Failure> {
        let batches = request.parts.iter().flat_map(|part| {
            let headers = part.batches.iter().map(|batch| {
                let header = StampedBatch::split(batch.0.clone()).unwrap().header();
                (
                    part.key.partition,
                    header.base_sequence.0,
                    header.record_count,
                )
            });
            headers.collect::<Vec<_>>()
        });
        let seen = Seen {
            batches: batches.collect(),
        };
        self.shared.state.lock().seen.push(seen);
        self.while_held().await;
        let fault = self.take_fault();
        if let Some(Fault::Cut) = fault {
            self.cut();
            std::future::pending::<()>().await;
        }
        let replies = request.parts.iter().map(|part| ProducePartReply {
            key: part.key,
            outcome: self.append(part, fault),
        });
        let replies = replies.collect();
        self.shared.changed.notify_waiters();
        if let Some(Fault::AppendThenCut) = fault {
            self.cut();
            std::future::pending::<()>().await;
        }
        Ok(replies)
    }

    async fn fetch(self, _: Context, request: Fetch) -> Result<Vec<FetchPartReply>, Failure> {
        let wait = Duration::from_millis(u64::from(request.wait_ms_max));
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let replies = self.read(&request);
            let is_empty = |reply: &FetchPartReply| {
                reply
                    .outcome
                    .as_ref()
                    .is_ok_and(|batches| batches.is_empty())
            };
            if !replies.iter().all(is_empty)
                || tokio::time::timeout_at(deadline, changed).await.is_err()
            {
                return Ok(replies);
            }
        }
    }

    async fn list_offsets(
        self,
        _: Context,
        request: ListOffsets,
    ) -> Result<Vec<ListedOffset>, Failure> {
        let mut state = self.shared.state.lock();
        let listed = request.parts.into_iter().map(|part| {
            let failure = state.not_led_by(part.key, self.id);
            let outcome = match (failure, state.log(part.key), part.at) {
                (Some(failure), ..) => Err(failure),
                (None, Some(log), OffsetAt::Start) => Ok(Some(log.start)),
                (None, Some(log), OffsetAt::End) => Ok(Some(log.next)),
                (None, Some(_), OffsetAt::Timestamp(_)) => Ok(None),
                (None, None, _) => Err(ErrorCode::UnknownTopicOrPartition.into()),
            };
            ListedOffset {
                key: part.key,
                outcome,
            }
        });
        Ok(listed.collect())
    }

    async fn trim(self, _: Context, request: Trim) -> Result<(), Failure> {
        let mut state = self.shared.state.lock();
        for (key, before) in request.parts {
            if let Some(failure) = state.not_led_by(key, self.id) {
                return Err(failure);
            }
            state.log(key).unwrap().start = before;
        }
        Ok(())
    }

    async fn find_coordinator(self, _: Context, _: GroupName) -> Result<NodeAddress, Failure> {
        let state = self.shared.state.lock();
        let (node, addr) = state.addrs.first_key_value().unwrap();
        Ok(NodeAddress {
            node: *node,
            client_addr: addr.clone(),
        })
    }

    async fn join_group(self, _: Context, request: JoinGroup) -> Result<JoinGroupReply, Failure> {
        let generation = self.shared.state.lock().groups.join(&request);
        Ok(JoinGroupReply {
            heartbeat_interval_ms: 20,
            generation,
        })
    }

    async fn group_heartbeat(
        self,
        _: Context,
        request: GroupHeartbeat,
    ) -> Result<GroupHeartbeatReply, Failure> {
        let mut state = self.shared.state.lock();
        let mut partitions = Vec::new();
        for (name, topic) in &state.topics {
            for index in 0..topic.partitions.len() as u32 {
                let key = floe_client::PartitionKey {
                    topic_id: topic.id,
                    partition: PartitionIndex(index),
                };
                partitions.push((name.clone(), key));
            }
        }
        Ok(state.groups.heartbeat(&request, &partitions)?)
    }

    async fn leave_group(self, _: Context, request: LeaveGroup) -> Result<(), Failure> {
        self.shared.state.lock().groups.leave(&request.member_id);
        Ok(())
    }

    async fn commit_offsets(self, _: Context, request: CommitOffsets) -> Result<(), Failure> {
        Ok(self.shared.state.lock().groups.commit(&request)?)
    }

    async fn fetch_offsets(
        self,
        _: Context,
        request: FetchOffsets,
    ) -> Result<Vec<CommittedOffset>, Failure> {
        let state = self.shared.state.lock();
        Ok(state.groups.committed(request.partitions.as_deref()))
    }

    async fn list_groups(self, _: Context) -> Result<Vec<GroupListing>, Failure> {
        Ok(Vec::new())
    }

    async fn describe_group(self, _: Context, _: GroupName) -> Result<GroupDescription, Failure> {
        Err(ErrorCode::UnknownGroup.into())
    }

    async fn delete_group(self, _: Context, _: GroupName) -> Result<(), Failure> {
        Err(ErrorCode::UnknownGroup.into())
    }

    async fn node_stats(self, _: Context) -> Result<NodeStats, Failure> {
        Ok(NodeStats {
            node: self.id,
            ..NodeStats::default()
        })
    }

    async fn chaos(self, _: Context, _: ChaosRequest) -> Result<ChaosState, Failure> {
        Err(ErrorCode::InvalidRequest.into())
    }
}
