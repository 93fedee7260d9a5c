//! The task that reads ahead: it keeps every held partition stocked, within the memory allowed.
//!
//! Partitions that want records are fetched from their leaders, those of one leader together, with
//! a wait at the node until there is something. A partition is in one fetch at a time, so its
//! batches arrive in order. A fetch that stays unanswered longer than it may wait makes the task
//! look for a new leader and ask there.

mod answers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use floe_model::{NodeId, Offset, TopicName};
use floe_rpc::{Fetch, FetchPart, FetchPartReply, Ownership, PartitionKey, Topics};
use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::holding::Holding;
use super::{Shared, Start};
use crate::Error;
use crate::connection::Connections;
use crate::routing::Call;

/// Fetches in flight to one node: those that wait for records, and those that have some to bring.
const FETCHES_PER_NODE_MAX: usize = 4;
/// Most bytes of one fetch and of one partition in it.
const FETCH_BYTES_MAX: usize = 4 << 20;
const PARTITION_BYTES_MAX: usize = 1 << 20;
/// What a fetch may take beyond the wait that it asked for before the leader is doubted.
const SLOW_AFTER: Duration = Duration::from_millis(300);
/// Time for the answer of a fetch, on top of its wait.
const ANSWER_SLACK: Duration = Duration::from_secs(5);
const LOOK_SPACING: Duration = Duration::from_millis(50);
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// The fetcher's state.
pub(super) struct Fetcher {
    shared: Arc<Shared>,
    connections: Connections,
    fetches: BTreeMap<u64, InFlight>,
    /// Fetches in flight by node.
    busy: BTreeMap<NodeId, usize>,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
    /// Topics whose leaders are looked for.
    unknown: BTreeSet<TopicName>,
    is_looking: bool,
    look_not_before: Duration,
    /// Since when answers lack a topic.
    missing_since: BTreeMap<TopicName, Duration>,
    /// Which partition comes first in a fetch: they take turns.
    turn: usize,
}

struct InFlight {
    node: NodeId,
    sent_at: Duration,
    wait: Duration,
    keys: Vec<PartitionKey>,
}

