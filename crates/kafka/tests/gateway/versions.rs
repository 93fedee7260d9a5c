//! Which versions are advertised and what becomes of the others.

use floe_kafka_codec::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};
use floe_kafka_codec::{APIS, ApiKey, KafkaError, Request};

use crate::server::Server;

fn request() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "test".to_owned(),
        client_software_version: "1.0".to_owned(),
    }
}

fn range(response: &ApiVersionsResponse, api: ApiKey) -> Option<(i16, i16)> {
    let mut keys = response.api_keys.iter();
    let found = keys.find(|one| one.api_key == api.number())?;
    Some((found.min_version, found.max_version))
}

/// A request header by hand, with an empty client id.
fn header(api_key: i16, version: i16, correlation_id: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(api_key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(correlation_id.to_be_bytes());
    bytes.extend(0i16.to_be_bytes());
    bytes
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = i32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let server = Server::start().await;
    for version in [5, 99, i16::MAX] {
        let mut client = server.connect().await;
        let mut bytes = header(18, version, 7);
        // Tagged fields of the header, then the two names: what a newer client sends.
        bytes.extend([0, 2, b'a', 2, b'1', 0]);
        client.send_bytes(&framed(&bytes)).await;
        let frame = client.frame().await.unwrap();
        let mut expected = 7i32.to_be_bytes().to_vec();
        expected.extend(35i16.to_be_bytes());
        expected.extend(1i32.to_be_bytes());
        expected.extend([0, 18, 0, 0, 0, 4]);
        assert_eq!(frame, expected);
        // The client asks again at once, on the same connection.
        let again = client.call(4, &request()).await;
        assert_eq!(again.error_code, KafkaError::NONE);
    }
    server.stop().await;
}

#[tokio::test]
async fn every_version_of_api_versions_lists_the_same() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let newest = client.call(4, &request()).await.api_keys;
    for version in 0..=3 {
        assert_eq!(client.call(version, &request()).await.api_keys, newest);
    }
    server.stop().await;
}

#[tokio::test]
async fn librdkafka_finds_every_version_that_its_features_need() {
    let server = Server::start().await;
    let listed = server.connect().await.call(3, &request()).await;
    let needed = [
        (ApiKey::Produce, 0),
        (ApiKey::Produce, 7),
        (ApiKey::Fetch, 4),
        (ApiKey::Fetch, 10),
        (ApiKey::ListOffsets, 1),
        (ApiKey::InitProducerId, 0),
        (ApiKey::FindCoordinator, 0),
        (ApiKey::OffsetCommit, 2),
        (ApiKey::OffsetFetch, 1),
        (ApiKey::JoinGroup, 0),
        (ApiKey::SyncGroup, 0),
        (ApiKey::Heartbeat, 0),
        (ApiKey::LeaveGroup, 0),
    ];
    for (api, version) in needed {
        let (min, max) = range(&listed, api).unwrap();
        assert!((min..=max).contains(&version), "{api:?} {version}");
    }
    server.stop().await;
}

#[tokio::test]
async fn no_version_is_advertised_early_and_none_of_transactions() {
    let server = Server::start().await;
    let listed = server.connect().await.call(3, &request()).await;
    assert_eq!(range(&listed, ApiKey::OffsetCommit), Some((2, 9)));
    assert_eq!(range(&listed, ApiKey::InitProducerId), Some((0, 5)));
    for key in [24, 25, 26, 27, 28] {
        assert!(
            listed.api_keys.iter().all(|one| one.api_key != key),
            "{key}"
        );
    }
    assert!(listed.api_keys.iter().all(|one| {
        let api = APIS.iter().find(|api| api.key.number() == one.api_key);
        api.is_some_and(|api| (api.advertised_min, api.max) == (one.min_version, one.max_version))
    }));
    server.stop().await;
}

#[tokio::test]
async fn other_unknown_versions_and_apis_close_the_connection() {
    let server = Server::start().await;
    for (api_key, version) in [
        (3, 99),
        (3, -1),
        (0, 2),
        (1, 18),
        (999, 0),
        (-1, 0),
        (24, 0),
    ] {
        let mut client = server.connect().await;
        client
            .send_bytes(&framed(&header(api_key, version, 1)))
            .await;
        assert!(client.is_closed().await, "{api_key} {version}");
    }
    // And nobody else notices.
    let mut client = server.connect().await;
    client.call(4, &request()).await;
    server.stop().await;
}

#[tokio::test]
async fn unknown_tagged_fields_are_skipped() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let frame = MetadataRequest::default()
        .to_frame(9, 1, None)
        .unwrap()
        .to_bytes();
    let mut bytes = frame[4..].to_vec();
    // The body ends with the count of its tagged fields: one, number 99, of three bytes.
    assert_eq!(bytes.pop(), Some(0));
    bytes.extend([1, 99, 3, 1, 2, 3]);
    client.send_bytes(&framed(&bytes)).await;
    let (_, response) = client.answer::<MetadataRequest>(9).await;
    assert_eq!(response.brokers.len(), 1);
    server.stop().await;
}
