//! One of each kind of message, for tests of the wire.

use std::collections::BTreeMap;

use bytes::Bytes;
use floe_model::*;
use floe_record::{BatchBuilder, Compression, Entry, EntryBody, Record, StampedBatch};

use crate::*;

pub(crate) fn batch(value_bytes: usize) -> StampedBatch {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&Record {
        timestamp_ms: 1_700_000_000_000,
        key: None,
        value: Some(Bytes::from(vec![7; value_bytes])),
        headers: Vec::new(),
    });
    StampedBatch::split(builder.build()).unwrap()
}

pub(crate) fn entry(index: u64, body: EntryBody) -> WireEntry {
    let mut entry = Entry {
        term: Term(3),
        index: LogIndex(index),
        base_offset: Offset(0),
        appended_at_ms: 1_700_000_000_001,
        body,
    };
    entry.stamp_offsets(Offset(40));
    WireEntry(entry)
}

pub(crate) fn append(entries: Vec<WireEntry>) -> AppendEntries {
    AppendEntries {
        route: Route {
            group: RaftGroupId(1000),
            from: ReplicaId(1),
            to: ReplicaId(2),
            to_node_uuid: NodeUuid([2; 16]),
        },
        vote: Payload::from(vec![1, 2, 3]),
        prev: Some(LogId {
            term: Term(2),
            index: LogIndex(8),
        }),
        commit: None,
        entries,
    }
}

pub(crate) fn entries() -> Vec<WireEntry> {
    vec![
        entry(9, EntryBody::Blank),
        entry(10, EntryBody::Membership(Bytes::from_static(b"members"))),
        entry(11, EntryBody::Data(vec![batch(100), batch(70_000)])),
        entry(12, EntryBody::Control(Bytes::from_static(b"trim"))),
    ]
}

pub(crate) fn key() -> PartitionKey {
    PartitionKey {
        topic_id: TopicId([5; 16]),
        partition: PartitionIndex(3),
    }
}

pub(crate) fn produce(batches: Vec<Payload>) -> ClientApiRequest {
    ClientApiRequest::Produce {
        request: Produce {
            acks: Acks::Quorum,
            timeout_ms: 5000,
            parts: vec![ProducePart {
                key: key(),
                batches,
            }],
        },
    }
}

#[expect(clippy::too_many_lines, reason = "one of each kind")]
pub(crate) fn client_requests() -> Vec<ClientApiRequest> {
    use ClientApiRequest as R;
    let topic = TopicName::try_from("orders".to_owned()).unwrap();
    let group = GroupName::try_from("billing".to_owned()).unwrap();
    vec![
        R::DescribeCluster {},
        R::Topics {
            request: TopicsRequest {
                names: Some(vec![topic.clone()]),
                auto_create: true,
            },
        },
        R::CreateTopic {
            request: CreateTopic {
                name: topic.clone(),
                partitions: 6,
                replication: None,
                configs: BTreeMap::from([("retention.ms".into(), "1000".into())]),
                if_not_exists: false,
                timeout_ms: 1,
            },
        },
        R::AlterTopic {
            request: AlterTopic {
                name: topic.clone(),
                configs: BTreeMap::from([("retention.ms".into(), None)]),
                partitions: Some(7),
            },
        },
        R::DeleteTopic {
            topic: topic.clone(),
        },
        R::ElectLeaders {
            request: ElectLeaders {
                topic: Some(topic),
                partition: None,
                to: Some(NodeId(2)),
            },
        },
        R::InitProducer {},
        produce(vec![Payload(batch(100).to_bytes())]),
        R::Fetch {
            request: Fetch {
                wait_ms_max: 500,
                min_bytes: 1,
                bytes_max: 1 << 20,
                parts: vec![FetchPart {
                    key: key(),
                    offset: Offset(-1),
                    bytes_max: 1 << 20,
                    owner: Some(Ownership {
                        group: group.clone(),
                        generation: Generation(4),
                        token: FencingToken(9),
                    }),
                }],
            },
        },
        R::ListOffsets {
            request: ListOffsets {
                parts: vec![ListOffsetsPart {
                    key: key(),
                    at: OffsetAt::Timestamp(-5),
                }],
            },
        },
        R::Trim {
            request: Trim {
                parts: vec![(key(), Offset(17))],
            },
        },
        R::FindCoordinator {
            group: group.clone(),
        },
        R::ListGroups {},
        R::DescribeGroup { group },
        R::NodeStats {},
        R::Chaos {
            request: ChaosRequest::Inject {
                fault: ChaosFault::Cut {
                    from: vec![NodeId(2), NodeId(3)],
                },
                length_ms: 1500,
            },
        },
    ]
}

pub(crate) fn fetched(values: &[usize]) -> ClientApiResponse {
    let batches = values.iter().map(|bytes| batch(*bytes));
    ClientApiResponse::Fetch(Ok(vec![FetchPartReply {
        key: key(),
        log_start_offset: Offset(0),
        high_watermark: Offset(99),
        leader_epoch: LeaderEpoch(3),
        outcome: Ok(batches.map(|batch| WireBatch::from_batch(&batch)).collect()),
    }]))
}

pub(crate) fn client_responses() -> Vec<ClientApiResponse> {
    let failure = Failure::elsewhere(
        ErrorCode::NotLeader,
        Some(LeaderHint {
            node: NodeId(3),
            epoch: LeaderEpoch(8),
        }),
    );
    let detailed = Failure::new(
        ErrorCode::InvalidReplication,
        FailureDetail::Replication { given: 5, max: 3 },
    );
    vec![
        ClientApiResponse::DescribeCluster(Err(failure.clone())),
        ClientApiResponse::Produce(Ok(vec![ProducePartReply {
            key: key(),
            outcome: Err(failure),
        }])),
        fetched(&[10, 70_000]),
        ClientApiResponse::CreateTopic(Err(detailed)),
        ClientApiResponse::Trim(Ok(())),
        ClientApiResponse::NodeStats(Ok(NodeStats::default())),
        ClientApiResponse::Chaos(Ok(ChaosState {
            allowed: true,
            supervised: true,
            ready: false,
            broken: true,
            incarnation: Incarnation(7),
            hits: ChaosHits {
                cut: 1,
                disk: 2,
                clock: 3,
            },
        })),
    ]
}

pub(crate) fn peer_requests() -> Vec<PeerApiRequest> {
    vec![
        PeerApiRequest::Append {
            requests: vec![append(Vec::new()), append(entries())],
        },
        PeerApiRequest::Beat {
            beat: Beat {
                incarnation: Incarnation(4),
                seq: 0,
                claims: vec![Claim {
                    group: RaftGroupId(1000),
                    epoch: LeaderEpoch(3),
                }],
                withdrawn: vec![RaftGroupId(1001)],
            },
        },
        PeerApiRequest::Cluster {
            request: ClusterRequest::ProposeMetadata {
                command: Payload::from(vec![1; 300]),
            },
        },
    ]
}

pub(crate) fn peer_responses() -> Vec<PeerApiResponse> {
    vec![
        PeerApiResponse::Append(vec![AppendReply {
            group: RaftGroupId(1000),
            outcome: AppendOutcome::HigherVote(Payload::from(vec![9])),
        }]),
        PeerApiResponse::Beat(BeatReply::Heard),
    ]
}