enum Event {
    Fetched(u64, Result<Vec<FetchPartReply>, Error>),
    Layout(Vec<TopicName>, Result<Topics, Error>),
    LookedUp(
        u64,
        Vec<PartitionKey>,
        Result<BTreeMap<PartitionKey, Option<Offset>>, Error>,
    ),
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            connections: Connections::new(Arc::clone(&shared.client.core.dialler)),
            fetches: BTreeMap::new(),
            busy: BTreeMap::new(),
            events: FuturesUnordered::new(),
            unknown: BTreeSet::new(),
            is_looking: false,
            look_not_before: Duration::ZERO,
            missing_since: BTreeMap::new(),
            turn: 0,
            shared,
        }
    }

    /// Runs until the consumer is closed or dropped.
    pub(super) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        loop {
            let due = self.work();
            let wait = due.saturating_sub(self.now());
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(event) = self.events.next() => Some(event),
                () = self.shared.fetch_wake.notified() => None,
                () = tokio::time::sleep(wait) => None,
            };
            let mut next = event;
            while let Some(event) = next {
                self.handle(event);
                next = self.events.next().now_or_never().flatten();
            }
        }
    }

    /// Does what can be done now. Returns when there may be more to do without an event.
    fn work(&mut self) -> Duration {
        let now = self.now();
        let hungry_due = self.feed(now);
        let slow_due = self.watch_slow(now);
        let mut due = hungry_due.min(slow_due);
        if !self.unknown.is_empty() && !self.is_looking {
            if now >= self.look_not_before {
                self.look();
            } else {
                due = due.min(self.look_not_before);
            }
        }
        due
    }

    /// Starts fetches and lookups for all partitions that want one.
    fn feed(&mut self, now: Duration) -> Duration {
        let shared = Arc::clone(&self.shared);
        let mut holding = shared.holding.lock();
        let mut due = Duration::MAX;
        let mut lookups: BTreeMap<TopicName, Vec<(PartitionKey, Start)>> = BTreeMap::new();
        let mut fetches: BTreeMap<NodeId, Vec<PartitionKey>> = BTreeMap::new();
        let has_room = holding.ahead_bytes < shared.fetch.prefetch_bytes;
        for (key, partition) in &holding.partitions {
            if !partition.is_hungry(now, PARTITION_BYTES_MAX) {
                if partition.not_before > now {
                    due = due.min(partition.not_before);
                }
                continue;
            }
            if let Some(start) = partition.look_up {
                let places = lookups
                    .entry(TopicName::clone(&partition.topic))
                    .or_default();
                places.push((*key, start));
                continue;
            }
            let leader = shared.client.core.layouts.leader(*key);
            let Some((node, ..)) = leader else {
                self.unknown.insert(TopicName::clone(&partition.topic));
                continue;
            };
            let busy = self.busy.get(&node).copied().unwrap_or(0);
            if has_room && busy < FETCHES_PER_NODE_MAX {
                fetches.entry(node).or_default().push(*key);
            }
        }
        for (topic, places) in lookups {
            let id = holding.number();
            for (key, _) in &places {
                if let Some(partition) = holding.partitions.get_mut(key) {
                    partition.asked = Some(id);
                }
            }
            self.start_lookup(id, topic, places);
        }
        for (node, keys) in fetches {
            self.start_fetch(&mut holding, node, keys, now);
        }
        due
    }

    fn start_fetch(
        &mut self,
        holding: &mut Holding,
        node: NodeId,
        mut keys: Vec<PartitionKey>,
        now: Duration,
    ) {
        let Some(addr) = self.shared.client.core.layouts.addr(node) else {
            return;
        };
        self.turn += 1;
        let turn = self.turn % keys.len().max(1);
        keys.rotate_left(turn);
        let id = holding.number();
        let generation = holding.generation;
        let group = self
            .shared
            .group
            .as_ref()
            .map(|group| &group.coordinator.group);
        let mut parts = Vec::with_capacity(keys.len());
        for key in &keys {
            let Some(partition) = holding.partitions.get_mut(key) else {
                continue;
            };
            let Some(offset) = partition.fetch_from else {
                continue;
            };
            let leader = self.shared.client.core.layouts.leader(*key);
            partition.asked = Some(id);
            partition.asked_token = partition.token;
            partition.asked_epoch = leader.map_or(partition.asked_epoch, |(_, epoch, _)| epoch);
            let owner = group.zip(partition.token).map(|(group, token)| Ownership {
                group: group.clone(),
                generation,
                token,
            });
            parts.push(FetchPart {
                key: *key,
                offset,
                bytes_max: narrow(PARTITION_BYTES_MAX.min(self.shared.fetch.prefetch_bytes)),
                owner,
            });
        }
        let wait = self.shared.fetch.wait;
        let fetch = Fetch {
            wait_ms_max: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            min_bytes: 1,
            bytes_max: narrow(FETCH_BYTES_MAX.min(self.shared.fetch.prefetch_bytes)),
            parts,
        };
        let in_flight = InFlight {
            node,
            sent_at: now,
            wait,
            keys,
        };
        self.fetches.insert(id, in_flight);
        *self.busy.entry(node).or_default() += 1;
        let connections = self.connections.clone();
        let send = async move {
            let ask = |call: Call| async move { call.api.fetch(call.context, fetch).await };
            let outcome = connections
                .ask(&addr, wait + ANSWER_SLACK, false, ask)
                .await;
            Event::Fetched(id, outcome)
        };
        self.events.push(send.boxed());
    }

    fn start_lookup(&mut self, id: u64, topic: TopicName, places: Vec<(PartitionKey, Start)>) {
        let client = self.shared.client.clone();
        let send = async move {
            let outcome = client.list_offsets(&topic, &places, LOOK_UP_TIMEOUT).await;
            Event::LookedUp(
                id,
                places.into_iter().map(|(key, _)| key).collect(),
                outcome,
            )
        };
        self.events.push(send.boxed());
    }

    /// Doubts leaders that keep a fetch longer than it may wait.
    fn watch_slow(&mut self, now: Duration) -> Duration {
        let mut due = Duration::MAX;
        let mut doubted = BTreeSet::new();
        for fetch in self.fetches.values() {
            let slow_at = fetch.sent_at + fetch.wait + SLOW_AFTER;
            if now < slow_at {
                due = due.min(slow_at);
            } else {
                doubted.extend(fetch.keys.iter().copied());
            }
        }
        if doubted.is_empty() {
            return due;
        }
        let holding = self.shared.holding.lock();
        let asked = doubted.iter().filter_map(|key| holding.partitions.get(key));
        let topics = asked.filter(|partition| partition.asked.is_some());
        self.unknown
            .extend(topics.map(|partition| TopicName::clone(&partition.topic)));
        due.min(now + SLOW_AFTER / 2)
    }

    fn look(&mut self) {
        self.is_looking = true;
        let topics: Vec<TopicName> = std::mem::take(&mut self.unknown).into_iter().collect();
        let client = self.shared.client.clone();
        let look = async move {
            let outcome = client.refresh(&topics, false, LOOK_TIMEOUT).await;
            Event::Layout(topics, outcome)
        };
        self.events.push(look.boxed());
    }

    fn now(&self) -> Duration {
        self.shared.client.core.env.clock.now()
    }
}

fn narrow(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
