//! Well-formed requests whose values make no sense: each is told so, by a code that says what is wrong.

use floe_kafka_codec::messages::{
    AlterPartitionReassignmentsRequest, CreatableReplicaAssignment, CreatableTopic,
    CreatableTopicConfig, CreatePartitionsRequest, CreatePartitionsTopic, CreateTopicsRequest,
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic, DeleteTopicsRequest,
    DescribeConfigsRequest, DescribeConfigsResource, ElectLeadersRequest, ElectLeadersTopic,
    FetchRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterableConfig, InitProducerIdRequest,
    JoinGroupRequest, JoinGroupRequestProtocol, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsTopic, MetadataRequest, MetadataRequestTopic, OffsetCommitRequest,
    OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition, OffsetForLeaderTopic, ReassignablePartition, ReassignableTopic,
    SyncGroupRequest,
};
use floe_kafka_codec::{KafkaError, Request};

use crate::bystander::Bystander;
use crate::server::{Client, Server, batch, fetch_request, produce_request, produced};

/// Names that no topic can have.
fn bad_names() -> Vec<String> {
    let mut names = [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "ä",
        "a\0b",
        "a\nb",
        "*",
        "__\u{202e}",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(["x".repeat(250), "x".repeat(32_000)]);
    names
}

const BAD_PARTITIONS: [i32; 5] = [-1, 1, 1_000_000, i32::MAX, i32::MIN];

/// A client of the topic `t`, which has one partition with one record.
struct Attack {
    client: Client,
    refused: usize,
}

impl Attack {
    /// The answer has only errors, and none that says nothing.
    async fn is_refused<R: Request + std::fmt::Debug>(
        &mut self,
        version: i16,
        request: &R,
        errors: impl Fn(&R::Response) -> Vec<KafkaError>,
    ) {
        let errors = errors(&self.client.call(version, request).await);
        let telling = |error: &KafkaError| {
            ![KafkaError::NONE, KafkaError::UNKNOWN_SERVER_ERROR].contains(error)
        };
        assert!(
            !errors.is_empty() && errors.iter().all(telling),
            "{errors:?} for {request:?}"
        );
        self.refused += 1;
    }

    async fn produce(&mut self) {
        let errors = |response: &_| vec![produced(response).0];
        for name in bad_names() {
            let request = produce_request(&name, -1, batch(&["v"]));
            self.is_refused(9, &request, errors).await;
        }
        for partition in BAD_PARTITIONS {
            let mut request = produce_request("t", -1, batch(&["v"]));
            request.topic_data[0].partition_data[0].index = partition;
            self.is_refused(9, &request, errors).await;
        }
        for acks in [2, -2, i16::MAX, i16::MIN] {
            let request = produce_request("t", acks, batch(&["v"]));
            self.is_refused(9, &request, errors).await;
        }
        let mut none = produce_request("t", -1, batch(&["v"]));
        none.topic_data[0].partition_data[0].records = None;
        self.is_refused(9, &none, errors).await;
    }

    /// Batches with each byte of the header another one, and cut at each.
    async fn batches(&mut self) {
        let good = batch(&["v"]);
        for at in 0..61 {
            for forged in [0x7f, 0x80, 0xff] {
                let mut bytes = good.to_vec();
                // Where the checksum does not reach, some bytes are the broker's to set.
                if bytes[at] == forged || at < 8 || (12..16).contains(&at) {
                    continue;
                }
                bytes[at] = forged;
                let request = produce_request("t", -1, bytes.into());
                self.is_refused(9, &request, |response| vec![produced(response).0])
                    .await;
            }
            let request = produce_request("t", -1, good.slice(..at));
            self.is_refused(9, &request, |response| vec![produced(response).0])
                .await;
        }
    }

    async fn fetch(&mut self) {
        let errors = |response: &<FetchRequest as Request>::Response| {
            let all = response
                .responses
                .iter()
                .flat_map(|topic| &topic.partitions);
            all.map(|partition| partition.error_code).collect()
        };
        for offset in [-1, -2, i64::MIN, i64::MAX, 2] {
            self.is_refused(12, &fetch_request("t", offset), errors)
                .await;
        }
        for name in bad_names() {
            self.is_refused(12, &fetch_request(&name, 0), errors).await;
        }
        for partition in BAD_PARTITIONS {
            let mut request = fetch_request("t", 0);
            request.topics[0].partitions[0].partition = partition;
            self.is_refused(12, &request, errors).await;
        }
        for epoch in [0, 1_000_000, i32::MAX] {
            let mut request = fetch_request("t", 0);
            request.topics[0].partitions[0].current_leader_epoch = epoch;
            self.is_refused(12, &request, errors).await;
        }
        for (session_id, session_epoch) in [(7, 1), (i32::MAX, i32::MAX), (i32::MIN, 5), (-1, 1)] {
            let request = FetchRequest {
                session_id,
                session_epoch,
                ..fetch_request("t", 0)
            };
            self.is_refused(12, &request, |response| vec![response.error_code])
                .await;
        }
    }

    async fn offsets(&mut self) {
        for partition_index in BAD_PARTITIONS {
            for timestamp in [-1, -2, 0, i64::MAX, i64::MIN] {
                let request = ListOffsetsRequest {
                    topics: vec![ListOffsetsTopic {
                        name: "t".to_owned(),
                        partitions: vec![ListOffsetsPartition {
                            partition_index,
                            timestamp,
                            ..ListOffsetsPartition::default()
                        }],
                    }],
                    ..ListOffsetsRequest::default()
                };
                let errors = |response: &<ListOffsetsRequest as Request>::Response| {
                    vec![response.topics[0].partitions[0].error_code]
                };
                self.is_refused(7, &request, errors).await;
            }
            for leader_epoch in [-5, 0, i32::MAX] {
                let request = OffsetForLeaderEpochRequest {
                    topics: vec![OffsetForLeaderTopic {
                        topic: "t".to_owned(),
                        partitions: vec![OffsetForLeaderPartition {
                            partition: partition_index,
                            leader_epoch,
                            ..OffsetForLeaderPartition::default()
                        }],
                    }],
                    ..OffsetForLeaderEpochRequest::default()
                };
                let errors = |response: &<OffsetForLeaderEpochRequest as Request>::Response| {
                    vec![response.topics[0].partitions[0].error_code]
                };
                self.is_refused(4, &request, errors).await;
            }
        }
    }

    async fn delete_records(&mut self) {
        let places = BAD_PARTITIONS.into_iter().map(|partition| (partition, 0));
        let offsets = [-2, i64::MIN, i64::MAX, 1_000]
            .into_iter()
            .map(|offset| (0, offset));
        for (partition_index, offset) in places.chain(offsets) {
            let request = DeleteRecordsRequest {
                topics: vec![DeleteRecordsTopic {
                    name: "t".to_owned(),
                    partitions: vec![DeleteRecordsPartition {
                        partition_index,
                        offset,
                    }],
                }],
                timeout_ms: 5_000,
            };
            let errors = |response: &<DeleteRecordsRequest as Request>::Response| {
                vec![response.topics[0].partitions[0].error_code]
            };
            self.is_refused(2, &request, errors).await;
        }
    }

    async fn create_topics(&mut self) {
        let good = CreatableTopic {
            name: "new".to_owned(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let mut bad = Vec::new();
        bad.extend(bad_names().into_iter().map(|name| CreatableTopic {
            name,
            ..good.clone()
        }));
        for num_partitions in [0, -2, 10_000_000, i32::MAX, i32::MIN] {
            bad.push(CreatableTopic {
                num_partitions,
                ..good.clone()
            });
        }
        for replication_factor in [0, -2, 2, i16::MAX, i16::MIN] {
            bad.push(CreatableTopic {
                replication_factor,
                ..good.clone()
            });
        }
        let values = [
            ("retention.ms", "-2"),
            ("retention.ms", "99999999999999999999"),
            ("max.message.bytes", "-1"),
            ("max.message.bytes", "2147483648"),
            ("cleanup.policy", "burn"),
            ("compression.type", "rar"),
            ("min.insync.replicas", "0"),
            ("no.such.setting", "1"),
            ("", ""),
        ];
        for (name, value) in values {
            let config = CreatableTopicConfig {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            };
            bad.push(CreatableTopic {
                configs: vec![config],
                ..good.clone()
            });
        }
        for broker_ids in [vec![], vec![99], vec![-1], vec![1, 1], vec![i32::MAX]] {
            let assignment = CreatableReplicaAssignment {
                partition_index: 0,
                broker_ids,
            };
            bad.push(CreatableTopic {
                num_partitions: -1,
                replication_factor: -1,
                assignments: vec![assignment],
                ..good.clone()
            });
        }
        for topic in bad {
            let request = CreateTopicsRequest {
                topics: vec![topic],
                ..CreateTopicsRequest::default()
            };
            self.is_refused(5, &request, |response| vec![response.topics[0].error_code])
                .await;
        }
    }

    async fn change_topics(&mut self) {
        for count in [0, 1, -1, 10_000_000, i32::MAX, i32::MIN] {
            let request = CreatePartitionsRequest {
                topics: vec![CreatePartitionsTopic {
                    name: "t".to_owned(),
                    count,
                    assignments: None,
                }],
                timeout_ms: 5_000,
                validate_only: false,
            };
            self.is_refused(3, &request, |response| vec![response.results[0].error_code])
                .await;
        }
        for name in bad_names() {
            let request = DeleteTopicsRequest {
                topic_names: vec![name],
                timeout_ms: 5_000,
                ..DeleteTopicsRequest::default()
            };
            self.is_refused(5, &request, |response| {
                vec![response.responses[0].error_code]
            })
            .await;
        }
        for replicas in [vec![], vec![99], vec![-1], vec![1, 1], vec![1; 10_000]] {
            let request = AlterPartitionReassignmentsRequest {
                topics: vec![ReassignableTopic {
                    name: "t".to_owned(),
                    partitions: vec![ReassignablePartition {
                        partition_index: 0,
                        replicas: Some(replicas),
                    }],
                }],
                ..AlterPartitionReassignmentsRequest::default()
            };
            let errors = |response: &<AlterPartitionReassignmentsRequest as Request>::Response| {
                vec![response.responses[0].partitions[0].error_code]
            };
            self.is_refused(0, &request, errors).await;
        }
        for (election_type, partition) in [(0, -1), (0, 99), (1, 0), (9, 0), (-1, 0), (i8::MIN, 0)]
        {
            let request = ElectLeadersRequest {
                election_type,
                topic_partitions: Some(vec![ElectLeadersTopic {
                    topic: "t".to_owned(),
                    partitions: vec![partition],
                }]),
                timeout_ms: 5_000,
            };
            let errors = |response: &<ElectLeadersRequest as Request>::Response| {
                let results = response.replica_election_results.iter();
                let each = results.flat_map(|topic| &topic.partition_result);
                let mut errors: Vec<_> = each.map(|one| one.error_code).collect();
                errors.extend(
                    (response.error_code != KafkaError::NONE).then_some(response.error_code),
                );
                errors
            };
            self.is_refused(2, &request, errors).await;
        }
    }

    async fn configs(&mut self) {
        for resource_type in [0, 1, 3, 7, 99, -1, i8::MIN] {
            let request = DescribeConfigsRequest {
                resources: vec![DescribeConfigsResource {
                    resource_type,
                    resource_name: "no/topic".to_owned(),
                    configuration_keys: None,
                }],
                ..DescribeConfigsRequest::default()
            };
            self.is_refused(4, &request, |response| vec![response.results[0].error_code])
                .await;
        }
        let changes = [
            (9, "retention.ms", Some("1")),
            (-1, "retention.ms", Some("1")),
            (0, "retention.ms", None),
            (0, "retention.ms", Some("soon")),
            (2, "retention.ms", Some("1")),
            (3, "no.such.setting", Some("1")),
            (0, "", Some("")),
        ];
        for (config_operation, name, value) in changes {
            let request = IncrementalAlterConfigsRequest {
                resources: vec![IncrementalAlterConfigsResource {
                    resource_type: 2,
                    resource_name: "t".to_owned(),
                    configs: vec![IncrementalAlterableConfig {
                        name: name.to_owned(),
                        config_operation,
                        value: value.map(str::to_owned),
                    }],
                }],
                validate_only: false,
            };
            self.is_refused(1, &request, |response| {
                vec![response.responses[0].error_code]
            })
            .await;
        }
    }

    async fn groups(&mut self) {
        let good = JoinGroupRequest {
            group_id: "g".to_owned(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".to_owned(),
            protocols: vec![JoinGroupRequestProtocol::default()],
            ..JoinGroupRequest::default()
        };
        let mut bad = vec![
            JoinGroupRequest {
                group_id: String::new(),
                ..good.clone()
            },
            JoinGroupRequest {
                protocol_type: String::new(),
                ..good.clone()
            },
            JoinGroupRequest {
                protocols: Vec::new(),
                ..good.clone()
            },
            JoinGroupRequest {
                member_id: "nobody".to_owned(),
                ..good.clone()
            },
        ];
        for session_timeout_ms in [0, -1, i32::MIN, i32::MAX] {
            bad.push(JoinGroupRequest {
                session_timeout_ms,
                ..good.clone()
            });
        }
        for request in bad {
            self.is_refused(3, &request, |response| vec![response.error_code])
                .await;
        }
        for generation_id in [-1, 0, i32::MAX, i32::MIN] {
            let request = HeartbeatRequest {
                group_id: "g".to_owned(),
                generation_id,
                member_id: "nobody".to_owned(),
                ..HeartbeatRequest::default()
            };
            self.is_refused(3, &request, |response| vec![response.error_code])
                .await;
            let request = SyncGroupRequest {
                group_id: "g".to_owned(),
                generation_id,
                member_id: "nobody".to_owned(),
                ..SyncGroupRequest::default()
            };
            self.is_refused(3, &request, |response| vec![response.error_code])
                .await;
        }
    }

    async fn commits(&mut self) {
        let mut bad = Vec::new();
        for partition in BAD_PARTITIONS {
            bad.push(("g".to_owned(), -1, partition, 0, None));
        }
        for offset in [-1, i64::MIN] {
            bad.push(("g".to_owned(), -1, 0, offset, None));
        }
        bad.push((String::new(), -1, 0, 0, None));
        bad.push(("g".to_owned(), 5, 0, 0, None));
        bad.push(("g".to_owned(), -1, 0, 0, Some("m".repeat(30_000))));
        for (group_id, generation, partition_index, committed_offset, committed_metadata) in bad {
            let request = OffsetCommitRequest {
                group_id,
                generation_id_or_member_epoch: generation,
                topics: vec![OffsetCommitRequestTopic {
                    name: "t".to_owned(),
                    partitions: vec![OffsetCommitRequestPartition {
                        partition_index,
                        committed_offset,
                        committed_metadata,
                        ..OffsetCommitRequestPartition::default()
                    }],
                }],
                ..OffsetCommitRequest::default()
            };
            let errors = |response: &<OffsetCommitRequest as Request>::Response| {
                vec![response.topics[0].partitions[0].error_code]
            };
            self.is_refused(8, &request, errors).await;
        }
    }

    async fn others(&mut self) {
        for name in bad_names() {
            let request = MetadataRequest {
                topics: Some(vec![MetadataRequestTopic {
                    name: Some(name),
                    ..MetadataRequestTopic::default()
                }]),
                ..MetadataRequest::default()
            };
            self.is_refused(9, &request, |response| vec![response.topics[0].error_code])
                .await;
        }
        for (producer_id, producer_epoch) in [(-1, 5), (5, -1), (i64::MIN, -1), (-1, i16::MIN)] {
            let request = InitProducerIdRequest {
                producer_id,
                producer_epoch,
                ..InitProducerIdRequest::default()
            };
            self.is_refused(4, &request, |response| vec![response.error_code])
                .await;
        }
    }
}

/// Each is refused by name, on a connection that stays.
pub(crate) async fn values_out_of_range() {
    let server = Server::start().await;
    let mut bystander = Bystander::new(&server).await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    assert_eq!(
        client.produce("t", batch(&["v"])).await,
        (KafkaError::NONE, 0)
    );
    let mut attack = Attack { client, refused: 0 };
    attack.produce().await;
    attack.batches().await;
    bystander.works().await;
    attack.fetch().await;
    attack.offsets().await;
    attack.delete_records().await;
    bystander.works().await;
    attack.create_topics().await;
    attack.change_topics().await;
    attack.configs().await;
    bystander.works().await;
    attack.groups().await;
    attack.commits().await;
    attack.others().await;
    assert!(attack.refused > 400, "{}", attack.refused);
    // Nothing of all that is in the log.
    let mut client = attack.client;
    assert_eq!(
        client.produce("t", batch(&["v"])).await,
        (KafkaError::NONE, 1)
    );
    bystander.ends_well().await;
    server.stop().await;
}
