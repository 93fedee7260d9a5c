//! Fetch sessions (KIP-227): consumers of many partitions send and get only what changed.
//!
//! Invariant: sessions and the partitions in all of them are bounded; a session that nobody used
//! for a while makes room for a new one. Losing a session costs its client one full fetch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use floe_env::Rng;
use floe_kafka_codec::KafkaError;
use floe_kafka_codec::messages::{FetchPartition, FetchRequest};
use floe_model::TopicId;
use parking_lot::Mutex;

/// Sessions of one gateway (Kafka's default).
const SESSIONS_MAX: usize = 1000;
/// Partitions in all of them.
const PARTITIONS_MAX: usize = 200_000;
/// Disuse after which a session may go for another one (Kafka's default).
const DISUSE: Duration = Duration::from_secs(120);
/// Epochs of requests that are no next request of a session.
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// A topic as the request's version has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FetchedTopic {
    Named(Arc<str>),
    Identified(TopicId),
}

/// A partition as requests name it.
pub(crate) type FetchedPartition = (FetchedTopic, i32);

/// What a client wants of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    pub(crate) current_leader_epoch: i32,
    /// Of the last record that the client has; -1 when it does not say.
    pub(crate) last_fetched_epoch: i32,
}

/// What a client was last told of one partition besides records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
}

/// One partition to read, and what its client knows already; `None` makes it a part of the
/// answer whatever there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) partition: FetchedPartition,
    pub(crate) position: Position,
    pub(crate) told: Option<Told>,
}

/// What a request asks for once its session is found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// 0 without a session.
    pub(crate) session_id: i32,
    /// In the order in which to fill the answer.
    pub(crate) wanted: Vec<Wanted>,
}

/// What came of one partition of a session.
pub(crate) struct Outcome {
    pub(crate) partition: FetchedPartition,
    /// `None` after an error: the next answer tells again.
    pub(crate) told: Option<Told>,
    pub(crate) had_records: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    position: Position,
    told: Option<Told>,
    /// Grows each time the partition gave records, so that the others are read first then.
    turn: u64,
}

struct Session {
    /// That of the next request.
    epoch: i32,
    has_ids: bool,
    used_at: Duration,
    turns: u64,
    partitions: BTreeMap<FetchedPartition, Entry>,
}

#[derive(Default)]
struct Cache {
    sessions: BTreeMap<i32, Session>,
    partitions: usize,
}

/// All sessions of a gateway.
#[derive(Default)]
pub(crate) struct FetchSessions {
    /// Held for one look or change.
    cache: Mutex<Cache>,
}

impl FetchSessions {
    /// Finds, makes or ends the session of a request.
    pub(crate) fn open(
        &self,
        request: &FetchRequest,
        has_ids: bool,
        now: Duration,
        rng: &Rng,
    ) -> Result<Opened, KafkaError> {
        let mut cache = self.cache.lock();
        if matches!(request.session_epoch, FINAL_EPOCH | INITIAL_EPOCH) {
            if request.session_id != 0 {
                cache.remove(request.session_id);
            }
            let wanted = all_of(request, has_ids);
            let session_id = if request.session_epoch == INITIAL_EPOCH {
                cache.make(&wanted, has_ids, now, rng).unwrap_or(0)
            } else {
                0
            };
            return Ok(Opened { session_id, wanted });
        }
        cache.next(request, has_ids, now)
    }

