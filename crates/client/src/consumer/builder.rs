//! Settings of consumers: members of a group, and readers of chosen partitions.

use std::time::Duration;

use floe_rpc::Assignor;

use super::Consumer;
use crate::{Client, Error, Offset};

/// Where to begin where nothing is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the log start.
    #[default]
    Start,
    /// Behind the last committed record.
    End,
    /// At this offset.
    Offset(Offset),
    /// At the first record of this time (milliseconds since the epoch) or later.
    Timestamp(i64),
}

/// What to do when retention removed the records to be read next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfRange {
    /// Go on at the log start.
    #[default]
    Start,
    /// Go on at the end.
    End,
    /// Report it and stay there until a seek.
    Fail,
}

/// How records are fetched, group or not.
#[derive(Clone, Debug)]
pub(crate) struct FetchSettings {
    pub(crate) prefetch_bytes: usize,
    pub(crate) wait: Duration,
    pub(crate) out_of_range: OutOfRange,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            prefetch_bytes: 32 << 20,
            wait: Duration::from_millis(500),
            out_of_range: OutOfRange::Start,
        }
    }
}

/// Makes a [`Consumer`] that shares topics with the other members of its group.
#[derive(Clone, Debug)]
#[must_use = "a consumer exists only after build()"]
pub struct ConsumerBuilder {
    pub(super) client: Client,
    pub(super) group: String,
    pub(super) topics: Vec<String>,
    pub(super) start: Start,
    pub(super) auto_commit: Option<Duration>,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) assignor: Assignor,
    pub(super) instance_id: Option<String>,
    pub(super) fetch: FetchSettings,
}

impl ConsumerBuilder {
    pub(crate) fn new(client: Client, group: String) -> Self {
        Self {
            client,
            group,
            topics: Vec::new(),
            start: Start::Start,
            auto_commit: Some(Duration::from_secs(1)),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(10),
            assignor: Assignor::default(),
            instance_id: None,
            fetch: FetchSettings::default(),
        }
    }

    /// Topics to read.
    pub fn topics<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.topics.extend(topics.into_iter().map(Into::into));
        self
    }

    /// Where to begin where the group has committed nothing. Default at the log start.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Commits what was processed at this interval: the default, every second. A message counts
    /// as processed when the next one is asked for.
    pub fn auto_commit(mut self, interval: Duration) -> Self {
        self.auto_commit = Some(interval);
        self
    }

    /// Commits only when told to.
    pub fn manual_commit(mut self) -> Self {
        self.auto_commit = None;
        self
    }

    /// Silence after which the group gives this member's partitions to others. Default 10 s.
    pub fn session_timeout(mut self, session_timeout: Duration) -> Self {
        self.session_timeout = session_timeout;
        self
    }

    /// How long this member may take to give partitions up. Default 10 s.
    pub fn rebalance_timeout(mut self, rebalance_timeout: Duration) -> Self {
        self.rebalance_timeout = rebalance_timeout;
        self
    }

    /// How partitions are spread over members. Default sticky.
    pub fn assignor(mut self, assignor: Assignor) -> Self {
        self.assignor = assignor;
        self
    }

    /// A name that outlives restarts of this member: its partitions wait for it.
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }

    /// Memory for records fetched ahead. Default 32 MiB.
    pub fn prefetch_bytes(mut self, prefetch_bytes: usize) -> Self {
        self.fetch.prefetch_bytes = prefetch_bytes;
        self
    }

    /// Longest wait of a node for new records before it answers without. Default 500 ms.
    pub fn fetch_wait(mut self, wait: Duration) -> Self {
        self.fetch.wait = wait;
        self
    }

    /// What to do when retention removed the records to be read next. Default go on at the log
    /// start.
    pub fn out_of_range(mut self, policy: OutOfRange) -> Self {
        self.fetch.out_of_range = policy;
        self
    }

    /// Joins the group. Partitions arrive later, with the first rebalance.
    ///
    /// # Errors
    /// `InvalidInput` for bad names or settings, `NotFound` for a missing topic, `Unavailable`
    /// when nobody coordinates the group.
    pub async fn build(self) -> Result<Consumer, Error> {
        Consumer::join(self).await
    }
}

/// Makes a [`Consumer`] of chosen partitions, outside any group.
#[derive(Clone, Debug)]
#[must_use = "a reader exists only after build()"]
pub struct ReaderBuilder {
    pub(super) client: Client,
    /// Topic, partition (none for all of the topic), and where to begin.
    pub(super) choices: Vec<(String, Option<u32>, Start)>,
    pub(super) fetch: FetchSettings,
}

impl ReaderBuilder {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            choices: Vec::new(),
            fetch: FetchSettings::default(),
        }
    }

    /// Reads one partition from `start`.
    pub fn assign(mut self, topic: impl Into<String>, partition: u32, start: Start) -> Self {
        self.choices.push((topic.into(), Some(partition), start));
        self
    }

    /// Reads all partitions that the topic has now, from `start`.
    pub fn topic(mut self, topic: impl Into<String>, start: Start) -> Self {
        self.choices.push((topic.into(), None, start));
        self
    }

    /// Memory for records fetched ahead. Default 32 MiB.
    pub fn prefetch_bytes(mut self, prefetch_bytes: usize) -> Self {
        self.fetch.prefetch_bytes = prefetch_bytes;
        self
    }

    /// Longest wait of a node for new records before it answers without. Default 500 ms.
    pub fn fetch_wait(mut self, wait: Duration) -> Self {
        self.fetch.wait = wait;
        self
    }

    /// What to do when retention removed the records to be read next. Default go on at the log
    /// start.
    pub fn out_of_range(mut self, policy: OutOfRange) -> Self {
        self.fetch.out_of_range = policy;
        self
    }

    /// Starts reading.
    ///
    /// # Errors
    /// `InvalidInput` for bad names or settings, `NotFound` for a missing topic or partition,
    /// `Unavailable` when no node answers.
    pub async fn build(self) -> Result<Consumer, Error> {
        Consumer::read(self).await
    }
}
