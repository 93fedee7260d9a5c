//! Reads records: as a member of a group, or chosen partitions.
//!
//! Two tasks work for a consumer: the fetcher reads ahead, the membership talks to the group. The
//! consumer itself only takes what is ready. Invariant: the messages of a partition come in order,
//! each once, from when it is assigned until it is revoked, lost or sought.

mod builder;
mod current;
mod events;
mod fetcher;
mod holding;
mod membership;
mod partition;
mod shared;

pub use builder::{ConsumerBuilder, OutOfRange, ReaderBuilder, Start};
pub use events::{RebalanceEvent, RebalanceEvents};

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use floe_model::{Offset, PartitionIndex, TopicName, TopicPartition};
use floe_rpc::PartitionKey;
use futures::Stream;
use tokio::task::JoinHandle;

use self::current::Current;
use self::fetcher::Fetcher;
use self::holding::Progress;
use self::membership::Membership;
use self::partition::Begin;
use self::shared::{Group, Shared};
use crate::error::Cause;
use crate::routing::{Coordinator, group_name, topic_name};
use crate::{Error, Message};

/// How long `build` looks for topics and coordinator.
const BUILD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call of the caller's may try.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// A stream of messages, without end. An error concerns one partition, which stays where it is;
/// the others go on.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # // Runs where a cluster does; scripts/test starts one for it.
/// # let Ok(server) = std::env::var("FLOE_EXAMPLE_SERVER") else { return Ok(()) };
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let client = floe_client::Client::connect(&server).await?;
/// # client.admin().create_topic("menu").if_not_exists().send().await?;
/// # client.producer("menu").build().await?.send(floe_client::Record::new("flat white")).await?;
/// use floe_client::Start;
///
/// let mut reader = client.reader().topic("menu", Start::Start).build().await?;
/// while let Some(message) = reader.next().await {
///     let message = message?;
///     println!("{}/{}: {:?}", message.partition, message.offset, message.value);
/// #     break;
/// }
/// # Ok(())
/// # })
/// # }
/// ```
pub struct Consumer {
    shared: Arc<Shared>,
    /// The batch whose messages are being returned.
    current: Option<Current>,
    fetcher: Option<JoinHandle<()>>,
    membership: Option<JoinHandle<Result<(), Error>>>,
}

impl Consumer {
    pub(crate) async fn join(builder: ConsumerBuilder) -> Result<Self, Error> {
        let client = builder.client;
        let group = group_name(builder.group)?;
        if builder.topics.is_empty() {
            return Err(Cause::Option {
                option: "topics",
                range: "at least one",
            }
            .into());
        }
        let mut topics = Vec::with_capacity(builder.topics.len());
        for topic in builder.topics {
            let topic = topic_name(topic)?;
            client.fresh_layout_of(&topic, false, BUILD_TIMEOUT).await?;
            topics.push(topic);
        }
        topics.sort();
        topics.dedup();
        let group = Group {
            coordinator: Coordinator::new(group),
            topics,
            instance_id: builder.instance_id,
            start: builder.start,
            auto_commit: builder.auto_commit,
            session_timeout: builder.session_timeout,
            rebalance_timeout: builder.rebalance_timeout,
            assignor: builder.assignor,
        };
        let shared = Arc::new(Shared::new(client, builder.fetch, Some(group)));
        let membership = Membership::join(Arc::clone(&shared), BUILD_TIMEOUT).await?;
        let mut consumer = Self::start(shared);
        let spawn = &consumer.shared.client.core.env.spawn;
        consumer.membership = Some(spawn.task(membership.run()));
        Ok(consumer)
    }

    pub(crate) async fn read(builder: ReaderBuilder) -> Result<Self, Error> {
        let client = builder.client;
        let shared = Arc::new(Shared::new(client.clone(), builder.fetch, None));
        for (topic, partition, start) in builder.choices {
            let topic = topic_name(topic)?;
            let layout = client.fresh_layout_of(&topic, false, BUILD_TIMEOUT).await?;
            let keys: Vec<PartitionKey> = match partition {
                Some(partition) => vec![layout.key(PartitionIndex(partition))?],
                None => layout.keys().collect(),
            };
            let topic = Arc::new(topic);
            let mut holding = shared.holding.lock();
            for key in keys {
                holding.add(key, Arc::clone(&topic), None, Begin::of(start));
            }
        }
        Ok(Self::start(shared))
    }

