//! One partition replica on this node.
//!
//! A partition has no task of its own while nothing happens. Its replicated state changes in
//! Raft's apply; the leader side (the [`Sequencer`]) is a small locked owner, entered by whoever
//! produces and by the task of each entry in flight. Lock order: sequencer, then state; apply
//! takes only the state, so Raft never waits for a producer.

mod control;
mod machine;
mod missing;
mod producer;
mod sequencer;
pub(crate) mod snapshot;
mod state;

use std::sync::Arc;
use std::time::Duration;

use floe_env::Env;
use floe_journal::GroupLog;
use floe_metadata::{State, TopicConfig};
use floe_model::{
    ErrorCode, LeaderEpoch, Offset, RaftGroupId, Sequence, TopicIdPartition, TopicName,
};
use floe_raft::{Proposal, ProposeError, RaftGroup, Role};
use floe_rpc::{Failure, LeaderHint};
use futures::FutureExt as _;
use futures::future::{Either, select};
use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::partition_facts::ActiveProducer;
use crate::topic_rules::TopicRules;

pub(crate) use control::Control;
pub(crate) use machine::PartitionMachine;
pub(crate) use producer::BatchIdentity;
use sequencer::{NextEntry, Sequencer};
pub(crate) use sequencer::{Offer, Offered, Placed};
pub(crate) use state::PartitionState;

/// A replica of a partition.
pub(crate) struct Partition {
    pub(crate) key: TopicIdPartition,
    pub(crate) topic: TopicName,
    raft: RaftGroup,
    /// Changed by apply only. Held for a look, never across another call.
    state: Arc<Mutex<PartitionState>>,
    /// Held while batches are judged, queued and proposed, so that log order is queue order.
    sequencer: Mutex<Sequencer>,
    /// With the version of the layout that they are from. Held to look or to replace them.
    rules: Mutex<Option<(u64, Arc<TopicRules>)>>,
    env: Env,
    tasks: TaskTracker,
    append_seconds: Histogram,
}

impl Partition {
    pub(crate) fn new(
        key: TopicIdPartition,
        topic: TopicName,
        raft: RaftGroup,
        state: Arc<Mutex<PartitionState>>,
        core: &Core,
    ) -> Arc<Self> {
        let sequencer = Mutex::default();
        Arc::new(Self {
            key,
            topic,
            raft,
            state,
            sequencer,
            rules: Mutex::default(),
            env: core.env.clone(),
            tasks: core.tasks.clone(),
            append_seconds: core.metrics.append_seconds.clone(),
        })
    }

    /// What the topic asks of batches: a change of its settings is a change of the layout.
    pub(crate) fn rules(&self, state: &State) -> Arc<TopicRules> {
        let version = state.layout_version();
        let mut known = self.rules.lock();
        if let Some((_, rules)) = known.as_ref().filter(|(at, _)| *at == version) {
            return Arc::clone(rules);
        }
        let rules = Arc::new(match state.topic(&self.key.topic_id) {
            Some(topic) => TopicRules::of(&topic.config),
            None => TopicRules::of(&TopicConfig::default()),
        });
        *known = Some((version, Arc::clone(&rules)));
        rules
    }

    pub(crate) fn group(&self) -> RaftGroupId {
        self.raft.id()
    }

    pub(crate) fn raft(&self) -> &RaftGroup {
        &self.raft
    }

    pub(crate) fn log(&self) -> &GroupLog {
        self.raft.log()
    }

    pub(crate) fn role(&self) -> Role {
        self.raft.role()
    }

    pub(crate) fn state(&self) -> &Mutex<PartitionState> {
        &self.state
    }

    pub(crate) fn log_start_offset(&self) -> Offset {
        self.state.lock().log_start_offset
    }

    /// Each leader epoch with records and where it began, ascending.
    pub(crate) fn epochs(&self) -> Vec<(LeaderEpoch, Offset)> {
        self.state.lock().epochs.clone()
    }

    /// The idempotent producers that have a batch here.
    pub(crate) fn active_producers(&self) -> Vec<ActiveProducer> {
        let state = self.state.lock();
        let producers = state.producers.iter().map(|(&producer_id, producer)| {
            let last = producer.batches.back();
            ActiveProducer {
                producer_id,
                producer_epoch: producer.epoch,
                last_sequence: last.map_or(Sequence(-1), |batch| batch.last_sequence),
                last_seen_ms: producer.last_seen_ms,
            }
        });
        producers.collect()
    }

    /// The epoch in which this replica may serve, or who may.
    pub(crate) fn serving_epoch(&self) -> Result<LeaderEpoch, Failure> {
        let role = self.role();
        role.serving_epoch()
            .ok_or_else(|| not_leader(role.leader, role.epoch))
    }

    /// Asks a majority whether this replica still leads in `epoch`, and so has led all the time
    /// since it read it.
    pub(crate) async fn leads_for_certain(&self, epoch: LeaderEpoch) -> bool {
        let confirmed = self.raft.read_index().await.is_ok();
        confirmed && self.serving_epoch().is_ok_and(|now| now == epoch)
    }

    /// Judges and queues batches of one request, in order, and proposes what may go. Without an
    /// await: batches enter the queue in the order of the calls. Stops at the first refused one.
    pub(crate) fn offer(self: &Arc<Self>, offers: Vec<Offer>) -> (Vec<Offered>, Option<Failure>) {
        let epoch = match self.serving_epoch() {
            Ok(epoch) => epoch,
            Err(failure) => {
                self.remember_refused(offers.iter().filter_map(|offer| offer.identity));
                return (Vec::new(), Some(failure));
            }
        };
        let mut offered = Vec::with_capacity(offers.len());
        let now = self.env.clock.now();
        let mut sequencer = self.sequencer.lock();
        let mut refusal = None;
        {
            let state = self.state.lock();
            if let Err(code) = sequencer.enter(epoch, now) {
                for identity in offers.iter().filter_map(|offer| offer.identity) {
                    sequencer.remember_refused(identity, now);
                }
                return (offered, Some(code.into()));
            }
            for offer in offers {
                match sequencer.offer(offer, &state.producers, now) {
                    Ok(one) => offered.push(one),
                    Err(code) => {
                        refusal = Some(code.into());
                        break;
                    }
                }
            }
        }
        self.propose_queued(&mut sequencer);
        (offered, refusal)
    }

