//! The membership of one native group: events in, actions out.
//!
//! `settled` is what metadata and the fence agree on; members hear of nothing else. `target` is
//! what the assignor wants. The way from one to the other is in `rebalance`. At most one
//! proposal is on its way, so that an unknown outcome can be found out by reading.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::limits::GROUP_MEMBERS_MAX;
use floe_model::{ErrorCode, Generation, GroupName, MemberId, TopicIdPartition};

use super::member::Member;
use super::rebalance::Step;
use super::{Action, Answer, Event, Join, Owned, Ownership, Subscription, Topics};

/// How long a join waits for others, so that members who start together share one rebalance.
const GATHER_MS: u64 = 200;

/// One native group on its coordinator.
#[derive(Clone, Debug)]
pub struct NativeGroup {
    pub(super) group: GroupName,
    pub(super) topics: Topics,
    pub(super) members: BTreeMap<MemberId, Member>,
    pub(super) settled: Ownership,
    /// For each settled partition, the generation that gave out its token.
    pub(super) since: BTreeMap<TopicIdPartition, Generation>,
    pub(super) target: BTreeMap<TopicIdPartition, MemberId>,
    /// Static members that were replaced, and by whom, while partitions are still theirs.
    pub(super) heirs: BTreeMap<MemberId, MemberId>,
    pub(super) step: Step,
    /// Nothing is proposed before, unless the group empties.
    pub(super) gather_until_ms: Option<u64>,
    /// Nothing is proposed before, unless everything owed was given up or somebody is gone.
    pub(super) prepare_until_ms: Option<u64>,
    pub(super) is_owed: bool,
    /// Something happened since a proposal was last found unnecessary.
    pub(super) is_changed: bool,
    /// The offsets log has a fence of `settled` from this coordinator.
    pub(super) is_fenced: bool,
    pub(super) wants_standalone: bool,
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No members.
    Empty,
    /// Between two assignments.
    Rebalancing,
    /// Every member has its partitions.
    Stable,
}

/// Whether commits from outside are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandaloneCommits {
    /// The offsets log has an empty fence: propose them.
    Ready,
    /// Not yet: send `PrepareStandalone` once, and look again after later events.
    Pending,
    /// The group has members: refuse them.
    HasMembers,
}

/// Whom to answer, once the event had its effect.
enum Asked {
    Joined(MemberId),
    Heartbeat(MemberId),
    Left,
    Refused(ErrorCode),
}

impl NativeGroup {
    /// A group of which metadata has no record. `generation` is where its counter stands: 0,
    /// or the last one of a deleted group.
    #[must_use]
    pub fn new(group: GroupName, generation: Generation, topics: Topics) -> Self {
        Self {
            group,
            topics,
            members: BTreeMap::new(),
            settled: Ownership {
                generation,
                ..Ownership::default()
            },
            since: BTreeMap::new(),
            target: BTreeMap::new(),
            heirs: BTreeMap::new(),
            step: Step::Idle,
            gather_until_ms: None,
            prepare_until_ms: None,
            is_owed: false,
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
        record: Ownership,
        topics: Topics,
    ) -> (Self, Vec<Action>) {
        let mut restored = Self::new(group, record.generation, topics);
        for (member_id, member) in &record.members {
            if let Some(member) = Member::restored(member, now_ms) {
                restored.members.insert(member_id.clone(), member);
            }
        }
        let generation = record.generation;
        restored.since = record.owners.keys().map(|&id| (id, generation)).collect();
        restored.settled = record.clone();
        restored.retarget();
        let actions = vec![restored.load(record)];
        (restored, actions)
    }

    /// Takes one event in.
    pub fn on_event(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let asked = match event {
            Event::Join(join) => Some(self.join(now_ms, join)),
            Event::Heartbeat {
                member_id,
                generation,
                held,
            } => Some(self.heartbeat(now_ms, member_id, generation, &held)),
            Event::Leave { member_id } => Some(self.leave(&member_id)),
            Event::TopicsChanged(topics) => {
                self.topics = topics;
                self.retarget();
                None
            }
            Event::PrepareStandalone => {
                self.wants_standalone = true;
                self.is_changed = true;
                None
            }
            Event::Tick => {
                self.expire(now_ms);
                None
            }
            Event::RebalanceCommitted { generation, tokens } => {
                self.rebalance_committed(generation, &tokens, &mut actions);
                None
            }
            Event::RebalanceFailed(failure) => {
                self.rebalance_failed(now_ms, failure, &mut actions);
                None
            }
            Event::OwnershipRead(record) => {
                self.ownership_read(record, &mut actions);
                None
            }
            Event::FenceApplied { generation } => {
                self.fence_applied(now_ms, generation);
                None
            }
            Event::FenceFailed(failure) => {
                self.fence_failed(now_ms, failure, &mut actions);
                None
            }
        };
        self.advance(now_ms, &mut actions);
        if let Some(asked) = asked {
            let answer = self.answer(asked);
            actions.insert(0, Action::Answer(answer));
        }
        actions
    }

    /// When to send `Tick` at the latest, if nothing else happens.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let sessions = self.members.values().map(Member::deadline_ms);
        let sessions = sessions.min().filter(|_| !self.step.is_loading());
        let waits = [
            self.gather_until_ms,
            self.prepare_until_ms,
            self.step.retry_at_ms(),
        ];
        match self.step.is_closed() {
            true => None,
            false => waits.into_iter().chain([sessions]).flatten().min(),
        }
    }

