//! Fetch with sessions, ids, epochs and limits; ListOffsets.

use std::time::Duration;

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic, FetchPartitionResponse,
    FetchRequest, FetchResponse, ListOffsetsPartition, ListOffsetsPartitionResponse,
    ListOffsetsRequest, ListOffsetsTopic,
};
use floe_model::TopicId;

use crate::server::{Client, PATIENCE, Server, batch, fetch_request};

fn first(response: &FetchResponse) -> &FetchPartitionResponse {
    &response.responses[0].partitions[0]
}

fn size(response: &FetchResponse) -> usize {
    let partitions = response.responses.iter().flat_map(|one| &one.partitions);
    partitions
        .map(|one| one.records.as_ref().unwrap().size_bytes())
        .sum()
}

async fn filled(count: usize) -> (Server, Client, TopicId) {
    let server = Server::start().await;
    let topic_id = server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    for _ in 0..count {
        client.produce("t", batch(&["first", "second"])).await;
    }
    (server, client, topic_id)
}

#[tokio::test]
async fn names_and_ids_give_the_same_and_an_unknown_id_is_told() {
    let (server, mut client, topic_id) = filled(1).await;
    for version in 4..=17 {
        let mut request = fetch_request("t", 0);
        request.topics[0].topic_id = topic_id;
        let response = client.call(version, &request).await;
        let partition = first(&response);
        assert_eq!(partition.error_code, KafkaError::NONE, "{version}");
        assert_eq!(
            (partition.high_watermark, partition.last_stable_offset),
            (2, 2)
        );
        assert!(size(&response) > 0);
    }
    let mut request = fetch_request("t", 0);
    request.topics[0].topic_id = TopicId([7; 16]);
    let response = client.call(13, &request).await;
    assert_eq!(first(&response).error_code, KafkaError::UNKNOWN_TOPIC_ID);
    let response = client.call(12, &fetch_request("nowhere", 0)).await;
    assert_eq!(
        first(&response).error_code,
        KafkaError::UNKNOWN_TOPIC_OR_PARTITION
    );
    server.stop().await;
}

#[tokio::test]
async fn read_committed_sees_everything_when_nothing_is_transactional() {
    let (server, mut client, _) = filled(1).await;
    let mut request = fetch_request("t", 0);
    request.isolation_level = 1;
    let response = client.call(11, &request).await;
    let partition = first(&response);
    assert_eq!(
        (partition.high_watermark, partition.last_stable_offset),
        (2, 2)
    );
    assert_eq!(partition.aborted_transactions, Some(Vec::new()));
    assert!(size(&response) > 0);
    let response = client.call(11, &fetch_request("t", 0)).await;
    assert_eq!(first(&response).aborted_transactions, None);
    server.stop().await;
}

#[tokio::test]
async fn one_whole_batch_comes_however_small_the_limits_are() {
    let (server, mut client, _) = filled(3).await;
    let mut request = fetch_request("t", 1);
    request.max_bytes = 1;
    request.topics[0].partitions[0].partition_max_bytes = 1;
    let one = size(&client.call(11, &request).await);
    assert_eq!(one, batch(&["first", "second"]).len());
    request.max_bytes = 1 << 20;
    request.topics[0].partitions[0].partition_max_bytes = 1 << 20;
    assert_eq!(size(&client.call(11, &request).await), 3 * one);
    server.stop().await;
}

#[tokio::test]
async fn a_long_poll_wakes_for_new_records_and_ends_empty_handed() {
    let (server, mut client, _) = filled(1).await;
    let mut request = fetch_request("t", 2);
    request.max_wait_ms = 20;
    assert_eq!(size(&client.call(11, &request).await), 0);
    request.max_wait_ms = 60_000;
    client.send(11, &request).await;
    let mut producer = server.connect().await;
    producer.produce("t", batch(&["news"])).await;
    let woken = tokio::time::timeout(PATIENCE, client.answer::<FetchRequest>(11)).await;
    assert_eq!(size(&woken.unwrap().1), batch(&["news"]).len());
    server.stop().await;
}

