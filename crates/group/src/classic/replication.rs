//! How a decision of a classic group comes true: metadata first, then the fence, then members
//! hear of it.
//!
//! Invariant: `generation`, `protocol`, assignments and who has which instance id change here
//! only, after metadata and, where membership changed, the offsets log confirmed it.

use std::collections::BTreeMap;

use floe_model::{Generation, GroupKind, MemberId};

use super::group::{ClassicGroup, Phase, refuse, ticket_of};
use super::member::Member;
use super::{Action, Answer, Failure, Proposal, Refused, Ticket};
use crate::RecordedMember;
use crate::offsets::Fence;
use crate::step::{self, Retry};

/// A classic group as metadata has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The generation.
    pub generation: Generation,
    /// Its protocol.
    pub protocol: String,
    /// Its members.
    pub members: BTreeMap<MemberId, RecordedMember>,
    /// Their assignments: of everybody once the leader brought them, else none.
    pub assignments: BTreeMap<MemberId, Vec<u8>>,
}

/// Who waits for a proposal beyond the members, and whether it may skip the assignment.
type Asker = Option<(Ticket, bool)>;

/// A proposal and who waits for it.
pub(super) type Step = step::Step<(Proposal, Asker), Fence>;

impl ClassicGroup {
    /// Fences what metadata has, before anything else.
    pub(super) fn load(&mut self, record: Record) -> Action {
        let fence = self.fence(record.generation, record.members.into_keys());
        self.step = Step::loading(fence.clone());
        Action::Fence(fence)
    }

    pub(super) fn propose(&mut self, proposal: Proposal, asker: Asker, actions: &mut Vec<Action>) {
        actions.push(Action::Propose(proposal.clone()));
        self.step = Step::proposed((proposal, asker));
    }

    fn fence(&self, generation: Generation, members: impl Iterator<Item = MemberId>) -> Fence {
        Fence {
            group: self.group.clone(),
            generation,
            kind: GroupKind::Classic,
            members: members.map(|member_id| (member_id, 0)).collect(),
            tokens: BTreeMap::new(),
        }
    }

    pub(super) fn retry(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        match self.step.take_retry(now_ms) {
            Some(Retry::Read) => actions.push(Action::ReadRecord),
            Some(Retry::Fence(fence)) => actions.push(Action::Fence(fence.clone())),
            None => {}
        }
    }

