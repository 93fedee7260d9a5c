//! The task that turns buffered records into requests and answers into acknowledgements.
//!
//! It owns every partition's lane and all requests in flight. A node that is idle gets what there
//! is at once; while it is busy, batches gather until they are full, have lingered long enough, or
//! an answer comes. What goes to one node travels in one request. A request that stays unanswered
//! for long makes it look for a new leader and send the same batches there: the sequence makes
//! that safe.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use floe_model::{Acks, NodeId, PartitionIndex};
use floe_rpc::{PartitionKey, Produce, ProducePartReply, ProducerIdentity};
use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use self::plan::Draft;
use super::Shared;
use super::lane::{Lane, Sealed, Settled, Wants};
use crate::connection::Connections;
use crate::error::Cause;
use crate::layout::Layout;
use crate::routing::Call;
use crate::{Error, ErrorKind};

/// A request unanswered for this long makes the sender look for a new leader.
const SLOW_AFTER: Duration = Duration::from_millis(300);
/// Time between two looks for a leader.
const LOOK_SPACING: Duration = Duration::from_millis(50);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// Age at which a layout is asked for again, to see new partitions.
const LAYOUT_AGE_MAX: Duration = Duration::from_secs(60);
/// Longest that a node may take to answer a request; then it is sent again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the answer itself, on top of what the node was given.
const ANSWER_SLACK: Duration = Duration::from_secs(1);

/// The sender's state.
pub(super) struct Sender {
    shared: Arc<Shared>,
    connections: Connections,
    layout: Arc<Layout>,
    /// Nodes that lead some partition of the layout.
    leaders: BTreeSet<NodeId>,
    /// The identity for lanes that need one; none when acks do not allow idempotence.
    identity: Option<ProducerIdentity>,
    lanes: BTreeMap<PartitionIndex, Lane>,
    /// Lanes with sealed batches and no request in flight.
    again: BTreeSet<PartitionIndex>,
    /// No batch expires before.
    expiry_due: Duration,
    requests: BTreeMap<u64, Request>,
    next_request: u64,
    /// Requests in flight by node.
    busy: BTreeMap<NodeId, usize>,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
    is_looking: bool,
    wants_layout: bool,
    look_not_before: Duration,
    looked_at: Duration,
    is_fetching_identity: bool,
    wants_identity: bool,
}

struct Request {
    node: NodeId,
    sent_at: Duration,
    partitions: Vec<PartitionIndex>,
}

enum Event {
    Answered(u64, Result<Vec<ProducePartReply>, Error>),
    Layout(Result<Arc<Layout>, Error>),
    Identity(Result<ProducerIdentity, Error>),
}

impl Sender {
    pub(super) fn new(
        shared: Arc<Shared>,
        layout: Arc<Layout>,
        identity: Option<ProducerIdentity>,
    ) -> Self {
        let core = &shared.client.core;
        Self {
            connections: Connections::new(Arc::clone(&core.dialler)),
            looked_at: core.env.clock.now(),
            leaders: layout.leaders(),
            layout,
            identity,
            lanes: BTreeMap::new(),
            again: BTreeSet::new(),
            expiry_due: Duration::ZERO,
            requests: BTreeMap::new(),
            next_request: 0,
            busy: BTreeMap::new(),
            events: FuturesUnordered::new(),
            is_looking: false,
            wants_layout: false,
            look_not_before: Duration::ZERO,
            is_fetching_identity: false,
            wants_identity: false,
            shared,
        }
    }

