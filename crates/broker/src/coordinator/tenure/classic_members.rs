//! Classic groups of a tenure: members' questions in, proposals out, answers when they are due.

use std::sync::Arc;

use floe_group::classic::{Action, Answer, Claim, ClassicGroup, Event, Refused, Ticket};
use floe_group::offsets::Committer;
use floe_metadata::State;
use floe_model::{ErrorCode, Generation, GroupKind, GroupName};

use super::{Happened, OtherKind, Tenure, now_ms};
use crate::classic_groups::GroupFailure;
use crate::coordinator::ask::{ClassicQuestion, Reply};
use crate::coordinator::membership::Membership;
use crate::coordinator::proposal;

impl Tenure {
    /// A member's question. It is answered when the group does, or refused when this tenure ends.
    pub(super) fn classic_member(
        &mut self,
        name: &GroupName,
        question: ClassicQuestion,
        reply: Reply<Answer>,
    ) {
        let is_join = matches!(question, ClassicQuestion::Join(_));
        if let Err(refused) = self.find_classic(name, is_join) {
            return drop(reply.send(Ok(Answer::Refused(refused))));
        }
        let ticket = self.new_ticket();
        self.waiting.insert(ticket, reply);
        let event = match question {
            ClassicQuestion::Join(join) => Event::Join(ticket, join),
            ClassicQuestion::Sync(sync) => Event::Sync(ticket, sync),
            ClassicQuestion::Heartbeat(claim) => Event::Heartbeat(ticket, claim),
            ClassicQuestion::Leave(leaving) => Event::Leave(ticket, leaving),
        };
        self.classic_event(name, event);
    }

    /// By what right a member of a group of Kafka's kinds commits. The offsets log judges again,
    /// behind whatever fence is on its way.
    pub(super) fn committer(
        &mut self,
        name: &GroupName,
        claim: Claim,
    ) -> Result<Committer, GroupFailure> {
        if !self.is_known(name) {
            return Err(Refused::IllegalGeneration.into());
        }
        if self.is_consumer(name) {
            let epoch = claim.generation.0;
            return Ok(self.consumer_committer(name, claim.member_id, epoch)?);
        }
        Ok(self.classic_committer(name, claim)?)
    }

    fn classic_committer(&mut self, name: &GroupName, claim: Claim) -> Result<Committer, Refused> {
        self.find_classic(name, false)?;
        let ticket = self.new_ticket();
        let Some(Membership::Classic(group)) = self.groups.get_mut(name) else {
            return Err(Refused::UnknownMember);
        };
        let committer = Committer::Classic {
            member_id: claim.member_id.clone(),
            generation: claim.generation,
        };
        let actions = group.on_event(now_ms(&self.core), Event::Commit(ticket, claim));
        let is_mine =
            |action: &&Action| matches!(action, Action::Answer(given, _) if *given == ticket);
        let answer = match actions.iter().find(is_mine) {
            Some(Action::Answer(_, Answer::MayCommit)) => Ok(committer),
            Some(Action::Answer(_, Answer::Refused(refused))) => Err(*refused),
            // It waits for the first fence.
            Some(_) | None => Err(Refused::Loading),
        };
        self.act_classic(name, actions);
        answer
    }

    /// Only a join makes a group.
    fn find_classic(&mut self, name: &GroupName, is_join: bool) -> Result<(), Refused> {
        let is_here = matches!(self.groups.get(name), Some(Membership::Classic(_)));
        let has_members = || {
            let state = self.core.metadata.state();
            state
                .group(name)
                .is_some_and(|record| !record.members.is_empty())
        };
        if !is_join && !is_here && !has_members() {
            return Err(Refused::UnknownMember);
        }
        match self.find(name, GroupKind::Classic) {
            Ok(()) => Ok(()),
            Err(OtherKind) if is_join => Err(Refused::InconsistentProtocol),
            Err(OtherKind) => Err(Refused::UnknownMember),
        }
    }

    pub(super) fn new_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// The group may be forgotten or of another kind meanwhile.
    pub(super) fn classic_event(&mut self, name: &GroupName, event: Event) {
        let Some(Membership::Classic(group)) = self.groups.get_mut(name) else {
            return;
        };
        let actions = group.on_event(now_ms(&self.core), event);
        self.act_classic(name, actions);
        self.answer_standalone(name);
    }

    pub(super) fn take_up_classic(&mut self, name: &GroupName, state: &State) {
        let limits = self.core.config.classic_groups;
        let (group, actions) = match state.group(name) {
            Some(_) => {
                let record = proposal::classic_record(state, name);
                ClassicGroup::restore(now_ms(&self.core), name.clone(), record, limits)
            }
            None => {
                let generation: Generation = state.generation_of(name);
                let group = ClassicGroup::new(name.clone(), generation, limits);
                (group, Vec::new())
            }
        };
        self.groups.insert(name.clone(), Membership::Classic(group));
        self.act_classic(name, actions);
    }

    fn act_classic(&mut self, name: &GroupName, actions: Vec<Action>) {
        for action in actions {
            let (core, replica) = (Arc::clone(&self.core), Arc::clone(&self.replica));
            let (name, epoch) = (name.clone(), self.epoch);
            match action {
                Action::Answer(ticket, answer) => {
                    if let Some(reply) = self.waiting.remove(&ticket) {
                        // Whoever left does not get it.
                        drop(reply.send(match answer {
                            Answer::Refused(Refused::NotCoordinator) => {
                                Err(ErrorCode::NotCoordinator.into())
                            }
                            answer => Ok(answer),
                        }));
                    }
                }
                Action::Propose(proposed) => self.proposals.push(Box::pin(async move {
                    let group = name.clone();
                    let event = proposal::propose_classic(&core, group, epoch, proposed).await;
                    (name, Happened::Classic(event))
                })),
                Action::Fence(fence) => self.proposals.push(Box::pin(async move {
                    let event = match proposal::fence(&replica, epoch, fence).await {
                        Ok(generation) => Event::FenceApplied(generation),
                        Err(failure) => Event::FenceFailed(failure),
                    };
                    (name, Happened::Classic(event))
                })),
                Action::ReadRecord => self.proposals.push(Box::pin(async move {
                    let event = match proposal::confirmed(&core).await {
                        Ok(state) => Event::RecordRead(proposal::classic_record(&state, &name)),
                        Err(failure) => Event::ProposalFailed(failure),
                    };
                    (name, Happened::Classic(event))
                })),
                Action::Close => self.is_over = true,
            }
        }
    }
}