    fn start(shared: Arc<Shared>) -> Self {
        let fetcher = Fetcher::new(Arc::clone(&shared));
        let fetcher = shared.client.core.env.spawn.task(fetcher.run());
        Self {
            shared,
            current: None,
            fetcher: Some(fetcher),
            membership: None,
        }
    }

    /// The next message; asking for it says that the one before is processed. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Partitions read now, ascending.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        let holding = self.shared.holding.lock();
        let readable = holding
            .partitions
            .values()
            .filter(|partition| !partition.is_revoked);
        let mut names: Vec<_> = readable.map(|partition| partition.name()).collect();
        names.sort();
        names
    }

    /// Offset of the next message of a partition; none while unknown or not assigned.
    #[must_use]
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.shared.holding.lock().get(partition)?.position
    }

    /// Records between the position and the high watermark last seen.
    #[must_use]
    pub fn lag(&self, partition: &TopicPartition) -> Option<u64> {
        let holding = self.shared.holding.lock();
        let partition = holding.get(partition)?;
        let lag = partition.high_watermark? - partition.position?;
        Some(u64::try_from(lag).unwrap_or(0))
    }

    /// Reads on from `offset`.
    ///
    /// # Errors
    /// `InvalidInput` when the partition is not assigned.
    pub fn seek(&mut self, partition: &TopicPartition, offset: Offset) -> Result<(), Error> {
        let mut holding = self.shared.holding.lock();
        let Some(key) = holding.key_of(partition) else {
            let error = Error::from(Cause::NotAssigned);
            return Err(error.in_partition(&partition.topic, partition.partition));
        };
        holding.seek(key, offset);
        drop(holding);
        self.shared.fetch_wake.notify_one();
        Ok(())
    }

    /// Stops messages of these partitions until `resume`. Those not assigned are ignored, and a
    /// partition assigned anew is not paused.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        let mut holding = self.shared.holding.lock();
        for name in partitions {
            if let Some(key) = holding.key_of(name) {
                holding.quiet(key, |partition| partition.is_paused = true);
            }
        }
    }

    /// Undoes `pause`.
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        let mut holding = self.shared.holding.lock();
        for name in partitions {
            if let Some(key) = holding.key_of(name)
                && let Some(partition) = holding.partitions.get_mut(&key)
            {
                partition.is_paused = false;
            }
        }
        drop(holding);
        self.shared.fetch_wake.notify_one();
    }

    /// Commits the position of every partition: all messages returned so far count as processed.
    ///
    /// # Errors
    /// `Fenced` when a partition was taken away before what was returned of it was committed;
    /// the others are committed then. `InvalidInput` without a group; `Unavailable`, `TimedOut`.
    pub async fn commit(&mut self) -> Result<(), Error> {
        let (progress, lost) = {
            let mut holding = self.shared.holding.lock();
            for partition in holding.partitions.values_mut() {
                if partition.look_up.is_none() {
                    partition.processed = partition.position;
                }
            }
            (
                holding.progress(|_| true),
                std::mem::take(&mut holding.lost),
            )
        };
        self.shared.commit(progress, CALL_TIMEOUT).await?;
        match lost.into_iter().next() {
            Some(name) => Err(Error::from(Cause::Lost).in_partition(&name.topic, name.partition)),
            None => Ok(()),
        }
    }

    /// Commits these offsets, each the next to be read of its partition. All or none.
    ///
    /// # Errors
    /// Those of [`Consumer::commit`]; `InvalidInput` for a partition that is not assigned.
    pub async fn commit_offsets(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
    ) -> Result<(), Error> {
        let progress = {
            let holding = self.shared.holding.lock();
            let progress = offsets.iter().map(|(name, offset)| {
                let place = |cause| Error::from(cause).in_partition(&name.topic, name.partition);
                if holding.lost.contains(name) {
                    return Err(place(Cause::Lost));
                }
                let key = holding
                    .key_of(name)
                    .ok_or_else(|| place(Cause::NotAssigned))?;
                let partition = holding.partitions.get(&key);
                let partition = partition.ok_or_else(|| place(Cause::NotAssigned))?;
                Ok(Progress {
                    key,
                    offset: *offset,
                    epoch: partition.position_epoch,
                    token: partition.token,
                })
            });
            progress.collect::<Result<Vec<_>, Error>>()?
        };
        self.shared.commit(progress, CALL_TIMEOUT).await
    }

    /// The group's committed offsets of the assigned partitions, asked now.
    ///
    /// # Errors
    /// `InvalidInput` without a group, `Unavailable`.
    pub async fn committed(&self) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        let Some(group) = &self.shared.group else {
            return Err(Cause::NoGroup.into());
        };
        let names = self.keys();
        let keys = Some(names.keys().copied().collect());
        let client = &self.shared.client;
        let stored = client
            .committed_offsets(&group.coordinator, keys, CALL_TIMEOUT)
            .await?;
        let stored = stored
            .into_iter()
            .filter_map(|stored| Some((names.get(&stored.key)?.clone(), stored.offset)));
        Ok(stored.collect())
    }

    /// The high watermarks of the assigned partitions, asked now.
    ///
    /// # Errors
    /// `Unavailable` when a leader cannot be reached in time.
    pub async fn end_offsets(&self) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        let names = self.keys();
        let mut places: BTreeMap<&TopicName, Vec<(PartitionKey, Start)>> = BTreeMap::new();
        for (key, name) in &names {
            places
                .entry(&name.topic)
                .or_default()
                .push((*key, Start::End));
        }
        let mut ends = BTreeMap::new();
        for (topic, places) in places {
            let client = &self.shared.client;
            for (key, offset) in client.list_offsets(topic, &places, CALL_TIMEOUT).await? {
                if let (Some(name), Some(offset)) = (names.get(&key), offset) {
                    ends.insert(name.clone(), offset);
                }
            }
        }
        Ok(ends)
    }

    /// Rebalance events from now on.
    #[must_use]
    pub fn rebalance_events(&self) -> RebalanceEvents {
        RebalanceEvents {
            events: self.shared.events.subscribe(),
        }
    }

    /// Commits what was returned, if commits are automatic, and leaves the group.
    ///
    /// # Errors
    /// Those of the last commit, and `Unavailable` when the farewell could not be said: the
    /// session runs out then.
    pub async fn close(mut self) -> Result<(), Error> {
        self.current = None;
        self.shared.holding.lock().finish();
        self.shared.stop.cancel();
        if let Some(fetcher) = self.fetcher.take() {
            // It can only have been told to stop, which is what it was.
            drop(fetcher.await);
        }
        match self.membership.take() {
            Some(membership) => membership
                .await
                .unwrap_or_else(|_| Err(Cause::Closed.into())),
            None => Ok(()),
        }
    }

    fn keys(&self) -> BTreeMap<PartitionKey, TopicPartition> {
        let holding = self.shared.holding.lock();
        let keys = holding.partitions.iter();
        keys.map(|(key, partition)| (*key, partition.name()))
            .collect()
    }

    /// The next message that is ready; otherwise leaves the waker behind.
    fn take(&mut self, waker: &Waker) -> Option<Result<Message, Error>> {
        let shared = Arc::clone(&self.shared);
        loop {
            let mut holding = shared.holding.lock();
            if holding.finish().is_some_and(|key| {
                holding
                    .partitions
                    .get(&key)
                    .is_some_and(|partition| partition.is_revoked)
            }) {
                shared.member_wake.notify_one();
            }
            if let Some(error) = holding.next_error() {
                return Some(Err(error));
            }
            if shared.client.core.env.clock.now() >= holding.lease_until {
                holding.wait(waker);
                return None;
            }
            if let Some(current) = &mut self.current {
                if let Some(message) = current.next(&mut holding) {
                    return Some(Ok(message));
                }
                self.current = None;
            }
            let Some(ready) = holding.next_ready() else {
                holding.wait(waker);
                return None;
            };
            drop(holding);
            shared.fetch_wake.notify_one();
            let key = ready.key;
            match Current::decode(ready) {
                Ok(current) => self.current = Some(current),
                Err(error) => {
                    let mut holding = shared.holding.lock();
                    if let Some(partition) = holding.partitions.get_mut(&key) {
                        partition.is_stuck = true;
                        partition.rewind();
                    }
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Stream for Consumer {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut().take(cx.waker()) {
            Some(message) => Poll::Ready(Some(message)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Consumer {
    /// The membership takes its leave in the background.
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("assignment", &self.assignment())
            .finish_non_exhaustive()
    }
}