#[tokio::test]
async fn a_failed_partition_does_not_wait_for_the_others() {
    let (server, mut client, _) = filled(1).await;
    let mut request = fetch_request("t", 2);
    request.max_wait_ms = 600_000;
    let mut elsewhere = request.topics[0].clone();
    elsewhere.topic = "nowhere".to_owned();
    request.topics.push(elsewhere);
    let answer = tokio::time::timeout(Duration::from_secs(20), client.call(11, &request)).await;
    let response = answer.unwrap();
    let codes = response
        .responses
        .iter()
        .map(|one| one.partitions[0].error_code);
    let expected = [KafkaError::NONE, KafkaError::UNKNOWN_TOPIC_OR_PARTITION];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
    server.stop().await;
}

#[tokio::test]
async fn offsets_outside_the_log_are_out_of_range() {
    let (server, mut client, _) = filled(1).await;
    for offset in [-1, 3, i64::MAX] {
        let response = client.call(11, &fetch_request("t", offset)).await;
        assert_eq!(first(&response).error_code, KafkaError::OFFSET_OUT_OF_RANGE);
    }
    server.stop().await;
}

#[tokio::test]
async fn older_and_newer_leader_epochs_are_refused_and_none_is_fine() {
    let (server, mut client, _) = filled(1).await;
    let current = latest(&mut client, -1).await.leader_epoch;
    assert!(current > 0);
    let cases = [
        (-1, KafkaError::NONE),
        (current, KafkaError::NONE),
        (current - 1, KafkaError::FENCED_LEADER_EPOCH),
        (current + 1, KafkaError::UNKNOWN_LEADER_EPOCH),
    ];
    for (epoch, error) in cases {
        let mut request = fetch_request("t", 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let response = client.call(11, &request).await;
        assert_eq!(first(&response).error_code, error, "{epoch}");
        assert_eq!(
            latest(&mut client, epoch).await.error_code,
            error,
            "{epoch}"
        );
    }
    server.stop().await;
}

/// What a fetch from `offset` is answered whose client has a last record of epoch `last`: the
/// error, where logs part, and how many bytes came.
async fn fetch_after(
    client: &mut Client,
    last: i32,
    offset: i64,
) -> (KafkaError, (i32, i64), usize) {
    let mut request = fetch_request("t", offset);
    request.topics[0].partitions[0].last_fetched_epoch = last;
    request.max_wait_ms = 0;
    let response = client.call(12, &request).await;
    let found = first(&response);
    let parting = &found.diverging_epoch;
    let parting = (parting.epoch, parting.end_offset);
    (found.error_code, parting, size(&response))
}

#[tokio::test]
async fn a_client_whose_records_the_leader_does_not_have_is_told_where_logs_part() {
    let (server, mut client, _) = filled(2).await;
    let epoch = latest(&mut client, -1).await.leader_epoch;
    let agreed = (-1, -1);
    for (last, offset) in [(-1, 0), (epoch, 0), (epoch, 2)] {
        let (error, parting, bytes) = fetch_after(&mut client, last, offset).await;
        assert_eq!(
            (error, parting),
            (KafkaError::NONE, agreed),
            "{last} {offset}"
        );
        assert!(bytes > 0);
    }
    let at_end = fetch_after(&mut client, epoch, 4).await;
    assert_eq!(at_end, (KafkaError::NONE, agreed, 0));
    // It has more of this epoch than there ever was of it.
    let beyond = fetch_after(&mut client, epoch, 5).await;
    assert_eq!(beyond, (KafkaError::NONE, (epoch, 4), 0));
    // No record of the epoch before this one is here.
    let other = fetch_after(&mut client, epoch - 1, 3).await;
    assert_eq!(other, (KafkaError::NONE, (epoch - 1, 0), 0));
    let newer = fetch_after(&mut client, epoch + 1, 3).await;
    assert_eq!(newer, (KafkaError::OFFSET_OUT_OF_RANGE, agreed, 0));
    server.stop().await;
}

async fn latest(client: &mut Client, current_leader_epoch: i32) -> ListOffsetsPartitionResponse {
    list(client, 6, -1, current_leader_epoch).await
}

async fn list(
    client: &mut Client,
    version: i16,
    timestamp: i64,
    current_leader_epoch: i32,
) -> ListOffsetsPartitionResponse {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "t".to_owned(),
            partitions: vec![ListOffsetsPartition {
                partition_index: 0,
                current_leader_epoch,
                timestamp,
            }],
        }],
        ..ListOffsetsRequest::default()
    };
    let response = client.call(version, &request).await;
    response.topics[0].partitions[0].clone()
}

