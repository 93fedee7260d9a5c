//! Consumer groups (KIP-848) of a tenure: heartbeats in, proposals out, answers when they are due.

use std::sync::Arc;

use floe_group::consumer::{self, Action, Answer, ConsumerGroup, Event, Heartbeat, Refused};
use floe_group::offsets::Committer;
use floe_metadata::State;
use floe_model::{ErrorCode, GroupKind, GroupName, MemberId};

use super::{Happened, OtherKind, Tenure, now_ms};
use crate::coordinator::ask::Reply;
use crate::coordinator::membership::Membership;
use crate::coordinator::proposal;

impl Tenure {
    /// A heartbeat. It is answered when the group does, or refused when this tenure ends.
    pub(super) fn consumer_member(
        &mut self,
        name: &GroupName,
        beat: Box<Heartbeat>,
        reply: Reply<Answer>,
    ) {
        let is_join = beat.member_epoch == consumer::JOIN_EPOCH;
        if let Err(refused) = self.find_consumer(name, is_join) {
            return drop(reply.send(Ok(Err(refused))));
        }
        let ticket = self.new_ticket();
        self.beating.insert(ticket, reply);
        self.consumer_event(name, Event::Heartbeat(ticket, beat));
    }

    /// Only a join makes a group. One of no members stays what it was last.
    fn find_consumer(&mut self, name: &GroupName, is_join: bool) -> Result<(), Refused> {
        if !is_join && !self.is_consumer(name) {
            return Err(Refused::UnknownGroup);
        }
        self.find(name, GroupKind::Consumer)
            .map_err(|OtherKind| Refused::UnknownGroup)
    }

    /// Whether the group is a consumer group, or was one last.
    pub(super) fn is_consumer(&self, name: &GroupName) -> bool {
        let kind = self.groups.get(name).map(Membership::kind);
        let state = self.core.metadata.state();
        let recorded = || state.group(name).map(|record| record.kind);
        kind.or_else(recorded) == Some(GroupKind::Consumer)
    }

    /// By what right a member commits. The offsets log judges again, behind whatever fence is on
    /// its way.
    pub(super) fn consumer_committer(
        &mut self,
        name: &GroupName,
        member_id: MemberId,
        member_epoch: i32,
    ) -> Result<Committer, Refused> {
        self.check_consumer_epoch(name, &member_id, member_epoch)?;
        Ok(Committer::Consumer {
            member_id,
            member_epoch,
        })
    }

    /// Whether a member of a consumer group is in the epoch that it says.
    pub(super) fn check_consumer_epoch(
        &mut self,
        name: &GroupName,
        member_id: &MemberId,
        member_epoch: i32,
    ) -> Result<(), Refused> {
        self.find_consumer(name, false)?;
        match self.groups.get(name) {
            Some(Membership::Consumer(group)) => group.check_epoch(member_id, member_epoch),
            Some(_) | None => Err(Refused::UnknownMember),
        }
    }

    /// The group may be forgotten or of another kind meanwhile.
    pub(super) fn consumer_event(&mut self, name: &GroupName, event: Event) {
        let Some(Membership::Consumer(group)) = self.groups.get_mut(name) else {
            return;
        };
        let actions = group.on_event(now_ms(&self.core), event);
        self.act_consumer(name, actions);
        self.answer_standalone(name);
    }

    pub(super) fn take_up_consumer(&mut self, name: &GroupName, state: &State) {
        let (topics, limits) = (self.topics.clone(), self.core.config.consumer_groups);
        let (group, actions) = match state.group(name) {
            Some(_) => {
                let record = proposal::consumer_record(state, name);
                ConsumerGroup::restore(now_ms(&self.core), name.clone(), &record, topics, limits)
            }
            None => {
                let generation = state.generation_of(name);
                let group = ConsumerGroup::new(name.clone(), generation, topics, limits);
                (group, Vec::new())
            }
        };
        self.groups
            .insert(name.clone(), Membership::Consumer(group));
        self.act_consumer(name, actions);
    }

    fn act_consumer(&mut self, name: &GroupName, actions: Vec<Action>) {
        for action in actions {
            let (core, replica) = (Arc::clone(&self.core), Arc::clone(&self.replica));
            let (name, epoch) = (name.clone(), self.epoch);
            match action {
                Action::Answer(ticket, answer) => {
                    if let Some(reply) = self.beating.remove(&ticket) {
                        // Whoever left does not get it.
                        drop(reply.send(match answer {
                            Err(Refused::NotCoordinator) => Err(ErrorCode::NotCoordinator.into()),
                            answer => Ok(answer),
                        }));
                    }
                }
                Action::Propose(proposed) => self.proposals.push(Box::pin(async move {
                    let group = name.clone();
                    let event = proposal::propose_consumer(&core, group, epoch, proposed).await;
                    (name, Happened::Consumer(event))
                })),
                Action::Fence(fence) => self.proposals.push(Box::pin(async move {
                    let event = match proposal::fence(&replica, epoch, fence).await {
                        Ok(generation) => Event::FenceApplied(generation),
                        Err(failure) => Event::FenceFailed(failure),
                    };
                    (name, Happened::Consumer(event))
                })),
                Action::ReadRecord => self.proposals.push(Box::pin(async move {
                    let event = match proposal::confirmed(&core).await {
                        Ok(state) => Event::RecordRead(proposal::consumer_record(&state, &name)),
                        Err(failure) => Event::ProposalFailed(failure),
                    };
                    (name, Happened::Consumer(event))
                })),
                Action::Close => self.is_over = true,
            }
        }
    }
}
