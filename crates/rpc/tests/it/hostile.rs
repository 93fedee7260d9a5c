//! What hostile clients can do: end their own connection, and nothing else.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use floe_rpc::{
    ClientApiRequest, ClientApiResponse, ClientConnection, ConnectionError, Context, FrameError,
    HandshakeError, NodeStats, Refusal, ServerError, ServerLimits, connect_client,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Node, PATIENCE, client_node, env};

/// Magic, version 1, two bytes: a client that expects no particular cluster.
const HELLO: [u8; 10] = [b'F', b'L', b'O', b'E', 0, 1, 0, 2, 0, 0];
/// The methods' places in the service.
const INIT_PRODUCER: u8 = 6;
const PRODUCE: u8 = 7;
const NODE_STATS: u8 = 20;

/// Answers stats, and nothing else ever.
async fn node() -> Node {
    client_node(ServerLimits::default(), answer).await
}

async fn answer(_: Context, request: ClientApiRequest) -> Result<ClientApiResponse, ServerError> {
    match request {
        ClientApiRequest::NodeStats {} => {
            Ok(ClientApiResponse::NodeStats(Ok(NodeStats::default())))
        }
        _ => pending().await,
    }
}

/// A client beside the hostile one, which must never notice.
async fn bystander(node: &Node) -> ClientConnection {
    let connection = connect_client(&env(), &node.addr.to_string(), None).await;
    let connection = connection.unwrap();
    check(&connection).await;
    connection
}

async fn check(connection: &ClientConnection) {
    let answered = connection
        .call(PATIENCE, |api, context| async move {
            api.node_stats(context).await
        })
        .await;
    assert!(answered.is_ok());
}

async fn shaken(node: &Node) -> TcpStream {
    let mut stream = TcpStream::connect(node.addr).await.unwrap();
    stream.write_all(&HELLO).await.unwrap();
    let mut head = [0; 8];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[6], head[7]]))];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(body[0], 0, "accepted");
    stream
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_be_bytes()[..], body].concat()
}

async fn end_of(node: &mut Node) -> Result<(), ConnectionError> {
    let ended = tokio::time::timeout(PATIENCE, node.ended.recv()).await;
    ended.expect("the hostile connection ends").unwrap()
}