#[tokio::test]
async fn both_ends_times_and_the_largest_time_are_found() {
    let (server, mut client, _) = filled(2).await;
    // Both batches have records of the times 1000 and 1001.
    let cases = [
        (1, -1, 4, -1),
        (1, -2, 0, -1),
        (10, -3, 1, 1001),
        (8, -4, 0, -1),
        (9, -5, -1, -1),
        (1, 0, 0, 1000),
        (1, 1001, 1, 1001),
        (1, 1002, -1, -1),
    ];
    for (version, at, offset, timestamp) in cases {
        let found = list(&mut client, version, at, -1).await;
        assert_eq!(found.error_code, KafkaError::NONE, "{at}");
        assert_eq!((found.offset, found.timestamp), (offset, timestamp), "{at}");
    }
    let early = list(&mut client, 6, -3, -1).await;
    assert_eq!(early.error_code, KafkaError::UNSUPPORTED_VERSION);
    server.stop().await;
}

#[tokio::test]
async fn a_time_is_looked_for_in_what_is_left_of_the_log_only() {
    let (server, mut client, _) = filled(2).await;
    // Both batches have records of the times 1000 and 1001.
    let cases = [
        (1, 1000, (1, 1001)),
        (2, 1001, (3, 1001)),
        (2, 1000, (2, 1000)),
        (3, 1000, (3, 1001)),
        (4, 1000, (-1, -1)),
    ];
    for (log_start, at, expected) in cases {
        let request = DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic {
                name: "t".to_owned(),
                partitions: vec![DeleteRecordsPartition {
                    partition_index: 0,
                    offset: log_start,
                }],
            }],
            timeout_ms: 10_000,
        };
        let trimmed = client.call(2, &request).await;
        assert_eq!(trimmed.topics[0].partitions[0].low_watermark, log_start);
        let found = list(&mut client, 6, at, -1).await;
        assert_eq!(
            (found.offset, found.timestamp),
            expected,
            "{log_start} {at}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_session_sends_only_what_changed() {
    let (server, mut client, topic_id) = filled(1).await;
    let mut request = fetch_request("t", 2);
    request.topics[0].topic_id = topic_id;
    request.session_epoch = 0;
    let full = client.call(13, &request).await;
    assert_ne!(full.session_id, 0);
    assert_eq!(full.responses.len(), 1);
    let mut next = FetchRequest {
        session_id: full.session_id,
        session_epoch: 1,
        min_bytes: 1,
        ..FetchRequest::default()
    };
    let unchanged = client.call(13, &next).await;
    assert_eq!(
        (unchanged.error_code, unchanged.responses.len()),
        (KafkaError::NONE, 0)
    );
    server.connect().await.produce("t", batch(&["news"])).await;
    next.session_epoch = 2;
    assert!(size(&client.call(13, &next).await) > 0);
    let stale = client.call(13, &next).await;
    assert_eq!(stale.error_code, KafkaError::INVALID_FETCH_SESSION_EPOCH);
    next.session_id += 1;
    let unknown = client.call(13, &next).await;
    assert_eq!(unknown.error_code, KafkaError::FETCH_SESSION_ID_NOT_FOUND);
    server.stop().await;
}
