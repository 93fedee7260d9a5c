//! What clients do during a run: producers, readers by assignment, members of a group.
//!
//! Everything works on one topic that may be somebody's. Invariant: a record of this run is
//! known by its value, `RUN VALUE PADDING`, and everything else in the topic is left out; what
//! stood there before the run is not read.

mod drain;
mod member;
mod produce;
mod read;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Key, Value};
use floe_client::{Client, Message, Offset, PartitionIndex};
use floe_env::{Env, Rng};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Book;
use super::Pulse;

pub use drain::drain;

/// Before something that failed is tried again.
const RETRY: Duration = Duration::from_millis(100);
const PRODUCERS: usize = 4;
const READERS: usize = 2;
const MEMBERS: usize = 2;
/// Padding of a value, bytes at most.
const PADDING_BYTES_MAX: u64 = 200;

/// The topic of a run.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub topic: String,
    /// Whether it was made for this run.
    pub is_scratch: bool,
    /// Where the run begins, per partition.
    pub begin: BTreeMap<PartitionIndex, Offset>,
}

impl Target {
    /// How many partitions it has.
    pub fn partitions(&self) -> u32 {
        u32::try_from(self.begin.len()).unwrap_or(u32::MAX)
    }

    fn key(&self, partition: PartitionIndex) -> Key {
        Key(format!("{}/{}", self.topic, partition.0))
    }

    fn keys(&self) -> Vec<Key> {
        self.begin.keys().map(|index| self.key(*index)).collect()
    }
}

/// One run, as its clients see it. Clones share it.
#[derive(Clone)]
pub struct Workload {
    /// The cluster.
    pub client: Client,
    /// Where records go.
    pub target: Target,
    /// Stands before each value, and in the names of group and scratch topic.
    pub run: String,
    /// The history.
    pub book: Book,
    /// What can be seen of it.
    pub pulse: Pulse,
    /// When to stop.
    pub stop: CancellationToken,
}

impl Workload {
    /// Starts all clients; they end after `stop`.
    pub fn start(&self, env: &Env) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let new = || (self.clone(), env.rng.fork());
        for _ in 0..PRODUCERS {
            let (workload, rng) = new();
            tasks.spawn(async move { produce::run(&workload, &rng).await });
        }
        for _ in 0..READERS {
            let (workload, rng) = new();
            tasks.spawn(async move { read::run(&workload, &rng).await });
        }
        for _ in 0..MEMBERS {
            let (workload, rng) = new();
            tasks.spawn(async move { member::run(&workload, &rng).await });
        }
        tasks
    }

    fn is_over(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The group of this run.
    pub fn group(&self) -> String {
        self.run.clone()
    }

    fn bytes_of(&self, value: Value, rng: &Rng) -> String {
        let padding = usize::try_from(rng.below(PADDING_BYTES_MAX)).unwrap_or(0);
        format!("{} {value} {}", self.run, ".".repeat(padding))
    }

    /// The value of a record of this run. In a scratch topic any other is a trouble.
    fn value_of(&self, message: &Message) -> Option<Value> {
        let text = message.value.as_deref();
        let text = text.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let value = text.and_then(|text| {
            let (value, _) = text.strip_prefix(&self.run)?.trim_start().split_once(' ')?;
            value.parse().ok()
        });
        if value.is_none() && self.target.is_scratch {
            let place = self.target.key(message.partition);
            let what = format!("a record that nobody sent at {place}@{}", message.offset);
            self.book.trouble(what);
        }
        value
    }
}
