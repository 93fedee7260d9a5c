//! The link to one other node: appends, control and bulk over a connection each.
//!
//! The control connection is made at once and kept; it tells whether the peer can be reached.
//! Invariant: nothing that cannot be sent soon is kept: while a connection is down its messages
//! fail at once, and what waits is bounded in bytes. The link's tasks end with it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use floe_env::Env;
use floe_model::limits::FRAME_BYTES_MAX;
use floe_model::{NodeId, NodeUuid};
use parking_lot::Mutex;
use tarpc::client::RpcError;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout as within;
use tokio_util::sync::CancellationToken;

use crate::line::Line;
use crate::pump::{Pump, QueuedAppend, Waiter};
use crate::{
    AppendEntries, AppendReply, CallError, CallStub, Channel, Context, LinkLimits, PeerApiClient,
    PeerApiRequest, PeerApiResponse, PeerIdentity, Refusal,
};

/// Largest append; leaves room for what a frame holds around it.
const APPEND_BYTES_MAX: usize = FRAME_BYTES_MAX - (64 << 10);
/// Appends that wait at most; their bytes are bounded besides.
const APPENDS_QUEUED_MAX: usize = 16 << 10;

/// Whom a link is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTarget {
    /// The node.
    pub node_id: NodeId,
    /// Its peer listener, `host:port`.
    pub addr: String,
    /// Its disk, when on record; another one is refused.
    pub node_uuid: Option<NodeUuid>,
}

/// Whether the peer can be reached. Follows the control connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Connected.
    Up {
        /// Who answered.
        identity: PeerIdentity,
    },
    /// Not connected.
    Down {
        /// Nobody listens at the peer's port: its process is gone.
        refused: bool,
        /// Why the peer, or this side, refused the other at the last attempt.
        refusal: Option<Refusal>,
    },
}

/// Why a message has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no connection; the message was not sent.
    #[error("link down")]
    Down,
    /// No answer in time; the outcome is unknown.
    #[error("no answer in time")]
    Timeout,
    /// The connection was lost; the outcome is unknown.
    #[error("connection lost")]
    Closed,
    /// Too many bytes wait already; the message was not sent.
    #[error("link full")]
    Full,
    /// The message is larger than a frame; it was not sent.
    #[error("message too large")]
    TooLarge,
    /// The peer's handler failed.
    #[error("peer failed")]
    Failed,
    /// The handshake was refused; the message was not sent.
    #[error("refused: {0}")]
    Refused(Refusal),
}

/// Peer methods with a timeout of their own.
pub type PeerCalls = PeerApiClient<CallStub<PeerApiRequest, PeerApiResponse>>;

/// The link to one other node. Clones share it; it ends with the last one.
#[derive(Clone)]
pub struct PeerLink {
    shared: Arc<Shared>,
}

struct Shared {
    control: Arc<Line>,
    data: Arc<Line>,
    bulk: Arc<Line>,
    appends: mpsc::Sender<QueuedAppend>,
    /// Bytes that appends may still take.
    room: Arc<Semaphore>,
    room_bytes: usize,
    stop: CancellationToken,
    /// Aborted when dropped.
    tasks: Mutex<JoinSet<()>>,
}

