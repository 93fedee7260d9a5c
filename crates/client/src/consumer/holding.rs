//! What a consumer holds: its partitions, the messages ready to return, its lease on them.
//!
//! Shared by the consumer, its fetcher and its membership; each looks in for a moment. Nothing is
//! returned once the lease is over: a member that slept through its session must hear from the
//! group first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use floe_model::{FencingToken, Generation, LeaderEpoch, Offset, TopicName, TopicPartition};
use floe_record::StampedBatch;
use floe_rpc::PartitionKey;

use super::partition::{Begin, Partition};
use crate::Error;

/// Errors kept until the consumer's caller asks for the next message.
const ERRORS_MAX: usize = 64;

/// A batch on its way to the caller.
pub(super) struct Ready {
    pub(super) key: PartitionKey,
    pub(super) version: u64,
    pub(super) topic: Arc<TopicName>,
    pub(super) batch: StampedBatch,
}

/// What a commit says of one partition.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) key: PartitionKey,
    pub(super) offset: Offset,
    pub(super) epoch: LeaderEpoch,
    pub(super) token: Option<FencingToken>,
}

/// All that a consumer holds.
pub(super) struct Holding {
    pub(super) partitions: BTreeMap<PartitionKey, Partition>,
    names: BTreeMap<TopicPartition, PartitionKey>,
    /// Partitions with batches ahead, in the order in which they get their turn.
    turns: VecDeque<PartitionKey>,
    pub(super) ahead_bytes: usize,
    errors: VecDeque<Error>,
    /// The partition whose message the caller is working on.
    in_hand: Option<(PartitionKey, u64)>,
    waker: Option<Waker>,
    /// When the membership ends unless the group is heard of before.
    pub(super) lease_until: Duration,
    pub(super) member_id: String,
    pub(super) generation: Generation,
    /// Taken away with progress that was not committed, and not reported yet.
    pub(super) lost: BTreeSet<TopicPartition>,
    next_version: u64,
}

impl Holding {
    pub(super) fn new(member_id: String, lease_until: Duration) -> Self {
        Self {
            partitions: BTreeMap::new(),
            names: BTreeMap::new(),
            turns: VecDeque::new(),
            ahead_bytes: 0,
            errors: VecDeque::new(),
            in_hand: None,
            waker: None,
            lease_until,
            member_id,
            generation: Generation(-1),
            lost: BTreeSet::new(),
            next_version: 0,
        }
    }

    pub(super) fn key_of(&self, name: &TopicPartition) -> Option<PartitionKey> {
        self.names.get(name).copied()
    }

    pub(super) fn get(&self, name: &TopicPartition) -> Option<&Partition> {
        self.partitions.get(self.names.get(name)?)
    }

    /// A number for something new: a version, a fetch.
    pub(super) fn number(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version
    }

    pub(super) fn add(
        &mut self,
        key: PartitionKey,
        topic: Arc<TopicName>,
        token: Option<FencingToken>,
        begin: Begin,
    ) -> TopicPartition {
        let version = self.number();
        let partition = Partition::new(topic, key.partition, token, version, begin);
        let name = partition.name();
        self.lost.remove(&name);
        self.names.insert(name.clone(), key);
        self.partitions.insert(key, partition);
        name
    }

    pub(super) fn remove(&mut self, key: PartitionKey) -> Option<Partition> {
        let partition = self.partitions.remove(&key)?;
        self.ahead_bytes -= partition.ahead_bytes;
        self.names.remove(&partition.name());
        Some(partition)
    }

    /// Takes everything away, noting what was not committed of it.
    pub(super) fn lose(&mut self, keys: &[PartitionKey]) -> Vec<TopicPartition> {
        let mut names = Vec::new();
        for key in keys {
            let Some(partition) = self.remove(*key) else {
                continue;
            };
            let name = partition.name();
            if partition.has_uncommitted() {
                self.lost.insert(name.clone());
            }
            names.push(name);
        }
        names
    }

    /// Moves a partition to `offset`.
    pub(super) fn seek(&mut self, key: PartitionKey, offset: Offset) {
        let version = self.number();
        if let Some(partition) = self.partitions.get_mut(&key) {
            self.ahead_bytes -= partition.ahead_bytes;
            partition.version = version;
            partition.begin_at(offset);
        }
    }