/// Sends `bytes` after a handshake, and returns how the server ended the connection.
async fn after_handshake(bytes: &[u8]) -> FrameError {
    let mut node = node().await;
    let bystander = bystander(&node).await;
    let mut stream = shaken(&node).await;
    stream.write_all(bytes).await.unwrap();
    let ended = end_of(&mut node).await;
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0);
    check(&bystander).await;
    match ended {
        Err(ConnectionError::Frame(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_length_ends_its_connection_only() {
    let error = after_handshake(&[0xff, 0xff, 0xff, 0xff]).await;
    assert!(matches!(error, FrameError::TooLarge { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_no_message_ends_its_connection_only() {
    for body in [
        &[][..],
        &[9],
        &[0, 1],
        &[0, 1, 10, 200],
        &[0, 1, 10, NODE_STATS, 0],
        &[1],
    ] {
        let error = after_handshake(&frame(body)).await;
        assert!(matches!(error, FrameError::Wire(_)), "{body:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_inner_length_ends_its_connection_only() {
    // acks, timeout, then 2^42 parts; and one part with a batch of 2^42 bytes.
    let forged = [253, 0, 0, 0, 0, 0, 4, 0, 0];
    let parts = [&[0, 1, 10, PRODUCE, 0, 5][..], &forged, &[1, 2, 3]].concat();
    let mut batch = vec![0, 1, 10, PRODUCE, 0, 5, 1];
    batch.extend([5; 16]);
    batch.extend([3, 1]);
    batch.extend(forged);
    for body in [parts, batch] {
        let error = after_handshake(&frame(&body)).await;
        assert!(matches!(error, FrameError::Wire(_)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_live_id_ends_its_connection_only() {
    let request = frame(&[0, 5, 251, 0xff, 0xff, INIT_PRODUCER]);
    let error = after_handshake(&[request.clone(), request].concat()).await;
    assert!(matches!(error, FrameError::DuplicateRequest { id: 5 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_may_be_used_again_once_it_is_answered() {
    let node = node().await;
    let mut stream = shaken(&node).await;
    for _ in 0..3 {
        stream
            .write_all(&frame(&[0, 5, 251, 0xff, 0xff, NODE_STATS]))
            .await
            .unwrap();
        let length = stream.read_u32().await.unwrap();
        let mut reply = vec![0; length as usize];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply[..3], [5, 0, NODE_STATS]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absurd_time_to_live_is_served() {
    let node = node().await;
    let mut stream = shaken(&node).await;
    let request = frame(&[0, 1, 252, 0xff, 0xff, 0xff, 0xff, NODE_STATS]);
    stream.write_all(&request).await.unwrap();
    assert!(stream.read_u32().await.unwrap() > 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_requests_free_their_places() {
    let node = node().await;
    let mut stream = shaken(&node).await;
    // More than may be in flight at once, with 0 or 1 ms to live.
    for id in 300..1300u16 {
        let [low, high] = id.to_le_bytes();
        let request = frame(&[0, 251, low, high, low % 2, INIT_PRODUCER]);
        stream.write_all(&request).await.unwrap();
    }
    stream
        .write_all(&frame(&[0, 250, 251, 0xff, 0xff, NODE_STATS]))
        .await
        .unwrap();
    assert!(stream.read_u32().await.unwrap() > 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_frame_ends_with_its_connection() {
    let mut node = node().await;
    let mut stream = shaken(&node).await;
    stream.write_all(&[0, 0, 0, 50, 0, 1]).await.unwrap();
    drop(stream);
    assert!(matches!(
        end_of(&mut node).await,
        Err(ConnectionError::Frame(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_instead_of_a_hello_is_refused() {
    let version = [b'F', b'L', b'O', b'E', 0, 99, 0, 2, 0, 0];
    let long = [b'F', b'L', b'O', b'E', 0, 1, 0xff, 0xff, 0, 0];
    let body = [b'F', b'L', b'O', b'E', 0, 1, 0, 2, 7, 7];
    let peer = [b'F', b'L', b'O', b'E', 0, 1, 0, 2, 1, 0];
    for hello in [*b"GET / HTTP", version, long, body, peer] {
        let mut node = node().await;
        let bystander = bystander(&node).await;
        let mut stream = TcpStream::connect(node.addr).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        let ended = end_of(&mut node).await;
        let Err(ConnectionError::Handshake(HandshakeError::Refused(refusal))) = ended else {
            panic!("{ended:?}");
        };
        match refusal {
            Refusal::UnsupportedVersion { ours: 1, theirs } => assert_eq!(theirs, 99),
            refusal => assert_eq!(refusal, Refusal::Malformed),
        }
        check(&bystander).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_that_trickles_in_is_cut_off() {
    let mut node = node().await;
    let mut stream = TcpStream::connect(node.addr).await.unwrap();
    stream.write_all(&HELLO[..3]).await.unwrap();
    let ended = end_of(&mut node).await;
    let timeout = ConnectionError::Handshake(HandshakeError::Timeout);
    assert_eq!(format!("{ended:?}"), format!("{:?}", Err::<(), _>(timeout)));
}

/// Sends requests until the server has taken no more for a while; returns how many went out.
async fn flood(stream: &mut TcpStream, request: impl Fn(u32) -> Vec<u8>) -> u32 {
    for id in 0.. {
        let bytes = request(id);
        let sent = stream.write_all(&bytes);
        if tokio::time::timeout(Duration::from_millis(700), sent)
            .await
            .is_err()
        {
            return id;
        }
    }
    u32::MAX
}

fn produce(id: u32, padding: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 252];
    body.extend(id.to_le_bytes());
    body.extend([251, 0xff, 0xff, PRODUCE, 0, 5, 1]);
    body.extend([5; 16]);
    body.extend([3, 1, 252]);
    body.extend(u32::try_from(padding.len()).unwrap().to_le_bytes());
    body.extend(padding);
    frame(&body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_stops_at_the_bounds() {
    let limits = ServerLimits {
        requests_in_flight: 8,
        bytes_in_flight: 1 << 20,
    };
    for (padding_bytes, most) in [(20_000, 8), (300_000, 4)] {
        let running = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&running);
        let node = client_node(limits, move |context, request| {
            let counted = Arc::clone(&counted);
            async move {
                if matches!(request, ClientApiRequest::Produce { .. }) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                answer(context, request).await
            }
        })
        .await;
        let bystander = bystander(&node).await;
        let mut stream = shaken(&node).await;
        let padding = vec![0; padding_bytes];
        let sent = flood(&mut stream, |id| produce(id, &padding)).await;
        assert!(sent > 8, "the socket's buffers take some");
        assert_eq!(running.load(Ordering::Relaxed), most);
        check(&bystander).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_replies_is_not_read_from() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let node = client_node(ServerLimits::default(), move |context, request| {
        counted.fetch_add(1, Ordering::Relaxed);
        answer(context, request)
    })
    .await;
    let mut stream = shaken(&node).await;
    let sent = flood(&mut stream, |id| {
        let [b0, b1, b2, b3] = id.to_le_bytes();
        frame(&[0, 252, b0, b1, b2, b3, 251, 0xff, 0xff, NODE_STATS])
    })
    .await;
    let answered = asked.load(Ordering::Relaxed);
    assert!(answered <= sent as usize);
    // It goes on as soon as the replies are read.
    let mut sink = vec![0; 1 << 16];
    let read = async {
        while asked.load(Ordering::Relaxed) == answered {
            assert!(stream.read(&mut sink).await.unwrap() > 0);
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("requests that waited are read");
}
