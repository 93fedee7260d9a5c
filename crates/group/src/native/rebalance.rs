//! The way of a native group from what it has to what it should have.
//!
//! A partition goes to its target when nobody holds it: no owner, the owner is no member any
//! more, or it said so. Otherwise its owner keeps it, token included, and owes it.
//!
//! Invariant: `settled` changes only when the offsets log applied the fence of a generation
//! that metadata has.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::{FencingToken, Generation, MemberId, TopicIdPartition, TopicName};

use super::group::NativeGroup;
use super::{Action, Failure, Owned, Ownership, ProposedRebalance, assign};
use crate::step::{self, Retry};

/// How long a rebalance waits for members to give partitions up before it goes on with those
/// that did. The others keep what they owe until they act, or their rebalance timeout ends.
const PREPARE_MS: u64 = 500;

/// How far the present rebalance is.
pub(super) type Step = step::Step<ProposedRebalance, Ownership>;

impl Step {
    /// Whether the member still owns the partition after the rebalance on its way.
    pub(super) fn keeps(&self, id: &TopicIdPartition, member_id: &MemberId) -> bool {
        match self {
            Self::Idle => true,
            Self::Proposed { proposal, .. } => proposal.owners.get(id) == Some(member_id),
            Self::Loading { fence, .. } | Self::Fencing { fence, .. } => {
                fence.owner(id) == Some(member_id)
            }
            Self::Closed => false,
        }
    }
}

impl NativeGroup {
    /// Computes the target again, from the ownership that is or is about to be.
    pub(super) fn retarget(&mut self) {
        let mut present: BTreeMap<TopicIdPartition, MemberId> = match &self.step {
            Step::Proposed { proposal, .. } => proposal.owners.clone(),
            Step::Loading { fence, .. } | Step::Fencing { fence, .. } => owners_of(fence),
            Step::Idle | Step::Closed => owners_of(&self.settled),
        };
        for owner in present.values_mut() {
            if let Some(heir) = self.heirs.get(owner) {
                *owner = heir.clone();
            }
        }
        let subscriptions: BTreeMap<&MemberId, &BTreeSet<TopicName>> = self
            .members
            .iter()
            .map(|(id, member)| (id, &member.subscription.topics))
            .collect();
        let assignor = self
            .members
            .values()
            .next()
            .map(|member| member.subscription.assignor);
        let assignor = assignor.unwrap_or_default();
        self.target = assign(assignor, &subscriptions, &self.topics, &present);
        if floe_model::mutant!("partition-unassigned") && self.members.len() > 1 {
            self.target.pop_last();
        }
        self.is_changed = true;
    }

    /// Whether nothing is left to do.
    pub(super) fn is_settled(&self) -> bool {
        self.step.is_idle() && !self.is_changed && !self.is_owed
    }

    /// After a partition was given up: a little more time for the others.
    pub(super) fn prepare_more(&mut self, now_ms: u64) {
        self.prepare_until_ms
            .get_or_insert(now_ms.saturating_add(PREPARE_MS));
    }

    /// Does all that is due.
    pub(super) fn advance(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        self.retry(now_ms, actions);
        let is_over = |until: &mut Option<u64>| until.take_if(|until| *until <= now_ms);
        is_over(&mut self.gather_until_ms);
        is_over(&mut self.prepare_until_ms);
        if self.is_changed {
            self.claim_owed(now_ms);
        }
        if self.is_changed && self.step.is_idle() {
            self.propose(actions);
        }
    }

    pub(super) fn expire(&mut self, now_ms: u64) {
        let count = self.members.len();
        if !self.step.is_loading() {
            self.members
                .retain(|_, member| member.deadline_ms() > now_ms);
        }
        if self.members.len() < count {
            self.retarget();
        }
    }

    fn retry(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        match self.step.take_retry(now_ms) {
            Some(Retry::Read) => actions.push(Action::ReadOwnership),
            Some(Retry::Fence(ownership)) => {
                actions.push(Action::Fence(ownership.fence(self.group.clone())));
            }
            None => {}
        }
    }

    /// Starts and stops the clock of each member that owes a partition.
    fn claim_owed(&mut self, now_ms: u64) {
        let debtors: BTreeSet<MemberId> = self.owed().map(|(_, member)| member.clone()).collect();
        for (id, member) in &mut self.members {
            member.revoked_at_ms = match debtors.contains(id) {
                true => Some(member.revoked_at_ms.unwrap_or(now_ms)),
                false => None,
            };
        }
        if !self.is_owed && !debtors.is_empty() {
            self.prepare_more(now_ms);
        }
        self.is_owed = !debtors.is_empty();
    }

    /// Partitions that a member holds and somebody else is to have.
    fn owed(&self) -> impl Iterator<Item = (TopicIdPartition, &MemberId)> {
        self.settled.owners.iter().filter_map(|(&id, owned)| {
            let member = self.members.get(&owned.member_id)?;
            let is_moving = self
                .target
                .get(&id)
                .is_some_and(|owner| *owner != owned.member_id);
            (is_moving && !member.released.contains(&id)).then_some((id, &owned.member_id))
        })
    }