    /// Remembers what the client of a session is told now.
    pub(crate) fn tell(&self, session_id: i32, outcomes: Vec<Outcome>) {
        let mut cache = self.cache.lock();
        let Some(session) = cache.sessions.get_mut(&session_id) else {
            return;
        };
        for outcome in outcomes {
            if let Some(entry) = session.partitions.get_mut(&outcome.partition) {
                entry.told = outcome.told;
                if outcome.had_records {
                    session.turns += 1;
                    entry.turn = session.turns;
                }
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.cache.lock().sessions.len()
    }
}

impl Cache {
    fn remove(&mut self, session_id: i32) {
        if let Some(session) = self.sessions.remove(&session_id) {
            self.partitions -= session.partitions.len();
        }
    }

    fn make(&mut self, wanted: &[Wanted], has_ids: bool, now: Duration, rng: &Rng) -> Option<i32> {
        if wanted.is_empty() {
            return None;
        }
        while self.sessions.len() >= SESSIONS_MAX || self.partitions + wanted.len() > PARTITIONS_MAX
        {
            let oldest = self
                .sessions
                .iter()
                .min_by_key(|(_, session)| session.used_at);
            let (&id, session) = oldest?;
            if now.saturating_sub(session.used_at) < DISUSE {
                return None;
            }
            self.remove(id);
        }
        let partitions: BTreeMap<_, _> = wanted
            .iter()
            .zip(0..)
            .map(|(one, turn)| (one.partition.clone(), Entry::new(one.position, turn)))
            .collect();
        let id = loop {
            let random = (rng.next_u64() & 0x7fff_ffff) as i32;
            if random != 0 && !self.sessions.contains_key(&random) {
                break random;
            }
        };
        self.partitions += partitions.len();
        let session = Session {
            epoch: 1,
            has_ids,
            used_at: now,
            turns: wanted.len() as u64,
            partitions,
        };
        self.sessions.insert(id, session);
        Some(id)
    }

    fn next(
        &mut self,
        request: &FetchRequest,
        has_ids: bool,
        now: Duration,
    ) -> Result<Opened, KafkaError> {
        let room = PARTITIONS_MAX.saturating_sub(self.partitions);
        let session = self.sessions.get_mut(&request.session_id);
        let session = session.ok_or(KafkaError::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.has_ids != has_ids {
            return Err(KafkaError::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        if session.epoch != request.session_epoch {
            return Err(KafkaError::INVALID_FETCH_SESSION_EPOCH);
        }
        let before = session.partitions.len();
        session.change(request, has_ids, before + room);
        let after = session.partitions.len();
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        session.used_at = now;
        let opened = Opened {
            session_id: request.session_id,
            wanted: session.wanted(),
        };
        self.partitions = self.partitions + after - before;
        if after == 0 {
            self.remove(request.session_id);
            return Ok(Opened {
                session_id: 0,
                ..opened
            });
        }
        Ok(opened)
    }
}

impl Session {
    fn change(&mut self, request: &FetchRequest, has_ids: bool, partitions_max: usize) {
        for one in all_of(request, has_ids) {
            if let Some(entry) = self.partitions.get_mut(&one.partition) {
                entry.position = one.position;
            } else if self.partitions.len() < partitions_max {
                self.turns += 1;
                let entry = Entry::new(one.position, self.turns);
                self.partitions.insert(one.partition, entry);
            }
        }
        for topic in &request.forgotten_topics_data {
            let name = fetched_topic(&topic.topic, topic.topic_id, has_ids);
            for &index in &topic.partitions {
                self.partitions.remove(&(name.clone(), index));
            }
        }
    }

    fn wanted(&self) -> Vec<Wanted> {
        let mut in_turn: Vec<_> = self.partitions.iter().collect();
        in_turn.sort_by_key(|(_, entry)| entry.turn);
        let wanted = in_turn.into_iter().map(|(partition, entry)| Wanted {
            partition: partition.clone(),
            position: entry.position,
            told: entry.told,
        });
        wanted.collect()
    }
}

impl Entry {
    fn new(position: Position, turn: u64) -> Self {
        Self {
            position,
            told: None,
            turn,
        }
    }
}

fn fetched_topic(name: &str, topic_id: TopicId, has_ids: bool) -> FetchedTopic {
    if has_ids {
        FetchedTopic::Identified(topic_id)
    } else {
        FetchedTopic::Named(name.into())
    }
}

fn all_of(request: &FetchRequest, has_ids: bool) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for topic in &request.topics {
        let name = fetched_topic(&topic.topic, topic.topic_id, has_ids);
        wanted.extend(topic.partitions.iter().map(|partition| Wanted {
            partition: (name.clone(), partition.partition),
            position: position(partition),
            told: None,
        }));
    }
    wanted
}

fn position(partition: &FetchPartition) -> Position {
    Position {
        offset: partition.fetch_offset,
        bytes_max: partition.partition_max_bytes,
        current_leader_epoch: partition.current_leader_epoch,
        last_fetched_epoch: partition.last_fetched_epoch,
    }
}

#[cfg(test)]
mod tests;
