//! What the fetcher makes of answers.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_model::{ErrorCode, Offset, TopicName};
use floe_record::StampedBatch;
use floe_rpc::{Failure, FetchPartReply, PartitionKey, Topics};

use super::{Event, Fetcher, LOOK_SPACING, SLOW_AFTER};
use crate::consumer::{OutOfRange, Start};
use crate::error::Cause;
use crate::{Error, ErrorKind};

/// How long a topic may be missing before it counts as gone.
const GONE_AFTER: Duration = Duration::from_secs(2);

impl Fetcher {
    pub(super) fn handle(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Fetched(id, outcome) => self.fetched(id, outcome, now),
            Event::Layout(topics, outcome) => {
                self.is_looking = false;
                self.look_not_before = now + LOOK_SPACING;
                match outcome {
                    Ok(answer) => self.take_layout(&topics, &answer, now),
                    Err(error) => {
                        tracing::debug!(%error, "layout is not known");
                        self.unknown.extend(topics);
                    }
                }
            }
            Event::LookedUp(id, keys, outcome) => self.looked_up(id, &keys, &outcome, now),
        }
    }

    fn fetched(&mut self, id: u64, outcome: Result<Vec<FetchPartReply>, Error>, now: Duration) {
        let Some(fetch) = self.fetches.remove(&id) else {
            return;
        };
        if let Some(count) = self.busy.get_mut(&fetch.node) {
            *count -= 1;
        }
        let mut answers = BTreeMap::new();
        let missing: Error = match outcome {
            Ok(replies) => {
                answers.extend(replies.into_iter().map(|reply| (reply.key, reply)));
                Cause::Answer.into()
            }
            Err(error) => error,
        };
        for key in fetch.keys {
            let is_awaited = {
                let mut holding = self.shared.holding.lock();
                let partition = holding.partitions.get_mut(&key);
                let awaited = partition.filter(|partition| partition.asked == Some(id));
                awaited.map(|partition| partition.asked = None).is_some()
            };
            match answers.remove(&key) {
                _ if !is_awaited => {}
                Some(reply) => self.take_reply(reply, now),
                None => self.failed(key, &missing, now),
            }
        }
    }

    fn take_reply(&mut self, reply: FetchPartReply, now: Duration) {
        let key = reply.key;
        if let Err(failure) = &reply.outcome {
            return self.refused(failure, &reply, now);
        }
        let batches = reply.outcome.unwrap_or_default();
        let mut taken = Vec::with_capacity(batches.len());
        for batch in batches {
            match batch.into_batch() {
                Ok(batch) => taken.push(batch),
                Err(source) => {
                    let offset = taken.last().map_or(Offset(-1), StampedBatch::next_offset);
                    let error = Error::from(Cause::Corrupt { offset, source });
                    return self.stop(key, error);
                }
            }
        }
        let mut holding = self.shared.holding.lock();
        if let Some(partition) = holding.partitions.get_mut(&key) {
            partition.high_watermark = Some(reply.high_watermark);
            partition.backoff.reset();
            partition.doubts_leader = false;
        }
        holding.stock(key, taken);
    }

    fn refused(&mut self, failure: &Failure, reply: &FetchPartReply, now: Duration) {
        let key = reply.key;
        let layouts = &self.shared.client.core.layouts;
        let is_news = failure
            .leader
            .as_ref()
            .is_some_and(|hint| layouts.learn(key, hint));
        let error = Error::refused(failure, None);
        match failure.code {
            ErrorCode::OffsetOutOfRange => self.out_of_range(reply),
            ErrorCode::FencedToken | ErrorCode::UnknownMember => {
                self.fenced(key, &error, now);
            }
            // The group has moved on; whether the partition has, the next heartbeat tells.
            ErrorCode::IllegalGeneration => {
                self.shared.nudge();
                self.failed(key, &error, now);
            }
            ErrorCode::UnknownTopicOrPartition => self.failed(key, &error, now),
            code if code.is_retriable() => {
                self.failed(key, &error, now);
                if is_news {
                    self.at_once(key, now);
                }
            }
            _ => self.stop(key, error),
        }
    }

    /// Another member owns the partition, unless this one has a newer token by now.
    fn fenced(&mut self, key: PartitionKey, error: &Error, now: Duration) {
        let has_new_token = {
            let holding = self.shared.holding.lock();
            let partition = holding.partitions.get(&key);
            partition.is_some_and(|partition| partition.token != partition.asked_token)
        };
        if has_new_token {
            self.at_once(key, now);
        } else {
            self.shared.lose_one(key, error);
        }
    }

    /// The wanted offset is not in the log.
    fn out_of_range(&mut self, reply: &FetchPartReply) {
        let mut holding = self.shared.holding.lock();
        let Some(partition) = holding.partitions.get_mut(&reply.key) else {
            return;
        };
        let wanted = partition.fetch_from.unwrap_or(Offset::ZERO);
        let is_removed = wanted < reply.log_start_offset;
        let next = match self.shared.fetch.out_of_range {
            OutOfRange::Start if is_removed => reply.log_start_offset,
            OutOfRange::End if is_removed => reply.high_watermark,
            OutOfRange::Start | OutOfRange::End | OutOfRange::Fail => {
                let error = Error::from(Cause::OutOfRange {
                    offset: wanted,
                    log_start_offset: reply.log_start_offset,
                    high_watermark: reply.high_watermark,
                });
                drop(holding);
                return self.stop(reply.key, error);
            }
        };
        tracing::warn!(topic = %partition.topic, partition = %partition.index, %wanted, %next,
            "records were removed before they were read");
        partition.fetch_from = Some(next);
        if partition.ahead.is_empty() && partition.position == Some(wanted) {
            partition.position = Some(next);
        }
    }

    /// An attempt failed that may succeed later or elsewhere.
    fn failed(&mut self, key: PartitionKey, error: &Error, now: Duration) {
        let rng = &self.shared.client.core.env.rng;
        let mut holding = self.shared.holding.lock();
        if let Some(partition) = holding.partitions.get_mut(&key) {
            tracing::debug!(%error, topic = %partition.topic, partition = %partition.index,
                "fetch failed");
            partition.not_before = now + partition.backoff.next(rng);
            partition.doubts_leader = true;
            self.unknown.insert(TopicName::clone(&partition.topic));
        }
    }

    /// There is a newer leader: no reason to wait.
    fn at_once(&mut self, key: PartitionKey, now: Duration) {
        let mut holding = self.shared.holding.lock();
        if let Some(partition) = holding.partitions.get_mut(&key) {
            partition.not_before = now;
            partition.doubts_leader = false;
        }
    }

    /// The partition cannot be read on without a seek.
    fn stop(&mut self, key: PartitionKey, error: Error) {
        let mut holding = self.shared.holding.lock();
        if let Some(partition) = holding.partitions.get_mut(&key) {
            partition.is_stuck = true;
            let error = error.in_partition(&partition.topic, partition.index);
            holding.report(error);
        }
    }

    fn take_layout(&mut self, topics: &[TopicName], answer: &Topics, now: Duration) {
        for topic in topics {
            let is_known = answer.topics.iter().any(|info| info.name == *topic);
            let layouts = &self.shared.client.core.layouts;
            if is_known {
                self.missing_since.remove(topic);
            } else if !layouts.is_stale(topic, answer.metadata_version) {
                let since = *self.missing_since.entry(topic.clone()).or_insert(now);
                if now >= since + GONE_AFTER {
                    layouts.forget(topic);
                    self.gone(topic);
                    continue;
                }
                self.unknown.insert(topic.clone());
            }
        }
        self.meet_new_leaders(now);
    }

    /// Asks new leaders at once, and goes on looking for the others.
    fn meet_new_leaders(&mut self, now: Duration) {
        let layouts = &self.shared.client.core.layouts;
        let mut holding = self.shared.holding.lock();
        for (key, partition) in &mut holding.partitions {
            let epoch = layouts.leader(*key).map(|(_, epoch, _)| epoch);
            let is_new = epoch.is_some_and(|epoch| epoch > partition.asked_epoch);
            if is_new && partition.look_up.is_none() {
                let is_slow = partition.asked.is_some_and(|id| {
                    let fetch = self.fetches.get(&id);
                    fetch.is_some_and(|fetch| now >= fetch.sent_at + fetch.wait + SLOW_AFTER)
                });
                if is_slow {
                    partition.asked = None;
                }
                partition.not_before = partition.not_before.min(now);
                partition.doubts_leader = false;
            } else if partition.doubts_leader || epoch.is_none() {
                self.unknown.insert(TopicName::clone(&partition.topic));
            }
        }
    }

    /// The topic does not exist any more.
    fn gone(&mut self, topic: &TopicName) {
        let mut holding = self.shared.holding.lock();
        let of_topic = holding
            .partitions
            .iter()
            .filter(|(_, p)| *p.topic == *topic);
        let keys: Vec<PartitionKey> = of_topic.map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(partition) = holding.partitions.get_mut(&key) {
                partition.is_stuck = true;
                partition.doubts_leader = false;
            }
        }
        // A group takes deleted partitions away by itself.
        if self.shared.group.is_none() {
            let error = Error::code_error(ErrorCode::UnknownTopicOrPartition);
            holding.report(error.in_topic(topic));
        }
    }

    fn looked_up(
        &mut self,
        id: u64,
        keys: &[PartitionKey],
        outcome: &Result<BTreeMap<PartitionKey, Option<Offset>>, Error>,
        now: Duration,
    ) {
        let rng = self.shared.client.core.env.rng.clone();
        let mut holding = self.shared.holding.lock();
        let mut gone = None;
        for key in keys {
            let Some(partition) = holding.partitions.get_mut(key) else {
                continue;
            };
            if partition.asked != Some(id) {
                continue;
            }
            partition.asked = None;
            match outcome {
                Ok(found) => match found.get(key) {
                    Some(Some(offset)) => partition.begin_at(*offset),
                    // No record is that late: begin with the next one.
                    Some(None) | None => partition.look_up = Some(Start::End),
                },
                Err(error) => {
                    partition.not_before = now + partition.backoff.next(&rng);
                    if error.kind() == ErrorKind::NotFound {
                        gone = Some(TopicName::clone(&partition.topic));
                    }
                }
            }
        }
        drop(holding);
        if let Some(topic) = gone {
            self.gone(&topic);
        }
    }
}
