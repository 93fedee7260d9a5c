//! One confirmation of the metadata for all who need it.
//!
//! A request is served only by a round to the controller that began after the request: what the
//! controller acknowledged before is then applied here. Rounds begin when somebody waits, one at
//! a time and at most one in [`ROUND_INTERVAL`].

use std::sync::Arc;
use std::time::Duration;

use floe_metadata::State;
use floe_model::ErrorCode;
use floe_rpc::Failure;
use tokio::sync::{Notify, watch};

use crate::core::Core;

const ROUND_INTERVAL: Duration = Duration::from_millis(10);
/// A round that takes longer has failed; who waits may ask again.
const ROUND_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Rounds {
    /// Number of rounds begun.
    begun: u64,
    /// The last round that ended, and with what.
    ended: u64,
    state: Option<Arc<State>>,
}

/// Shares rounds among requests.
pub(crate) struct Confirmer {
    wanted: Notify,
    rounds: watch::Sender<Rounds>,
}

impl Confirmer {
    pub(crate) fn new() -> Self {
        Self {
            wanted: Notify::new(),
            rounds: watch::Sender::new(Rounds::default()),
        }
    }

    /// The metadata, with everything acknowledged before this call.
    pub(crate) async fn confirm(&self, timeout: Duration) -> Result<Arc<State>, Failure> {
        let mut rounds = self.rounds.subscribe();
        let next = rounds.borrow().begun + 1;
        self.wanted.notify_one();
        let served = tokio::time::timeout(timeout, rounds.wait_for(|rounds| rounds.ended >= next));
        match served.await {
            Ok(Ok(rounds)) => rounds.state.clone().ok_or(ErrorCode::NotController.into()),
            Ok(Err(_)) | Err(_) => Err(ErrorCode::NotController.into()),
        }
    }
}

/// Makes the rounds. Runs until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let confirmer = &core.confirmer;
    loop {
        confirmer.wanted.notified().await;
        confirmer.rounds.send_modify(|rounds| rounds.begun += 1);
        let confirmed = core.controller.confirm(ROUND_TIMEOUT).await;
        confirmer.rounds.send_modify(|rounds| {
            rounds.ended = rounds.begun;
            rounds.state = confirmed.ok().map(|view| view.state);
        });
        tokio::time::sleep(ROUND_INTERVAL).await;
    }
}