    /// These batches were refused for now, before they could be offered: what their producers
    /// sent behind them waits for them.
    pub(crate) fn remember_refused(&self, identities: impl Iterator<Item = BatchIdentity>) {
        let now = self.env.clock.now();
        let mut sequencer = self.sequencer.lock();
        identities.for_each(|identity| sequencer.remember_refused(identity, now));
    }

    /// Answers everybody who waits here: this replica may serve no more, and what is in flight
    /// may or may not become committed.
    pub(crate) fn let_go(&self) {
        let now = self.env.clock.now();
        self.sequencer.lock().let_go(now);
    }

    /// Batches accepted here whose outcome is open.
    pub(crate) fn batches_waiting(&self) -> usize {
        self.sequencer.lock().batches_waiting()
    }

    /// Appends a control entry and waits until it is applied.
    pub(crate) async fn control(&self, control: Control) -> Result<(), Failure> {
        let epoch = self.serving_epoch()?;
        let proposal = Proposal::Control(control.encode());
        match self.raft.propose(epoch, proposal).await {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Proposes entries while there are batches and room. Raft decides about refusals when the
    /// proposal is made, so the first poll tells them, still under the lock: nothing that was
    /// judged behind a refused batch is appended.
    fn propose_queued(self: &Arc<Self>, sequencer: &mut Sequencer) {
        while let Some(entry) = sequencer.next_entry() {
            let NextEntry {
                epoch,
                wants_local,
                ids,
                batches,
            } = entry;
            let proposal = Proposal::Data(batches);
            let wants_local = wants_local || floe_model::mutant!("ack-before-quorum");
            let (local, mut outcome) = if wants_local {
                match self.raft.propose_observed(epoch, proposal) {
                    Ok(proposed) => (Some(proposed.local), proposed.committed),
                    Err(error) => {
                        settle(sequencer, &ids, epoch, Err(error), self.env.clock.now());
                        continue;
                    }
                }
            } else {
                (None, self.raft.propose(epoch, proposal).boxed())
            };
            if let Some(done) = outcome.as_mut().now_or_never() {
                settle(sequencer, &ids, epoch, done, self.env.clock.now());
                continue;
            }
            let partition = Arc::clone(self);
            let begun = self.env.clock.now();
            let settle_later = async move {
                let done = match local {
                    None => outcome.await,
                    // Two followers may be faster than this node's disk.
                    Some(local) => match select(local, outcome).await {
                        Either::Left((Ok(durable), outcome)) => {
                            partition
                                .sequencer
                                .lock()
                                .local(&ids, durable.base_offset, epoch);
                            outcome.await
                        }
                        Either::Left((Err(_), outcome)) => outcome.await,
                        Either::Right((done, _)) => done,
                    },
                };
                if floe_model::mutant!("acked-in-transfer")
                    && let Err(ProposeError::Unknown | ProposeError::NotLeader { .. }) = done
                {
                    let end = partition.log().high_watermark();
                    partition.sequencer.lock().committed(&ids, end, epoch);
                    return;
                }
                let mut sequencer = partition.sequencer.lock();
                let now = partition.env.clock.now();
                if done.is_ok() {
                    let took = now.saturating_sub(begun);
                    partition.append_seconds.observe(took.as_secs_f64());
                }
                settle(&mut sequencer, &ids, epoch, done, now);
                partition.propose_queued(&mut sequencer);
            };
            // Ends with the proposal, whose outcome Raft always tells; the tracker joins it.
            drop(self.env.spawn.task(self.tasks.track_future(settle_later)));
        }
    }
}

fn settle(
    sequencer: &mut Sequencer,
    ids: &[u64],
    epoch: LeaderEpoch,
    outcome: Result<floe_raft::Applied, ProposeError>,
    now: Duration,
) {
    match outcome {
        Ok(applied) => sequencer.committed(ids, applied.base_offset, epoch),
        Err(ProposeError::Unknown) => {
            sequencer.unknown(ids, &ErrorCode::Timeout.into(), epoch, now);
        }
        Err(error) => sequencer.refused(ids, &refusal(&error), epoch, now),
    }
}

/// A refused or failed proposal in the words of the client protocol.
pub(crate) fn refusal(error: &ProposeError) -> Failure {
    match error {
        ProposeError::NotLeader { leader, epoch } => not_leader(*leader, *epoch),
        ProposeError::Busy => ErrorCode::Busy.into(),
        ProposeError::DiskFull => ErrorCode::DiskFull.into(),
        ProposeError::StorageFailed => ErrorCode::StorageFailed.into(),
        ProposeError::Unknown => ErrorCode::Timeout.into(),
        ProposeError::ShuttingDown => ErrorCode::ShuttingDown.into(),
        ProposeError::TooLarge { .. } => ErrorCode::BatchTooLarge.into(),
    }
}

/// "Not here", with the leader when it is known.
pub(crate) fn not_leader(leader: Option<floe_model::NodeId>, epoch: LeaderEpoch) -> Failure {
    let hint = leader.map(|node| LeaderHint { node, epoch });
    Failure::elsewhere(ErrorCode::NotLeader, hint)
}
