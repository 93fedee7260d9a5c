//! Connections to nodes, one per address, dialled when first needed and again when lost.
//!
//! Invariant: at most one dial per address at a time; everybody who wants the connection waits
//! for the same one. After a failed dial the address fails at once until its pause is over, so
//! that callers can try elsewhere.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use floe_env::Env;
use floe_model::ClusterId;
use floe_rpc::{ClientConnection, ConnectError, connect_client};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;

use crate::backoff::Backoff;

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

type Dial = Shared<BoxFuture<'static, Result<ClientConnection, Arc<ConnectError>>>>;

/// What all connections of a client have in common.
pub(crate) struct Dialler {
    env: Env,
    /// The first cluster found; nodes of another are refused from then on.
    cluster_id: OnceLock<ClusterId>,
    connects: AtomicU64,
}

impl Dialler {
    pub(crate) fn new(env: Env) -> Self {
        Self {
            env,
            cluster_id: OnceLock::new(),
            connects: AtomicU64::new(0),
        }
    }

    /// Connections made so far.
    pub(crate) fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }

    async fn dial(&self, addr: &str) -> Result<ClientConnection, Arc<ConnectError>> {
        let cluster_id = self.cluster_id.get().copied();
        let connection = connect_client(&self.env, addr, cluster_id).await?;
        if let Some(found) = connection.server().cluster_id {
            // Only the first counts; two first dials at once find the same seeds.
            self.cluster_id.get_or_init(|| found);
        }
        self.connects.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }
}

/// The connections of one component. Clones share them; they end with the last clone.
#[derive(Clone)]
pub(crate) struct Connections {
    dialler: Arc<Dialler>,
    slots: Arc<Mutex<BTreeMap<String, Slot>>>,
}

struct Slot {
    state: State,
    backoff: Backoff,
}

enum State {
    Down {
        until: Duration,
        error: Arc<ConnectError>,
    },
    Dialling(Dial),
    Up(ClientConnection),
}

enum Found {
    Connection(ClientConnection),
    Failed(Arc<ConnectError>),
    Dialling(Dial),
}

impl Connections {
    pub(crate) fn new(dialler: Arc<Dialler>) -> Self {
        Self {
            dialler,
            slots: Arc::default(),
        }
    }

    /// The connection to `addr`, dialling if there is none. A dial is bounded by the transport.
    pub(crate) async fn get(&self, addr: &str) -> Result<ClientConnection, Arc<ConnectError>> {
        let dial = match self.look_up(addr) {
            Found::Connection(connection) => return Ok(connection),
            Found::Failed(error) => return Err(error),
            Found::Dialling(dial) => dial,
        };
        let outcome = dial.clone().await;
        self.settle(addr, &dial, &outcome);
        outcome
    }

    fn look_up(&self, addr: &str) -> Found {
        let now = self.dialler.env.clock.now();
        let mut slots = self.slots.lock();
        match slots.get(addr).map(|slot| &slot.state) {
            Some(State::Up(connection)) if !connection.is_closed() => {
                return Found::Connection(connection.clone());
            }
            Some(State::Down { until, error }) if *until > now => {
                return Found::Failed(Arc::clone(error));
            }
            Some(State::Dialling(dial)) => return Found::Dialling(dial.clone()),
            Some(State::Up(_) | State::Down { .. }) | None => {}
        }
        let (dialler, to) = (Arc::clone(&self.dialler), addr.to_owned());
        let dial = async move { dialler.dial(&to).await }.boxed().shared();
        let state = State::Dialling(dial.clone());
        match slots.get_mut(addr) {
            Some(slot) => slot.state = state,
            None => {
                let backoff = Backoff::new(PAUSE_FIRST, PAUSE_LONGEST);
                slots.insert(addr.to_owned(), Slot { state, backoff });
            }
        }
        Found::Dialling(dial)
    }

    /// Records how `dial` ended; the first of those who waited for it does.
    fn settle(
        &self,
        addr: &str,
        dial: &Dial,
        outcome: &Result<ClientConnection, Arc<ConnectError>>,
    ) {
        let env = &self.dialler.env;
        let mut slots = self.slots.lock();
        let Some(slot) = slots.get_mut(addr) else {
            return;
        };
        if !matches!(&slot.state, State::Dialling(current) if current.ptr_eq(dial)) {
            return;
        }
        slot.state = match outcome {
            Ok(connection) => {
                slot.backoff.reset();
                State::Up(connection.clone())
            }
            Err(error) => State::Down {
                until: env.clock.now() + slot.backoff.next(&env.rng),
                error: Arc::clone(error),
            },
        };
    }
}
