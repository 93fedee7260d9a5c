//! Calls over streams that deliver as little at a time as they like.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use floe_env::{Connection, Env, Listener, Net};
use floe_model::{Acks, LeaderEpoch, Offset, PartitionIndex, TopicId};
use floe_rpc::{
    ClientApiRequest, ClientApiResponse, Context, Fetch, FetchPartReply, PartitionKey, Payload,
    Produce, ProducePart, ProducePartReply, Produced, ServerError, ServerLimits, WireBatch,
    connect_client, serve_client,
};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, env, identity};

/// Connects once, to the other end of a pipe.
struct Pipe(Mutex<Option<DuplexStream>>);

impl Net for Pipe {
    fn connect<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Connection>> {
        Box::pin(async {
            let stream = self.0.lock().take();
            stream
                .map(connection)
                .ok_or(io::ErrorKind::ConnectionRefused.into())
        })
    }

    fn listen<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

fn connection(stream: DuplexStream) -> Connection {
    Connection {
        stream: Box::new(stream),
        peer_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
    }
}

const KEY: PartitionKey = PartitionKey {
    topic_id: TopicId([5; 16]),
    partition: PartitionIndex(0),
};

/// Answers a produce with the sizes of its batches as offsets, and a fetch of n with n bytes.
async fn answer(_: Context, request: ClientApiRequest) -> Result<ClientApiResponse, ServerError> {
    match request {
        ClientApiRequest::Produce { request } => {
            let replies = request.parts.into_iter().map(|part| {
                let sizes = part.batches.iter().map(|batch| Offset(batch.len() as i64));
                ProducePartReply {
                    key: part.key,
                    outcome: Ok(Produced {
                        base_offsets: sizes.collect(),
                        leader_epoch: LeaderEpoch(1),
                        append_time_ms: None,
                    }),
                }
            });
            Ok(ClientApiResponse::Produce(Ok(replies.collect())))
        }
        ClientApiRequest::Fetch { request } => {
            let body = vec![request.wait_ms_max as u8; request.bytes_max as usize];
            let reply = FetchPartReply {
                key: KEY,
                log_start_offset: Offset::ZERO,
                high_watermark: Offset::ZERO,
                leader_epoch: LeaderEpoch(1),
                outcome: Ok(vec![WireBatch {
                    prefix: Payload::default(),
                    body: Payload::from(body),
                }]),
            };
            Ok(ClientApiResponse::Fetch(Ok(vec![reply])))
        }
        request => panic!("{request:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_and_small_calls_cross_a_pipe_of_any_width() {
    for (width_bytes, large_bytes) in [(1, 3000), (7, 20_000), (4096, 900_000), (1 << 20, 9 << 20)]
    {
        let (client_end, server_end) = tokio::io::duplex(width_bytes);
        let env = Env {
            net: Arc::new(Pipe(Mutex::new(Some(client_end)))),
            ..env()
        };
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        let stopped = stop.clone();
        serving.spawn(async move {
            let limits = ServerLimits::default();
            serve_client(
                connection(server_end),
                &identity(1),
                limits,
                answer,
                stopped,
            )
            .await
        });
        let connection = connect_client(&env, "pipe", None).await.unwrap();

        let mut calls = JoinSet::new();
        for (n, size_bytes) in [large_bytes, 0, 100, large_bytes / 2, 1]
            .into_iter()
            .enumerate()
        {
            let connection = connection.clone();
            calls.spawn(async move {
                let produce = Produce {
                    acks: Acks::Quorum,
                    timeout_ms: 1,
                    parts: vec![ProducePart {
                        key: KEY,
                        batches: vec![Payload::from(vec![n as u8; size_bytes])],
                    }],
                };
                let produced = connection.call(PATIENCE, |api, context| async move {
                    api.produce(context, produce).await
                });
                let produced = produced.await.unwrap().unwrap();
                let offsets = &produced[0].outcome.as_ref().unwrap().base_offsets;
                assert_eq!(offsets[..], [Offset(size_bytes as i64)]);

                let fetch = Fetch {
                    wait_ms_max: n as u32,
                    min_bytes: 0,
                    bytes_max: size_bytes as u32,
                    parts: Vec::new(),
                };
                let fetched = connection.call(PATIENCE, |api, context| async move {
                    api.fetch(context, fetch).await
                });
                let fetched = fetched.await.unwrap().unwrap();
                let batches = fetched[0].outcome.as_ref().unwrap();
                assert!(batches[0].body.iter().all(|byte| *byte == n as u8));
                assert_eq!(batches[0].body.len(), size_bytes);
            });
        }
        tokio::time::timeout(PATIENCE, calls.join_all())
            .await
            .unwrap();
        stop.cancel();
        assert!(serving.join_next().await.unwrap().unwrap().is_ok());
        let closed = tokio::time::timeout(Duration::from_secs(5), connection.closed());
        closed.await.unwrap();
    }
}
