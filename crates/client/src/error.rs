//! The one error of the client: what happened, where, and whether trying again can help.
//!
//! `kind()` is for programs, `Display` for people, `source()` for logs. Errors are shared by all
//! records of a batch, so that cloning one is cheap.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use floe_model::{ErrorCode, InvalidName, NodeId, Offset, PartitionIndex, TopicName};
use floe_record::BatchError;
use floe_rpc::{ConnectError, Failure, FailureDetail, Refusal};

/// What a program can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The topic, partition, group or node does not exist.
    NotFound,
    /// The topic exists already.
    AlreadyExists,
    /// The request can never succeed as it is.
    InvalidInput,
    /// A record or batch exceeds a limit.
    TooLarge,
    /// Nobody who could answer is reachable or ready.
    Unavailable,
    /// Not finished in the time given. A write may have happened.
    TimedOut,
    /// Another group member owns the partition, or a newer producer exists.
    Fenced,
    /// The offset is not in the log.
    OutOfRange,
    /// Bytes fail their checks.
    Corrupt,
    /// The group has members.
    GroupNotEmpty,
    /// The producer, consumer or client was closed.
    Closed,
    /// Client and cluster do not fit together: another cluster or protocol version.
    Incompatible,
    /// A bug, or a node's store failed.
    Internal,
}

/// A failed operation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Error {
    cause: Arc<Cause>,
    topic: Option<TopicName>,
    partition: Option<PartitionIndex>,
}

/// The facts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("no server address given, expected HOST:PORT[,HOST:PORT...]")]
    NoSeeds,
    #[error("'{seed}' is not a server address, expected HOST:PORT")]
    Seed { seed: String },
    #[error("{}", Attempts(.attempts))]
    Unreachable { attempts: Vec<Attempt> },
    #[error("{failure}")]
    Refused {
        failure: Failure,
        node: Option<NodeId>,
    },
    #[error("connection to {addr} was lost, outcome unknown")]
    ConnectionLost { addr: String },
    #[error("no answer from {addr} within {} ms, outcome unknown", .after.as_millis())]
    NoAnswer { addr: String, after: Duration },
    #[error("not finished within {} ms{}", .after.as_millis(), Last(.last.as_ref()))]
    DeadlineExceeded {
        after: Duration,
        /// Whether an attempt may have been carried out.
        is_unsure: bool,
        #[source]
        last: Option<Error>,
    },
    #[error("{refusal}, and outcome unknown: an attempt before had no answer")]
    Entangled {
        #[source]
        refusal: Error,
    },
    #[error("request exceeds the largest frame")]
    RequestTooLarge,
    #[error("invalid name '{name}'")]
    Name {
        name: String,
        #[source]
        source: InvalidName,
    },
    #[error("record of {size_bytes} bytes exceeds {limit_bytes}")]
    RecordTooLarge {
        size_bytes: usize,
        limit_bytes: usize,
    },
    #[error("{option} must be {range}")]
    Option {
        option: &'static str,
        range: &'static str,
    },
    #[error("the topic has {partition_count} partitions only")]
    NoSuchPartition { partition_count: u32 },
    #[error("no such node: {node}")]
    NoSuchNode { node: NodeId },
    #[error("no leader is known")]
    NoLeader,
    #[error("not assigned to this consumer")]
    NotAssigned,
    #[error("this consumer has no group to commit to")]
    NoGroup,
    #[error("the group gave the partition to another member")]
    Lost,
    #[error("offset {offset} is outside {log_start_offset}..{high_watermark}")]
    OutOfRange {
        offset: Offset,
        log_start_offset: Offset,
        high_watermark: Offset,
    },
    #[error("the batch at offset {offset} is corrupt")]
    Corrupt {
        offset: Offset,
        #[source]
        source: BatchError,
    },
    #[error("the node's answer does not fit the request")]
    Answer,
    #[error("closed")]
    Closed,
    #[error("the operating system has no random numbers")]
    Randomness(#[source] std::io::Error),
}

