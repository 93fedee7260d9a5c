//! One coordinator's time in office: from becoming the leader of an offsets partition to losing
//! it.
//!
//! It begins with its epoch in metadata: from then on no earlier coordinator changes anything.
//! Only then are the groups read, and each is fenced before a member hears of it. All membership
//! is lost with the office; the next coordinator finds it in metadata.

mod classic_members;
mod consumer_members;
mod native_members;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use floe_group::classic::{self, Ticket};
use floe_group::native::{self, StandaloneCommits, TopicShape, Topics};
use floe_group::{consumer, offsets};
use floe_metadata::{Command, Refusal, State, offsets_partition_of};
use floe_model::{ErrorCode, GroupKind, GroupName, LeaderEpoch, TopicId};
use floe_rpc::Failure;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;

use super::OffsetsReplica;
use super::ask::{Ask, Reply};
use super::membership::Membership;
use crate::core::{Core, METADATA_TIMEOUT};
use crate::metadata::Rejected;

/// Runs one tenure after the other. Runs until it is dropped.
pub(super) async fn run(
    core: Arc<Core>,
    replica: Arc<OffsetsReplica>,
    mut asks: mpsc::Receiver<Ask>,
) {
    let mut role = replica.raft.watch_role();
    loop {
        let serving = role.borrow_and_update().serving_epoch();
        let Some(epoch) = serving else {
            tokio::select! {
                changed = role.changed() => if changed.is_err() { return },
                Some(ask) = asks.recv() => ask.refuse(ErrorCode::NotCoordinator),
            }
            continue;
        };
        let over = async {
            // An error means that the replica closed.
            drop(
                role.wait_for(|role| role.serving_epoch() != Some(epoch))
                    .await,
            );
        };
        tokio::select! {
            () = over => {}
            end = serve(&core, &replica, epoch, &mut asks) => match end {
                // This replica will hear of it, too.
                End::Fenced => {
                    let over = role.wait_for(|role| role.serving_epoch() != Some(epoch));
                    refuse_until(over, &mut asks).await;
                }
                End::Again => {}
                End::Closed => return,
            }
        }
    }
}

async fn refuse_until<T>(over: impl Future<Output = T>, asks: &mut mpsc::Receiver<Ask>) {
    tokio::pin!(over);
    loop {
        tokio::select! {
            _ = &mut over => return,
            Some(ask) = asks.recv() => ask.refuse(ErrorCode::NotCoordinator),
        }
    }
}

/// Why a tenure ended while the replica still leads.
enum End {
    /// Metadata knows a newer coordinator.
    Fenced,
    /// Something of it was found superseded: whether all is, taking office again will tell.
    Again,
    /// Nobody can ask any more.
    Closed,
}

/// Takes office and coordinates until something says that another node does.
async fn serve(
    core: &Arc<Core>,
    replica: &Arc<OffsetsReplica>,
    epoch: LeaderEpoch,
    asks: &mut mpsc::Receiver<Ask>,
) -> End {
    if !take_office(core, replica.index, epoch, asks).await {
        return End::Fenced;
    }
    let mut tenure = Tenure::begin(core, replica, epoch);
    let mut metadata = core.metadata.clone();
    loop {
        let deadline = tenure.deadline();
        tokio::select! {
            biased;
            Some((group, happened)) = tenure.proposals.next() => tenure.happened(&group, happened),
            ask = asks.recv() => match ask {
                Some(ask) => tenure.ask(ask),
                None => return End::Closed,
            },
            state = metadata.changed() => tenure.metadata_changed(&state),
            () = sleep_until(core, deadline) => tenure.tick(),
        }
        if tenure.is_over {
            return End::Again;
        }
    }
}

