//! What a consumer, its fetcher and its membership share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use floe_model::{ErrorCode, TopicName};
use floe_rpc::{Assignor, CommitOffsets, OffsetToCommit, PartitionKey};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::builder::FetchSettings;
use super::holding::{Holding, Progress};
use super::{RebalanceEvent, Start};
use crate::error::Cause;
use crate::routing::{Call, Coordinator};
use crate::{Client, Error};

/// Pause before a commit is tried under a newer generation.
const GENERATION_PAUSE: Duration = Duration::from_millis(50);

/// Shared state of one consumer.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) fetch: FetchSettings,
    /// None for a reader.
    pub(super) group: Option<Group>,
    /// Held to look in for a moment.
    pub(super) holding: Mutex<Holding>,
    /// The fetcher has something new to look at.
    pub(super) fetch_wake: Notify,
    /// The membership has something new to look at.
    pub(super) member_wake: Notify,
    /// The membership is to heartbeat at once.
    is_nudged: AtomicBool,
    pub(super) events: broadcast::Sender<RebalanceEvent>,
    pub(super) stop: CancellationToken,
}

/// The membership asked for.
pub(super) struct Group {
    pub(super) coordinator: Coordinator,
    pub(super) topics: Vec<TopicName>,
    pub(super) instance_id: Option<String>,
    pub(super) start: Start,
    pub(super) auto_commit: Option<Duration>,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) assignor: Assignor,
}

impl Shared {
    pub(super) fn new(client: Client, fetch: FetchSettings, group: Option<Group>) -> Self {
        // A reader answers to nobody; a member has no lease before it has joined.
        let lease_until = match group {
            Some(_) => Duration::ZERO,
            None => Duration::MAX,
        };
        let member_id = member_id(&client);
        Self {
            client,
            fetch,
            group,
            holding: Mutex::new(Holding::new(member_id, lease_until)),
            fetch_wake: Notify::new(),
            member_wake: Notify::new(),
            is_nudged: AtomicBool::new(false),
            events: broadcast::Sender::new(super::events::EVENTS_KEPT),
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn new_member_id(&self) -> String {
        member_id(&self.client)
    }

    /// Makes the membership heartbeat at once.
    pub(super) fn nudge(&self) {
        self.is_nudged.store(true, Ordering::Relaxed);
        self.member_wake.notify_one();
    }

    pub(super) fn take_nudge(&self) -> bool {
        self.is_nudged.swap(false, Ordering::Relaxed)
    }

    /// Tells whoever listens.
    pub(super) fn tell(&self, event: RebalanceEvent) {
        tracing::debug!(?event, "rebalance");
        // Nobody listening is fine.
        drop(self.events.send(event));
    }

    /// A partition belongs to another member by now.
    pub(super) fn lose_one(&self, key: PartitionKey, error: &Error) {
        let names = self.holding.lock().lose(&[key]);
        if !names.is_empty() {
            tracing::warn!(%error, partition = %names[0], "partition was taken away");
            self.tell(RebalanceEvent::Lost(names));
        }
        self.nudge();
    }

    /// The membership is over.
    pub(super) fn lose_all(&self) {
        let names = {
            let mut holding = self.holding.lock();
            let keys: Vec<PartitionKey> = holding.partitions.keys().copied().collect();
            holding.lose(&keys)
        };
        if !names.is_empty() {
            self.tell(RebalanceEvent::Lost(names));
        }
    }

    /// Stores progress with the group, all or none.
    pub(super) async fn commit(
        &self,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> Result<(), Error> {
        let Some(group) = &self.group else {
            return Err(Cause::NoGroup.into());
        };
        if progress.is_empty() {
            return Ok(());
        }
        let clock = &self.client.core.env.clock;
        let deadline = clock.now() + timeout;
        loop {
            let ask = |call: Call| {
                let request = self.commit_request(group, &progress);
                async move { call.api.commit_offsets(call.context, request).await }
            };
            let left = deadline.saturating_sub(clock.now());
            match self
                .client
                .ask_coordinator(&group.coordinator, left, ask)
                .await
            {
                Ok(()) => {
                    self.holding.lock().committed(&progress);
                    self.member_wake.notify_one();
                    return Ok(());
                }
                // The tokens may be good all the same: the next heartbeat brings the generation.
                Err(error)
                    if is_of_generation(&error) && clock.now() + GENERATION_PAUSE < deadline =>
                {
                    self.nudge();
                    tokio::time::sleep(GENERATION_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn commit_request(&self, group: &Group, progress: &[Progress]) -> CommitOffsets {
        let holding = self.holding.lock();
        let offsets = progress.iter().map(|progress| OffsetToCommit {
            key: progress.key,
            offset: progress.offset,
            leader_epoch: progress.epoch,
            token: progress.token,
        });
        CommitOffsets {
            group: group.coordinator.group.clone(),
            member_id: holding.member_id.clone(),
            generation: holding.generation,
            offsets: offsets.collect(),
        }
    }
}

fn is_of_generation(error: &Error) -> bool {
    let code = error.code();
    matches!(
        code,
        Some(ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress)
    )
}

fn member_id(client: &Client) -> String {
    floe_model::to_hex(&client.core.env.rng.bytes16())
}