    /// Runs until the producer is closed or dropped.
    pub(super) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        loop {
            let due = self.work();
            let wait = due.saturating_sub(self.now());
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(event) = self.events.next() => Some(event),
                () = self.shared.wake.notified() => None,
                () = tokio::time::sleep(wait) => None,
            };
            let mut next = event;
            while let Some(event) = next {
                self.handle(event);
                next = self.events.next().now_or_never().flatten();
            }
        }
        self.give_up(&Cause::Closed.into());
    }

    /// Does what can be done now. Returns when there may be more to do without an event.
    fn work(&mut self) -> Duration {
        let now = self.now();
        if now >= self.expiry_due {
            self.expire(now);
        }
        let mut due = self.send_ready(now);
        due = due.min(self.watch_slow(now));
        if !self.is_looking {
            let stale_at = self.looked_at + LAYOUT_AGE_MAX;
            self.wants_layout |= now >= stale_at;
            if !self.wants_layout {
                due = due.min(stale_at);
            } else if now >= self.look_not_before {
                self.look();
            } else {
                due = due.min(self.look_not_before);
            }
        }
        if self.wants_identity && !self.is_fetching_identity {
            self.fetch_identity();
        }
        due.min(self.expiry_due)
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Answered(id, outcome) => self.answered(id, outcome, now),
            Event::Layout(outcome) => {
                self.is_looking = false;
                self.look_not_before = now + LOOK_SPACING;
                self.looked_at = now;
                match outcome {
                    Ok(layout) => self.take_layout(layout, now),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        self.give_up(&error);
                    }
                    // Whoever needs it will ask again.
                    Err(error) => tracing::debug!(%error, "layout is not known"),
                }
            }
            Event::Identity(outcome) => {
                self.is_fetching_identity = false;
                match outcome {
                    Ok(identity) => {
                        self.identity = Some(identity);
                        self.wants_identity = false;
                    }
                    Err(error) => tracing::warn!(%error, "no producer identity yet"),
                }
            }
        }
    }

    fn answered(&mut self, id: u64, outcome: Result<Vec<ProducePartReply>, Error>, now: Duration) {
        let Some(request) = self.requests.remove(&id) else {
            return;
        };
        if let Some(count) = self.busy.get_mut(&request.node) {
            *count -= 1;
        }
        let mut answers = BTreeMap::new();
        let missing: Error = match outcome {
            Ok(replies) => {
                let topic_id = self.layout.topic_id;
                let ours = replies
                    .into_iter()
                    .filter(|reply| reply.key.topic_id == topic_id);
                answers.extend(ours.map(|reply| (reply.key.partition, reply.outcome)));
                Cause::Answer.into()
            }
            Err(error) => error,
        };
        for partition in request.partitions {
            let Some(lane) = self.lanes.get_mut(&partition) else {
                continue;
            };
            if !lane.arrived(id) {
                continue;
            }
            let error = match answers.remove(&partition) {
                Some(Ok(produced)) if lane.is_answered_by(&produced, self.shared.acks) => {
                    let settled = lane.acknowledged(&produced.base_offsets);
                    self.settle(settled);
                    self.arrived(partition);
                    continue;
                }
                Some(Err(failure)) => {
                    let key = PartitionKey {
                        topic_id: self.layout.topic_id,
                        partition,
                    };
                    let hint = failure.leader.as_ref();
                    let layouts = &self.shared.client.core.layouts;
                    let is_news = hint.is_some_and(|hint| layouts.learn(key, hint));
                    let error = Error::refused(&failure, Some(request.node));
                    self.failed(partition, error, now);
                    if is_news {
                        self.learned(partition, now);
                    }
                    continue;
                }
                Some(Ok(_)) => Cause::Answer.into(),
                None => missing.clone(),
            };
            self.failed(partition, error, now);
        }
    }

    fn failed(&mut self, partition: PartitionIndex, error: Error, now: Duration) {
        let Some(lane) = self.lanes.get_mut(&partition) else {
            return;
        };
        let core = &self.shared.client.core;
        core.retries.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%error, %partition, "batches were not acknowledged");
        let (settled, wants) = lane.failed(error, now, &core.env.rng);
        let Wants { layout, identity } = wants;
        self.wants_layout |= layout;
        self.wants_identity |= identity;
        self.settle(settled);
        self.arrived(partition);
    }

    /// A lane has no request in flight any more: what it has goes again, or the buffer's next.
    fn arrived(&mut self, partition: PartitionIndex) {
        if self
            .lanes
            .get(&partition)
            .is_some_and(|lane| !lane.is_empty())
        {
            self.again.insert(partition);
        } else {
            self.again.remove(&partition);
            self.shared.buffers.lock().release(partition);
        }
    }

    /// A node told who leads a partition.
    fn learned(&mut self, partition: PartitionIndex, now: Duration) {
        let core = &self.shared.client.core;
        if let Some(layout) = core.layouts.topic(&self.shared.topic) {
            self.leaders = layout.leaders();
            self.layout = layout;
        }
        if let Some(lane) = self.lanes.get_mut(&partition) {
            lane.leader_moved(now);
        }
    }

    fn take_layout(&mut self, layout: Arc<Layout>, now: Duration) {
        self.wants_layout = false;
        if layout.topic_id != self.layout.topic_id {
            // The topic was made again: what went to the former one went with it.
            self.lanes.values_mut().for_each(Lane::start_anew);
        }
        self.leaders = layout.leaders();
        self.layout = layout;
        self.shared
            .buffers
            .lock()
            .grow(self.layout.partition_count());
        let asked = self.lanes.iter().filter(|(_, lane)| !lane.is_empty());
        let asked: Vec<PartitionIndex> = asked.map(|(partition, _)| *partition).collect();
        for partition in asked {
            let epoch = self.layout.leadership(partition).epoch;
            let Some(lane) = self.lanes.get_mut(&partition) else {
                continue;
            };
            if epoch > lane.asked_epoch() {
                if lane.is_in_flight() {
                    lane.abandon(now);
                    self.again.insert(partition);
                }
                lane.leader_moved(now);
            } else if lane.doubts_leader() {
                // Still the leader that failed: look again while the lane waits.
                self.wants_layout = true;
            }
        }
    }

    /// Looks for a new leader where a request has no answer for long.
    fn watch_slow(&mut self, now: Duration) -> Duration {
        // Requests are numbered by time, so the first is the oldest.
        let oldest = self.requests.values().map(|request| request.sent_at).min();
        let Some(sent_at) = oldest else {
            return Duration::MAX;
        };
        if now < sent_at + SLOW_AFTER {
            return sent_at + SLOW_AFTER;
        }
        self.wants_layout = true;
        self.look_not_before = self.look_not_before.max(self.looked_at + SLOW_AFTER / 2);
        self.look_not_before.max(now + LOOK_SPACING)
    }

    fn look(&mut self) {
        self.is_looking = true;
        self.wants_layout = false;
        let (client, topic) = (self.shared.client.clone(), self.shared.topic.clone());
        let look =
            async move { Event::Layout(client.fresh_layout_of(&topic, false, LOOK_TIMEOUT).await) };
        self.events.push(look.boxed());
    }

    fn fetch_identity(&mut self) {
        self.is_fetching_identity = true;
        let (client, timeout) = (self.shared.client.clone(), self.shared.delivery_timeout);
        let fetch = async move { Event::Identity(client.new_producer(timeout).await) };
        self.events.push(fetch.boxed());
    }

    fn start_request(&mut self, node: NodeId, draft: Draft, now: Duration) {
        let Draft {
            id, addr, parts, ..
        } = draft;
        let shared = &self.shared;
        let given = REQUEST_TIMEOUT.min(shared.delivery_timeout);
        let partitions = parts.iter().map(|part| part.key.partition);
        let request = Request {
            node,
            sent_at: now,
            partitions: partitions.collect(),
        };
        let produce = Produce {
            acks: shared.acks,
            timeout_ms: u32::try_from(given.as_millis()).unwrap_or(u32::MAX),
            parts,
        };
        let connections = self.connections.clone();
        let send = async move {
            let ask = |call: Call| async move { call.api.produce(call.context, produce).await };
            let outcome = connections
                .ask(&addr, given + ANSWER_SLACK, false, ask)
                .await;
            Event::Answered(id, outcome)
        };
        self.requests.insert(id, request);
        *self.busy.entry(node).or_default() += 1;
        self.events.push(send.boxed());
    }

    /// Fails what is older than the delivery timeout.
    fn expire(&mut self, now: Duration) {
        let timeout = self.shared.delivery_timeout;
        if let Some(oldest) = now.checked_sub(timeout) {
            let mut expired = Vec::new();
            for (partition, lane) in &mut self.lanes {
                let settled = lane.expire(oldest, timeout);
                if !settled.is_empty() {
                    expired.push((*partition, settled));
                }
            }
            self.wants_identity |= self.is_idempotent() && !expired.is_empty();
            for (partition, settled) in expired {
                self.settle(settled);
                self.arrived(partition);
            }
            let gathered = self.shared.buffers.lock().take_opened_by(oldest);
            for batch in gathered {
                let sealed = Sealed::from(batch);
                let lane = self.lanes.get(&sealed.partition);
                let cause = Cause::DeadlineExceeded {
                    after: timeout,
                    is_unsure: false,
                    last: lane.and_then(|lane| lane.last_error().cloned()),
                };
                let error = Error::from(cause).in_partition(&self.shared.topic, sealed.partition);
                self.shared.settle(sealed, Err(error));
            }
        }
        let sealed = self.lanes.values().filter_map(Lane::oldest_opened_at).min();
        let gathered = self.shared.buffers.lock().oldest_opened_at();
        // Batches opened from now on expire later than a timeout from now.
        let oldest = sealed.into_iter().chain(gathered).min().unwrap_or(now);
        self.expiry_due = oldest.saturating_add(timeout);
    }

    /// Fails everything, and all that is still to come.
    fn give_up(&mut self, error: &Error) {
        self.shared.buffers.lock().refusal = Some(error.clone());
        self.shared.room.close();
        self.fail_sealed(error);
        let gathered = self.shared.buffers.lock().take_opened_by(Duration::MAX);
        for batch in gathered {
            self.shared.settle(batch.into(), Err(error.clone()));
        }
    }

    fn fail_sealed(&mut self, error: &Error) {
        let mut failed = Vec::new();
        for (partition, lane) in &mut self.lanes {
            let settled = lane.fail_all(error);
            if !settled.is_empty() {
                failed.push((*partition, settled));
            }
        }
        self.wants_identity |= self.is_idempotent() && !failed.is_empty();
        for (partition, settled) in failed {
            self.settle(settled);
            self.arrived(partition);
        }
    }

    fn settle(&self, settled: Vec<Settled>) {
        for Settled { sealed, outcome } in settled {
            let place = |error: Error| error.in_partition(&self.shared.topic, sealed.partition);
            let outcome = outcome.map_err(place);
            self.shared.settle(sealed, outcome);
        }
    }

    fn is_idempotent(&self) -> bool {
        self.shared.acks == Acks::Quorum
    }

    fn now(&self) -> Duration {
        self.shared.client.core.env.clock.now()
    }
}