impl PeerLink {
    /// Starts the link, inside a runtime; `me` is what this node says of itself whenever it
    /// connects.
    #[must_use]
    pub fn start(
        env: &Env,
        me: &watch::Receiver<PeerIdentity>,
        target: &PeerTarget,
        limits: LinkLimits,
    ) -> Self {
        let line = |channel| Arc::new(Line::new(channel));
        let [control, data, bulk] = [Channel::Control, Channel::Data, Channel::Bulk].map(line);
        let (appends, queue) = mpsc::channel(APPENDS_QUEUED_MAX);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for line in [&control, &data, &bulk] {
            let (line, env, me) = (Arc::clone(line), env.clone(), me.clone());
            let (target, stop) = (target.clone(), stop.clone());
            tasks.spawn(async move { line.keep(&env, &me, &target, &stop).await });
        }
        let pump = Pump::new(Arc::clone(&data), limits, queue);
        let pump_stop = stop.clone();
        tasks.spawn(async move { pump.run(&pump_stop).await });
        let room_bytes = limits.append_bytes.min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            control,
            data,
            bulk,
            appends,
            room: Arc::new(Semaphore::new(room_bytes)),
            room_bytes,
            stop,
            tasks: Mutex::new(tasks),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Queues an append, in order behind all earlier ones of this link when this returns. Many
    /// share a call and its fate: the receiver must not let one group hold up the others long.
    /// While the link is down this fails at once; the caller paces its retries.
    pub fn append(
        &self,
        request: AppendEntries,
    ) -> impl Future<Output = Result<AppendReply, LinkError>> + Send + use<> {
        let queued = self.queue(request);
        async move { queued?.await.unwrap_or(Err(LinkError::Closed)) }
    }

    fn queue(
        &self,
        request: AppendEntries,
    ) -> Result<oneshot::Receiver<Result<AppendReply, LinkError>>, LinkError> {
        let size_bytes = request.size_bytes();
        if size_bytes > APPEND_BYTES_MAX {
            return Err(LinkError::TooLarge);
        }
        let share = u32::try_from(size_bytes.min(self.shared.room_bytes))
            .map_err(|_| LinkError::TooLarge)?;
        let share = Arc::clone(&self.shared.room)
            .try_acquire_many_owned(share)
            .map_err(|_| LinkError::Full)?;
        let (reply, outcome) = oneshot::channel();
        let queued = QueuedAppend {
            request,
            size_bytes,
            waiter: Waiter {
                reply,
                _share: share,
            },
        };
        match self.shared.appends.try_send(queued) {
            Ok(()) => Ok(outcome),
            Err(TrySendError::Full(_)) => Err(LinkError::Full),
            Err(TrySendError::Closed(_)) => Err(LinkError::Down),
        }
    }

    /// Makes a call on the control connection, such as
    /// `|api, context| async move { api.vote(context, request).await }`.
    ///
    /// # Errors
    /// There is no connection, or no answer within `timeout`.
    pub async fn control<T, F>(
        &self,
        timeout: Duration,
        method: impl FnOnce(PeerCalls, Context) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = Result<T, RpcError>>,
    {
        call(&self.shared.control, timeout, method).await
    }

    /// Makes a call on the bulk connection.
    ///
    /// # Errors
    /// There is no connection, or no answer within `timeout`.
    pub async fn bulk<T, F>(
        &self,
        timeout: Duration,
        method: impl FnOnce(PeerCalls, Context) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = Result<T, RpcError>>,
    {
        call(&self.shared.bulk, timeout, method).await
    }

    /// Whether the peer can be reached.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.shared.control.state()
    }

    /// The peer was heard of otherwise: dial now, without waiting for the end of a pause.
    pub fn redial_now(&self) {
        for line in [&self.shared.control, &self.shared.data, &self.shared.bulk] {
            line.redial_now();
        }
    }

    /// Ends the connections and waits for their tasks.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        let mut tasks = std::mem::take(&mut *self.shared.tasks.lock());
        while tasks.join_next().await.is_some() {}
    }
}

/// One call on `line`; waiting for the connection counts against `timeout`.
async fn call<T, F>(
    line: &Line,
    timeout: Duration,
    method: impl FnOnce(PeerCalls, Context) -> F,
) -> Result<T, LinkError>
where
    F: Future<Output = Result<T, RpcError>>,
{
    let stub = within(timeout, line.ready())
        .await
        .unwrap_or(Err(LinkError::Down))?
        .with_timeout(timeout);
    let context = crate::call::context(stub.timeout());
    let answered = method(PeerCalls::from(stub), context).await;
    answered.map_err(|error| CallError::from(error).into())
}

impl std::fmt::Debug for PeerLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PeerLink({:?})", *self.shared.control.state().borrow())
    }
}

impl From<CallError> for LinkError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Timeout => Self::Timeout,
            CallError::Closed => Self::Closed,
            CallError::TooLarge => Self::TooLarge,
            CallError::Server(_) => Self::Failed,
        }
    }
}