/// One address that was tried.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) addr: String,
    pub(crate) error: Arc<ConnectError>,
}

impl Error {
    /// What a program can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &*self.cause {
            Cause::NoSeeds
            | Cause::Seed { .. }
            | Cause::Name { .. }
            | Cause::Option { .. }
            | Cause::NotAssigned
            | Cause::NoGroup => ErrorKind::InvalidInput,
            Cause::Unreachable { attempts } if attempts.iter().any(Attempt::is_incompatible) => {
                ErrorKind::Incompatible
            }
            Cause::Unreachable { .. } | Cause::NoLeader => ErrorKind::Unavailable,
            Cause::Refused { failure, .. } => kind_of(failure.code),
            // Nothing was done for sure: why not matters more than how long it was tried.
            Cause::DeadlineExceeded {
                is_unsure: false,
                last: Some(last),
                ..
            } => last.kind(),
            Cause::ConnectionLost { .. }
            | Cause::NoAnswer { .. }
            | Cause::Entangled { .. }
            | Cause::DeadlineExceeded { .. } => ErrorKind::TimedOut,
            Cause::RecordTooLarge { .. } | Cause::RequestTooLarge => ErrorKind::TooLarge,
            Cause::NoSuchPartition { .. } | Cause::NoSuchNode { .. } => ErrorKind::NotFound,
            Cause::Lost => ErrorKind::Fenced,
            Cause::OutOfRange { .. } => ErrorKind::OutOfRange,
            Cause::Corrupt { .. } => ErrorKind::Corrupt,
            Cause::Closed => ErrorKind::Closed,
            Cause::Answer | Cause::Randomness(_) => ErrorKind::Internal,
        }
    }

    /// Whether the same call may succeed later without anybody changing anything. The client has
    /// retried already for as long as it was allowed to.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match &*self.cause {
            Cause::Refused { failure, .. } => failure.code.is_retriable(),
            _ => matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut),
        }
    }

    /// The topic concerned, where there is one.
    #[must_use]
    pub fn topic(&self) -> Option<&TopicName> {
        self.topic.as_ref()
    }

    /// The partition concerned, where there is one.
    #[must_use]
    pub fn partition(&self) -> Option<PartitionIndex> {
        self.partition
    }

    /// The node's stable error code, when a node refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match &*self.cause {
            Cause::Refused { failure, .. } => Some(failure.code),
            Cause::DeadlineExceeded { last, .. } => last.as_ref().and_then(Self::code),
            _ => None,
        }
    }

    /// The facts behind a node's refusal: which limit, which value, which setting.
    #[must_use]
    pub fn detail(&self) -> Option<&FailureDetail> {
        match &*self.cause {
            Cause::Refused { failure, .. } => failure.detail.as_deref(),
            Cause::DeadlineExceeded { last, .. } => last.as_ref().and_then(Self::detail),
            Cause::Entangled { refusal } => refusal.detail(),
            _ => None,
        }
    }

    /// The offset concerned, where there is one.
    #[must_use]
    pub fn offset(&self) -> Option<Offset> {
        match &*self.cause {
            Cause::OutOfRange { offset, .. } | Cause::Corrupt { offset, .. } => Some(*offset),
            _ => None,
        }
    }

    /// Whether the request may have been carried out all the same.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match &*self.cause {
            Cause::ConnectionLost { .. } | Cause::NoAnswer { .. } | Cause::Entangled { .. } => true,
            Cause::DeadlineExceeded { is_unsure, .. } => *is_unsure,
            Cause::Refused { failure, .. } => failure.code == ErrorCode::Timeout,
            _ => false,
        }
    }

    /// `is_outcome_unknown`, counting a node that did not know what it did.
    pub(crate) fn leaves_doubt(&self) -> bool {
        self.is_outcome_unknown()
            || matches!(&*self.cause, Cause::Answer)
            || self.code() == Some(ErrorCode::Internal)
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    pub(crate) fn refused(failure: &Failure, node: Option<NodeId>) -> Self {
        let failure = failure.clone();
        Cause::Refused { failure, node }.into()
    }

    pub(crate) fn code_error(code: ErrorCode) -> Self {
        Self::refused(&code.into(), None)
    }

    pub(crate) fn in_topic(mut self, topic: &TopicName) -> Self {
        self.topic = Some(topic.clone());
        self
    }

    pub(crate) fn in_partition(mut self, topic: &TopicName, partition: PartitionIndex) -> Self {
        self.partition = Some(partition);
        self.in_topic(topic)
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self {
            cause: Arc::new(cause),
            topic: None,
            partition: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(topic) = &self.topic {
            write!(f, "topic '{topic}'")?;
            if let Some(partition) = self.partition {
                write!(f, " partition {partition}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", self.cause)?;
        if let Cause::Refused {
            node: Some(node), ..
        } = &*self.cause
        {
            write!(f, " (node {node})")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.cause {
            Cause::Unreachable { attempts } => attempts
                .first()
                .map(|a| &*a.error as &(dyn StdError + 'static)),
            cause => cause.source(),
        }
    }
}

impl Attempt {
    /// The node is there and will serve soon.
    pub(crate) fn is_starting(&self) -> bool {
        matches!(&*self.error, ConnectError::Refused(Refusal::NotReady))
    }

    /// The node is there, but this client must not talk to it.
    fn is_incompatible(&self) -> bool {
        matches!(&*self.error, ConnectError::Refused(refusal) if *refusal != Refusal::NotReady)
    }
}

struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no node of the cluster could be reached")?;
        for (place, Attempt { addr, error }) in self.0.iter().enumerate() {
            let before = if place == 0 { ": " } else { ", " };
            write!(f, "{before}{addr} ({error})")?;
        }
        Ok(())
    }
}

struct Last<'a>(Option<&'a Error>);

impl fmt::Display for Last<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(error) => write!(f, ", last: {error}"),
            None => Ok(()),
        }
    }
}