/// Commits the coordinator's epoch to metadata; tells whether the office is its.
async fn take_office(
    core: &Core,
    offsets_partition: u32,
    epoch: LeaderEpoch,
    asks: &mut mpsc::Receiver<Ask>,
) -> bool {
    let command = Command::CoordinatorEpoch {
        offsets_partition,
        epoch,
    };
    loop {
        let proposed = core.controller.propose(&command, METADATA_TIMEOUT);
        tokio::pin!(proposed);
        let outcome = loop {
            tokio::select! {
                outcome = &mut proposed => break outcome,
                Some(ask) = asks.recv() => ask.refuse(ErrorCode::CoordinatorLoading),
            }
        };
        match outcome {
            Ok(_) => return true,
            Err(Rejected::Refused(Refusal::CoordinatorFenced { .. })) => return false,
            Err(error) => {
                tracing::warn!(offsets_partition, %error, "coordinator not in office yet");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn sleep_until(core: &Core, deadline_ms: Option<u64>) {
    match deadline_ms {
        Some(deadline_ms) => {
            let left_ms = deadline_ms.saturating_sub(now_ms(core));
            tokio::time::sleep(Duration::from_millis(left_ms)).await;
        }
        None => std::future::pending().await,
    }
}

fn now_ms(core: &Core) -> u64 {
    u64::try_from(core.env.clock.now().as_millis()).unwrap_or(u64::MAX)
}

/// What became of something that a group asked for.
enum Happened {
    Native(native::Event),
    Classic(classic::Event),
    Consumer(consumer::Event),
}

struct Tenure {
    core: Arc<Core>,
    replica: Arc<OffsetsReplica>,
    epoch: LeaderEpoch,
    groups: BTreeMap<GroupName, Membership>,
    topics: Topics,
    layout_version: u64,
    /// What was asked of metadata and the offsets log, by group.
    proposals: FuturesUnordered<BoxFuture<'static, (GroupName, Happened)>>,
    /// Outsiders who wait until their group is empty for certain.
    standalone: BTreeMap<GroupName, Vec<Reply<()>>>,
    /// Questions of classic members that are not answered yet.
    waiting: BTreeMap<Ticket, Reply<classic::Answer>>,
    /// Heartbeats of members of consumer groups that are not answered yet.
    beating: BTreeMap<Ticket, Reply<consumer::Answer>>,
    next_ticket: u64,
    is_over: bool,
}

/// The group has members of another kind.
struct OtherKind;

impl Tenure {
    /// Reads what the former coordinator left. Groups with members are taken up at once, so that
    /// members who died with it are missed; the others at their first use.
    fn begin(core: &Arc<Core>, replica: &Arc<OffsetsReplica>, epoch: LeaderEpoch) -> Self {
        let state = core.metadata.state();
        let mut tenure = Self {
            core: Arc::clone(core),
            replica: Arc::clone(replica),
            epoch,
            groups: BTreeMap::new(),
            topics: topics_of(&state),
            layout_version: state.layout_version(),
            proposals: FuturesUnordered::new(),
            standalone: BTreeMap::new(),
            waiting: BTreeMap::new(),
            beating: BTreeMap::new(),
            next_ticket: 0,
            is_over: false,
        };
        let mine = |name: &GroupName| offsets_partition_of(name) == replica.index;
        for (name, record) in state.groups().filter(|(name, _)| mine(name)) {
            if !record.members.is_empty() {
                tenure.take_up(name, record.kind, &state);
            }
        }
        tenure.forget_topics(replica.topics_gone_from(&state));
        tenure
    }

    /// Drops the offsets of topics that are deleted. Whoever could commit for a topic saw its
    /// creation, which was then in metadata before this tenure began: a topic that is missing
    /// here never comes.
    fn forget_topics(&self, topic_ids: BTreeSet<TopicId>) {
        if topic_ids.is_empty() {
            return;
        }
        let (replica, epoch) = (Arc::clone(&self.replica), self.epoch);
        self.core.spawn_until_stop(async move {
            let command = offsets::Command::ForgetTopics { topic_ids };
            if let Err(failure) = replica.command(epoch, &command).await {
                // The next coordinator does it.
                tracing::debug!(%failure, "offsets of deleted topics are kept for now");
            }
        });
    }

    fn deadline(&self) -> Option<u64> {
        self.groups
            .values()
            .filter_map(Membership::next_deadline_ms)
            .min()
    }

    fn tick(&mut self) {
        let now_ms = now_ms(&self.core);
        let is_due = |group: &Membership| group.next_deadline_ms().is_some_and(|at| at <= now_ms);
        let due: Vec<(GroupName, GroupKind)> = self
            .groups
            .iter()
            .filter(|(_, group)| is_due(group))
            .map(|(name, group)| (name.clone(), group.kind()))
            .collect();
        for (name, kind) in due {
            match kind {
                GroupKind::Native => self.native_event(&name, native::Event::Tick),
                GroupKind::Classic => self.classic_event(&name, classic::Event::Tick),
                GroupKind::Consumer => self.consumer_event(&name, consumer::Event::Tick),
            }
        }
    }

    fn happened(&mut self, name: &GroupName, happened: Happened) {
        match happened {
            Happened::Native(event) => self.native_event(name, event),
            Happened::Classic(event) => self.classic_event(name, event),
            Happened::Consumer(event) => self.consumer_event(name, event),
        }
    }

    fn metadata_changed(&mut self, state: &State) {
        let index = self.replica.index;
        let newest = state
            .offsets_partition(index)
            .map(|one| one.coordinator_epoch);
        if newest.is_some_and(|newest| newest > self.epoch) {
            self.is_over = true;
            return;
        }
        if state.layout_version() == self.layout_version {
            return;
        }
        self.layout_version = state.layout_version();
        let topics = topics_of(state);
        if topics != self.topics {
            let former = std::mem::replace(&mut self.topics, topics);
            let ids = former.values().map(|topic| topic.topic_id);
            self.forget_topics(ids.filter(|id| state.topic(id).is_none()).collect());
            let names: Vec<GroupName> = self.groups.keys().cloned().collect();
            for name in names {
                let changed = native::Event::TopicsChanged(self.topics.clone());
                self.native_event(&name, changed);
                let changed = consumer::Event::TopicsChanged(self.topics.clone());
                self.consumer_event(&name, changed);
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Native {
                group,
                event,
                reply,
            } => {
                // Whoever left does not get it.
                drop(reply.send(self.native_member(&group, event)));
            }
            Ask::Classic {
                group,
                question,
                reply,
            } => self.classic_member(&group, question, reply),
            Ask::Consumer { group, beat, reply } => self.consumer_member(&group, beat, reply),
            Ask::Committer {
                group,
                claim,
                reply,
            } => drop(reply.send(Ok(self.committer(&group, claim)))),
            Ask::Reader {
                group,
                member_id,
                member_epoch,
                reply,
            } => {
                let outcome = match self.is_consumer(&group) {
                    true => self.check_consumer_epoch(&group, &member_id, member_epoch),
                    false => Ok(()),
                };
                drop(reply.send(Ok(outcome)));
            }
            Ask::Standalone { group, reply } => self.standalone(&group, reply),
            Ask::Describe { group, reply } => drop(reply.send(self.describe(&group))),
            Ask::Readership {
                group,
                topics,
                reply,
            } => drop(reply.send(self.readership(&group, &topics))),
            Ask::List { reply } => drop(reply.send(Ok(self.list()))),
            Ask::Forget { group } => {
                self.groups.remove(&group);
            }
        }
    }

    /// Makes sure that the group is taken up as one of `kind`. An empty group of another kind
    /// gives way.
    fn find(&mut self, name: &GroupName, kind: GroupKind) -> Result<(), OtherKind> {
        match self.groups.get(name) {
            Some(held) if held.kind() == kind => return Ok(()),
            Some(held) if !held.is_vacant() => return Err(OtherKind),
            Some(_) | None => {}
        }
        let state = self.core.metadata.state();
        let record = state.group(name).filter(|one| !one.members.is_empty());
        match record.map(|record| record.kind) {
            Some(other) if other != kind => Err(OtherKind),
            Some(_) | None => {
                self.take_up(name, kind, &state);
                Ok(())
            }
        }
    }

    fn take_up(&mut self, name: &GroupName, kind: GroupKind, state: &State) {
        match kind {
            GroupKind::Native => self.take_up_native(name, state),
            GroupKind::Classic => self.take_up_classic(name, state),
            GroupKind::Consumer => self.take_up_consumer(name, state),
        }
    }

    /// Whether metadata, the offsets log or this tenure knows the group.
    fn is_known(&self, name: &GroupName) -> bool {
        self.groups.contains_key(name)
            || self.core.metadata.state().group(name).is_some()
            || self.replica.state.lock().fenced(name).is_some()
    }

    /// Takes the group up, if that is still to be done, as what it was last.
    fn find_as_it_is(&mut self, name: &GroupName) -> Result<(), Failure> {
        if self.groups.contains_key(name) {
            return Ok(());
        }
        let state = self.core.metadata.state();
        let kind = state
            .group(name)
            .map_or(GroupKind::Native, |record| record.kind);
        self.find(name, kind)
            .map_err(|OtherKind| ErrorCode::InvalidRequest.into())
    }

    fn standalone(&mut self, name: &GroupName, reply: Reply<()>) {
        if let Err(failure) = self.find_as_it_is(name) {
            return drop(reply.send(Err(failure)));
        }
        self.standalone.entry(name.clone()).or_default().push(reply);
        match self.groups.get(name).map(Membership::kind) {
            Some(GroupKind::Native) => self.native_event(name, native::Event::PrepareStandalone),
            Some(GroupKind::Classic) => {
                self.classic_event(name, classic::Event::PrepareStandalone);
            }
            Some(GroupKind::Consumer) => {
                self.consumer_event(name, consumer::Event::PrepareStandalone);
            }
            None => {}
        }
    }

    fn answer_standalone(&mut self, name: &GroupName) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let outcome = match group.standalone_commits() {
            StandaloneCommits::Pending => return,
            StandaloneCommits::Ready => Ok(()),
            StandaloneCommits::HasMembers => Err(Failure::from(ErrorCode::GroupNotEmpty)),
        };
        for reply in self.standalone.remove(name).into_iter().flatten() {
            drop(reply.send(outcome.clone()));
        }
    }
}

fn topics_of(state: &State) -> Topics {
    let shape = |topic: &floe_metadata::Topic| TopicShape {
        topic_id: topic.topic_id,
        partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
    };
    state
        .topics()
        .map(|topic| (topic.name.clone(), shape(topic)))
        .collect()
}
