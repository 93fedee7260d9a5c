//! What is stored of what producers send, and what is refused.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::ProduceRequest;
use floe_record::{BatchHeader, Compression, StampedBatch, TimestampType};

use crate::server::{Server, batch, batch_with, fetch_request, produce_request, produced};

/// The batch with another value at one place and a checksum that fits.
fn forged(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut forged = BytesMut::from(&batch[..]);
    forged[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&forged[21..]);
    forged[17..21].copy_from_slice(&crc.to_be_bytes());
    forged.freeze()
}

const COMPRESSIONS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

#[tokio::test]
async fn every_compression_comes_back_byte_for_byte_in_every_version() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let mut sent = Vec::new();
    let text = "abc".repeat(300);
    for (version, compression) in (7..=12).zip(COMPRESSIONS.into_iter().cycle()) {
        let batch = batch_with(&[&text, "x"], compression, None);
        let response = client
            .call(version, &produce_request("t", -1, batch.clone()))
            .await;
        assert_eq!(produced(&response).0, KafkaError::NONE);
        // Offset and epoch are the broker's; all behind them the producer's.
        sent.extend_from_slice(&batch[16..]);
    }
    for version in 4..=12 {
        let response = client.call(version, &fetch_request("t", 0)).await;
        let records = response.responses[0].partitions[0].records.clone().unwrap();
        let mut rest = Bytes::from(records.slices().concat());
        let mut got = Vec::new();
        while !rest.is_empty() {
            let length = BatchHeader::read(&rest).unwrap().batch_length as usize + 12;
            got.extend_from_slice(&rest.split_to(length)[16..]);
        }
        assert_eq!(got, sent, "{version}");
    }
    server.stop().await;
}

#[tokio::test]
async fn batches_that_would_stop_consumers_are_refused() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let good = batch(&["a", "b"]);
    let gzip = batch_with(&["a", "b"], Compression::Gzip, None);
    let two = Bytes::from([&good[..], &good[..]].concat());
    let mut flipped = good.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let attributes = |bits: i16| forged(&good, 21, &bits.to_be_bytes());
    let refused = [
        (Bytes::new(), KafkaError::INVALID_RECORD),
        (good.slice(..40), KafkaError::CORRUPT_MESSAGE),
        (good.slice(..good.len() - 1), KafkaError::CORRUPT_MESSAGE),
        (flipped.into(), KafkaError::CORRUPT_MESSAGE),
        (two, KafkaError::INVALID_RECORD),
        (forged(&good, 16, &[1]), KafkaError::INVALID_RECORD),
        (attributes(5), KafkaError::INVALID_RECORD),
        (attributes(8), KafkaError::INVALID_TIMESTAMP),
        (attributes(32), KafkaError::INVALID_RECORD),
        (
            attributes(16),
            KafkaError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ),
        // One record less than there are, and more than there are.
        (
            forged(&good, 57, &1i32.to_be_bytes()),
            KafkaError::INVALID_RECORD,
        ),
        (
            forged(&good, 57, &3i32.to_be_bytes()),
            KafkaError::INVALID_RECORD,
        ),
        // A producer without a sequence.
        (
            forged(&good, 43, &5i64.to_be_bytes()),
            KafkaError::INVALID_RECORD,
        ),
        // Compressed bytes that are none, and plain ones that are said to be.
        (forged(&gzip, 70, &[0xff; 8]), KafkaError::INVALID_RECORD),
        (attributes(4), KafkaError::INVALID_RECORD),
    ];
    for (place, (batch, error)) in refused.into_iter().enumerate() {
        let answer = client.produce("t", batch).await;
        assert_eq!(answer, (error, -1), "{place}");
    }
    assert_eq!(client.produce("t", good).await, (KafkaError::NONE, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_small_batch_that_opens_to_gigabytes_is_refused() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let zeros = "\0".repeat(80 << 20);
    let bomb = batch_with(&[&zeros], Compression::Zstd, None);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(
        client.produce("t", bomb).await,
        (KafkaError::INVALID_RECORD, -1)
    );
    server.stop().await;
}

#[tokio::test]
async fn zstd_needs_a_version_whose_clients_know_it() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let zstd = batch_with(&["v"], Compression::Zstd, None);
    let old = client
        .call(6, &produce_request("t", -1, zstd.clone()))
        .await;
    assert_eq!(produced(&old).0, KafkaError::UNSUPPORTED_COMPRESSION_TYPE);
    let new = client.call(7, &produce_request("t", -1, zstd)).await;
    assert_eq!(produced(&new).0, KafkaError::NONE);
    server.stop().await;
}

#[tokio::test]
async fn the_topics_limit_is_the_limit_of_a_batch() {
    let server = Server::start().await;
    server.topic("small", 1, &[]).await;
    server
        .topic("large", 1, &[("max.message.bytes", "3000000")])
        .await;
    let mut client = server.connect().await;
    let value = "v".repeat(1_500_000);
    let refused = client.produce("small", batch(&[&value])).await;
    assert_eq!(refused, (KafkaError::MESSAGE_TOO_LARGE, -1));
    assert_eq!(
        client.produce("large", batch(&[&value])).await,
        (KafkaError::NONE, 0)
    );
    server.stop().await;
}

#[tokio::test]
async fn log_append_time_is_stamped_with_a_valid_checksum_and_told() {
    let server = Server::start().await;
    server
        .topic("t", 1, &[("message.timestamp.type", "LogAppendTime")])
        .await;
    let mut client = server.connect().await;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let before_ms = i64::try_from(now().as_millis()).unwrap();
    let response = client
        .call(12, &produce_request("t", -1, batch(&["v"])))
        .await;
    let told_ms = response.responses[0].partition_responses[0].log_append_time_ms;
    let after_ms = i64::try_from((now() + Duration::from_millis(1)).as_millis()).unwrap();
    assert!((before_ms..=after_ms).contains(&told_ms));
    let fetched = client.call(12, &fetch_request("t", 0)).await;
    let records = fetched.responses[0].partitions[0].records.clone().unwrap();
    let stored = StampedBatch::split(records.slices().concat().into()).unwrap();
    assert!(stored.crc_is_valid());
    let header = stored.header();
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(header.max_timestamp_ms, told_ms);
    server.stop().await;
}

#[tokio::test]
async fn each_wrong_target_has_its_error() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let missing = client.produce("nowhere", batch(&["v"])).await;
    assert_eq!(missing.0, KafkaError::UNKNOWN_TOPIC_OR_PARTITION);
    let invalid = client.produce("no spaces", batch(&["v"])).await;
    assert_eq!(invalid.0, KafkaError::INVALID_TOPIC_EXCEPTION);
    let request = produce_request("t", 7, batch(&["v"]));
    let response = client.call(9, &request).await;
    assert_eq!(produced(&response).0, KafkaError::INVALID_REQUIRED_ACKS);
    for index in [1, -1] {
        let mut request: ProduceRequest = produce_request("t", -1, batch(&["v"]));
        request.topic_data[0].partition_data[0].index = index;
        let response = client.call(9, &request).await;
        assert_eq!(
            produced(&response).0,
            KafkaError::UNKNOWN_TOPIC_OR_PARTITION
        );
    }
    server.stop().await;
}