    pub(super) fn proposal_committed(
        &mut self,
        now_ms: u64,
        generation: Generation,
        actions: &mut Vec<Action>,
    ) {
        let (proposal, asker) = match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Proposed { proposal, .. } => proposal,
            other => {
                self.step = other;
                return;
            }
        };
        let fence = match &proposal {
            Proposal::Rebalance { members, .. } => self.fence(generation, members.keys().cloned()),
            Proposal::Assignments { .. } => {
                self.assigned(now_ms, proposal, actions);
                return;
            }
            Proposal::Replacement { former, heir, .. } => {
                let others = self.members.keys().filter(|id| *id != former);
                let members = others.chain([heir]).cloned();
                self.fence(self.generation, members)
            }
        };
        actions.push(Action::Fence(fence.clone()));
        self.step = Step::fencing((proposal, asker), fence);
    }

    pub(super) fn proposal_failed(
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

    /// Nobody else can have changed the record under this coordinator's epoch, so if what was
    /// proposed is there it is the proposal. If it is not, the same proposal again is safe: it
    /// cannot pass twice.
    pub(super) fn record_read(&mut self, now_ms: u64, record: &Record, actions: &mut Vec<Action>) {
        let Step::Proposed {
            proposal: (proposal, _),
            ..
        } = &self.step
        else {
            return;
        };
        let (is_there, may_come) = match proposal {
            Proposal::Rebalance {
                expected,
                protocol,
                members,
            } => (
                expected.0.checked_add(1) == Some(record.generation.0)
                    && record.members == *members
                    && record.protocol == *protocol,
                record.generation == *expected,
            ),
            Proposal::Assignments {
                generation,
                assignments,
            } => (
                record.generation == *generation && record.assignments == *assignments,
                record.generation == *generation && record.assignments.is_empty(),
            ),
            Proposal::Replacement {
                generation,
                former,
                heir,
                ..
            } => (
                record.generation == *generation && record.members.contains_key(heir),
                record.generation == *generation && record.members.contains_key(former),
            ),
        };
        if is_there {
            self.proposal_committed(now_ms, record.generation, actions);
        } else if may_come {
            actions.push(Action::Propose(proposal.clone()));
        } else {
            self.close(actions);
        }
    }

    pub(super) fn fence_applied(
        &mut self,
        now_ms: u64,
        generation: Generation,
        actions: &mut Vec<Action>,
    ) {
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Loading { fence, .. } if fence.generation == generation => self.loaded(now_ms),
            Step::Fencing {
                proposal: (proposal, asker),
                fence,
                ..
            } if fence.generation == generation => match proposal {
                Proposal::Rebalance { protocol, .. } => {
                    self.begin(now_ms, generation, protocol, actions);
                }
                Proposal::Replacement { .. } => self.replaced(now_ms, proposal, asker, actions),
                Proposal::Assignments { .. } => self.assigned(now_ms, proposal, actions),
            },
            other => {
                self.step = other;
                return;
            }
        }
        self.is_fenced = true;
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

    /// Everybody gets a full session under this coordinator.
    fn loaded(&mut self, now_ms: u64) {
        for member in self.members.values_mut() {
            member.last_seen_ms = now_ms;
        }
        self.deadline_ms = now_ms.saturating_add(self.rebalance_timeout_ms());
    }

    /// A generation begins: answers the joins.
    fn begin(
        &mut self,
        now_ms: u64,
        generation: Generation,
        protocol: String,
        actions: &mut Vec<Action>,
    ) {
        self.generation = generation;
        self.protocol = protocol;
        self.wants_standalone = false;
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.protocol_type.clear();
            self.leader = None;
            return;
        }
        self.phase = Phase::Completing;
        self.deadline_ms = now_ms.saturating_add(self.rebalance_timeout_ms());
        let mut waiting = Vec::new();
        for (member_id, member) in &mut self.members {
            member.assignment.clear();
            member.last_seen_ms = now_ms;
            if let Some(ticket) = member.joining.take() {
                waiting.push((ticket, member_id.clone()));
            }
        }
        for (ticket, member_id) in waiting {
            let answer = Answer::Joined(self.joined(&member_id));
            actions.push(Action::Answer(ticket, answer));
        }
    }

    /// The leader's assignment is in metadata: answers the syncs.
    fn assigned(&mut self, now_ms: u64, proposal: Proposal, actions: &mut Vec<Action>) {
        let Proposal::Assignments { assignments, .. } = proposal else {
            return;
        };
        self.phase = Phase::Stable;
        let mut waiting = Vec::new();
        for (member_id, assignment) in assignments {
            let Some(member) = self.members.get_mut(&member_id) else {
                continue;
            };
            member.assignment = assignment;
            if let Some(ticket) = member.syncing.take() {
                member.last_seen_ms = now_ms;
                waiting.push((ticket, member_id));
            }
        }
        for (ticket, member_id) in waiting {
            let answer = Answer::Synced(self.synced(&member_id));
            actions.push(Action::Answer(ticket, answer));
        }
    }

    /// A static member is back under another id. A leader that cannot skip the assignment is
    /// told that its former id leads: it must not assign, since nobody joins.
    fn replaced(
        &mut self,
        now_ms: u64,
        proposal: Proposal,
        asker: Asker,
        actions: &mut Vec<Action>,
    ) {
        let Proposal::Replacement {
            former,
            heir,
            record,
            ..
        } = proposal
        else {
            return;
        };
        let Some(mut member) = self.members.remove(&former) else {
            return;
        };
        self.fence_former(&mut member, actions);
        if let Some((returned, ..)) = Member::restored(&record, now_ms) {
            let assignment = std::mem::take(&mut member.assignment);
            member = Member {
                assignment,
                ..returned
            };
        }
        self.members.insert(heir.clone(), member);
        let was_leader = self.leader.as_ref() == Some(&former);
        if was_leader {
            self.leader = Some(heir.clone());
        }
        let Some((ticket, may_skip)) = asker else {
            return;
        };
        let mut joined = self.joined(&heir);
        joined.skips_assignment = was_leader && may_skip;
        if was_leader && !may_skip {
            (joined.leader, joined.members) = (former, Vec::new());
        }
        actions.push(Action::Answer(ticket, Answer::Joined(joined)));
    }

    fn close(&mut self, actions: &mut Vec<Action>) {
        let step = std::mem::replace(&mut self.step, Step::Closed);
        let asker = match step {
            Step::Proposed { proposal, .. } | Step::Fencing { proposal, .. } => proposal.1,
            Step::Idle | Step::Loading { .. } => None,
            Step::Closed => return,
        };
        let members = self.members.values_mut();
        let mut waiting: Vec<Ticket> = members
            .flat_map(|member| [member.joining.take(), member.syncing.take()])
            .flatten()
            .collect();
        waiting.extend(asker.map(|(ticket, _)| ticket));
        waiting.extend(self.deferred.drain(..).filter_map(|one| ticket_of(&one)));
        for ticket in waiting {
            refuse(actions, ticket, Refused::NotCoordinator);
        }
        actions.push(Action::Close);
    }
}
