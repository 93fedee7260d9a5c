//! Accepts native clients. Each connection is a task that ends when the client goes or the node
//! stops; a bad connection ends itself only.

use std::sync::Arc;

use floe_env::Listener;
use floe_rpc::{
    ClientApi as _, ClientApiRequest, ClientApiResponse, Context, Failure, Serve as _, ServerError,
    ServerLimits, serve_client,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tarpc::RequestName as _;
use tokio::sync::Semaphore;

use crate::Broker;
use crate::core::Core;

/// Accepts until the node drains.
pub(crate) async fn run(core: Arc<Core>, mut listener: Box<dyn Listener>) {
    let draining = core.draining.clone();
    let places = Arc::new(Semaphore::new(core.config.client_connections_max));
    while let Some(accepted) = draining.run_until_cancelled(listener.accept()).await {
        let connection = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                tracing::debug!(%error, "connection not accepted");
                if floe_model::mutant!("accept-loop-ends") {
                    return;
                }
                // Out of descriptors: accepting at full speed would only burn the processor.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(peer_addr = %connection.peer_addr, "too many connections");
            core.metrics.connections_refused.inc();
            continue;
        };
        let served = Arc::clone(&core);
        core.spawn(async move {
            let _place = place;
            let broker = Broker::new(Arc::clone(&served));
            let peer_addr = connection.peer_addr;
            let me = served.identity_now();
            let handler = move |context, request| answer(&broker, context, request);
            let stop = served.stop.child_token();
            served.metrics.connections.inc();
            let ended = serve_client(connection, &me, ServerLimits::default(), handler, stop).await;
            served.metrics.connections.dec();
            if let Err(error) = ended {
                tracing::debug!(%peer_addr, %error, "client connection ended");
            }
        });
    }
}

/// Works on one request and takes its time.
fn answer(
    broker: &Broker,
    context: Context,
    request: ClientApiRequest,
) -> BoxFuture<'static, Result<ClientApiResponse, ServerError>> {
    let (core, begun) = (Arc::clone(&broker.core), broker.core.env.clock.now());
    let api = request.name().trim_start_matches("ClientApi.").to_owned();
    let is_produce = matches!(request, ClientApiRequest::Produce { .. });
    let answered = match request {
        // Queued in the call itself, so in the order in which requests arrive.
        ClientApiRequest::Produce { request } => {
            let produced = Broker::produce(broker, request);
            async move { Ok(ClientApiResponse::Produce(produced.await)) }.boxed()
        }
        request => broker.clone().serve().serve(context, request).boxed(),
    };
    async move {
        let answer = answered.await;
        // Produce counts its failures itself, for callers of every protocol.
        if let Some(failure) = answer.as_ref().ok().and_then(failure_of)
            && !is_produce
        {
            core.metrics.failed(&api, failure);
        }
        core.metrics
            .answered(api, core.env.clock.now().saturating_sub(begun));
        answer
    }
    .boxed()
}

/// Why a whole request failed.
fn failure_of(response: &ClientApiResponse) -> Option<&Failure> {
    use ClientApiResponse as R;
    match response {
        R::DescribeCluster(answer) => answer.as_ref().err(),
        R::Topics(answer) => answer.as_ref().err(),
        R::CreateTopic(answer) | R::AlterTopic(answer) => answer.as_ref().err(),
        R::DeleteTopic(answer) => answer.as_ref().err(),
        R::ElectLeaders(answer) => answer.as_ref().err(),
        R::InitProducer(answer) => answer.as_ref().err(),
        R::Produce(answer) => answer.as_ref().err(),
        R::Fetch(answer) => answer.as_ref().err(),
        R::ListOffsets(answer) => answer.as_ref().err(),
        R::FindCoordinator(answer) => answer.as_ref().err(),
        R::JoinGroup(answer) => answer.as_ref().err(),
        R::GroupHeartbeat(answer) => answer.as_ref().err(),
        R::FetchOffsets(answer) => answer.as_ref().err(),
        R::ListGroups(answer) => answer.as_ref().err(),
        R::DescribeGroup(answer) => answer.as_ref().err(),
        R::NodeStats(answer) => answer.as_ref().err(),
        R::Chaos(answer) => answer.as_ref().err(),
        R::Trim(answer)
        | R::LeaveGroup(answer)
        | R::CommitOffsets(answer)
        | R::DeleteGroup(answer) => answer.as_ref().err(),
    }
}