    fn propose(&mut self, actions: &mut Vec<Action>) {
        let members: BTreeMap<_, _> = self
            .members
            .iter()
            .map(|(id, member)| (id.clone(), member.record.clone()))
            .collect();
        let mut owners = self.target.clone();
        for (id, holder) in self.owed() {
            owners.insert(id, holder.clone());
        }
        let is_new = members != self.settled.members || owners != owners_of(&self.settled);
        let must_fence_empty = self.wants_standalone && !self.is_fenced;
        if !is_new && !must_fence_empty {
            self.is_changed = false;
            return;
        }
        let is_orphan = |id: &TopicIdPartition| {
            self.settled
                .owner(id)
                .is_none_or(|owner| !self.members.contains_key(owner))
        };
        let prepares = self.prepare_until_ms.is_some() && self.is_owed;
        let waits = self.gather_until_ms.is_some() || (prepares && !owners.keys().any(is_orphan));
        if waits && !members.is_empty() {
            return;
        }
        let assignor = self
            .members
            .values()
            .next()
            .map(|member| member.subscription.assignor);
        let proposal = ProposedRebalance {
            expected_generation: self.settled.generation,
            protocol: assignor
                .map(|assignor| assignor.to_string())
                .unwrap_or_default(),
            members,
            owners,
        };
        (self.gather_until_ms, self.prepare_until_ms) = (None, None);
        actions.push(Action::CompleteRebalance(proposal.clone()));
        self.step = Step::proposed(proposal);
    }

    /// Fences what metadata has, before anything else.
    pub(super) fn load(&mut self, ownership: Ownership) -> Action {
        let fence = ownership.fence(self.group.clone());
        self.step = Step::loading(ownership);
        Action::Fence(fence)
    }

    fn fence(&mut self, proposal: ProposedRebalance, ownership: Ownership) -> Action {
        let fence = ownership.fence(self.group.clone());
        self.step = Step::fencing(proposal, ownership);
        Action::Fence(fence)
    }

    pub(super) fn rebalance_committed(
        &mut self,
        generation: Generation,
        tokens: &BTreeMap<TopicIdPartition, FencingToken>,
        actions: &mut Vec<Action>,
    ) {
        let Step::Proposed { proposal, .. } = &self.step else {
            return;
        };
        if !follows(generation, proposal.expected_generation) {
            return;
        }
        let owned = |(&id, member_id): (&TopicIdPartition, &MemberId)| {
            let token = *tokens.get(&id)?;
            Some((
                id,
                Owned {
                    member_id: member_id.clone(),
                    token,
                },
            ))
        };
        let ownership = Ownership {
            generation,
            members: proposal.members.clone(),
            owners: proposal.owners.iter().filter_map(owned).collect(),
        };
        let fence = self.fence(proposal.clone(), ownership);
        actions.push(fence);
    }

    pub(super) fn rebalance_failed(
        &mut self,
        now_ms: u64,
        failure: Failure,
        actions: &mut Vec<Action>,
    ) {
        match failure {
            Failure::NotCoordinator => self.close(actions),
            Failure::Unknown => self.step.doubt_proposal(now_ms),
        }
    }

    /// Nobody else can have written the next generation under this coordinator's epoch, so if
    /// it is there and fits it is the proposal. If it is not, the same proposal again is safe:
    /// only one of the two can pass the compare.
    pub(super) fn ownership_read(&mut self, record: Ownership, actions: &mut Vec<Action>) {
        let Step::Proposed { proposal, .. } = &self.step else {
            return;
        };
        let fits = record.members == proposal.members
            && record
                .owners
                .iter()
                .all(|(id, owned)| proposal.owners.get(id) == Some(&owned.member_id));
        if record.generation == proposal.expected_generation {
            actions.push(Action::CompleteRebalance(proposal.clone()));
        } else if fits && follows(record.generation, proposal.expected_generation) {
            let fence = self.fence(proposal.clone(), record);
            actions.push(fence);
        } else {
            self.close(actions);
        }
    }

    pub(super) fn fence_applied(&mut self, now_ms: u64, generation: Generation) {
        let (Step::Loading { fence, .. } | Step::Fencing { fence, .. }) = &self.step else {
            return;
        };
        if fence.generation != generation {
            return;
        }
        let (ownership, is_first) = (fence.clone(), self.step.is_loading());
        let since = |id: &TopicIdPartition, owned: &Owned| match self.settled.owners.get(id) {
            Some(before) if before == owned => self.since.get(id).copied().unwrap_or(generation),
            Some(_) | None => generation,
        };
        self.since = ownership
            .owners
            .iter()
            .map(|(id, owned)| (*id, since(id, owned)))
            .collect();
        for (member_id, member) in &mut self.members {
            member
                .released
                .retain(|id| ownership.owner(id) == Some(member_id));
            if is_first {
                member.last_seen_ms = now_ms;
            }
        }
        self.heirs
            .retain(|former, _| ownership.members.contains_key(former));
        self.settled = ownership;
        self.step = Step::Idle;
        self.is_fenced = true;
        self.is_changed = true;
        self.wants_standalone = false;
    }

    pub(super) fn fence_failed(
        &mut self,
        now_ms: u64,
        failure: Failure,
        actions: &mut Vec<Action>,
    ) {
        match failure {
            Failure::NotCoordinator => self.close(actions),
            Failure::Unknown => self.step.doubt_fence(now_ms),
        }
    }

    fn close(&mut self, actions: &mut Vec<Action>) {
        if !self.step.is_closed() {
            self.step = Step::Closed;
            actions.push(Action::Close);
        }
    }
}

fn owners_of(ownership: &Ownership) -> BTreeMap<TopicIdPartition, MemberId> {
    ownership
        .owners
        .iter()
        .map(|(&id, owned)| (id, owned.member_id.clone()))
        .collect()
}

fn follows(generation: Generation, expected: Generation) -> bool {
    expected.0.checked_add(1) == Some(generation.0)
}
