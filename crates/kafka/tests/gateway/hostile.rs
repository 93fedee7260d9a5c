//! Bytes that no client sends: they end their own connection and nothing else.

use std::time::Duration;

use floe_kafka::GatewayLimits;
use floe_kafka_codec::messages::{ApiVersionsRequest, MetadataRequest};
use floe_kafka_codec::{APIS, KafkaError, Request as _};

use crate::server::{Server, batch, produce_request};

async fn is_well(server: &Server) {
    let mut client = server.connect().await;
    let answer = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(answer.error_code, KafkaError::NONE);
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = i32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

#[tokio::test]
async fn sizes_beyond_the_limit_close_the_connection_at_once() {
    let server = Server::start().await;
    for size in [0, -1, i32::MIN, i32::MAX, (100 << 20) + 1] {
        let mut client = server.connect().await;
        client.send_bytes(&size.to_be_bytes()).await;
        assert!(client.is_closed().await, "{size}");
    }
    is_well(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn the_limit_is_low_until_the_first_good_request() {
    let limits = GatewayLimits {
        first_frame_bytes_max: 1000,
        ..GatewayLimits::default()
    };
    let server = Server::with(limits).await;
    server.topic("t", 1, &[]).await;
    let large = "x".repeat(5000);
    let request = produce_request("t", -1, batch(&[&large]));
    let mut stranger = server.connect().await;
    stranger.send(9, &request).await;
    assert!(stranger.is_closed().await);
    let mut known = server.connect().await;
    known.call(0, &ApiVersionsRequest::default()).await;
    known.call(9, &request).await;
    server.stop().await;
}

#[tokio::test]
async fn every_prefix_of_a_request_is_survived() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let frame = produce_request("t", -1, batch(&["v"])).to_frame(9, 1, Some("c"));
    let bytes = frame.unwrap().to_bytes();
    for length in 4..bytes.len() {
        let mut client = server.connect().await;
        // The frame says that it is whole and is not what it should be.
        client.send_bytes(&framed(&bytes[4..length])).await;
        if length > 4 {
            // An answer is fine where the rest may be missing; a hang is not.
            drop(client.frame().await);
        }
    }
    is_well(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn random_bodies_of_every_api_and_version_are_survived() {
    let server = Server::start().await;
    let rng = floe_env::Rng::from_seed(7);
    for api in APIS {
        for version in api.min..=api.max {
            let mut body = Vec::new();
            body.extend(api.key.number().to_be_bytes());
            body.extend(version.to_be_bytes());
            body.extend([0, 0, 0, 1, 0, 0, 0]);
            // Forged counts and lengths among noise.
            for _ in 0..rng.below(12) {
                match rng.below(4) {
                    0 => body.extend(i32::MAX.to_be_bytes()),
                    1 => body.extend([0xff, 0xff, 0xff, 0xff, 0x07]),
                    2 => body.extend((-1i32).to_be_bytes()),
                    _ => body.extend(rng.next_u64().to_be_bytes()),
                }
            }
            let mut client = server.connect().await;
            // Leaves without waiting for an answer that may take its time.
            client.send_frame_and_shut(&body).await;
        }
    }
    is_well(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_silent_newcomer_and_an_idle_client_are_closed() {
    let limits = GatewayLimits {
        first_request_limit: Duration::from_millis(50),
        idle_limit: Duration::from_millis(50),
        ..GatewayLimits::default()
    };
    let server = Server::with(limits).await;
    let mut silent = server.connect().await;
    assert!(silent.is_closed().await);
    let mut idle = server.connect().await;
    idle.call(0, &ApiVersionsRequest::default()).await;
    assert!(idle.is_closed().await);
    server.stop().await;
}

#[tokio::test]
async fn a_frame_that_does_not_arrive_in_time_ends_its_connection() {
    let limits = GatewayLimits {
        stall_limit: Duration::from_millis(50),
        ..GatewayLimits::default()
    };
    let server = Server::with(limits).await;
    let mut client = server.connect().await;
    client.send_bytes(&[0, 0, 4, 0, 1, 2, 3]).await;
    assert!(client.is_closed().await);
    server.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_and_places_come_back() {
    let limits = GatewayLimits {
        connections_max: 2,
        ..GatewayLimits::default()
    };
    let server = Server::with(limits).await;
    let mut first = server.connect().await;
    first.call(0, &ApiVersionsRequest::default()).await;
    let mut second = server.connect().await;
    second.call(0, &ApiVersionsRequest::default()).await;
    assert!(server.connect().await.is_closed().await);
    drop(first);
    let back = async {
        loop {
            let mut third = server.connect().await;
            third.send(0, &MetadataRequest::default()).await;
            if third.frame().await.is_some() {
                return;
            }
        }
    };
    tokio::time::timeout(crate::server::PATIENCE, back)
        .await
        .unwrap();
    server.stop().await;
}

#[tokio::test]
async fn what_clients_do_is_counted() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.call(0, &ApiVersionsRequest::default()).await;
    let mut stranger = server.connect().await;
    stranger
        .send_bytes(&framed(&[0, 0, 0, 99, 0, 0, 0, 1, 0, 0]))
        .await;
    assert!(stranger.is_closed().await);
    let counted = async {
        loop {
            let text = server.broker().metrics_text();
            let has = |line: &str| text.lines().any(|one| one == line);
            if has("floe_kafka_connections 1")
                && has("floe_kafka_requests_total{api=\"ApiVersions\"} 1")
                && has("floe_kafka_refused_requests_total 1")
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::server::PATIENCE, counted)
        .await
        .unwrap();
    server.stop().await;
}

/// Claims cost nothing to make: they must not hold what other clients need.
#[tokio::test]
async fn peers_that_claim_large_frames_and_send_nothing_keep_nobody_waiting() {
    let server = Server::start().await;
    server.topic("t", 1, &[]).await;
    let mut liars = Vec::new();
    for claimed in [100 << 20, 100 << 20, 90 << 20, 2 << 20] {
        let mut liar = server.connect().await;
        liar.call(0, &ApiVersionsRequest::default()).await;
        liar.send_bytes(&i32::to_be_bytes(claimed)).await;
        liars.push(liar);
    }
    // A client whose frame is larger than an ordinary one, and one whose frame is not.
    for bytes in [3 << 20, 1 << 10] {
        let request = produce_request("t", -1, batch(&[&"x".repeat(bytes)]));
        let mut client = server.connect().await;
        client.call(0, &ApiVersionsRequest::default()).await;
        let answered = tokio::time::timeout(Duration::from_secs(5), client.call(9, &request));
        assert!(answered.await.is_ok(), "{bytes} bytes");
    }
    drop(liars);
    server.stop().await;
}
