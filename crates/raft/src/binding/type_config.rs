//! Openraft's type parameters for Floe, and the way between its log entries and ours.
//!
//! One leader per term (`leader_id_std`), so that a term is a leader epoch. A replica is named by
//! its replica id; its home (node and disk) travels in the membership and never changes.

use std::fmt;
use std::io;

use bytes::Bytes;
use floe_model::{LogId, LogIndex, NodeId, NodeUuid, Offset, Term};
use floe_record::{Entry, EntryBody, StampedBatch};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::type_config::alias::{CommittedLeaderIdOf, LogIdOf, StoredMembershipOf, VoteOf};
use tokio::sync::oneshot;

use super::layout;
use super::responder::ProposalResponder;
use crate::{Applied, LocallyDurable};

/// Where openraft runs.
#[cfg(not(sim))]
type Runtime = openraft_rt_tokio::TokioRuntime;
/// The same with seeded randomness: a group must be created in the scope of a seed.
#[cfg(sim)]
pub(crate) type Runtime =
    openraft::rt::deterministic_rng::DeterministicRng<openraft_rt_tokio::TokioRuntime>;

/// The parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Types;

impl openraft::RaftTypeConfig for Types {
    type D = Command;
    type R = Option<Applied>;
    type NodeId = u64;
    type Node = Home;
    type Term = u64;
    type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = EntryPayload<Command, u64, Home>;
    type Entry = LogEntry;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = ProposalResponder<T>
    where
        T: Send + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = anyerror::AnyError;
}

pub(crate) type RaftLogId = LogIdOf<Types>;
pub(crate) type RaftVote = VoteOf<Types>;
pub(crate) type RaftMembership = openraft::Membership<u64, Home>;
pub(crate) type StoredMembership = StoredMembershipOf<Types>;

/// Where a replica lives, fixed when it is added to a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) node_id: NodeId,
    pub(crate) node_uuid: NodeUuid,
}

/// What a proposer appends.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) appended_at_ms: i64,
    pub(crate) body: CommandBody,
    /// Told once this node's journal has it durable. Only on the proposing leader's way there.
    pub(crate) local: Option<oneshot::Sender<LocallyDurable>>,
}

#[derive(Clone, Debug)]
pub(crate) enum CommandBody {
    Data(Vec<StampedBatch>),
    Control(Bytes),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            CommandBody::Data(batches) => write!(f, "{} batches", batches.len()),
            CommandBody::Control(command) => write!(f, "control of {} bytes", command.len()),
        }
    }
}

/// A log entry as openraft handles it. `base_offset` is -1 until the journal has stamped it.
#[derive(Debug)]
pub(crate) struct LogEntry {
    log_id: RaftLogId,
    base_offset: Offset,
    appended_at_ms: i64,
    payload: EntryPayload<Command, u64, Home>,
}

/// An offset that the journal has still to assign.
const UNSTAMPED: Offset = Offset(-1);

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.log_id, self.payload)
    }
}

impl RaftEntry for LogEntry {
    type CommittedLeaderId = CommittedLeaderIdOf<Types>;
    type Payload = EntryPayload<Command, u64, Home>;

    fn new(log_id: RaftLogId, payload: Self::Payload) -> Self {
        let appended_at_ms = match &payload {
            EntryPayload::Normal(command) => command.appended_at_ms,
            // The journal raises it to the log time of the entry before.
            EntryPayload::Blank | EntryPayload::Membership(_) => 0,
        };
        Self {
            log_id,
            base_offset: UNSTAMPED,
            appended_at_ms,
            payload,
        }
    }

    fn log_id_parts(&self) -> (&Self::CommittedLeaderId, u64) {
        (self.log_id.committed_leader_id(), self.log_id.index())
    }

    fn set_log_id(&mut self, new: RaftLogId) {
        self.log_id = new;
    }

    fn get_membership(&self) -> Option<RaftMembership> {
        match &self.payload {
            EntryPayload::Membership(membership) => Some(membership.clone()),
            EntryPayload::Blank | EntryPayload::Normal(_) => None,
        }
    }
}

impl LogEntry {
    /// Takes the one who waits for this entry to be on this node's disk.
    pub(crate) fn take_local(&mut self) -> Option<oneshot::Sender<LocallyDurable>> {
        match &mut self.payload {
            EntryPayload::Normal(command) => command.local.take(),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        }
    }

    /// The entry as the journal and the wire have it.
    pub(crate) fn into_entry(self) -> Entry {
        let LogId { term, index } = from_raft(&self.log_id);
        Entry {
            term,
            index,
            base_offset: self.base_offset,
            appended_at_ms: self.appended_at_ms,
            body: match self.payload {
                EntryPayload::Blank => EntryBody::Blank,
                EntryPayload::Membership(membership) => {
                    EntryBody::Membership(layout::encode_membership(&membership))
                }
                EntryPayload::Normal(command) => match command.body {
                    CommandBody::Data(batches) => EntryBody::Data(batches),
                    CommandBody::Control(command) => EntryBody::Control(command),
                },
            },
        }
    }

    /// The entry as openraft has it.
    ///
    /// # Errors
    /// The membership in it cannot be read.
    pub(crate) fn from_entry(entry: Entry) -> Result<Self, layout::LayoutError> {
        let log_id = to_raft(entry.log_id());
        let command = |body| {
            EntryPayload::Normal(Command {
                appended_at_ms: entry.appended_at_ms,
                body,
                local: None,
            })
        };
        Ok(Self {
            log_id,
            base_offset: entry.base_offset,
            appended_at_ms: entry.appended_at_ms,
            payload: match entry.body {
                EntryBody::Blank => EntryPayload::Blank,
                EntryBody::Membership(bytes) => {
                    EntryPayload::Membership(layout::decode_membership(&bytes)?)
                }
                EntryBody::Data(batches) => command(CommandBody::Data(batches)),
                EntryBody::Control(bytes) => command(CommandBody::Control(bytes)),
            },
        })
    }
}

pub(crate) fn to_raft(id: LogId) -> RaftLogId {
    RaftLogId::new(id.term.0.into(), id.index.0)
}

pub(crate) fn from_raft(id: &RaftLogId) -> LogId {
    LogId {
        term: Term(**id.committed_leader_id()),
        index: LogIndex(id.index()),
    }
}

pub(crate) fn invalid_data(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
