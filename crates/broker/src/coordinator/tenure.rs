//! One coordinator's time in office: from becoming the leader of an offsets partition to losing
//! it.
//!
//! It begins with its epoch in metadata: from then on no earlier coordinator changes anything.
//! Only then are the groups read, and each is fenced before a member hears of it. All membership
//! is lost with the office; the next coordinator finds it in metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use floe_group::native::{
    Action, Answer, Event, NativeGroup, Phase, StandaloneCommits, TopicShape, Topics,
};
use floe_group::offsets;
use floe_metadata::{Command, Refusal, State, offsets_partition_of};
use floe_model::{ErrorCode, GroupKind, GroupName, LeaderEpoch, TopicId};
use floe_rpc::Failure;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;

use super::ask::{Ask, Described, DescribedMember, Listed, Reply};
use super::{OffsetsReplica, proposal};
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
            Some((group, event)) = tenure.proposals.next() => tenure.event(&group, event),
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

struct Tenure {
    core: Arc<Core>,
    replica: Arc<OffsetsReplica>,
    epoch: LeaderEpoch,
    groups: BTreeMap<GroupName, NativeGroup>,
    topics: Topics,
    layout_version: u64,
    /// What was asked of metadata and the offsets log, by group.
    proposals: FuturesUnordered<BoxFuture<'static, (GroupName, Event)>>,
    /// Outsiders who wait until their group is empty for certain.
    standalone: BTreeMap<GroupName, Vec<Reply<()>>>,
    is_over: bool,
}

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
            is_over: false,
        };
        let mine = |name: &GroupName| offsets_partition_of(name) == replica.index;
        for (name, record) in state.groups().filter(|(name, _)| mine(name)) {
            if record.kind == GroupKind::Native && !record.members.is_empty() {
                tenure.take_up(name, &state);
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
            .filter_map(NativeGroup::next_deadline_ms)
            .min()
    }

    fn tick(&mut self) {
        let now_ms = now_ms(&self.core);
        let due = |group: &NativeGroup| group.next_deadline_ms().is_some_and(|at| at <= now_ms);
        let due: Vec<GroupName> = self
            .groups
            .iter()
            .filter(|(_, g)| due(g))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.event(&name, Event::Tick);
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
                self.event(&name, Event::TopicsChanged(self.topics.clone()));
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Member {
                group,
                event,
                reply,
            } => {
                // Whoever left does not get it.
                drop(reply.send(self.member(&group, event)));
            }
            Ask::Standalone { group, reply } => {
                if self.find(&group) {
                    self.standalone
                        .entry(group.clone())
                        .or_default()
                        .push(reply);
                    self.event(&group, Event::PrepareStandalone);
                } else {
                    drop(reply.send(Err(ErrorCode::InvalidRequest.into())));
                }
            }
            Ask::Describe { group, reply } => drop(reply.send(self.describe(&group))),
            Ask::List { reply } => drop(reply.send(Ok(self.list()))),
            Ask::Forget { group } => {
                self.groups.remove(&group);
            }
        }
    }

    /// A member's event and its answer.
    fn member(&mut self, name: &GroupName, event: Event) -> Result<Answer, Failure> {
        if !self.find(name) {
            return Err(ErrorCode::InvalidRequest.into());
        }
        let Some(group) = self.groups.get_mut(name) else {
            return Err(ErrorCode::Internal.into());
        };
        let mut actions = group.on_event(now_ms(&self.core), event);
        if !matches!(actions.first(), Some(Action::Answer(_))) {
            return Err(ErrorCode::Internal.into());
        }
        let answer = actions.remove(0);
        self.act(name, actions);
        self.answer_standalone(name);
        match answer {
            Action::Answer(answer) => Ok(answer),
            _ => Err(ErrorCode::Internal.into()),
        }
    }

    fn event(&mut self, name: &GroupName, event: Event) {
        // Forgotten meanwhile.
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let actions = group.on_event(now_ms(&self.core), event);
        self.act(name, actions);
        self.answer_standalone(name);
    }

    /// Makes sure that the group is taken up; `false` when it is of another kind.
    fn find(&mut self, name: &GroupName) -> bool {
        if self.groups.contains_key(name) {
            return true;
        }
        let state = self.core.metadata.state();
        if state
            .group(name)
            .is_some_and(|record| record.kind != GroupKind::Native && !record.members.is_empty())
        {
            return false;
        }
        self.take_up(name, &state);
        true
    }

    fn take_up(&mut self, name: &GroupName, state: &State) {
        let topics = self.topics.clone();
        let (group, actions) = match state.group(name) {
            Some(_) => {
                let record = proposal::ownership(state, name);
                NativeGroup::restore(now_ms(&self.core), name.clone(), record, topics)
            }
            None => (
                NativeGroup::new(name.clone(), state.generation_of(name), topics),
                Vec::new(),
            ),
        };
        self.groups.insert(name.clone(), group);
        self.act(name, actions);
    }

    fn act(&mut self, name: &GroupName, actions: Vec<Action>) {
        for action in actions {
            let (core, replica) = (Arc::clone(&self.core), Arc::clone(&self.replica));
            let (name, epoch) = (name.clone(), self.epoch);
            match action {
                Action::CompleteRebalance(proposed) => self.proposals.push(Box::pin(async move {
                    let group = name.clone();
                    (
                        name,
                        proposal::complete_rebalance(&core, group, epoch, proposed).await,
                    )
                })),
                Action::Fence(fence) => self.proposals.push(Box::pin(async move {
                    (name, proposal::fence(&replica, epoch, fence).await)
                })),
                Action::ReadOwnership => self.proposals.push(Box::pin(async move {
                    let event = proposal::read_ownership(&core, &name).await;
                    (name, event)
                })),
                Action::Close => self.is_over = true,
                Action::Answer(_) => {
                    tracing::error!(group = %name, "an answer that nobody asked for");
                }
            }
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

    fn describe(&mut self, name: &GroupName) -> Result<Described, Failure> {
        let state = self.core.metadata.state();
        let known = self.groups.contains_key(name)
            || state.group(name).is_some()
            || self.replica.state.lock().fenced(name).is_some();
        if !known {
            return Err(ErrorCode::UnknownGroup.into());
        }
        if !self.find(name) {
            return Err(ErrorCode::InvalidRequest.into());
        }
        let group = self.groups.get(name).ok_or(ErrorCode::Internal)?;
        let mut assignor = None;
        let members = group
            .members()
            .map(|(member_id, subscription, instance_id)| {
                assignor.get_or_insert(subscription.assignor);
                let owned = group
                    .owners()
                    .iter()
                    .filter(|(_, owned)| owned.member_id == *member_id);
                DescribedMember {
                    member_id: member_id.clone(),
                    instance_id: instance_id.map(str::to_owned),
                    subscription: subscription.clone(),
                    partitions: owned.map(|(&id, _)| id).collect(),
                }
            });
        let members = members.collect();
        Ok(Described {
            phase: group.phase(),
            generation: group.generation(),
            assignor: assignor.unwrap_or_default(),
            members,
        })
    }

    fn list(&self) -> Vec<Listed> {
        let state = self.core.metadata.state();
        let mut listed: BTreeMap<GroupName, Listed> = BTreeMap::new();
        let empty = |group: &GroupName| Listed {
            group: group.clone(),
            phase: Phase::Empty,
            members: 0,
        };
        for group in self.replica.state.lock().groups() {
            listed.insert(group.clone(), empty(group));
        }
        let mine = state.groups().map(|(name, _)| name);
        for group in mine.filter(|name| offsets_partition_of(name) == self.replica.index) {
            listed.insert(group.clone(), empty(group));
        }
        for (name, group) in &self.groups {
            let members = group.members().count();
            if members > 0 || listed.contains_key(name) {
                let phase = group.phase();
                listed.insert(
                    name.clone(),
                    Listed {
                        group: name.clone(),
                        phase,
                        members,
                    },
                );
            }
        }
        listed.into_values().collect()
    }
}

impl Ask {
    /// Answers that this node cannot, for now.
    fn refuse(self, code: ErrorCode) {
        let failure = Failure::from(code);
        match self {
            Self::Member { reply, .. } => drop(reply.send(Err(failure))),
            Self::Standalone { reply, .. } => drop(reply.send(Err(failure))),
            Self::Describe { reply, .. } => drop(reply.send(Err(failure))),
            Self::List { reply } => drop(reply.send(Err(failure))),
            Self::Forget { .. } => {}
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
