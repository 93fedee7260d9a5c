//! Native groups of a tenure: members' events in, proposals out.

use std::sync::Arc;

use floe_group::native::{Action, Answer, Event, NativeGroup};
use floe_metadata::State;
use floe_model::{ErrorCode, GroupKind, GroupName};
use floe_rpc::Failure;

use super::{Happened, OtherKind, Tenure, now_ms};
use crate::coordinator::membership::Membership;
use crate::coordinator::proposal;

impl Tenure {
    /// A member's event and its answer.
    pub(super) fn native_member(
        &mut self,
        name: &GroupName,
        event: Event,
    ) -> Result<Answer, Failure> {
        if let Err(OtherKind) = self.find(name, GroupKind::Native) {
            return Err(ErrorCode::InvalidRequest.into());
        }
        let Some(Membership::Native(group)) = self.groups.get_mut(name) else {
            return Err(ErrorCode::Internal.into());
        };
        let mut actions = group.on_event(now_ms(&self.core), event);
        if !matches!(actions.first(), Some(Action::Answer(_))) {
            return Err(ErrorCode::Internal.into());
        }
        let answer = actions.remove(0);
        self.act_native(name, actions);
        self.answer_standalone(name);
        match answer {
            Action::Answer(answer) => Ok(answer),
            _ => Err(ErrorCode::Internal.into()),
        }
    }

    /// An event that nobody waits for. The group may be forgotten or of another kind meanwhile.
    pub(super) fn native_event(&mut self, name: &GroupName, event: Event) {
        let Some(Membership::Native(group)) = self.groups.get_mut(name) else {
            return;
        };
        let actions = group.on_event(now_ms(&self.core), event);
        self.act_native(name, actions);
        self.answer_standalone(name);
    }

    pub(super) fn take_up_native(&mut self, name: &GroupName, state: &State) {
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
        self.groups.insert(name.clone(), Membership::Native(group));
        self.act_native(name, actions);
    }

    fn act_native(&mut self, name: &GroupName, actions: Vec<Action>) {
        for action in actions {
            let (core, replica) = (Arc::clone(&self.core), Arc::clone(&self.replica));
            let (name, epoch) = (name.clone(), self.epoch);
            match action {
                Action::CompleteRebalance(proposed) => self.proposals.push(Box::pin(async move {
                    let group = name.clone();
                    let event = proposal::complete_rebalance(&core, group, epoch, proposed).await;
                    (name, Happened::Native(event))
                })),
                Action::Fence(fence) => self.proposals.push(Box::pin(async move {
                    let event = match proposal::fence(&replica, epoch, fence).await {
                        Ok(generation) => Event::FenceApplied { generation },
                        Err(failure) => Event::FenceFailed(failure),
                    };
                    (name, Happened::Native(event))
                })),
                Action::ReadOwnership => self.proposals.push(Box::pin(async move {
                    let event = match proposal::confirmed(&core).await {
                        Ok(state) => Event::OwnershipRead(proposal::ownership(&state, &name)),
                        Err(failure) => Event::RebalanceFailed(failure),
                    };
                    (name, Happened::Native(event))
                })),
                Action::Close => self.is_over = true,
                Action::Answer(_) => {
                    tracing::error!(group = %name, "an answer that nobody asked for");
                }
            }
        }
    }
}
