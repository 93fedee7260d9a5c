use std::time::Duration;

use tarpc::{Request, context};

use super::*;
use crate::limits::BUFFER_BYTES;
use crate::samples;
use crate::{ClientApiRequest, ClientApiResponse, NodeStats, Payload};

type Codec = ClientCodec<ClientApiRequest, ClientApiResponse>;

const LIMIT: usize = 1 << 20;

fn client() -> Codec {
    Codec::new(LIMIT, Pulse::default())
}

fn request(
    id: u64,
    ttl: Duration,
    request: ClientApiRequest,
) -> ClientMessage<Timed<ClientApiRequest>> {
    ClientMessage::Request(Request {
        context: context::current(),
        id,
        message: Timed { ttl, request },
    })
}

fn written(codec: &mut Codec, message: ClientMessage<Timed<ClientApiRequest>>) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode(message, &mut out).unwrap();
    out
}

fn reply(id: u64, message: Result<ClientApiResponse, ServerError>) -> BytesMut {
    let mut out = BytesMut::new();
    let response = Response {
        request_id: id,
        message,
    };
    ReplyWriter::new(LIMIT).encode(response, &mut out).unwrap();
    out
}

fn stats() -> ClientApiResponse {
    ClientApiResponse::NodeStats(Ok(NodeStats::default()))
}

#[test]
fn frames_have_these_bytes() {
    let describe = request(
        7,
        Duration::from_millis(1500),
        ClientApiRequest::DescribeCluster {},
    );
    let bytes = written(&mut client(), describe);
    assert_eq!(bytes[..], [0, 0, 0, 6, 0, 7, 251, 0xdc, 0x05, 0]);

    let cancel = ClientMessage::Cancel {
        trace_context: context::current().trace_context,
        request_id: 300,
    };
    let bytes = written(&mut client(), cancel);
    assert_eq!(bytes[..], [0, 0, 0, 4, 1, 251, 0x2c, 0x01]);

    let bytes = reply(7, Ok(ClientApiResponse::Trim(Ok(()))));
    assert_eq!(bytes[..], [0, 0, 0, 4, 7, 0, 10, 0]);
}

#[test]
fn a_frame_that_trickles_in_is_read_once_it_is_whole() {
    let produce = samples::produce(vec![Payload(samples::batch(300).to_bytes())]);
    let bytes = written(&mut client(), request(9, Duration::from_secs(1), produce));
    let mut reader = RequestReader::<ClientApiRequest>::new(LIMIT);
    let mut arrived = BytesMut::new();
    for (place, byte) in bytes.iter().enumerate() {
        arrived.put_u8(*byte);
        let read = reader.decode(&mut arrived).unwrap();
        assert_eq!(read.is_some(), place + 1 == bytes.len());
        if let Some(Incoming::Request { admitted, .. }) = read {
            assert_eq!(admitted.id, 9);
            assert_eq!(admitted.ttl, Duration::from_secs(1));
            assert_eq!(admitted.size_bytes, bytes.len() - 4);
        }
    }
}

#[test]
fn an_absurd_time_to_live_is_clamped() {
    let ages = Duration::from_secs(u64::MAX);
    let mut bytes = written(
        &mut client(),
        request(1, ages, ClientApiRequest::NodeStats {}),
    );
    let mut reader = RequestReader::<ClientApiRequest>::new(LIMIT);
    let Some(Incoming::Request { admitted, .. }) = reader.decode(&mut bytes).unwrap() else {
        panic!("a request was written");
    };
    assert_eq!(admitted.ttl, TTL_MAX);
}

#[test]
fn an_announced_length_reserves_little_and_an_oversized_one_is_refused() {
    let mut reader = RequestReader::<ClientApiRequest>::new(LIMIT);
    let mut arrived = BytesMut::from(&(LIMIT as u32).to_be_bytes()[..]);
    assert!(reader.decode(&mut arrived).unwrap().is_none());
    assert!(arrived.capacity() <= 320 << 10);

    let mut arrived = BytesMut::from(&(LIMIT as u32 + 1).to_be_bytes()[..]);
    let refused = reader.decode(&mut arrived);
    assert!(matches!(refused, Err(FrameError::TooLarge { .. })));
}

#[test]
fn an_unknown_kind_and_an_empty_frame_are_refused() {
    for bytes in [&[0, 0, 0, 1, 2][..], &[0, 0, 0, 0], &[0, 0, 0, 1, 0]] {
        let mut reader = RequestReader::<ClientApiRequest>::new(LIMIT);
        assert!(reader.decode(&mut BytesMut::from(bytes)).is_err());
    }
}

#[test]
fn a_reply_too_large_for_a_frame_becomes_an_error_under_its_id() {
    let mut codec = client();
    drop(written(&mut codec, samples_fetch(3)));
    let mut bytes = reply(3, Ok(samples::fetched(&[600_000, 600_000])));
    assert!(bytes.len() < 200);
    let response = codec.decode(&mut bytes).unwrap().unwrap();
    assert_eq!(response.request_id, 3);
    let failure = response.message.unwrap_err();
    assert!(failure.detail.contains("1048576"), "{failure}");
}

fn samples_fetch(id: u64) -> ClientMessage<Timed<ClientApiRequest>> {
    let mut requests = samples::client_requests().into_iter();
    let fetch = requests.find(|request| matches!(request, ClientApiRequest::Fetch { .. }));
    request(id, Duration::from_secs(1), fetch.unwrap())
}

#[test]
fn a_request_too_large_for_a_frame_leaves_the_buffer_as_it_was() {
    let mut codec = client();
    let mut out = written(&mut codec, samples_fetch(1));
    let before = out.clone();
    let produce = samples::produce(vec![Payload::from(vec![0; LIMIT])]);
    let refused = codec.encode(request(2, Duration::from_secs(1), produce), &mut out);
    assert!(matches!(
        refused,
        Err(FrameError::Wire(WireError::TooLarge { .. }))
    ));
    assert_eq!(out, before);
}

#[test]
fn a_reply_to_another_method_is_refused() {
    let mut codec = client();
    drop(written(&mut codec, samples_fetch(3)));
    let refused = codec.decode(&mut reply(3, Ok(stats())));
    assert!(matches!(refused, Err(FrameError::WrongReply { id: 3 })));
}

#[test]
fn a_reply_that_nobody_awaits_is_skipped() {
    let mut codec = client();
    let ask = request(4, Duration::from_secs(1), ClientApiRequest::NodeStats {});
    drop(written(&mut codec, ask));
    let mut bytes = reply(3, Ok(stats()));
    bytes.unsplit(reply(4, Ok(stats())));
    bytes.unsplit(reply(4, Ok(stats())));
    assert_eq!(codec.decode(&mut bytes).unwrap().unwrap().request_id, 4);
    assert!(codec.decode(&mut bytes).unwrap().is_none());
}

#[test]
fn a_write_buffer_that_a_large_frame_blew_up_is_given_back() {
    let mut out = BytesMut::with_capacity(8 << 20);
    let mut codec = client();
    codec.encode(samples_fetch(1), &mut out).unwrap();
    assert!(out.capacity() <= BUFFER_BYTES);
}
