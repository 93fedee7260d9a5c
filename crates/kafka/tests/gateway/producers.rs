//! Idempotent producers: every batch once and in order, whatever is sent again.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{InitProducerIdRequest, ProduceRequest};
use floe_record::Compression;

use crate::server::{Client, Server, batch_with, produce_request, produced};

async fn identity(client: &mut Client) -> (i64, i16) {
    let answer = client.call(4, &InitProducerIdRequest::default()).await;
    assert_eq!(answer.error_code, KafkaError::NONE);
    (answer.producer_id, answer.producer_epoch)
}

fn one((id, epoch): (i64, i16), sequence: i32) -> bytes::Bytes {
    batch_with(&["v"], Compression::None, Some((id, epoch, sequence)))
}

#[tokio::test]
async fn every_producer_gets_an_id_of_its_own() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let mut ids = Vec::new();
    for version in 0..=5 {
        let answer = client
            .call(version, &InitProducerIdRequest::default())
            .await;
        assert_eq!(
            (answer.error_code, answer.producer_epoch),
            (KafkaError::NONE, 0)
        );
        assert!(!ids.contains(&answer.producer_id));
        ids.push(answer.producer_id);
    }
    server.stop().await;
}

#[tokio::test]
async fn each_of_the_last_five_batches_sent_again_gets_its_first_offset() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let me = identity(&mut client).await;
    for sequence in 0..8 {
        let sent = client.produce("t", one(me, sequence)).await;
        assert_eq!(sent, (KafkaError::NONE, sequence.into()));
    }
    for sequence in 3..8 {
        let again = client.produce("t", one(me, sequence)).await;
        assert_eq!(again, (KafkaError::NONE, sequence.into()));
    }
    // And nothing was appended twice.
    assert_eq!(client.produce("t", one(me, 8)).await, (KafkaError::NONE, 8));
    server.stop().await;
}

#[tokio::test]
async fn a_batch_sent_again_while_it_is_in_flight_is_appended_once() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let me = identity(&mut client).await;
    for _ in 0..3 {
        client.send(9, &produce_request("t", -1, one(me, 0))).await;
    }
    for _ in 0..3 {
        let (_, response) = client.answer::<ProduceRequest>(9).await;
        assert_eq!(produced(&response), (KafkaError::NONE, 0));
    }
    assert_eq!(client.produce("t", one(me, 1)).await, (KafkaError::NONE, 1));
    server.stop().await;
}

#[tokio::test]
async fn a_gap_an_old_epoch_and_a_new_one_are_told_apart() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let (id, _) = identity(&mut client).await;
    assert_eq!(
        client.produce("t", one((id, 0), 0)).await.0,
        KafkaError::NONE
    );
    let gap = client.produce("t", one((id, 0), 5)).await;
    assert_eq!(gap.0, KafkaError::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let begins_late = client.produce("t", one((id, 1), 3)).await;
    assert_eq!(begins_late.0, KafkaError::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(
        client.produce("t", one((id, 1), 0)).await,
        (KafkaError::NONE, 1)
    );
    let old = client.produce("t", one((id, 0), 1)).await;
    assert_eq!(old.0, KafkaError::INVALID_PRODUCER_EPOCH);
    server.stop().await;
}

#[tokio::test]
async fn the_second_batch_of_a_new_producer_never_overtakes_the_first() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let me = identity(&mut client).await;
    // The first one is on its way elsewhere: not a gap, and not to be appended.
    let early = client.produce("t", one(me, 1)).await;
    assert_eq!(early.0, KafkaError::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(client.produce("t", one(me, 0)).await, (KafkaError::NONE, 0));
    assert_eq!(client.produce("t", one(me, 1)).await, (KafkaError::NONE, 1));
    server.stop().await;
}

#[tokio::test]
async fn transactions_are_refused_at_once_with_one_error_that_is_not_retried() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let request = InitProducerIdRequest {
        transactional_id: Some("tx".to_owned()),
        ..InitProducerIdRequest::default()
    };
    for version in 0..=5 {
        let answer = client.call(version, &request).await;
        assert_eq!(
            answer.error_code,
            KafkaError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        );
    }
    let request = ProduceRequest {
        transactional_id: Some("tx".to_owned()),
        ..produce_request("t", -1, one((1, 0), 0))
    };
    let response = client.call(9, &request).await;
    assert_eq!(
        produced(&response).0,
        KafkaError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    );
    server.stop().await;
}
