//! Records are never copied: slices of the input when decoded, shared slices when encoded.

use bytes::Bytes;
use floe_model::{LeaderEpoch, Offset};
use floe_record::{BatchBuilder, Compression, Record, StampedBatch};

use crate::messages::{
    FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopicResponse, ProducePartition,
    ProduceRequest, ProduceTopic,
};
use crate::tests::body_of;
use crate::{Message, RecordSlices, Request};

fn batch(value_bytes: usize) -> StampedBatch {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&Record {
        timestamp_ms: 1,
        key: None,
        value: Some(vec![7; value_bytes].into()),
        headers: Vec::new(),
    });
    let mut batch = StampedBatch::split(builder.build()).unwrap();
    batch.stamp(Offset(40), LeaderEpoch(3));
    batch
}

fn shares(slice: &Bytes, whole: &Bytes) -> bool {
    whole.as_ptr_range().start <= slice.as_ptr() && slice.as_ptr() < whole.as_ptr_range().end
}

#[test]
fn produced_records_are_slices_of_the_request() {
    let records = Some(batch(2000).to_bytes());
    let partition = ProducePartition { index: 0, records };
    let topic = ProduceTopic {
        name: "t".into(),
        partition_data: vec![partition],
    };
    let request = ProduceRequest {
        topic_data: vec![topic],
        ..Default::default()
    };
    for version in 3..=12 {
        let body = body_of(&request, version);
        let decoded = ProduceRequest::decode(&body, version).unwrap();
        assert_eq!(decoded, request);
        let records = decoded.topic_data[0].partition_data[0]
            .records
            .as_ref()
            .unwrap();
        assert!(shares(records, &body));
    }
}

#[test]
fn fetched_batches_are_shared_with_the_frame() {
    let batches = [batch(5000), batch(10), batch(6000)];
    let records: RecordSlices = batches.iter().cloned().collect();
    let partition = FetchPartitionResponse {
        records: Some(records),
        ..Default::default()
    };
    let topic = FetchTopicResponse {
        partitions: vec![partition],
        ..Default::default()
    };
    let response = FetchResponse {
        responses: vec![topic],
        ..Default::default()
    };
    let expected: Vec<u8> = batches
        .iter()
        .flat_map(|batch| batch.to_bytes().to_vec())
        .collect();
    for version in 4..=17 {
        let frame = FetchRequest::response_frame(&response, version, 1).unwrap();
        // Head with the first prefix, body, two prefixes with the small body between, body, tail.
        let shared = |batch: &StampedBatch| {
            frame
                .slices()
                .iter()
                .any(|slice| slice.as_ptr() == batch.body().as_ptr())
        };
        assert_eq!(
            [0, 1, 2].map(|index| shared(&batches[index])),
            [true, false, true]
        );
        let whole = frame.to_bytes();
        assert_eq!(frame.size_bytes(), whole.len());
        assert_eq!(whole[..4], (whole.len() as i32 - 4).to_be_bytes());
        let (_, decoded) = FetchRequest::decode_response(&whole.slice(4..), version).unwrap();
        let records = decoded.responses[0].partitions[0].records.as_ref().unwrap();
        assert_eq!(records.slices().concat(), expected);
        assert!(shares(&records.slices()[0], &whole));
    }
}

#[test]
fn a_fetch_without_records_tells_null_from_empty() {
    for records in [None, Some(RecordSlices::default())] {
        let partition = FetchPartitionResponse {
            records: records.clone(),
            ..Default::default()
        };
        let topic = FetchTopicResponse {
            partitions: vec![partition],
            ..Default::default()
        };
        let response = FetchResponse {
            responses: vec![topic],
            ..Default::default()
        };
        for version in [4, 11, 12, 17] {
            let decoded = FetchResponse::decode(&body_of(&response, version), version).unwrap();
            assert_eq!(decoded.responses[0].partitions[0].records, records);
        }
    }
}
