//! Sends records to one topic.
//!
//! Callers put records into shared buffers; one task, the sender, owns everything behind them.
//! Memory for records not yet acknowledged is bounded by permits that a record takes on its way
//! in and gives back when its batch is settled.
//!
//!   enqueue -> buffers -> [sender: lanes -> requests] -> slots -> deliveries

mod buffers;
mod builder;
mod delivery;
mod lane;
mod sender;
mod undelivered;

pub use builder::ProducerBuilder;
pub use delivery::{Ack, Delivery};
pub use undelivered::{Undelivered, UndeliveredRecord};

use std::sync::Arc;
use std::time::Duration;

use floe_model::{Acks, Offset, TopicName, limits};
use floe_record::Compression;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::buffers::Buffers;
use self::lane::Sealed;
use self::sender::Sender;
use crate::error::Cause;
use crate::routing::topic_name;
use crate::{Client, Error, Record};

/// How long `build` looks for the topic.
const BUILD_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends records to one topic; clones share buffers and connections.
///
/// Dropping the last clone gives up what is not acknowledged yet, with a warning in the log:
/// `flush` or `close` it first.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # // Runs where a cluster does; scripts/test starts one for it.
/// # let Ok(server) = std::env::var("FLOE_EXAMPLE_SERVER") else { return Ok(()) };
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let client = floe_client::Client::connect(&server).await?;
/// # client.admin().create_topic("tables").partitions(6).if_not_exists().send().await?;
/// use floe_client::Record;
///
/// let producer = client.producer("tables").build().await?;
/// for table in 0..1000 {
///     let record = Record::new("espresso").key(format!("table {table}"));
///     producer.enqueue(record).await?; // waits only while too much is on its way
/// }
/// producer.close().await?; // everything was acknowledged, or this says what was not
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Producer {
    handle: Arc<Handle>,
}

/// What the clones of a producer share; the last one stops the sender.
struct Handle {
    shared: Arc<Shared>,
    /// Held to take the task out once.
    sender: Mutex<Option<JoinHandle<()>>>,
}

/// What handles and sender share.
struct Shared {
    client: Client,
    topic: TopicName,
    linger: Duration,
    compression: Compression,
    acks: Acks,
    delivery_timeout: Duration,
    buffer_bytes: usize,
    /// Held to add a record or take batches.
    buffers: Mutex<Buffers>,
    /// Bytes that more records may take.
    room: Semaphore,
    /// The buffers have something new for the sender.
    wake: Notify,
    /// A batch was settled.
    settled: Notify,
    stop: CancellationToken,
}

impl Producer {
    pub(crate) async fn start(builder: ProducerBuilder) -> Result<Self, Error> {
        let client = builder.client;
        let topic = topic_name(builder.topic)?;
        let layout = client.fresh_layout_of(&topic, true, BUILD_TIMEOUT).await?;
        let identity = match builder.acks {
            Acks::Quorum => Some(client.new_producer(BUILD_TIMEOUT).await?),
            // Under these an acknowledged record may be lost, and its sequence with it.
            Acks::Leader | Acks::None => None,
        };
        let batch_bytes_max = layout
            .batch_bytes_max
            .unwrap_or(limits::BATCH_BYTES_DEFAULT);
        let buffers = Buffers::new(
            layout.partition_count(),
            builder.batch_bytes.min(batch_bytes_max),
            builder.compression,
            client.core.env.rng.fork(),
        );
        let shared = Arc::new(Shared {
            topic,
            linger: builder.linger,
            compression: builder.compression,
            acks: builder.acks,
            delivery_timeout: builder.delivery_timeout,
            buffer_bytes: builder.buffer_bytes.min(Semaphore::MAX_PERMITS),
            buffers: Mutex::new(buffers),
            room: Semaphore::new(builder.buffer_bytes.min(Semaphore::MAX_PERMITS)),
            wake: Notify::new(),
            settled: Notify::new(),
            stop: CancellationToken::new(),
            client,
        });
        let sender = Sender::new(Arc::clone(&shared), layout, identity);
        let sender = shared.client.core.env.spawn.task(sender.run());
        let handle = Handle {
            shared,
            sender: Mutex::new(Some(sender)),
        };
        Ok(Self {
            handle: Arc::new(handle),
        })
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.handle.shared.topic
    }

    /// Partitions of the topic as known now.
    #[must_use]
    pub fn partition_count(&self) -> u32 {
        self.handle.shared.buffers.lock().partition_count()
    }

    /// Records accepted but neither acknowledged nor failed.
    #[must_use]
    pub fn pending_records(&self) -> u64 {
        self.handle.shared.buffers.lock().pending_records
    }

