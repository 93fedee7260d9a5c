//! The membership of one classic group: events in, actions out.
//!
//! Joins are in `join`, what members do within a generation in `sync`, the phases in
//! `rebalance`, and how a decision comes true in `replication`.
//!
//! Invariant: while a step is on its way the members are as it described them. What would
//! change them waits in `deferred`, in order.

use std::collections::{BTreeMap, VecDeque};

use floe_model::{Generation, GroupName, MemberId};

use super::member::Member;
use super::replication::{Record, Step};
use super::{Action, Answer, Claim, Event, Refused, Ticket};

/// Questions that wait behind one step; more are answered `Loading`.
const DEFERRED_MAX: usize = 10_000;

/// What a node allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long an empty group waits for more members after the first joined.
    pub initial_rebalance_delay_ms: u32,
    /// The shortest session timeout.
    pub session_timeout_ms_min: u32,
    /// The longest session timeout.
    pub session_timeout_ms_max: u32,
}

impl Default for Limits {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            initial_rebalance_delay_ms: 3_000,
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
        }
    }
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No members.
    Empty,
    /// Members join the next generation.
    Preparing,
    /// The leader computes the assignment.
    Completing,
    /// Everybody has an assignment.
    Stable,
}

/// Until when an empty group gathers members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gathering {
    /// The window ends.
    pub(super) until_ms: u64,
    /// No window ends later.
    pub(super) end_ms: u64,
    /// Somebody joined in the window.
    pub(super) is_grown: bool,
}

/// One classic group on its coordinator.
#[derive(Clone, Debug)]
pub struct ClassicGroup {
    pub(super) group: GroupName,
    pub(super) limits: Limits,
    /// In metadata and in the fence.
    pub(super) generation: Generation,
    /// Empty without members.
    pub(super) protocol_type: String,
    /// Of this generation.
    pub(super) protocol: String,
    /// Of this generation, as long as it is a member.
    pub(super) leader: Option<MemberId>,
    pub(super) members: BTreeMap<MemberId, Member>,
    /// Ids given to new members that are to come back with them, and until when.
    pub(super) promised: BTreeMap<MemberId, u64>,
    pub(super) phase: Phase,
    /// Preparing: when those who did not join are out. Completing: those who did not sync.
    pub(super) deadline_ms: u64,
    pub(super) gathering: Option<Gathering>,
    pub(super) step: Step,
    pub(super) deferred: VecDeque<Event>,
    /// The offsets log has a fence of `generation` from this coordinator.
    pub(super) is_fenced: bool,
    pub(super) wants_standalone: bool,
}

/// Whether commits from outside are possible.
pub use crate::native::StandaloneCommits;

/// A group as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Where it stands.
    pub phase: Phase,
    /// The generation.
    pub generation: Generation,
    /// What it is for.
    pub protocol_type: String,
    /// The chosen protocol; none while members join.
    pub protocol: Option<String>,
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
    /// What it calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// What it said under the chosen protocol, or the one it prefers.
    pub metadata: Vec<u8>,
    /// What it was assigned; empty between generations.
    pub assignment: Vec<u8>,
}