fn kind_of(code: ErrorCode) -> ErrorKind {
    match code {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownGroup => ErrorKind::NotFound,
        ErrorCode::TopicExists => ErrorKind::AlreadyExists,
        ErrorCode::InvalidName
        | ErrorCode::InvalidPartitions
        | ErrorCode::InvalidReplication
        | ErrorCode::InvalidConfig
        | ErrorCode::InvalidTimestamp
        | ErrorCode::InvalidRequest => ErrorKind::InvalidInput,
        ErrorCode::BatchTooLarge => ErrorKind::TooLarge,
        ErrorCode::NotLeader
        | ErrorCode::Busy
        | ErrorCode::DiskFull
        | ErrorCode::StorageFailed
        | ErrorCode::NotController
        | ErrorCode::NotCoordinator
        | ErrorCode::CoordinatorLoading
        | ErrorCode::OffsetNotAvailable
        | ErrorCode::RebalanceInProgress
        | ErrorCode::FencedEpoch
        | ErrorCode::UnknownEpoch
        | ErrorCode::ShuttingDown => ErrorKind::Unavailable,
        ErrorCode::Timeout => ErrorKind::TimedOut,
        ErrorCode::ProducerFenced
        | ErrorCode::UnknownMember
        | ErrorCode::IllegalGeneration
        | ErrorCode::FencedToken => ErrorKind::Fenced,
        ErrorCode::OffsetOutOfRange => ErrorKind::OutOfRange,
        ErrorCode::CorruptBatch | ErrorCode::InvalidRecord => ErrorKind::Corrupt,
        ErrorCode::GroupNotEmpty => ErrorKind::GroupNotEmpty,
        ErrorCode::WrongCluster | ErrorCode::UnsupportedVersion => ErrorKind::Incompatible,
        ErrorCode::OutOfOrderSequence | ErrorCode::UnknownProducer | ErrorCode::Internal => {
            ErrorKind::Internal
        }
    }
}
