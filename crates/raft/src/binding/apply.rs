//! Applies committed entries to a group's state machine and makes and installs its snapshots.
//!
//! Invariant: the state machine has seen exactly the entries up to `applied`, in order. The
//! applied position that openraft is told at start is what segments and durable journal can
//! restore, never more: a position ahead of the durable log would make openraft delete the log.
//!
//! A snapshot of a Data group is the small state at the log's start; of a State group, the whole
//! state at the moment it was asked for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floe_journal::{Durable, GroupKind, GroupLog, StoreError};
use floe_model::{LogId, LogIndex, Offset};
use floe_record::{Entry, EntryBody};
use futures::{Stream, StreamExt as _};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;

use super::layout::{self, GroupState};
use super::type_config::{
    LogEntry, RaftLogId, StoredMembership, Types, from_raft, invalid_data, to_raft,
};
use crate::{Applied, CorruptState, StateMachine};

/// Bytes of entries read at once when the state is replayed.
const REPLAY_BYTES: usize = 4 << 20;

/// A state that found no room is saved again after this.
const FULL_RETRY: Duration = Duration::from_millis(500);

/// Told of every applied entry; decides when a new leader is ready.
pub(crate) trait ApplyWatch: Send + Sync + 'static {
    /// The entry `id` is applied.
    fn applied(&self, id: LogId);
}

/// The state of one replica.
pub(crate) struct Applier {
    log: GroupLog,
    /// Never locked: openraft asks for `Sync`, which a state machine need not be.
    machine: Mutex<Box<dyn StateMachine>>,
    watch: Arc<dyn ApplyWatch>,
    applied: Option<LogId>,
    membership: StoredMembership,
    next_offset: Offset,
}

/// A state machine could not be brought to the applied position.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    State(#[from] CorruptState),
    #[error("cannot read the log or state: {0}")]
    Log(#[from] io::Error),
}

impl Applier {
    /// Restores `machine` from the newest state file and replays the log up to the applied
    /// position that the journal vouches for.
    pub(crate) async fn restore(
        log: GroupLog,
        mut machine: Box<dyn StateMachine>,
        watch: Arc<dyn ApplyWatch>,
    ) -> Result<Self, RestoreError> {
        let (applied, state) = match log.latest_state() {
            None => (None, None),
            Some((id, bytes)) => {
                let state = layout::decode_state(&bytes).map_err(invalid_data)?;
                (Some(id), Some(state))
            }
        };
        machine.restore(state.as_ref().map(|state| &state.machine[..]))?;
        let (membership, next_offset) = match state {
            Some(state) => (state.membership, state.next_offset),
            None => (StoredMembership::default(), Offset::ZERO),
        };
        let mut applier = Self {
            log,
            machine: Mutex::new(machine),
            watch,
            applied,
            membership,
            next_offset,
        };
        applier.replay().await?;
        Ok(applier)
    }

    async fn replay(&mut self) -> Result<(), RestoreError> {
        let durable = self.log.durable_log_id().or_else(|| self.log.log_start());
        let floor = self.log.applied_floor().min(durable);
        let end = floor.map_or(0, |id| id.index.0 + 1);
        Ok(self.apply_log(end).await?)
    }

    /// Applies the entries of the log from the applied position to `end`.
    async fn apply_log(&mut self, end: u64) -> io::Result<()> {
        let mut next = self.applied.map_or(0, |id| id.index.0 + 1);
        let is_kept = |id: &LogId| self.log.log_start().is_none_or(|start| start < *id);
        if floe_model::mutant!("applied-twice") && self.applied.as_ref().is_some_and(is_kept) {
            next -= 1;
        }
        while next < end {
            let range = LogIndex(next)..LogIndex(end);
            let entries = self.log.read_entries(range, REPLAY_BYTES).await;
            for entry in entries.map_err(invalid_data)? {
                next = entry.index.0 + 1;
                self.apply_one(&entry)?;
            }
        }
        Ok(())
    }

    /// Applies one entry and tells the journal. The result is the state machine's.
    fn apply_one(&mut self, entry: &Entry) -> io::Result<Bytes> {
        let id = entry.log_id();
        let outcome = match &entry.body {
            EntryBody::Membership(bytes) => {
                let membership = layout::decode_membership(bytes).map_err(invalid_data)?;
                self.membership = StoredMembership::new(Some(to_raft(id)), membership);
                Bytes::new()
            }
            EntryBody::Blank => Bytes::new(),
            EntryBody::Data(_) | EntryBody::Control(_) => self.machine.get_mut().apply(entry),
        };
        self.applied = Some(id);
        self.next_offset = entry.next_offset();
        let Self {
            log,
            machine,
            membership,
            next_offset,
            ..
        } = self;
        log.applied(id, &mut || {
            state_bytes(membership, *next_offset, machine.get_mut().as_mut())
        });
        self.watch.applied(id);
        Ok(outcome)
    }