impl ClassicGroup {
    /// A group of which metadata has no record. `generation` is where its counter stands: 0,
    /// or the last one of a deleted group.
    #[must_use]
    pub fn new(group: GroupName, generation: Generation, limits: Limits) -> Self {
        Self {
            group,
            limits,
            generation,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: None,
            members: BTreeMap::new(),
            promised: BTreeMap::new(),
            phase: Phase::Empty,
            deadline_ms: 0,
            gathering: None,
            step: Step::Idle,
            deferred: VecDeque::new(),
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
        record: Record,
        limits: Limits,
    ) -> (Self, Vec<Action>) {
        let mut restored = Self::new(group, record.generation, limits);
        for (member_id, recorded) in &record.members {
            let Some((mut member, protocol_type, is_leader)) = Member::restored(recorded, now_ms)
            else {
                continue;
            };
            if let Some(assignment) = record.assignments.get(member_id) {
                member.assignment.clone_from(assignment);
            }
            restored.protocol_type = protocol_type;
            if is_leader {
                restored.leader = Some(member_id.clone());
            }
            restored.members.insert(member_id.clone(), member);
        }
        restored.phase = match () {
            () if restored.members.is_empty() => Phase::Empty,
            // The leader names every member, so that a stored assignment is recognised.
            () if record.assignments.len() == record.members.len() => Phase::Stable,
            () => Phase::Completing,
        };
        restored.protocol = record.protocol.clone();
        let actions = vec![restored.load(record)];
        (restored, actions)
    }

    /// Takes one event in.
    pub fn on_event(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.take(now_ms, event, &mut actions);
        loop {
            self.advance(now_ms, &mut actions);
            if !self.step.is_idle() {
                break;
            }
            let Some(event) = self.deferred.pop_front() else {
                break;
            };
            self.take(now_ms, event, &mut actions);
        }
        actions
    }

    fn take(&mut self, now_ms: u64, event: Event, actions: &mut Vec<Action>) {
        if let (Step::Closed, Some(ticket)) = (&self.step, ticket_of(&event)) {
            return refuse(actions, ticket, Refused::NotCoordinator);
        }
        let waits = match &self.step {
            Step::Idle | Step::Closed => false,
            Step::Loading { .. } => ticket_of(&event).is_some(),
            Step::Proposed { .. } | Step::Fencing { .. } => {
                matches!(event, Event::Join(..) | Event::Sync(..) | Event::Leave(..))
            }
        };
        match (waits, ticket_of(&event)) {
            (true, Some(ticket)) if self.deferred.len() >= DEFERRED_MAX => {
                return refuse(actions, ticket, Refused::Loading);
            }
            (true, _) => return self.deferred.push_back(event),
            (false, _) => {}
        }
        match event {
            Event::Join(ticket, join) => self.join(now_ms, ticket, join, actions),
            Event::Sync(ticket, sync) => self.sync(now_ms, ticket, sync, actions),
            Event::Heartbeat(ticket, claim) => {
                let answer = self.heartbeat(now_ms, &claim);
                actions.push(Action::Answer(ticket, answer));
            }
            Event::Leave(ticket, leaving) => self.leave(now_ms, ticket, &leaving, actions),
            Event::Commit(ticket, claim) => {
                let answer = self.commit(now_ms, &claim);
                actions.push(Action::Answer(ticket, answer));
            }
            Event::PrepareStandalone => self.wants_standalone = true,
            Event::Tick => self.tick(now_ms, actions),
            Event::ProposalCommitted(generation) => {
                self.proposal_committed(now_ms, generation, actions);
            }
            Event::ProposalFailed(failure) => self.proposal_failed(now_ms, failure, actions),
            Event::RecordRead(record) => self.record_read(now_ms, &record, actions),
            Event::FenceApplied(generation) => self.fence_applied(now_ms, generation, actions),
            Event::FenceFailed(failure) => self.fence_failed(now_ms, failure, actions),
        }
    }

    /// When to send `Tick` at the latest, if nothing else happens.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        if !self.step.is_idle() {
            return self.step.retry_at_ms();
        }
        let sessions = self.members.values().filter_map(Member::deadline_ms).min();
        let promised = self.promised.values().copied().min();
        let phase = match (self.phase, self.gathering) {
            (Phase::Preparing, Some(gathering)) => Some(gathering.until_ms),
            (Phase::Preparing | Phase::Completing, _) => Some(self.deadline_ms),
            (Phase::Empty | Phase::Stable, _) => None,
        };
        [sessions, promised, phase].into_iter().flatten().min()
    }

    /// Where the group stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether nothing would be lost by dropping this: no members, none promised, none waiting.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        self.phase == Phase::Empty
            && self.promised.is_empty()
            && self.deferred.is_empty()
            && self.step.is_idle()
    }

    /// The generation that members hear of.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The number of members.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// What the group is for; empty if unknown.
    #[must_use]
    pub fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    /// Whether its members read topics, in the words of consumers.
    #[must_use]
    pub fn is_of_consumers(&self) -> bool {
        self.protocol_type == CONSUMER
    }

    /// Whether a member reads the topic. One that cannot be understood may read any.
    #[must_use]
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.members.values().any(|member| {
            let metadata = member.protocols.first().map(|one| one.metadata.as_slice());
            let topics = metadata.and_then(super::subscribed_topics);
            topics.is_none_or(|topics| topics.contains(topic))
        })
    }

    /// The group in full.
    #[must_use]
    pub fn describe(&self) -> Described {
        let is_chosen = matches!(self.phase, Phase::Completing | Phase::Stable);
        let describe = |(member_id, member): (&MemberId, &Member)| {
            let preferred = member.protocols.first();
            let metadata = match is_chosen {
                true => member.metadata(&self.protocol),
                false => preferred
                    .map(|one| one.metadata.clone())
                    .unwrap_or_default(),
            };
            DescribedMember {
                member_id: member_id.clone(),
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                metadata,
                assignment: match self.phase {
                    Phase::Stable => member.assignment.clone(),
                    Phase::Empty | Phase::Preparing | Phase::Completing => Vec::new(),
                },
            }
        };
        Described {
            // The generation without members may be on its way.
            phase: match self.members.is_empty() {
                true => Phase::Empty,
                false => self.phase,
            },
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: is_chosen.then(|| self.protocol.clone()),
            members: self.members.iter().map(describe).collect(),
        }
    }

    /// Whether commits from outside are possible now.
    #[must_use]
    pub fn standalone_commits(&self) -> StandaloneCommits {
        match (&self.step, self.phase) {
            (Step::Idle, Phase::Empty) if self.is_fenced => StandaloneCommits::Ready,
            (_, Phase::Empty) | (Step::Loading { .. }, _) => StandaloneCommits::Pending,
            (_, _) if self.members.is_empty() => StandaloneCommits::Pending,
            (_, _) => StandaloneCommits::HasMembers,
        }
    }

    /// The member that `claim` names.
    pub(super) fn known(&self, claim: &Claim) -> Result<MemberId, Refused> {
        self.check_instance(Some(&claim.member_id), claim.instance_id.as_deref())?;
        match self.members.contains_key(&claim.member_id) {
            true => Ok(claim.member_id.clone()),
            false => Err(Refused::UnknownMember),
        }
    }

    /// Refuses an instance id that is not a member's, or another member's.
    pub(super) fn check_instance(
        &self,
        member_id: Option<&MemberId>,
        instance_id: Option<&str>,
    ) -> Result<(), Refused> {
        let Some(instance_id) = instance_id else {
            return Ok(());
        };
        let current = self.instance(instance_id).ok_or(Refused::UnknownMember)?;
        match member_id.is_none_or(|member_id| member_id == current) {
            true => Ok(()),
            false => Err(Refused::FencedInstance),
        }
    }

    /// The member that has an instance id.
    pub(super) fn instance(&self, instance_id: &str) -> Option<&MemberId> {
        let has = |member: &Member| member.instance_id.as_deref() == Some(instance_id);
        let found = self.members.iter().find(|(_, member)| has(member));
        found.map(|(member_id, _)| member_id)
    }
}

/// The protocol type of groups that read topics.
pub(super) const CONSUMER: &str = "consumer";

pub(super) fn refuse(actions: &mut Vec<Action>, ticket: Ticket, why: Refused) {
    actions.push(Action::Answer(ticket, Answer::Refused(why)));
}

pub(super) fn ticket_of(event: &Event) -> Option<Ticket> {
    match event {
        Event::Join(ticket, _)
        | Event::Sync(ticket, _)
        | Event::Heartbeat(ticket, _)
        | Event::Leave(ticket, _)
        | Event::Commit(ticket, _) => Some(*ticket),
        Event::PrepareStandalone
        | Event::Tick
        | Event::ProposalCommitted(_)
        | Event::ProposalFailed(_)
        | Event::RecordRead(_)
        | Event::FenceApplied(_)
        | Event::FenceFailed(_) => None,
    }
}

#[cfg(test)]
mod tests;
