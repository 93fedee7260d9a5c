//! The phases of a classic group and what ends them.
//!
//! A new generation begins when all members joined it, or when those who did not are out.
//! Static members stay without joining until their session ends.

use std::collections::BTreeMap;

use floe_model::MemberId;

use super::group::{ClassicGroup, Gathering, Phase, refuse};
use super::member::Member;
use super::{Action, Proposal, Refused, vote};

impl ClassicGroup {
    /// Calls everybody into the next generation.
    pub(super) fn prepare(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        for member in self.members.values_mut() {
            if let Some(ticket) = member.syncing.take() {
                refuse(actions, ticket, Refused::RebalanceInProgress);
            }
        }
        let timeout_ms = self.rebalance_timeout_ms();
        let delay_ms = u64::from(self.limits.initial_rebalance_delay_ms);
        if self.phase == Phase::Empty && delay_ms > 0 {
            self.gathering = Some(Gathering {
                until_ms: now_ms.saturating_add(delay_ms),
                end_ms: now_ms.saturating_add(timeout_ms.max(delay_ms)),
                is_grown: false,
            });
        }
        self.phase = Phase::Preparing;
        self.deadline_ms = now_ms.saturating_add(timeout_ms);
    }

    /// After members are gone: the others are to share what they had.
    pub(super) fn prepare_without(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Completing | Phase::Stable => self.prepare(now_ms, actions),
            Phase::Empty | Phase::Preparing => {}
        }
    }

    /// Does what is due, if no step is on its way.
    pub(super) fn advance(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if !self.step.is_idle() {
            return;
        }
        match self.phase {
            Phase::Preparing => {
                if self.is_prepared(now_ms) {
                    self.end_preparing(now_ms, actions);
                }
            }
            Phase::Empty if self.wants_standalone && !self.is_fenced => {
                self.propose_generation(String::new(), actions);
            }
            Phase::Empty | Phase::Completing | Phase::Stable => {}
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        self.retry(now_ms, actions);
        if !self.step.is_idle() {
            return;
        }
        self.promised.retain(|_, until_ms| *until_ms > now_ms);
        let has_ended = self.phase == Phase::Completing && self.deadline_ms <= now_ms;
        let is_out = |member: &Member| {
            let is_silent = member.deadline_ms().is_some_and(|at_ms| at_ms <= now_ms);
            is_silent || (has_ended && member.syncing.is_none())
        };
        let is_anybody_out = self.remove_those(is_out, actions);
        if is_anybody_out || has_ended {
            self.prepare_without(now_ms, actions);
        }
    }

    /// Tells whether there were any.
    fn remove_those(
        &mut self,
        is_out: impl Fn(&Member) -> bool,
        actions: &mut Vec<Action>,
    ) -> bool {
        let members = self.members.iter();
        let out = members.filter(|(_, member)| is_out(member));
        let out: Vec<MemberId> = out.map(|(id, _)| id.clone()).collect();
        for member_id in &out {
            self.remove(member_id, actions);
        }
        !out.is_empty()
    }

    fn is_prepared(&mut self, now_ms: u64) -> bool {
        if self.members.is_empty() {
            return true;
        }
        let delay_ms = u64::from(self.limits.initial_rebalance_delay_ms);
        match &mut self.gathering {
            Some(gathering) if gathering.until_ms > now_ms => false,
            Some(gathering) if gathering.is_grown && gathering.until_ms < gathering.end_ms => {
                gathering.is_grown = false;
                gathering.until_ms = now_ms.saturating_add(delay_ms).min(gathering.end_ms);
                gathering.until_ms <= now_ms
            }
            Some(_) => true,
            None => {
                let all_joined = self.members.values().all(|one| one.joining.is_some());
                (all_joined && self.promised.is_empty()) || self.deadline_ms <= now_ms
            }
        }
    }

    fn end_preparing(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        self.gathering = None;
        let is_out = |member: &Member| member.joining.is_none() && member.instance_id.is_none();
        self.remove_those(is_out, actions);
        let has_joined = |id: &MemberId| {
            let member = self.members.get(id);
            member.is_some_and(|member| member.joining.is_some())
        };
        let leads_on = self.leader.as_ref().filter(|id| has_joined(id));
        let first = || self.members.keys().find(|id| has_joined(id));
        let leader = leads_on.or_else(first).cloned();
        if leader.is_none() && !self.members.is_empty() {
            // Only static members, and none is back: their sessions decide.
            self.deadline_ms = now_ms.saturating_add(self.rebalance_timeout_ms());
            return;
        }
        self.leader = leader;
        let protocols: Vec<_> = self
            .members
            .values()
            .map(|member| member.protocols.as_slice())
            .collect();
        let protocol = vote::choose(&protocols).unwrap_or_default().to_owned();
        self.propose_generation(protocol, actions);
    }

    /// Proposes the members as they are as the next generation.
    fn propose_generation(&mut self, protocol: String, actions: &mut Vec<Action>) {
        let record = |(id, member): (&MemberId, &Member)| {
            let is_leader = self.leader.as_ref() == Some(id);
            (id.clone(), member.record(&self.protocol_type, is_leader))
        };
        let members: BTreeMap<_, _> = self.members.iter().map(record).collect();
        let expected = self.generation;
        let proposal = Proposal::Rebalance {
            expected,
            protocol,
            members,
        };
        self.propose(proposal, None, actions);
    }

    /// Time for all members to join or to sync.
    pub(super) fn rebalance_timeout_ms(&self) -> u64 {
        let timeouts = self
            .members
            .values()
            .map(|member| member.rebalance_timeout_ms);
        timeouts.max().unwrap_or_default().into()
    }
}