    fn state(&mut self) -> Bytes {
        {
            let machine = self.machine.get_mut().as_mut();
            state_bytes(&self.membership, self.next_offset, machine)
        }
    }
}

fn state_bytes(
    membership: &StoredMembership,
    next_offset: Offset,
    machine: &mut dyn StateMachine,
) -> Bytes {
    layout::encode_state(&GroupState {
        membership: membership.clone(),
        next_offset,
        machine: machine.snapshot(),
    })
}

impl RaftStateMachine<Types> for Applier {
    type SnapshotData = Bytes;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<RaftLogId>, StoredMembership)> {
        Ok((self.applied.map(to_raft), self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let entry = LogEntry::into_entry(entry);
            let outcome = self.apply_one(&entry)?;
            if let Some(responder) = responder {
                responder.send(Some(Applied {
                    log_id: entry.log_id(),
                    base_offset: entry.base_offset,
                    offset_count: entry.offset_count(),
                    appended_at_ms: entry.appended_at_ms,
                    outcome,
                }));
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SnapshotBuilder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        let state = match (self.log.kind(), self.applied) {
            (GroupKind::State, Some(applied)) => Some((applied, self.state())),
            (GroupKind::State | GroupKind::Data, _) => None,
        };
        SnapshotBuilder {
            log: self.log.clone(),
            state,
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<Types>,
        snapshot: Bytes,
    ) -> io::Result<()> {
        let Some(id) = meta.last_log_id.as_ref().map(from_raft) else {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        };
        let state = layout::decode_state(&snapshot).map_err(invalid_data)?;
        let starts_there = self.log.log_start() == Some(id);
        if !starts_there && self.log.log_id_at(id.index) == Some(id) {
            // The log agrees with the snapshot up to it: applying the rest of it gives the same
            // state and keeps what this replica acknowledged above it.
            return self.apply_log(id.index.0 + 1).await;
        }
        // A log that starts there already holds this very state.
        if !starts_there {
            let reset = self.log.reset(id, state.next_offset, snapshot).await;
            reset.map_err(io::Error::other)?;
        }
        let restored = self.machine.get_mut().restore(Some(&state.machine));
        restored.map_err(invalid_data)?;
        self.applied = Some(id);
        self.membership = state.membership;
        self.next_offset = state.next_offset;
        self.watch.applied(id);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types, Bytes>>> {
        self.log
            .state_at_log_start()
            .map(|(id, bytes)| snapshot_of(id, bytes))
            .transpose()
    }
}

fn snapshot_of(id: LogId, bytes: Bytes) -> io::Result<SnapshotOf<Types, Bytes>> {
    let state = layout::decode_state(&bytes).map_err(invalid_data)?;
    let meta = SnapshotMetaOf::<Types> {
        last_log_id: Some(to_raft(id)),
        last_membership: state.membership,
    };
    Ok(SnapshotOf::<Types, Bytes> {
        meta,
        snapshot: bytes,
    })
}

/// Makes one snapshot; holds what was captured when it was asked for.
pub(crate) struct SnapshotBuilder {
    log: GroupLog,
    /// Full state of a State group at a position.
    state: Option<(LogId, Bytes)>,
}

impl RaftSnapshotBuilder<Types> for SnapshotBuilder {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, Bytes>> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "no state is saved");
        let (id, bytes) = match self.state.take() {
            Some((id, bytes)) => match self.save(id, &bytes).await {
                Ok(_) => (id, bytes),
                // A newer state stands already; it is as good.
                Err(StoreError::StateBehind { .. }) => self.log.latest_state().ok_or_else(none)?,
                Err(error) => return Err(io::Error::other(error)),
            },
            None => self.log.state_at_log_start().ok_or_else(none)?,
        };
        snapshot_of(id, bytes)
    }
}

impl SnapshotBuilder {
    /// Saves a state, however long the disk stays full: an error would end the group.
    async fn save(&self, id: LogId, bytes: &Bytes) -> Result<Durable, StoreError> {
        loop {
            match self.log.save_state(id, bytes.clone()).await {
                Err(StoreError::Full) => tokio::time::sleep(FULL_RETRY).await,
                saved => return saved,
            }
        }
    }
}
