//! A native client's calls.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use floe_model::{ClusterId, NodeId, TopicId, TopicName};
use floe_rpc::{
    CallError, ClientApiRequest, ClientApiResponse, ClientConnection, ConnectError, Context,
    NodeStats, Refusal, ServerError, ServerLimits, connect_client,
};

use crate::support::{Node, PATIENCE, client_node, env};

/// Answers stats at once, never answers InitProducer, panics on ListGroups, and takes deletions
/// as long as the topic's name says in milliseconds.
async fn answer(_: Context, request: ClientApiRequest) -> Result<ClientApiResponse, ServerError> {
    match request {
        ClientApiRequest::NodeStats {} => Ok(ClientApiResponse::NodeStats(Ok(NodeStats {
            node: NodeId(1),
            cpu_us: 77,
            ..NodeStats::default()
        }))),
        ClientApiRequest::DeleteTopic { topic } => {
            let wait_ms = topic.to_string().parse().unwrap();
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            Ok(ClientApiResponse::DeleteTopic(Ok(TopicId([1; 16]))))
        }
        ClientApiRequest::InitProducer {} => pending().await,
        request => panic!("{request:?}"),
    }
}

async fn connected(node: &Node) -> ClientConnection {
    connect_client(&env(), &node.addr.to_string(), None)
        .await
        .unwrap()
}

async fn stats(connection: &ClientConnection) -> Result<NodeStats, CallError> {
    let answered = connection
        .call(PATIENCE, |api, context| async move {
            api.node_stats(context).await
        })
        .await;
    answered.map(Result::unwrap)
}

fn topic(name: &str) -> TopicName {
    TopicName::try_from(name.to_owned()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_reach_the_service_and_come_back() {
    let node = client_node(ServerLimits::default(), answer).await;
    let connection = connected(&node).await;
    assert_eq!(connection.server().node_id, NodeId(1));
    assert_eq!(stats(&connection).await.unwrap().cpu_us, 77);
    let delete = connection
        .call(PATIENCE, |api, context| async move {
            api.delete_topic(context, topic("5")).await
        })
        .await;
    assert_eq!(delete.unwrap().unwrap(), TopicId([1; 16]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_request_does_not_hold_up_others() {
    let node = client_node(ServerLimits::default(), answer).await;
    let connection = connected(&node).await;
    let slow = connection.call(PATIENCE, |api, context| async move {
        api.init_producer(context).await
    });
    tokio::select! {
        biased;
        _ = slow => panic!("it is never answered"),
        quick = stats(&connection) => assert_eq!(quick.unwrap().cpu_us, 77),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_handler_fails_its_call_only() {
    let node = client_node(ServerLimits::default(), answer).await;
    let connection = connected(&node).await;
    let failed = connection
        .call(PATIENCE, |api, context| async move {
            api.list_groups(context).await
        })
        .await;
    assert!(matches!(failed, Err(CallError::Server(_))));
    // "no" is no number.
    let failed = connection
        .call(PATIENCE, |api, context| async move {
            api.delete_topic(context, topic("no")).await
        })
        .await;
    assert!(matches!(failed, Err(CallError::Server(_))));
    assert!(stats(&connection).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_before_or_after_the_first_wait_fails_its_call_only() {
    let node = client_node(ServerLimits::default(), |context, request| {
        assert!(!matches!(request, ClientApiRequest::DescribeCluster {}));
        async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            answer(context, request).await
        }
    })
    .await;
    let connection = connected(&node).await;
    let failed = connection
        .call(PATIENCE, |api, context| async move {
            api.describe_cluster(context).await
        })
        .await;
    assert!(matches!(failed, Err(CallError::Server(_))));
    let failed = connection
        .call(PATIENCE, |api, context| async move {
            api.list_groups(context).await
        })
        .await;
    assert!(matches!(failed, Err(CallError::Server(_))));
    assert!(stats(&connection).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_expires_and_a_silent_connection_with_it() {
    let node = client_node(ServerLimits::default(), answer).await;
    let connection = connected(&node).await;
    let expired = connection
        .call(Duration::from_millis(50), |api, context| async move {
            api.init_producer(context).await
        })
        .await;
    assert!(matches!(expired, Err(CallError::Timeout)));
    connection.closed().await;
    assert!(matches!(stats(&connection).await, Err(CallError::Closed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_expires_on_a_live_connection_leaves_it() {
    let node = client_node(ServerLimits::default(), answer).await;
    let connection = connected(&node).await;
    let expiring = connection.call(Duration::from_millis(100), |api, context| async move {
        api.init_producer(context).await
    });
    let (expired, alive) = tokio::join!(expiring, stats(&connection));
    assert!(matches!(expired, Err(CallError::Timeout)) && alive.is_ok());
    assert!(!connection.is_closed() && stats(&connection).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_call_is_cancelled_at_the_server() {
    struct Gone(Arc<AtomicU32>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (started, gone) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (starting, going) = (Arc::clone(&started), Arc::clone(&gone));
    let limits = ServerLimits {
        requests_in_flight: 2,
        ..ServerLimits::default()
    };
    let node = client_node(limits, move |context, request| {
        let (starting, going) = (Arc::clone(&starting), Arc::clone(&going));
        async move {
            if matches!(request, ClientApiRequest::InitProducer {}) {
                let _gone = Gone(going);
                starting.fetch_add(1, Ordering::Relaxed);
                pending::<()>().await;
            }
            answer(context, request).await
        }
    })
    .await;
    let connection = connected(&node).await;
    for round in 1..5 {
        let call = connection.call(PATIENCE, |api, context| async move {
            api.init_producer(context).await
        });
        let has_started =
            crate::support::eventually("it starts", || started.load(Ordering::Relaxed) == round);
        tokio::select! {
            _ = call => panic!("it is never answered"),
            () = has_started => {}
        }
        let dropped = || gone.load(Ordering::Relaxed) == round;
        crate::support::eventually("its handler is dropped", dropped).await;
    }
    assert!(stats(&connection).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_server_ends_outstanding_calls() {
    let node = client_node(ServerLimits::default(), answer).await;
    let connection = connected(&node).await;
    let call = connection.call(PATIENCE, |api, context| async move {
        api.init_producer(context).await
    });
    let ending = async {
        stats(&connection).await.unwrap();
        node.stop().await;
    };
    let (outcome, ()) = tokio::join!(call, ending);
    assert!(matches!(outcome, Err(CallError::Closed)));
    assert!(connection.is_closed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_cluster_and_a_dead_port_are_refused() {
    let node = client_node(ServerLimits::default(), answer).await;
    let addr = node.addr.to_string();
    let theirs = ClusterId([9; 16]);
    let refused = connect_client(&env(), &addr, Some(theirs)).await;
    let wrong = Refusal::WrongCluster {
        ours: ClusterId([7; 16]),
        theirs,
    };
    assert!(matches!(refused, Err(ConnectError::Refused(refusal)) if refusal == wrong));
    node.stop().await;
    let refused = connect_client(&env(), &addr, None).await;
    assert!(matches!(refused, Err(ConnectError::ConnectionRefused)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_its_last_clone() {
    let mut node = client_node(ServerLimits::default(), answer).await;
    let connection = connected(&node).await;
    let clone = connection.clone();
    drop(connection);
    assert!(stats(&clone).await.is_ok());
    drop(clone);
    assert!(matches!(node.ended.recv().await, Some(Ok(()) | Err(_))));
}
