//! A member of the group: reads what it is given, commits what it read, leaves now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use floe_client::{Client, Consumer, Offset, RebalanceEvent, RebalanceEvents, TopicPartition};
use floe_env::Rng;
use floe_jepsen::{Action, Key, Stage};

use super::read::{Polled, poll};
use super::{GROUP, RETRY, TOPIC, Workload};

/// Longest time without a sign of life; short, so that faults outlast it.
const SESSION: Duration = Duration::from_secs(3);

/// Consumes until the run is over.
pub async fn run(workload: &Workload, client: &Client, rng: &Rng) {
    while !workload.is_over() {
        let builder = client.consumer(GROUP).topics([TOPIC]).manual_commit();
        let builder = builder.session_timeout(SESSION).rebalance_timeout(SESSION);
        match builder.fetch_wait(Duration::from_millis(200)).build().await {
            Ok(consumer) => membership(workload, consumer, rng).await,
            Err(error) => {
                tracing::debug!(%error, "no member");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// One membership, from joining to leaving.
async fn membership(workload: &Workload, mut consumer: Consumer, rng: &Rng) {
    let mut member = Member {
        workload,
        process: workload.book.new_process(),
        events: consumer.rebalance_events(),
        read: BTreeMap::new(),
    };
    member.subscribe();
    let mut polls = 20 + rng.below(400);
    while !workload.is_over() && polls > 0 {
        polls -= 1;
        if !member.poll(&mut consumer).await {
            tokio::time::sleep(RETRY).await;
            return;
        }
        if rng.chance(0.5) {
            member.commit(&mut consumer).await;
        }
        tokio::time::sleep(rng.jitter(Duration::ZERO, Duration::from_millis(30))).await;
    }
    if rng.chance(0.5) {
        // Manual commits only: closing commits nothing by itself, or what was read.
        let limit = Duration::from_secs(10);
        drop(tokio::time::timeout(limit, consumer.close()).await);
    }
}

struct Member<'a> {
    workload: &'a Workload,
    process: u64,
    events: RebalanceEvents,
    /// The next offset of each partition that was read and not taken away since.
    read: BTreeMap<TopicPartition, Offset>,
}

impl Member<'_> {
    fn subscribe(&self) {
        let subscribe = || Action::Subscribe(vec![TOPIC.to_owned()]);
        let open = self.workload.book.begin(self.process, subscribe());
        self.workload.book.end(open, Stage::Ok, subscribe(), None);
    }

    /// Reads for a moment. `false` when the membership is over.
    async fn poll(&mut self, consumer: &mut Consumer) -> bool {
        let book = &self.workload.book;
        let open = book.begin(self.process, Action::Poll(Polled::new()));
        let (polled, error) = poll(consumer, &self.workload.topic, book).await;
        let moved = self.moved().await;
        for values in polled
            .iter()
            .flat_map(|(key, values)| values.last().map(|(offset, _)| (key, *offset)))
        {
            let (key, offset) = values;
            let owned = consumer
                .assignment()
                .into_iter()
                .find(|place| self.key(place) == *key);
            if let Some(place) = owned {
                self.read.insert(place, offset + 1);
            }
        }
        let stage = if error.is_some() && polled.is_empty() {
            Stage::Fail
        } else {
            Stage::Ok
        };
        let is_over = error.is_some();
        let error = error.map(|error| error.to_string());
        book.end_moved(open, stage, Action::Poll(polled), error, moved);
        !is_over
    }

    /// Keys that rebalances moved since the last look.
    async fn moved(&mut self) -> Vec<Key> {
        let mut moved = BTreeSet::new();
        while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, self.events.next()).await {
            let (RebalanceEvent::Assigned(places)
            | RebalanceEvent::Revoked(places)
            | RebalanceEvent::Lost(places)) = &event;
            for place in places {
                moved.insert(self.key(place));
                self.read.remove(place);
            }
        }
        moved.into_iter().collect()
    }

    async fn commit(&mut self, consumer: &mut Consumer) {
        let owned: BTreeSet<TopicPartition> = consumer.assignment().into_iter().collect();
        let offsets: Vec<(TopicPartition, Offset)> = self
            .read
            .iter()
            .filter(|(place, _)| owned.contains(place))
            .map(|(place, offset)| (place.clone(), *offset))
            .collect();
        if offsets.is_empty() {
            return;
        }
        let action = || Action::Commit {
            group: GROUP.to_owned(),
            generation: 0,
            offsets: offsets
                .iter()
                .map(|(place, offset)| (self.key(place), *offset))
                .collect(),
        };
        let open = self.workload.book.begin(self.process, action());
        let (stage, error) = match consumer.commit_offsets(&offsets).await {
            Ok(()) => {
                for (place, _) in &offsets {
                    self.workload.signals.consumed(place.partition.0);
                }
                (Stage::Ok, None)
            }
            Err(error) => (Stage::Info, Some(error.to_string())),
        };
        self.workload.book.end(open, stage, action(), error);
    }

    fn key(&self, place: &TopicPartition) -> Key {
        self.workload.topic.key(place.partition.0)
    }
}
