//! One partition that a consumer reads: how far it is, and what was fetched ahead.
//!
//!   committed <= processed <= position <= fetch_from
//!
//! `position` is the offset of the next message to return; below `processed` the caller is done;
//! between `position` and `fetch_from` lie the batches fetched ahead. A seek starts a new
//! `version`: whatever an older version had under way is void.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use floe_model::{FencingToken, LeaderEpoch, Offset, PartitionIndex, TopicName, TopicPartition};
use floe_record::StampedBatch;

use super::Start;
use crate::backoff::Backoff;

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_millis(500);

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// At a known offset; committed already, or not.
    At { offset: Offset, is_committed: bool },
    /// Where a lookup says.
    LookUp(Start),
}

impl Begin {
    pub(super) fn of(start: Start) -> Self {
        match start {
            Start::Offset(offset) => Self::At {
                offset,
                is_committed: false,
            },
            Start::Start | Start::End | Start::Timestamp(_) => Self::LookUp(start),
        }
    }
}

/// A partition being read.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) topic: Arc<TopicName>,
    pub(super) index: PartitionIndex,
    /// Proof of ownership, of group members.
    pub(super) token: Option<FencingToken>,
    pub(super) version: u64,
    /// What is still to be looked up before reading can begin.
    pub(super) look_up: Option<Start>,
    pub(super) position: Option<Offset>,
    pub(super) processed: Option<Offset>,
    pub(super) committed: Option<Offset>,
    /// Epoch of the last message returned.
    pub(super) position_epoch: LeaderEpoch,
    pub(super) fetch_from: Option<Offset>,
    pub(super) ahead: VecDeque<StampedBatch>,
    pub(super) ahead_bytes: usize,
    /// The fetch or lookup under way.
    pub(super) asked: Option<u64>,
    pub(super) asked_epoch: LeaderEpoch,
    pub(super) asked_token: Option<FencingToken>,
    /// Where this consumer began.
    begin: Option<Offset>,
    pub(super) not_before: Duration,
    pub(super) backoff: Backoff,
    pub(super) is_paused: bool,
    /// To be given up; no message is returned any more.
    pub(super) is_revoked: bool,
    /// Reading cannot go on without a seek.
    pub(super) is_stuck: bool,
    /// The last fetch failed in a way that another leader would mend.
    pub(super) doubts_leader: bool,
    pub(super) high_watermark: Option<Offset>,
}

impl Partition {
    pub(super) fn new(
        topic: Arc<TopicName>,
        index: PartitionIndex,
        token: Option<FencingToken>,
        version: u64,
        begin: Begin,
    ) -> Self {
        let mut partition = Self {
            topic,
            index,
            token,
            version,
            look_up: None,
            position: None,
            processed: None,
            committed: None,
            position_epoch: LeaderEpoch(-1),
            fetch_from: None,
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            asked: None,
            asked_epoch: LeaderEpoch(-1),
            asked_token: None,
            begin: None,
            not_before: Duration::ZERO,
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
            is_paused: false,
            is_revoked: false,
            is_stuck: false,
            doubts_leader: false,
            high_watermark: None,
        };
        match begin {
            Begin::LookUp(start) => partition.look_up = Some(start),
            Begin::At {
                offset,
                is_committed,
            } => {
                partition.begin_at(offset);
                partition.committed = is_committed.then_some(offset);
            }
        }
        partition
    }

    pub(super) fn name(&self) -> TopicPartition {
        TopicPartition {
            topic: TopicName::clone(&self.topic),
            partition: self.index,
        }
    }

    /// Reads on from `offset`; what was fetched ahead is void.
    pub(super) fn begin_at(&mut self, offset: Offset) {
        self.look_up = None;
        self.begin.get_or_insert(offset);
        self.position = Some(offset);
        self.processed = Some(offset);
        self.rewind();
        self.is_stuck = false;
    }

    /// Forgets what was fetched ahead, to fetch it again from the position.
    pub(super) fn rewind(&mut self) {
        self.fetch_from = self.position;
        self.ahead.clear();
        self.ahead_bytes = 0;
        self.asked = None;
        self.not_before = Duration::ZERO;
    }

    /// Whether messages may be returned.
    pub(super) fn is_readable(&self) -> bool {
        !self.is_paused && !self.is_revoked
    }

    /// Whether it wants to be fetched, or looked up, as far as it is concerned.
    pub(super) fn is_hungry(&self, now: Duration, ahead_bytes_max: usize) -> bool {
        self.is_readable()
            && !self.is_stuck
            && self.asked.is_none()
            && self.not_before <= now
            && self.ahead_bytes < ahead_bytes_max
    }

    /// Whether messages were returned that the group has not stored.
    pub(super) fn has_uncommitted(&self) -> bool {
        self.position > self.committed.or(self.begin)
    }

    /// What is processed and not yet committed.
    pub(super) fn to_commit(&self) -> Option<Offset> {
        self.processed.filter(|_| self.processed > self.committed)
    }
}