    /// Stops returning messages of a partition; what was fetched ahead is forgotten.
    pub(super) fn quiet(&mut self, key: PartitionKey, quiet: impl FnOnce(&mut Partition)) {
        let version = self.number();
        if let Some(partition) = self.partitions.get_mut(&key) {
            self.ahead_bytes -= partition.ahead_bytes;
            // The message in the caller's hand stays a matter of this partition.
            if self.in_hand == Some((key, partition.version)) {
                self.in_hand = Some((key, version));
            }
            partition.version = version;
            partition.rewind();
            quiet(partition);
        }
    }

    /// Takes in what a fetch brought.
    pub(super) fn stock(&mut self, key: PartitionKey, batches: Vec<StampedBatch>) {
        let Some(partition) = self.partitions.get_mut(&key) else {
            return;
        };
        for batch in batches {
            let next = batch.next_offset();
            if partition.fetch_from.is_none_or(|from| next <= from) {
                continue;
            }
            partition.fetch_from = Some(next);
            partition.ahead_bytes += batch.size_bytes();
            self.ahead_bytes += batch.size_bytes();
            partition.ahead.push_back(batch);
        }
        if !partition.ahead.is_empty() && !self.turns.contains(&key) {
            self.turns.push_back(key);
        }
        self.wake();
    }

    /// The next batch, of the partition whose turn it is.
    pub(super) fn next_ready(&mut self) -> Option<Ready> {
        while let Some(key) = self.turns.pop_front() {
            let Some(partition) = self.partitions.get_mut(&key) else {
                continue;
            };
            if !partition.is_readable() {
                continue;
            }
            let Some(batch) = partition.ahead.pop_front() else {
                continue;
            };
            partition.ahead_bytes -= batch.size_bytes();
            self.ahead_bytes -= batch.size_bytes();
            if !partition.ahead.is_empty() {
                self.turns.push_back(key);
            }
            return Some(Ready {
                key,
                version: partition.version,
                topic: Arc::clone(&partition.topic),
                batch,
            });
        }
        None
    }

    /// The partition that a batch was taken from, if it may still be returned.
    pub(super) fn readable(&mut self, key: PartitionKey, version: u64) -> Option<&mut Partition> {
        let partition = self.partitions.get_mut(&key)?;
        (partition.version == version && partition.is_readable()).then_some(partition)
    }

    /// A message goes into the caller's hand.
    pub(super) fn hand_over(&mut self, key: PartitionKey, version: u64) {
        self.in_hand = Some((key, version));
    }

    /// The caller is done with the message in its hand.
    pub(super) fn finish(&mut self) -> Option<PartitionKey> {
        let (key, version) = self.in_hand.take()?;
        let partition = self.partitions.get_mut(&key)?;
        if partition.version == version {
            partition.processed = partition.position;
        }
        Some(key)
    }

    /// Whether the caller works on a message of this partition.
    pub(super) fn is_in_hand(&self, key: PartitionKey) -> bool {
        self.in_hand.is_some_and(|(in_hand, _)| in_hand == key)
    }

    /// Everything processed and not committed, of the partitions that `which` picks.
    pub(super) fn progress(&self, which: impl Fn(PartitionKey) -> bool) -> Vec<Progress> {
        let all = self.partitions.iter().filter(|(key, _)| which(**key));
        let progress = all.filter_map(|(key, partition)| {
            Some(Progress {
                key: *key,
                offset: partition.to_commit()?,
                epoch: partition.position_epoch,
                token: partition.token,
            })
        });
        progress.collect()
    }

    /// Notes what the group has stored.
    pub(super) fn committed(&mut self, progress: &[Progress]) {
        for Progress { key, offset, .. } in progress {
            if let Some(partition) = self.partitions.get_mut(key) {
                partition.committed = Some(*offset);
            }
        }
    }

    /// The group was heard of.
    pub(super) fn renew_lease(&mut self, lease_until: Duration) {
        self.lease_until = lease_until;
        self.wake();
    }

    pub(super) fn report(&mut self, error: Error) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push_back(error);
        }
        self.wake();
    }

    pub(super) fn next_error(&mut self) -> Option<Error> {
        self.errors.pop_front()
    }

    pub(super) fn wait(&mut self, waker: &Waker) {
        self.waker = Some(waker.clone());
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
