//! How a decision of a consumer group comes true: metadata first, then the fence, then members
//! hear of it.
//!
//! Invariant: `generation` changes here only, after metadata and the offsets log have it.

use std::collections::BTreeMap;

use floe_model::{Generation, GroupKind, MemberId};

use super::group::ConsumerGroup;
use super::{Action, Assignor, Failure, Proposal, Refused};
use crate::RecordedMember;
use crate::offsets::Fence;
use crate::step::{self, Retry};

/// A consumer group as metadata has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The generation.
    pub generation: Generation,
    /// Its members.
    pub members: BTreeMap<MemberId, RecordedMember>,
}

pub(super) type Step = step::Step<Proposal, Fence>;

impl ConsumerGroup {
    /// Fences what metadata has, before anything else.
    pub(super) fn load(&mut self, record: &Record) -> Action {
        let fence = self.fence(record.generation, &record.members);
        self.step = Step::loading(fence.clone());
        Action::Fence(fence)
    }

    /// Proposes the members as they are as the next generation.
    pub(super) fn propose(&mut self, actions: &mut Vec<Action>) {
        let session_ms = self.limits.session_timeout_ms;
        let members: BTreeMap<_, _> = self
            .members
            .iter()
            .map(|(id, member)| (id.clone(), member.record(self.epoch, session_ms)))
            .collect();
        let protocol = match self.assignor() {
            _ if members.is_empty() => "",
            Assignor::Range => "range",
            Assignor::StickyCooperative => "uniform",
        };
        let proposal = Proposal {
            expected: self.generation,
            protocol: protocol.to_owned(),
            members,
        };
        actions.push(Action::Propose(proposal.clone()));
        self.step = Step::proposed(proposal);
    }

    fn fence(&self, generation: Generation, members: &BTreeMap<MemberId, RecordedMember>) -> Fence {
        let members = members.iter();
        Fence {
            group: self.group.clone(),
            generation,
            kind: GroupKind::Consumer,
            members: members
                .map(|(id, member)| (id.clone(), member.member_epoch))
                .collect(),
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

    pub(super) fn proposal_committed(&mut self, generation: Generation, actions: &mut Vec<Action>) {
        let Step::Proposed { proposal, .. } = &self.step else {
            return;
        };
        if proposal.expected.0.checked_add(1) != Some(generation.0) {
            return;
        }
        let fence = self.fence(generation, &proposal.members);
        actions.push(Action::Fence(fence.clone()));
        self.step = Step::fencing(proposal.clone(), fence);
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
    pub(super) fn record_read(&mut self, record: &Record, actions: &mut Vec<Action>) {
        let Step::Proposed { proposal, .. } = &self.step else {
            return;
        };
        let follows = proposal.expected.0.checked_add(1) == Some(record.generation.0);
        if follows && record.members == proposal.members {
            self.proposal_committed(record.generation, actions);
        } else if record.generation == proposal.expected {
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
        match &self.step {
            Step::Loading { fence, .. } if fence.generation == generation => {
                for member in self.members.values_mut() {
                    (member.last_seen_ms, member.revoking_since_ms) = (now_ms, now_ms);
                }
            }
            Step::Fencing { fence, .. } if fence.generation == generation => {
                self.generation = generation;
                self.is_changed = false;
                self.wants_standalone = false;
                for member in self.members.values_mut() {
                    member.fenced_epoch = member.epoch;
                }
                self.answer_held(now_ms, actions);
            }
            _ => return,
        }
        self.step = Step::Idle;
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

    fn close(&mut self, actions: &mut Vec<Action>) {
        if self.step.is_closed() {
            return;
        }
        self.step = Step::Closed;
        let held = self.held.drain(..).map(|(ticket, ..)| ticket);
        let waiting: Vec<_> = held
            .chain(self.deferred.drain(..).map(|(ticket, _)| ticket))
            .collect();
        for ticket in waiting {
            actions.push(Action::Answer(ticket, Err(Refused::NotCoordinator)));
        }
        actions.push(Action::Close);
    }
}
