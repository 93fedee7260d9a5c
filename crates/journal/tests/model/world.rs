//! A simulated disk, the store on it, and the model beside it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use floe_env::{CrashPlan, Env, RealNet, Rng, SimClock, SimVfs, Spawn};
use floe_journal::{
    AppendError, GroupKind, GroupLog, Journal, JournalConfig, StoreError, StoreStatus,
};
use floe_model::{LogId, LogIndex, NodeId, Offset, RaftGroupId, Term};
use floe_record::{BatchBuilder, Compression, Entry, EntryBody, Record, StampedBatch};

use crate::model::{LogFacts, ModelGroup};

pub(crate) struct World {
    pub(crate) vfs: SimVfs,
    pub(crate) context: String,
    /// The process of now; made anew in each life.
    env: Option<Env>,
    rng: Rng,
    journal: Option<Journal>,
    groups: BTreeMap<RaftGroupId, ModelGroup>,
    deleted: Vec<RaftGroupId>,
    next_group: u64,
    stopped_cleanly: bool,
    serial: u64,
}

fn config() -> JournalConfig {
    JournalConfig {
        journal_bytes: 6 * (32 << 10),
        journal_segment_bytes: 32 << 10,
        partition_segment_bytes: 2 << 10,
        partition_segment_ms: 1 << 40,
        tail_bytes: 24 << 10,
        uncommitted_group_bytes: 16 << 10,
        disk_reserve_bytes: 1 << 10,
        prewrite: true,
        checkpoint_interval_ms: 40,
        ..JournalConfig::new("/data")
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = Rng::from_seed(seed);
        let vfs = SimVfs::new(rng.fork(), 64 << 20);
        Self {
            vfs,
            context: String::new(),
            env: None,
            rng,
            journal: None,
            groups: BTreeMap::new(),
            deleted: Vec::new(),
            next_group: 1000,
            stopped_cleanly: false,
            serial: 0,
        }
    }

    /// A new process, in the runtime of its life.
    pub(crate) fn boot(&mut self) {
        let spawn = Spawn::sim(self.rng.fork(), Duration::from_micros(50));
        self.env = Some(Env {
            net: Arc::new(RealNet),
            vfs: Arc::new(self.vfs.clone()),
            clock: Arc::new(SimClock::new(1_000_000)),
            rng: self.rng.fork(),
            spawn: spawn.with_disk(self.vfs.clone()),
        });
    }

    /// The process is gone.
    pub(crate) fn forget_process(&mut self) {
        self.journal = None;
        self.env = None;
    }

    fn env(&self) -> &Env {
        self.env.as_ref().unwrap()
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.rng.below(bound)
    }

    pub(crate) async fn try_open(&mut self) -> bool {
        match Journal::open(config(), NodeId(1), self.env()).await {
            Ok(journal) => {
                self.journal = Some(journal);
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) async fn open(&mut self, context: &str) {
        self.context = context.to_owned();
        let opened = Journal::open(config(), NodeId(1), self.env()).await;
        self.journal = Some(opened.unwrap_or_else(|error| panic!("{context}: {error}")));
        self.settle().await;
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        let status = self.journal.as_ref().unwrap().status();
        let status = status.borrow();
        matches!(*status, StoreStatus::Poisoned { .. })
    }

    pub(crate) fn crash(&mut self, plan: CrashPlan) {
        self.vfs.crash(plan);
        self.stopped_cleanly = false;
    }

    pub(crate) async fn shutdown(&mut self) {
        self.journal.take().unwrap().shutdown().await.unwrap();
        self.stopped_cleanly = true;
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn log(&self, id: RaftGroupId) -> GroupLog {
        self.journal().group(id).unwrap()
    }

    /// Compares what was recovered with what was possible and goes on from there.
    async fn settle(&mut self) {
        let journal = self.journal().clone();
        let found = journal.groups();
        let context = self.context.clone();
        for id in &self.deleted {
            assert!(
                !found.contains(id),
                "{context}: deleted group {id} came back"
            );
        }
        let mut groups = std::mem::take(&mut self.groups);
        for id in &found {
            assert!(
                groups.contains_key(id),
                "{context}: group {id} from nowhere"
            );
        }
        groups.retain(|id, group| {
            let kept = found.contains(id);
            assert!(
                kept || !group.created || group.deleting,
                "{context}: group {id} is lost"
            );
            if !kept && group.deleting {
                self.deleted.push(*id);
            }
            kept
        });
        for group in groups.values_mut() {
            if let Some(meta) = group.successor.take() {
                // Either life is right; the second one is empty.
                if journal.group(group.id).unwrap().meta() != meta {
                    self.begin_anew(group, &meta).await;
                }
                *group = ModelGroup::new(group.id, group.kind, meta);
            }
            let log = journal.group(group.id).unwrap();
            assert_eq!(log.is_damaged(), None, "{context}: group {}", group.id);
            assert_eq!((log.kind(), log.meta()), (group.kind, group.meta.clone()));
            let facts = read_log(&log, &context).await;
            let floor = log.applied_floor();
            let told = group.applied;
            assert!(
                floor <= told,
                "{context}: floor {floor:?} beyond applied {told:?}"
            );
            assert!(floor <= facts.last(), "{context}");
            assert!(floor >= facts.start, "{context}");
            if self.stopped_cleanly {
                assert_eq!(
                    floor, told,
                    "{context}: a clean stop keeps what was applied"
                );
                assert_eq!(
                    facts,
                    *group.now(),
                    "{context}: a clean stop keeps everything"
                );
            }
            group.settle(facts, log.vote(), &context);
            group.applied = floor;
            group.created = true;
            group.deleting = false;
        }
        self.groups = groups;
    }

    pub(crate) async fn check_all(&mut self) {
        for group in self.groups.values() {
            if group.successor.is_some() {
                continue;
            }
            let context = format!("{} group {}", self.context, group.id);
            let log = self.log(group.id);
            assert_eq!(read_log(&log, &context).await, *group.now(), "{context}");
            check_records(&log, group, &context).await;
            check_states(&log, group, &context);
        }
    }

    pub(crate) async fn operation(&mut self) {
        if self.is_poisoned() {
            return;
        }
        if self.groups.len() < 2 || self.below(60) == 0 {
            return self.create().await;
        }
        let place = usize::try_from(self.below(self.groups.len() as u64)).unwrap();
        let id = *self.groups.keys().nth(place).unwrap();
        match self.below(100) {
            0..50 => self.append(id),
            50..58 => self.vote(id),
            58..64 => self.truncate(id),
            64..80 => self.apply(id),
            80..84 => self.purge(id).await,
            84..86 => self.reset(id).await,
            86 => self.delete(id).await,
            87..90 => self.check_all().await,
            90 => self.renew(id).await,
            _ => {
                let pause_us = self.below(30_000);
                tokio::time::sleep(Duration::from_micros(pause_us)).await;
            }
        }
    }

    async fn create(&mut self) {
        let id = RaftGroupId(self.next_group);
        self.next_group += 1;
        let kind = if self.below(3) == 0 {
            GroupKind::State
        } else {
            GroupKind::Data
        };
        let meta = Bytes::from(id.0.to_string());
        self.groups
            .insert(id, ModelGroup::new(id, kind, meta.clone()));
        let created = self.journal().create_group(id, kind, meta).await;
        if created.is_ok() {
            self.groups.get_mut(&id).unwrap().created = true;
        }
    }

    async fn delete(&mut self, id: RaftGroupId) {
        let journal = self.journal().clone();
        if !self.usable(id) || self.groups.len() < 3 {
            return;
        }
        self.groups.get_mut(&id).unwrap().deleting = true;
        match journal.delete_group(id).await {
            Ok(()) => {
                self.groups.remove(&id);
                self.deleted.push(id);
                let again = journal
                    .create_group(id, GroupKind::Data, Bytes::new())
                    .await;
                assert!(matches!(again, Err(StoreError::Deleted(_))));
            }
            Err(error) => assert!(matches!(error, StoreError::Poisoned(_)), "{error}"),
        }
    }

    /// Finds a group damaged and begins it anew.
    async fn renew(&mut self, id: RaftGroupId) {
        if !self.usable(id) {
            return;
        }
        self.serial += 1;
        let meta = Bytes::from(format!("life {}", self.serial));
        let group = self.groups.get_mut(&id).unwrap();
        group.successor = Some(meta.clone());
        let group = &self.groups[&id];
        if self.begin_anew(group, &meta).await {
            let mut anew = ModelGroup::new(id, group.kind, meta);
            anew.created = true;
            self.groups.insert(id, anew);
        }
    }

    /// `false` when the store failed.
    async fn begin_anew(&self, group: &ModelGroup, meta: &Bytes) -> bool {
        let journal = self.journal().clone();
        journal.group(group.id).unwrap().mark_damaged();
        while !journal.damaged_groups().contains(&(group.id, true)) {
            if self.is_poisoned() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match journal
            .renew_group(group.id, group.kind, meta.clone())
            .await
        {
            Ok(log) => {
                assert_eq!((log.last_log_id(), log.vote()), (None, None));
                true
            }
            Err(error) => {
                assert!(self.is_poisoned(), "{}: {error}", self.context);
                false
            }
        }
    }

    fn usable(&self, id: RaftGroupId) -> bool {
        let group = &self.groups[&id];
        group.created && !group.deleting && group.successor.is_none()
    }

    fn append(&mut self, id: RaftGroupId) {
        if !self.usable(id) {
            return;
        }
        for _ in 0..=self.below(3) {
            self.append_one(id);
        }
    }

    fn append_one(&mut self, id: RaftGroupId) {
        let log = self.log(id);
        let facts = self.groups[&id].now().clone();
        let term = facts.last().map_or(1, |last| last.term.0) + u64::from(self.below(10) == 0);
        self.serial += 1;
        let entry = Entry {
            term: Term(term),
            index: facts.next_index(),
            base_offset: Offset(-1),
            appended_at_ms: i64::try_from(self.below(1000)).unwrap(),
            body: self.body(self.groups[&id].kind),
        };
        let group = self.groups.get_mut(&id).unwrap();
        let (place, acked) = (group.history.len(), group.acked.clone());
        let done = Box::new(move |result: Result<_, _>| {
            if result.is_ok() {
                acked.lock().unwrap().log = place;
            }
        });
        let mut expected = entry.clone();
        match log.append(vec![entry], done) {
            Ok(()) => {
                let before = facts.entries.last().map(|last| last.appended_at_ms);
                expected.stamp_offsets(facts.next_offset());
                let mut next = facts;
                expected.appended_at_ms = expected.appended_at_ms.max(before.unwrap_or(i64::MIN));
                if next.entries.is_empty() && next.start.is_some() {
                    // The log time of a purged entry is not part of the model.
                    let index = expected.index;
                    expected.appended_at_ms = peek(&log, index).appended_at_ms;
                }
                next.entries.push(expected);
                group.push(next);
            }
            Err(AppendError::Full | AppendError::Poisoned(_)) => {}
            Err(error) => panic!("{}: {error}", self.context),
        }
    }

    fn body(&self, kind: GroupKind) -> EntryBody {
        let value = Bytes::from(vec![b'v'; usize::try_from(self.below(300)).unwrap()]);
        match self.below(10) {
            0 => EntryBody::Blank,
            1 => EntryBody::Membership(Bytes::from_static(b"members")),
            _ if kind == GroupKind::State => EntryBody::Control(value),
            2 => EntryBody::Control(value),
            _ => {
                let batches = (0..=self.below(2)).map(|_| self.batch(&value));
                EntryBody::Data(batches.collect())
            }
        }
    }

    fn batch(&self, value: &Bytes) -> StampedBatch {
        let mut builder = BatchBuilder::new(Compression::None);
        for _ in 0..=self.below(3) {
            builder.push(&Record {
                timestamp_ms: i64::try_from(self.serial).unwrap() * 10,
                key: Some(Bytes::from(self.serial.to_string())),
                value: Some(value.clone()),
                headers: Vec::new(),
            });
        }
        StampedBatch::split(builder.build()).unwrap()
    }

    fn vote(&mut self, id: RaftGroupId) {
        if !self.usable(id) {
            return;
        }
        let log = self.log(id);
        self.serial += 1;
        let vote = Bytes::from(self.serial.to_string());
        let group = self.groups.get_mut(&id).unwrap();
        let (place, acked) = (group.votes.len(), group.acked.clone());
        let done = Box::new(move |result: Result<_, _>| {
            if result.is_ok() {
                acked.lock().unwrap().vote = place;
            }
        });
        if log.save_vote(vote.clone(), done).is_ok() {
            group.votes.push(Some(vote));
        }
    }

    fn truncate(&mut self, id: RaftGroupId) {
        if !self.usable(id) {
            return;
        }
        let log = self.log(id);
        let group = &self.groups[&id];
        let facts = group.now().clone();
        let from = group.applied.map_or(0, |id| id.index.0 + 1);
        let span = facts.next_index().0.saturating_sub(from);
        if span == 0 {
            if let Some(applied) = group.applied.filter(|_| !self.is_poisoned()) {
                let refused = log.truncate_from(applied.index);
                assert!(
                    matches!(refused, Err(AppendError::Applied { .. })),
                    "{refused:?}"
                );
            }
            return;
        }
        let index = LogIndex(from + self.below(span));
        let mut next = facts;
        next.entries.retain(|entry| entry.index < index);
        if log.truncate_from(index).is_ok() {
            self.groups.get_mut(&id).unwrap().push(next);
        }
    }

    fn apply(&mut self, id: RaftGroupId) {
        if !self.usable(id) {
            return;
        }
        let log = self.log(id);
        let group = &self.groups[&id];
        let from = group.applied.map_or(0, |id| id.index.0 + 1);
        let span = group.now().next_index().0.saturating_sub(from);
        let upto = from + self.below(span + 1);
        let ids: Vec<LogId> = (from..upto)
            .filter_map(|index| group.now().get(LogIndex(index)))
            .map(Entry::log_id)
            .collect();
        for id in &ids {
            log.applied(*id, &mut || state_after(*id));
        }
        let group = self.groups.get_mut(&id).unwrap();
        group.applied = ids.last().copied().or(group.applied);
    }

    async fn purge(&mut self, id: RaftGroupId) {
        if !self.usable(id) {
            return;
        }
        let log = self.log(id);
        let group = &self.groups[&id];
        let target = match group.kind {
            GroupKind::Data => {
                let hw = u64::try_from(log.high_watermark().0).unwrap();
                let before = Offset(i64::try_from(self.below(hw + 1)).unwrap());
                log.advance_log_start(before)
            }
            GroupKind::State => match group.applied.filter(|_| self.below(2) == 0) {
                Some(applied) => {
                    let saved = log.save_state(applied, state_after(applied)).await;
                    let ok = saved.is_ok() || self.is_poisoned();
                    assert!(ok || matches!(saved, Err(StoreError::StateBehind { .. })));
                    log.latest_state().map(|(id, _)| id)
                }
                None => log.latest_state().map(|(id, _)| id),
            },
        };
        let Some(target) = target else { return };
        if Some(target) <= self.groups[&id].now().start || self.is_poisoned() {
            return;
        }
        let (state_id, state) = log.state_at_log_start().unwrap_or_else(|| {
            panic!(
                "{} group {id} {:?}: no state, though up to {target:?}; damage {:?}",
                self.context,
                log.kind(),
                log.is_damaged()
            )
        });
        assert!(state_id >= target, "{}", self.context);
        assert_eq!(state, state_after(state_id), "{}", self.context);
        let facts = self.groups[&id].now().clone();
        if log.purge(target).is_ok() {
            let mut next = facts;
            let offset = next.get(target.index).unwrap().next_offset();
            next.start = Some(target);
            next.start_offset = offset;
            next.entries.retain(|entry| entry.index > target.index);
            self.groups.get_mut(&id).unwrap().push(next);
        } else {
            assert!(self.is_poisoned(), "{}", self.context);
        }
    }

    async fn reset(&mut self, id: RaftGroupId) {
        if !self.usable(id) {
            return;
        }
        let log = self.log(id);
        let facts = self.groups[&id].now().clone();
        let applied = self.groups[&id].applied.map_or(0, |id| id.index.0 + 1);
        let start = LogId {
            term: Term(facts.last().map_or(1, |last| last.term.0 + 1)),
            index: LogIndex(applied + self.below(20)),
        };
        let records = i64::try_from(self.below(50)).unwrap();
        let records = if self.groups[&id].kind == GroupKind::Data {
            records
        } else {
            0
        };
        let next_offset = log.high_watermark() + records;
        let next = LogFacts {
            start: Some(start),
            start_offset: next_offset,
            entries: Vec::new(),
        };
        let group = self.groups.get_mut(&id).unwrap();
        let place = group.push(next);
        group.applied = Some(start);
        let done = log.reset(start, next_offset, state_after(start)).await;
        match done {
            Ok(_) => self.groups[&id].acked.lock().unwrap().log = place,
            Err(error) => assert!(self.is_poisoned(), "{}: {error}", self.context),
        }
    }
}

/// A state that names the entry it follows.
fn state_after(id: LogId) -> Bytes {
    Bytes::from(format!("state after {} {}", id.term, id.index))
}

fn peek(log: &GroupLog, index: LogIndex) -> Entry {
    let read = log.read_entries(index..index.next(), 1);
    let read = futures::executor::block_on(read).unwrap();
    read.into_iter().next().unwrap()
}

/// The whole log, read in pieces.
async fn read_log(log: &GroupLog, context: &str) -> LogFacts {
    let start = log.log_start();
    let end = log.last_log_id().map_or(LogIndex(0), |id| id.index.next());
    let mut next = start.map_or(LogIndex(0), |id| id.index.next());
    let mut entries: Vec<Entry> = Vec::new();
    while next < end {
        let run = log.read_entries(next..end, 700).await;
        let run = run.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(
            run[0].index, next,
            "{context}: a read starts where it was asked to"
        );
        for entry in run {
            assert_eq!(entry.index, next, "{context}: a read is contiguous");
            assert_eq!(log.log_id_at(next), Some(entry.log_id()), "{context}");
            next = next.next();
            entries.push(entry);
        }
    }
    let next_offset = log.next_offset();
    let mut offset = entries
        .first()
        .map_or(next_offset, |first| first.base_offset);
    let start_offset = offset;
    for entry in &entries {
        assert!(
            entry.verify_offsets(offset).is_ok(),
            "{context}: offsets are dense"
        );
        offset = entry.next_offset();
    }
    assert_eq!(offset, next_offset, "{context}");
    LogFacts {
        start,
        start_offset,
        entries,
    }
}

/// Fetches everything below the high watermark and compares it with the log.
async fn check_records(log: &GroupLog, group: &ModelGroup, context: &str) {
    let (first, high) = (log.first_offset(), log.high_watermark());
    let applied = group.applied;
    let batches = group
        .now()
        .entries
        .iter()
        .filter(|entry| Some(entry.log_id()) <= applied);
    let expected: Vec<StampedBatch> = batches.flat_map(|entry| entry.batches().to_vec()).collect();
    let mut fetched: Vec<StampedBatch> = Vec::new();
    let mut next = first;
    while next < high {
        let batches = log.fetch(next, 400, high).await;
        let batches = batches.unwrap_or_else(|error| panic!("{context}: fetch {next}: {error}"));
        assert!(
            !batches.is_empty(),
            "{context}: nothing at {next} below {high}"
        );
        for batch in batches {
            assert_eq!(batch.base_offset(), next, "{context}");
            next = batch.next_offset();
            fetched.push(batch);
        }
    }
    // Entries before the log start may still be here physically.
    let kept = fetched
        .iter()
        .filter(|batch| batch.base_offset() >= group.now().start_offset);
    assert_eq!(kept.cloned().collect::<Vec<_>>(), expected, "{context}");
    if let Some(last) = expected.last() {
        let wanted_ms = last.header().max_timestamp_ms;
        let found = log.offset_for_timestamp(wanted_ms).await.unwrap();
        assert!(found.is_some_and(|(_, at)| at >= wanted_ms), "{context}");
        assert_eq!(log.offset_for_timestamp(i64::MAX).await.unwrap(), None);
    }
}

fn check_states(log: &GroupLog, group: &ModelGroup, context: &str) {
    if let Some((id, state)) = log.latest_state() {
        assert_eq!(state, state_after(id), "{context}");
        assert!(Some(id) <= group.applied, "{context}");
    }
    if group.now().start.is_some() {
        let (id, state) = log.state_at_log_start().unwrap_or_else(|| {
            panic!(
                "{context}: no state at start {:?}; {:?}, floor {:?}, damage {:?}",
                group.now().start,
                group.kind,
                log.applied_floor(),
                log.is_damaged()
            )
        });
        assert_eq!(state, state_after(id), "{context}");
        assert!(Some(id) >= group.now().start, "{context}");
        assert!(
            log.latest_state().is_some(),
            "{context}: a purged log has a state"
        );
    }
}
