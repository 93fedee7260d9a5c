//! The order of requests and answers on one connection, and the end of connections.

use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{
    ApiVersionsRequest, FetchRequest, MetadataRequest, ProduceRequest,
};

use crate::server::{Server, batch, fetch_request, produce_request, produced};

#[tokio::test]
async fn answers_leave_in_the_order_of_requests() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let mut waiting = fetch_request("t", 0);
    waiting.max_wait_ms = 200;
    let long = client.send(12, &waiting).await;
    let quick = client.send(0, &ApiVersionsRequest::default()).await;
    let other = client.send(1, &MetadataRequest::default()).await;
    assert_eq!(client.answer::<FetchRequest>(12).await.0, long);
    assert_eq!(client.answer::<ApiVersionsRequest>(0).await.0, quick);
    assert_eq!(client.answer::<MetadataRequest>(1).await.0, other);
    server.stop().await;
}

#[tokio::test]
async fn pipelined_produces_are_appended_in_the_order_sent_and_without_gaps() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    for number in 0..50 {
        let value = number.to_string();
        client
            .send(9, &produce_request("t", -1, batch(&[&value, &value])))
            .await;
    }
    for number in 0..50 {
        let (_, response) = client.answer::<ProduceRequest>(9).await;
        assert_eq!(produced(&response), (KafkaError::NONE, 2 * number));
    }
    server.stop().await;
}

#[tokio::test]
async fn acks_0_has_no_answer_and_a_refusal_closes() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    client
        .send(9, &produce_request("t", 0, batch(&["quiet"])))
        .await;
    // The next answer is that of the next request.
    let (error, offset) = client.produce("t", batch(&["loud"])).await;
    assert_eq!((error, offset), (KafkaError::NONE, 1));
    client
        .send(9, &produce_request("nowhere", 0, batch(&["lost"])))
        .await;
    assert!(client.is_closed().await);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_answers_what_was_read_and_closes() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut client = server.connect().await;
    let mut waiting = fetch_request("t", 0);
    waiting.max_wait_ms = 300;
    // Answered at once, so the long poll behind it has been read by then or is on its way.
    client.call(0, &ApiVersionsRequest::default()).await;
    client.send(12, &waiting).await;
    let produce = client
        .send(9, &produce_request("t", -1, batch(&["v"])))
        .await;
    let (_, fetched) = client.answer::<FetchRequest>(12).await;
    assert_eq!(fetched.error_code, KafkaError::NONE);
    assert_eq!(client.answer::<ProduceRequest>(9).await.0, produce);
    server.stop().await;
    assert!(client.is_closed().await);
}
