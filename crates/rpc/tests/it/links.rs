//! Links between nodes.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use floe_model::{Incarnation, LogId, LogIndex, NodeId, NodeUuid, RaftGroupId, ReplicaId, Term};
use floe_rpc::{
    AppendEntries, AppendOutcome, AppendReply, Beat, BeatReply, Channel, LinkError, LinkLimits,
    LinkState, Payload, PeerApiRequest, PeerApiResponse, PeerLink, PeerTarget, Refusal, Route,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::support::{PATIENCE, env, eventually, identity, peer_node};

fn append(group: u64, index: u64) -> AppendEntries {
    AppendEntries {
        route: Route {
            group: RaftGroupId(group),
            from: ReplicaId(1),
            to: ReplicaId(2),
            to_node_uuid: NodeUuid([2; 16]),
        },
        vote: Payload::from(vec![0; 16]),
        prev: None,
        commit: Some(LogId {
            term: Term(1),
            index: LogIndex(index),
        }),
        entries: Vec::new(),
    }
}

fn appended(requests: &[AppendEntries]) -> PeerApiResponse {
    let replies = requests.iter().map(|request| AppendReply {
        group: request.route.group,
        outcome: AppendOutcome::Appended,
    });
    PeerApiResponse::Append(replies.collect())
}

async fn answer(channel: Channel, request: PeerApiRequest) -> PeerApiResponse {
    match (channel, request) {
        (Channel::Data, PeerApiRequest::Append { requests }) => appended(&requests),
        (Channel::Control, PeerApiRequest::Beat { .. }) => PeerApiResponse::Beat(BeatReply::Heard),
        (Channel::Bulk, PeerApiRequest::Beat { .. }) => PeerApiResponse::Beat(BeatReply::Restart),
        (channel, request) => panic!("{channel:?} {request:?}"),
    }
}

fn link_to(addr: &str, node: u32, limits: LinkLimits) -> PeerLink {
    let target = PeerTarget {
        node_id: NodeId(node),
        addr: addr.to_owned(),
        node_uuid: None,
    };
    let (_, me) = watch::channel(identity(1));
    PeerLink::start(&env(), &me, &target, limits)
}

async fn state(link: &PeerLink, wanted: impl FnMut(&LinkState) -> bool) -> LinkState {
    let mut states = link.state();
    let reached = tokio::time::timeout(PATIENCE, states.wait_for(wanted)).await;
    reached.unwrap().unwrap().clone()
}

fn is_up(state: &LinkState) -> bool {
    matches!(state, LinkState::Up { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_call_goes_over_its_own_channel() {
    let node = peer_node("127.0.0.1:0", identity(2), answer).await;
    let link = link_to(&node.addr.to_string(), 2, LinkLimits::default());
    let beat = || Beat {
        incarnation: Incarnation(1),
        seq: 0,
        claims: Vec::new(),
        withdrawn: Vec::new(),
    };
    let reply = link.append(append(5, 0)).await.unwrap();
    assert_eq!(reply.group, RaftGroupId(5));
    let heard = link
        .control(PATIENCE, |api, context| async move {
            api.beat(context, beat()).await
        })
        .await;
    assert_eq!(heard, Ok(BeatReply::Heard));
    let heard = link
        .bulk(PATIENCE, |api, context| async move {
            api.beat(context, beat()).await
        })
        .await;
    assert_eq!(heard, Ok(BeatReply::Restart));
    assert_eq!(
        state(&link, is_up).await,
        LinkState::Up {
            identity: identity(2)
        }
    );
    link.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_many_groups_share_calls_and_keep_their_order() {
    let calls = Arc::new(AtomicU32::new(0));
    let seen: Arc<Mutex<BTreeMap<RaftGroupId, Vec<u64>>>> = Arc::default();
    let (counted, seeing) = (Arc::clone(&calls), Arc::clone(&seen));
    let node = peer_node("127.0.0.1:0", identity(2), move |_, request| {
        let (counted, seeing) = (Arc::clone(&counted), Arc::clone(&seeing));
        async move {
            let PeerApiRequest::Append { requests } = request else {
                panic!("only appends are sent");
            };
            let call = counted.fetch_add(1, Ordering::Relaxed);
            for request in &requests {
                let index = request.commit.map_or(0, |commit| commit.index.0);
                seeing
                    .lock()
                    .entry(request.route.group)
                    .or_default()
                    .push(index);
            }
            // Calls end out of order.
            tokio::time::sleep(Duration::from_millis(u64::from(7 - call % 4))).await;
            appended(&requests)
        }
    })
    .await;
    let link = link_to(&node.addr.to_string(), 2, LinkLimits::default());
    let mut outcomes = Vec::new();
    for index in 0..50 {
        for group in 0..200 {
            outcomes.push(link.append(append(group, index)));
        }
        tokio::task::yield_now().await;
    }
    for outcome in outcomes {
        assert_eq!(outcome.await.unwrap().outcome, AppendOutcome::Appended);
    }
    let in_order: Vec<u64> = (0..50).collect();
    assert_eq!(seen.lock().len(), 200);
    assert!(seen.lock().values().all(|indexes| *indexes == in_order));
    let calls = calls.load(Ordering::Relaxed);
    assert!((10_000 / 512..1000).contains(&calls), "{calls} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_comes_back_with_its_peer() {
    let node = peer_node("127.0.0.1:0", identity(2), answer).await;
    let addr = node.addr.to_string();
    let link = link_to(&addr, 2, LinkLimits::default());
    assert!(link.append(append(1, 0)).await.is_ok());
    state(&link, is_up).await;

    node.stop().await;
    let down = |state: &LinkState| matches!(state, LinkState::Down { refused: true, .. });
    state(&link, down).await;
    let failed = link.append(append(1, 1)).await;
    assert!(matches!(failed, Err(LinkError::Down | LinkError::Closed)));

    let mut risen = identity(2);
    risen.incarnation = Incarnation(2);
    let node = peer_node(&addr, risen.clone(), answer).await;
    link.redial_now();
    let up = state(&link, is_up).await;
    assert_eq!(up, LinkState::Up { identity: risen });
    let again = async {
        while link.append(append(1, 2)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    link.shutdown().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_peer_fills_the_link_and_no_more() {
    let node = peer_node("127.0.0.1:0", identity(2), |_, _| pending()).await;
    let limits = LinkLimits {
        append_bytes: 10_000,
        append_timeout: Duration::from_millis(300),
        ..LinkLimits::default()
    };
    let link = link_to(&node.addr.to_string(), 2, limits);
    let size_bytes = append(1, 0).size_bytes();
    let room = 10_000 / size_bytes;
    let waiting: Vec<_> = (0..room as u64)
        .map(|n| link.append(append(n, 0)))
        .collect();
    assert_eq!(link.append(append(1, 1)).await, Err(LinkError::Full));
    for outcome in waiting {
        let outcome = outcome.await;
        assert!(matches!(
            outcome,
            Err(LinkError::Timeout | LinkError::Closed | LinkError::Down)
        ));
    }
    // The room is free again; the call itself fares no better.
    assert_ne!(link.append(append(1, 2)).await, Err(LinkError::Full));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_append_call_leaves_the_others_alone() {
    let stuck_calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&stuck_calls);
    let node = peer_node("127.0.0.1:0", identity(2), move |_, request| {
        let counted = Arc::clone(&counted);
        async move {
            let PeerApiRequest::Append { requests } = request else {
                panic!("only appends are sent");
            };
            let mut groups = requests.iter().map(|request| request.route.group);
            if groups.any(|group| group == RaftGroupId(13)) {
                counted.fetch_add(1, Ordering::Relaxed);
                pending::<()>().await;
            }
            appended(&requests)
        }
    })
    .await;
    let limits = LinkLimits {
        append_timeout: Duration::from_millis(400),
        ..LinkLimits::default()
    };
    let link = link_to(&node.addr.to_string(), 2, limits);
    assert!(link.append(append(1, 0)).await.is_ok());
    let stuck = link.append(append(13, 0));
    tokio::pin!(stuck);
    // Not in the same call, where they would share its fate.
    eventually("it is stuck", || stuck_calls.load(Ordering::Relaxed) == 1).await;
    for index in 0.. {
        tokio::select! {
            biased;
            outcome = &mut stuck => {
                assert_eq!(outcome, Err(LinkError::Timeout));
                break;
            }
            quick = link.append(append(1, index)) => assert!(quick.is_ok()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The connection was heard all the while, so it is still the same one.
    assert!(link.append(append(1, 200)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_at_the_address_is_refused() {
    let node = peer_node("127.0.0.1:0", identity(2), answer).await;
    let link = link_to(&node.addr.to_string(), 3, LinkLimits::default());
    let refusal = Refusal::WrongNode {
        expected: NodeId(3),
        actual: NodeId(2),
    };
    let down = LinkState::Down {
        refused: false,
        refusal: Some(refusal.clone()),
    };
    assert_eq!(state(&link, |state| *state == down).await, down);
    let refused = link.append(append(1, 0)).await;
    assert_eq!(refused, Err(LinkError::Refused(refusal)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_disk_and_a_foreign_cluster_are_refused() {
    let node = peer_node("127.0.0.1:0", identity(2), answer).await;
    let (_, me) = watch::channel(identity(1));
    let target = PeerTarget {
        node_id: NodeId(2),
        addr: node.addr.to_string(),
        node_uuid: Some(NodeUuid([99; 16])),
    };
    let link = PeerLink::start(&env(), &me, &target, LinkLimits::default());
    let refused = |state: &LinkState| {
        matches!(
            state,
            LinkState::Down {
                refusal: Some(Refusal::ForeignDisk { .. }),
                ..
            }
        )
    };
    state(&link, refused).await;

    let mut stranger = identity(1);
    stranger.cluster_name = "other".to_owned();
    let (_, me) = watch::channel(stranger);
    let target = PeerTarget {
        node_uuid: None,
        ..target
    };
    let link = PeerLink::start(&env(), &me, &target, LinkLimits::default());
    let refused = |state: &LinkState| {
        matches!(
            state,
            LinkState::Down {
                refusal: Some(Refusal::WrongClusterName { .. }),
                ..
            }
        )
    };
    state(&link, refused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_link_ends_its_connections() {
    let mut node = peer_node("127.0.0.1:0", identity(2), answer).await;
    let link = link_to(&node.addr.to_string(), 2, LinkLimits::default());
    let outcome = link.append(append(1, 0));
    assert!(outcome.await.is_ok());
    state(&link, is_up).await;
    drop(link);
    for _ in [Channel::Data, Channel::Control] {
        let ended = tokio::time::timeout(PATIENCE, node.ended.recv()).await;
        assert!(ended.unwrap().is_some());
    }
}
