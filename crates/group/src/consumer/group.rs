//! The membership of one consumer group: events in, actions out.
//!
//! Who may be a member is in `admission`, a member's steps to its target in `reconciliation`,
//! and how a decision comes true in `replication`.
//!
//! Invariant: while a step is on its way the members are as it described them. Heartbeats that
//! come meanwhile wait in `deferred`, in order; answers that depend on the step wait in `held`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use floe_model::{Generation, GroupName, MemberId, TopicIdPartition, TopicName};

use super::member::Member;
use super::replication::{Record, Step};
use super::{
    Action, Answer, Assignor, Event, Heartbeat, Refused, StandaloneCommits, Ticket, Topics,
};

/// Heartbeats that wait behind one step; more are answered `Loading`.
const DEFERRED_MAX: usize = 10_000;

/// What a node asks of the members of its consumer groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How often to heartbeat.
    pub heartbeat_interval_ms: u32,
    /// Silence after which a member is out.
    pub session_timeout_ms: u32,
}

impl Default for Limits {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            heartbeat_interval_ms: 5_000,
            session_timeout_ms: 45_000,
        }
    }
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No members.
    Empty,
    /// Some member is on its way to what it is to hold.
    Reconciling,
    /// Every member holds what it is to hold.
    Stable,
}

/// One consumer group on its coordinator.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    pub(super) group: GroupName,
    pub(super) limits: Limits,
    pub(super) topics: Topics,
    /// In metadata and in the fence.
    pub(super) generation: Generation,
    /// In which the targets of the members were computed.
    pub(super) epoch: i32,
    pub(super) members: BTreeMap<MemberId, Member>,
    pub(super) step: Step,
    pub(super) deferred: VecDeque<(Ticket, Box<Heartbeat>)>,
    /// Answers that are true once the step is done.
    pub(super) held: Vec<(Ticket, MemberId, Answer)>,
    /// The members changed in a way that asks for new targets.
    pub(super) is_stale: bool,
    /// The topics may ask for new targets.
    pub(super) is_unsure: bool,
    /// The members are not what metadata has.
    pub(super) is_changed: bool,
    /// The offsets log has a fence of `generation` from this coordinator.
    pub(super) is_fenced: bool,
    pub(super) wants_standalone: bool,
}

/// A group as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Where it stands.
    pub phase: Phase,
    /// The generation.
    pub generation: Generation,
    /// The epoch that its members are to reach.
    pub epoch: i32,
    /// How partitions are spread.
    pub assignor: Assignor,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// A member as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member.
    pub member_id: MemberId,
    /// Its name that outlives restarts.
    pub instance_id: Option<String>,
    /// Where it stands.
    pub rack: Option<String>,
    /// Its epoch.
    pub epoch: i32,
    /// What it calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// The topics it named.
    pub topics: BTreeSet<TopicName>,
    /// The pattern it named.
    pub pattern: Option<String>,
    /// What it was told to hold.
    pub assigned: BTreeSet<TopicIdPartition>,
    /// What it is to hold in the end.
    pub target: BTreeSet<TopicIdPartition>,
}

impl ConsumerGroup {
    /// A group of which metadata has no record. `generation` is where its counter stands: 0,
    /// or the last one of a deleted group.
    #[must_use]
    pub fn new(group: GroupName, generation: Generation, topics: Topics, limits: Limits) -> Self {
        Self {
            group,
            limits,
            topics,
            generation,
            epoch: generation.0,
            members: BTreeMap::new(),
            step: Step::Idle,
            deferred: VecDeque::new(),
            held: Vec::new(),
            is_stale: false,
            is_unsure: false,
            is_changed: false,
            is_fenced: false,
            wants_standalone: false,
        }
    }

    /// A group as the former coordinator left it in metadata. Fences first; from then on every
    /// member has one full session timeout.
    #[must_use]
    pub fn restore(
        now_ms: u64,
        group: GroupName,
        record: &Record,
        topics: Topics,
        limits: Limits,
    ) -> (Self, Vec<Action>) {
        let mut restored = Self::new(group, record.generation, topics, limits);
        let members = record.members.iter().filter_map(|(member_id, recorded)| {
            Some((member_id.clone(), Member::restored(recorded, now_ms)?))
        });
        for (member_id, (member, target_epoch)) in members {
            restored.epoch = target_epoch;
            restored.members.insert(member_id, member);
        }
        // Whoever could not be read has to join again, and others are to have what it had.
        restored.is_stale = restored.members.len() < record.members.len();
        restored.is_unsure = true;
        let actions = vec![restored.load(record)];
        (restored, actions)
    }

