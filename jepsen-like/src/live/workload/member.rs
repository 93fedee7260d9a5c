//! A member of the group: reads what it is given, commits what it read, leaves now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{Action, Key, Stage};
use floe_client::{Consumer, Offset, RebalanceEvent, RebalanceEvents, TopicPartition};
use floe_env::Rng;

use super::read::{Polled, poll};
use super::{RETRY, Workload};

/// Longest time without a sign of life; short, so that faults outlast it.
const SESSION: Duration = Duration::from_secs(6);
const FETCH_WAIT: Duration = Duration::from_millis(200);
const CLOSE_LIMIT: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Consumes until the run is over.
pub(super) async fn run(workload: &Workload, rng: &Rng) {
    let topic = workload.target.topic.as_str();
    while !workload.is_over() {
        let builder = workload.client.consumer(workload.group()).topics([topic]);
        let builder = builder.session_timeout(SESSION).rebalance_timeout(SESSION);
        let builder = builder.manual_commit().fetch_wait(FETCH_WAIT);
        let joined = tokio::select! {
            joined = builder.build() => joined,
            () = workload.stop.cancelled() => return,
        };
        match joined {
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
    let mut polls = 50 + rng.below(1_000);
    while !workload.is_over() && polls > 0 {
        polls -= 1;
        if !member.poll(&mut consumer).await {
            tokio::time::sleep(RETRY).await;
            return;
        }
        if rng.chance(0.3) {
            member.commit(&mut consumer).await;
        }
        tokio::time::sleep(rng.jitter(Duration::ZERO, PAUSE_MAX)).await;
    }
    if workload.is_over() || rng.chance(0.5) {
        // Commits are manual: closing commits what was read, or nothing.
        drop(tokio::time::timeout(CLOSE_LIMIT, consumer.close()).await);
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
        let subscribe = || Action::Subscribe(vec![self.workload.target.topic.clone()]);
        let open = self.workload.book.begin(self.process, subscribe());
        self.workload.book.end(open, Stage::Ok, subscribe(), None);
    }

    /// Reads for a moment. `false` when the membership is over.
    async fn poll(&mut self, consumer: &mut Consumer) -> bool {
        let book = &self.workload.book;
        let open = book.begin(self.process, Action::Poll(Polled::new()));
        let (polled, error) = poll(self.workload, consumer).await;
        let moved = self.moved().await;
        let owned = consumer.assignment();
        for (key, values) in &polled {
            let place = owned.iter().find(|place| self.key(place) == *key);
            if let (Some(place), Some((offset, _))) = (place, values.last()) {
                self.read.insert(place.clone(), *offset + 1);
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
        self.workload.pulse.operation_ended();
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
            group: self.workload.group(),
            generation: 0,
            offsets: offsets
                .iter()
                .map(|(place, offset)| (self.key(place), *offset))
                .collect(),
        };
        let open = self.workload.book.begin(self.process, action());
        let (stage, error) = match consumer.commit_offsets(&offsets).await {
            Ok(()) => (Stage::Ok, None),
            Err(error) => (Stage::Info, Some(error.to_string())),
        };
        self.workload.book.end(open, stage, action(), error);
        self.workload.pulse.operation_ended();
    }

    fn key(&self, place: &TopicPartition) -> Key {
        self.workload.target.key(place.partition)
    }
}
