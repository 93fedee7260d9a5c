#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use floe_env::Env;
use floe_model::{Incarnation, NodeId, NodeUuid};
use floe_rpc::{
    Channel, Context, PeerApiRequest, PeerApiResponse, PeerIdentity, PeerTarget, ServerLimits,
    serve_peer,
};
use tokio_util::sync::CancellationToken;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn identity(node: u32) -> PeerIdentity {
    PeerIdentity {
        cluster_id: None,
        cluster_name: "test".to_owned(),
        node_id: NodeId(node),
        node_uuid: NodeUuid([node as u8; 16]),
        incarnation: Incarnation(1),
    }
}

/// Node 2, which refuses every append.
async fn refusing_node(env: &Env, stop: CancellationToken) -> String {
    let mut listener = env.net.listen("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().to_string();
    let spawn = env.spawn.clone();
    drop(env.spawn.task(async move {
        while let Ok(connection) = listener.accept().await {
            let stop = stop.clone();
            drop(spawn.task(async move {
                let make_handler = |_: PeerIdentity, _: Channel| refuse;
                let (me, limits) = (identity(2), ServerLimits::default());
                let verify = |_: &PeerIdentity, _: Channel| Ok(());
                drop(serve_peer(connection, &me, limits, verify, make_handler, stop).await);
            }));
        }
    }));
    addr
}

async fn refuse(
    _: Context,
    request: PeerApiRequest,
) -> Result<PeerApiResponse, floe_rpc::ServerError> {
    let PeerApiRequest::Append { requests } = request else {
        return std::future::pending().await;
    };
    let refused = requests.iter().map(|request| AppendReply {
        group: request.route.group,
        outcome: AppendOutcome::Busy,
    });
    Ok(PeerApiResponse::Append(refused.collect()))
}

async fn client(env: &Env, addr: String) -> ReplicaClient {
    let links = Arc::new(Links::new(env.clone(), identity(1)));
    let target = PeerTarget {
        node_id: NodeId(2),
        addr,
        node_uuid: None,
    };
    links.set(BTreeMap::from([(NodeId(2), target)]));
    let mut network = GroupNetwork {
        group: RaftGroupId(1000),
        replica_id: ReplicaId(1),
        links,
        transfers: Arc::default(),
        acknowledged: Arc::default(),
        may_ask: Arc::new(|| true),
        purge_overdue: Arc::new(|| false),
    };
    let home = Home {
        node_id: NodeId(2),
        node_uuid: NodeUuid([2; 16]),
    };
    network.new_client(2, &home).await
}

/// Openraft waits for the mutex that the input stream holds before it opens the next stream: an
/// input that outlives a failed reply stalls replication to that follower for ever.
#[tokio::test]
async fn the_input_of_appends_is_gone_once_a_reply_failed() {
    let (env, stop) = (Env::real().unwrap(), CancellationToken::new());
    let _stopped = stop.clone().drop_guard();
    let addr = refusing_node(&env, stop).await;
    let mut client = client(&env, addr).await;
    let held = Arc::new(());
    let holds = held.clone();
    let request = AppendEntriesRequest {
        vote: RaftVote::new_committed(1, 1),
        prev_log_id: None,
        leader_commit: None,
        entries: Vec::new(),
    };
    // One request, and then new log is awaited, as openraft does.
    let input = stream::iter([request]).chain(stream::pending());
    let input = input.inspect(move |_| assert!(Arc::strong_count(&holds) > 0));
    let opened = client.stream_append(Box::pin(input), RPCOption::new(PATIENCE));
    let mut replies = opened.await.unwrap();
    let reply = tokio::time::timeout(PATIENCE, replies.next()).await;
    assert!(matches!(reply, Ok(Some(Err(RPCError::Unreachable(_))))));
    assert_eq!(Arc::strong_count(&held), 1, "the input lives on");
    assert!(replies.next().await.is_none());
}