    /// Takes one event in.
    pub fn on_event(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Heartbeat(ticket, beat) => self.arrive(ticket, beat, &mut actions),
            Event::TopicsChanged(topics) => (self.topics, self.is_unsure) = (topics, true),
            Event::PrepareStandalone => self.wants_standalone = true,
            Event::Tick => self.retry(now_ms, &mut actions),
            Event::ProposalCommitted(generation) => {
                self.proposal_committed(generation, &mut actions);
            }
            Event::ProposalFailed(failure) => self.proposal_failed(now_ms, failure, &mut actions),
            Event::RecordRead(record) => self.record_read(&record, &mut actions),
            Event::FenceApplied(generation) => {
                self.fence_applied(now_ms, generation, &mut actions);
            }
            Event::FenceFailed(failure) => self.fence_failed(now_ms, failure, &mut actions),
        }
        self.advance(now_ms, &mut actions);
        actions
    }

    /// When to send `Tick` at the latest, if nothing else happens.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        if !self.step.is_idle() {
            return self.step.retry_at_ms();
        }
        let session_ms = self.limits.session_timeout_ms;
        let members = self.members.values();
        members.map(|member| member.deadline_ms(session_ms)).min()
    }

    /// Where the group stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let mut members = self.members.values();
        match () {
            () if self.members.is_empty() => Phase::Empty,
            () if members.all(|member| member.is_settled(self.epoch)) => Phase::Stable,
            () => Phase::Reconciling,
        }
    }

    /// Whether nothing would be lost by dropping this: no members, and none on their way.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.deferred.is_empty() && self.step.is_idle()
    }

    /// The generation that metadata and the fence have.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The number of members.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Whether a member reads the topic.
    #[must_use]
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.members.values().any(|member| {
            let mut names = member.topics.iter();
            let pattern = member.pattern.as_ref();
            names.any(|name| name.as_str() == topic)
                || pattern.is_some_and(|pattern| pattern.matches(topic))
        })
    }

    /// The group in full.
    #[must_use]
    pub fn describe(&self) -> Described {
        let describe = |(member_id, member): (&MemberId, &Member)| DescribedMember {
            member_id: member_id.clone(),
            instance_id: member.instance_id.clone(),
            rack: member.rack.clone(),
            epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            topics: member.topics.clone(),
            pattern: member.pattern.as_ref().map(|one| one.as_str().to_owned()),
            assigned: member.assigned.clone(),
            target: member.target.clone(),
        };
        Described {
            phase: self.phase(),
            generation: self.generation,
            epoch: self.epoch,
            assignor: self.assignor(),
            members: self.members.iter().map(describe).collect(),
        }
    }

    /// Whether commits from outside are possible now.
    #[must_use]
    pub fn standalone_commits(&self) -> StandaloneCommits {
        match (self.members.is_empty(), &self.step) {
            (true, Step::Idle) if self.is_fenced => StandaloneCommits::Ready,
            (true, _) | (false, Step::Loading { .. }) => StandaloneCommits::Pending,
            (false, _) => StandaloneCommits::HasMembers,
        }
    }

    /// Whether a member may commit and read offsets in `epoch`. While its next epoch is on its
    /// way so may it in the one before: the fence in the offsets log judges a commit again.
    ///
    /// # Errors
    /// It is no member, or not in that epoch.
    pub fn check_epoch(&self, member_id: &MemberId, epoch: i32) -> Result<(), Refused> {
        match self.step {
            Step::Closed => return Err(Refused::NotCoordinator),
            Step::Loading { .. } => return Err(Refused::Loading),
            Step::Idle | Step::Proposed { .. } | Step::Fencing { .. } => {}
        }
        let member = self.members.get(member_id).ok_or(Refused::UnknownMember)?;
        match epoch >= 0 && (epoch == member.epoch || epoch == member.fenced_epoch) {
            true => Ok(()),
            false => Err(Refused::StaleMemberEpoch),
        }
    }

    fn arrive(&mut self, ticket: Ticket, beat: Box<Heartbeat>, actions: &mut Vec<Action>) {
        let refused = match &self.step {
            Step::Closed => Some(Refused::NotCoordinator),
            _ if self.deferred.len() >= DEFERRED_MAX => Some(Refused::Loading),
            _ => None,
        };
        if let Some(refused) = refused {
            return actions.push(Action::Answer(ticket, Err(refused)));
        }
        self.deferred.push_back((ticket, beat));
    }

    /// Takes in all that waits, if no step is on its way, and decides once for all of it.
    fn advance(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if !self.step.is_idle() {
            return;
        }
        for (_, beat) in &self.deferred {
            self.members
                .entry(beat.member_id.clone())
                .and_modify(|one| one.live(now_ms));
        }
        self.expire(now_ms);
        let mut admitted = Vec::new();
        for (ticket, beat) in std::mem::take(&mut self.deferred) {
            match self.admit(now_ms, &beat) {
                Ok(stay) => admitted.push((ticket, beat, stay)),
                // Nothing of it has to come true first.
                Err(refused) => actions.push(Action::Answer(ticket, Err(refused))),
            }
        }
        self.retarget();
        for (ticket, beat, stay) in admitted {
            let answer = self.answer(now_ms, &beat, stay);
            self.held.push((ticket, beat.member_id, answer));
        }
        let must_fence_empty = self.wants_standalone && self.members.is_empty() && !self.is_fenced;
        if self.is_changed || must_fence_empty {
            self.propose(actions);
        } else {
            self.answer_held(now_ms, actions);
        }
    }

    /// Whoever waited for an answer could not heartbeat meanwhile.
    pub(super) fn answer_held(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        for (ticket, member_id, answer) in std::mem::take(&mut self.held) {
            self.members
                .entry(member_id)
                .and_modify(|one| one.live(now_ms));
            actions.push(Action::Answer(ticket, answer));
        }
    }

    /// Members that were silent for a session, or held on for too long to what they owe.
    fn expire(&mut self, now_ms: u64) {
        let session_ms = self.limits.session_timeout_ms;
        let count = self.members.len();
        self.members
            .retain(|_, member| member.deadline_ms(session_ms) > now_ms);
        self.is_stale |= self.members.len() < count;
    }
}

#[cfg(test)]
mod tests;