    /// Sends a record and waits until it is acknowledged. Once accepted, a record goes its way even
    /// if this future is dropped.
    ///
    /// # Errors
    /// Those of [`Producer::enqueue`], and `TimedOut` after the delivery timeout.
    pub async fn send(&self, record: Record) -> Result<Ack, Error> {
        self.enqueue(record).await?.await
    }

    /// Accepts a record as soon as the buffer has room, in the order of the calls.
    ///
    /// # Errors
    /// `TooLarge`, `NotFound` for a partition that does not exist, `Closed`.
    pub async fn enqueue(&self, record: Record) -> Result<Delivery, Error> {
        let shared = &self.handle.shared;
        let size_bytes = record.size_bytes();
        if size_bytes > limits::BATCH_BYTES_MAX {
            let limit_bytes = limits::BATCH_BYTES_MAX;
            let error = Error::from(Cause::RecordTooLarge {
                size_bytes,
                limit_bytes,
            });
            return Err(error.in_topic(&shared.topic));
        }
        let charged_bytes = size_bytes.min(shared.buffer_bytes);
        let permits = u32::try_from(charged_bytes).unwrap_or(u32::MAX);
        let Ok(room) = shared.room.acquire_many(permits).await else {
            return Err(shared.refusal());
        };
        let clock = &shared.client.core.env.clock;
        let mut buffers = shared.buffers.lock();
        let (delivery, has_news) =
            buffers.push(record, charged_bytes, || clock.wall_ms(), || clock.now())?;
        drop(buffers);
        // Given back when the batch is settled.
        room.forget();
        if has_news {
            shared.wake.notify_one();
        }
        Ok(delivery)
    }

    /// Waits until every record accepted so far is acknowledged or has failed.
    ///
    /// # Errors
    /// The first failure since the last flush.
    pub async fn flush(&self) -> Result<(), Error> {
        let shared = &self.handle.shared;
        let flushing = Flushing::start(shared);
        flushing.finish().await;
        shared.buffers.lock().failure.take().map_or(Ok(()), Err)
    }

    /// Flushes and ends this producer and its clones; others' calls fail with `Closed` from now on.
    ///
    /// # Errors
    /// The records that failed without their senders having been told.
    pub async fn close(self) -> Result<(), Undelivered> {
        let shared = &self.handle.shared;
        shared
            .buffers
            .lock()
            .refusal
            .get_or_insert_with(|| Error::from(Cause::Closed).in_topic(&shared.topic));
        shared.room.close();
        Flushing::start(shared).finish().await;
        shared.stop.cancel();
        let sender = self.handle.sender.lock().take();
        if let Some(sender) = sender {
            // It can only have been told to stop, which is what it was.
            drop(sender.await);
        }
        let failed = std::mem::take(&mut shared.buffers.lock().failed);
        let records = failed.into_records();
        if records.is_empty() {
            Ok(())
        } else {
            Err(Undelivered { records })
        }
    }
}

impl Shared {
    /// A batch is through: frees its memory and tells everybody.
    fn settle(&self, sealed: Sealed, outcome: Result<Offset, Error>) {
        sealed.slot.settle(outcome.clone());
        let charged_bytes = sealed.charged_bytes;
        {
            let mut buffers = self.buffers.lock();
            buffers.settled(sealed.number, sealed.record_count);
            if let Err(error) = outcome {
                buffers.failure.get_or_insert_with(|| error.clone());
                let forgotten = buffers.failed.keep(sealed, error, self.buffer_bytes);
                if forgotten > 0 {
                    let topic = &self.topic;
                    tracing::warn!(%topic, batches = forgotten, "too many failed to keep them all");
                }
            }
        }
        self.room.add_permits(charged_bytes);
        self.settled.notify_waiters();
    }

    fn refusal(&self) -> Error {
        let refusal = self.buffers.lock().refusal.clone();
        refusal.unwrap_or_else(|| Cause::Closed.into())
    }
}

/// A caller that waits for what was accepted before; while one does, nothing lingers.
struct Flushing<'a> {
    shared: &'a Shared,
    upto: u64,
}

impl<'a> Flushing<'a> {
    fn start(shared: &'a Shared) -> Self {
        let mut buffers = shared.buffers.lock();
        buffers.flushes += 1;
        let upto = buffers.close_batches();
        drop(buffers);
        shared.wake.notify_one();
        Self { shared, upto }
    }

    async fn finish(self) {
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.shared.buffers.lock().is_settled_below(self.upto) {
                return;
            }
            settled.await;
        }
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.shared.buffers.lock().flushes -= 1;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let records = self.shared.buffers.lock().pending_records;
        if records > 0 {
            let topic = &self.shared.topic;
            tracing::warn!(%topic, records, "producer dropped before its records were acknowledged");
        }
        self.shared.stop.cancel();
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("topic", &self.shared.topic)
            .finish_non_exhaustive()
    }
}