    /// Where the group stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.is_settled() {
            true if self.members.is_empty() => Phase::Empty,
            true => Phase::Stable,
            false => Phase::Rebalancing,
        }
    }

    /// Whether nothing would be lost by dropping this: no members, and none recorded.
    #[must_use]
    pub fn is_vacant(&self) -> bool {
        let has_members = !self.members.is_empty() || !self.settled.members.is_empty();
        self.step.is_idle() && !has_members
    }

    /// The generation that members hear of.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.settled.generation
    }

    /// Who owns what, as metadata and the fence have it.
    #[must_use]
    pub fn owners(&self) -> &BTreeMap<TopicIdPartition, Owned> {
        &self.settled.owners
    }

    /// The members with what they read and their static names.
    pub fn members(&self) -> impl Iterator<Item = (&MemberId, &Subscription, Option<&str>)> {
        let describe = |(id, member)| {
            let Member {
                subscription,
                record,
                ..
            }: &Member = member;
            (id, subscription, record.instance_id.as_deref())
        };
        self.members.iter().map(describe)
    }

    /// Whether commits from outside are possible now.
    #[must_use]
    pub fn standalone_commits(&self) -> StandaloneCommits {
        let is_idle = self.step.is_idle();
        match (self.members.is_empty(), self.settled.members.is_empty()) {
            (false, _) => StandaloneCommits::HasMembers,
            (true, true) if is_idle && self.is_fenced => StandaloneCommits::Ready,
            (true, _) => StandaloneCommits::Pending,
        }
    }

    fn join(&mut self, now_ms: u64, join: Join) -> Asked {
        if self.step.is_closed() {
            return Asked::Refused(ErrorCode::NotCoordinator);
        }
        let member_id = join.member_id.clone();
        let known = self.members.get(&member_id);
        let others = self.members.iter().filter(|(id, _)| **id != member_id);
        let agrees = |other: &Member| other.subscription.assignor == join.subscription.assignor;
        let sane = join.session_timeout_ms > 0 && join.subscription.fits();
        let fits = known.is_some() || self.members.len() < GROUP_MEMBERS_MAX;
        if !sane || !fits || !others.clone().all(|(_, other)| agrees(other)) {
            return Asked::Refused(ErrorCode::InvalidRequest);
        }
        let namesake = |other: &Member| {
            join.instance_id.is_some() && other.record.instance_id == join.instance_id
        };
        let replaced = others
            .clone()
            .find(|(_, other)| namesake(other))
            .map(|(id, _)| id.clone());
        let mut member = Member::joined(join, now_ms);
        let mut is_retry = false;
        if let Some(known) = self.members.remove(&member_id) {
            is_retry = known.record == member.record;
            (member.released, member.revoked_at_ms) = (known.released, known.revoked_at_ms);
        }
        self.members.insert(member_id.clone(), member);
        if let Some(replaced) = replaced {
            self.replace(&replaced, &member_id);
        }
        if !is_retry {
            self.gather_until_ms
                .get_or_insert(now_ms.saturating_add(GATHER_MS));
            self.retarget();
        }
        Asked::Joined(member_id)
    }

    /// A static member came back under another member id: the former one is out at once.
    fn replace(&mut self, former: &MemberId, heir: &MemberId) {
        self.members.remove(former);
        for other in self.heirs.values_mut().filter(|other| *other == former) {
            *other = heir.clone();
        }
        self.heirs.insert(former.clone(), heir.clone());
    }

    fn heartbeat(
        &mut self,
        now_ms: u64,
        member_id: MemberId,
        generation: Generation,
        held: &BTreeSet<TopicIdPartition>,
    ) -> Asked {
        if self.step.is_closed() || generation > self.settled.generation {
            return Asked::Refused(ErrorCode::NotCoordinator);
        }
        let Some(member) = self.members.get_mut(&member_id) else {
            let code = ErrorCode::UnknownMember;
            return Asked::Refused(if self.step.is_loading() {
                ErrorCode::CoordinatorLoading
            } else {
                code
            });
        };
        member.last_seen_ms = now_ms;
        if self.step.is_loading() {
            return Asked::Refused(ErrorCode::CoordinatorLoading);
        }
        // A member that has not heard of the generation in which it got a partition says
        // nothing about it by not listing it: the reply may be on its way.
        let given_up = self.settled.owners.iter().filter(|(id, owned)| {
            owned.member_id == member_id
                && self.target.get(id) != Some(&member_id)
                && self.since.get(id).is_some_and(|&since| generation >= since)
                && !held.contains(id)
        });
        let before = member.released.len();
        member.released.extend(given_up.map(|(&id, _)| id));
        if member.released.len() > before {
            self.prepare_more(now_ms);
            self.is_changed = true;
        }
        Asked::Heartbeat(member_id)
    }

    fn leave(&mut self, member_id: &MemberId) -> Asked {
        if self.step.is_closed() {
            return Asked::Refused(ErrorCode::NotCoordinator);
        }
        match self.members.remove(member_id) {
            Some(_) => {
                self.retarget();
                Asked::Left
            }
            None if self.step.is_loading() => Asked::Refused(ErrorCode::CoordinatorLoading),
            None => Asked::Refused(ErrorCode::UnknownMember),
        }
    }

    fn answer(&mut self, asked: Asked) -> Answer {
        match asked {
            Asked::Left => Answer::Left,
            Asked::Refused(code) => Answer::Refused(code),
            Asked::Joined(member_id) => match self.members.get(&member_id) {
                Some(member) => Answer::Joined {
                    generation: self.settled.generation,
                    heartbeat_interval_ms: member.heartbeat_interval_ms(),
                },
                None => Answer::Refused(ErrorCode::UnknownMember),
            },
            Asked::Heartbeat(member_id) => self.assigned(&member_id),
        }
    }

    /// What a member is to hold. Naming a partition takes back that it was given up.
    fn assigned(&mut self, member_id: &MemberId) -> Answer {
        let is_theirs = |id: &TopicIdPartition, owned: &Owned| {
            if floe_model::mutant!("two-owners") {
                return self.target.get(id) == Some(member_id);
            }
            owned.member_id == *member_id
                && self.target.get(id) == Some(member_id)
                && self.step.keeps(id, member_id)
        };
        let owners = self.settled.owners.iter();
        let partitions: BTreeMap<_, _> = owners
            .filter(|(id, owned)| is_theirs(id, owned))
            .map(|(&id, owned)| (id, owned.token))
            .collect();
        let rebalancing = !self.is_settled();
        let Some(member) = self.members.get_mut(member_id) else {
            return Answer::Refused(ErrorCode::UnknownMember);
        };
        member.released.retain(|id| !partitions.contains_key(id));
        Answer::Assigned {
            generation: self.settled.generation,
            partitions,
            rebalancing,
        }
    }
}

#[cfg(test)]
mod tests;
