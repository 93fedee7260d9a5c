//! What members do within a generation: SyncGroup, Heartbeat, LeaveGroup, and the right to
//! commit.

use std::collections::BTreeMap;

use floe_model::MemberId;

use super::group::{ClassicGroup, Phase, refuse};
use super::join::GROUP_BYTES_MAX;
use super::{Action, Answer, Claim, Leaving, Proposal, Refused, Sync, Synced, Ticket};

impl ClassicGroup {
    pub(super) fn sync(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        sync: Sync,
        actions: &mut Vec<Action>,
    ) {
        if let Err(refused) = self.sync_checked(now_ms, ticket, sync, actions) {
            refuse(actions, ticket, refused);
        }
    }

    fn sync_checked(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        sync: Sync,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let member_id = self.in_generation(&sync.claim)?;
        let differs = |given: Option<String>, own: &str| given.is_some_and(|given| given != own);
        if differs(sync.protocol_type, &self.protocol_type) {
            return Err(Refused::InconsistentProtocol);
        }
        match self.phase {
            Phase::Empty => return Err(Refused::UnknownMember),
            Phase::Preparing => return Err(Refused::RebalanceInProgress),
            Phase::Completing | Phase::Stable => {}
        }
        if differs(sync.protocol, &self.protocol) {
            return Err(Refused::InconsistentProtocol);
        }
        let is_stable = self.phase == Phase::Stable;
        let is_leader = self.leader.as_ref() == Some(&member_id);
        let assignments = match is_leader && !is_stable {
            true => Some(self.assignments(sync.assignments)?),
            false => None,
        };
        let synced = self.synced(&member_id);
        let Some(member) = self.members.get_mut(&member_id) else {
            return Err(Refused::UnknownMember);
        };
        member.last_seen_ms = now_ms;
        if is_stable {
            actions.push(Action::Answer(ticket, Answer::Synced(synced)));
            return Ok(());
        }
        if let Some(former) = member.syncing.replace(ticket) {
            refuse(actions, former, Refused::RebalanceInProgress);
        }
        if let Some(assignments) = assignments {
            let generation = self.generation;
            let proposal = Proposal::Assignments {
                generation,
                assignments,
            };
            self.propose(proposal, None, actions);
        }
        Ok(())
    }

    /// One assignment for each member, empty for those that the leader left out.
    fn assignments(
        &self,
        given: Vec<(MemberId, Vec<u8>)>,
    ) -> Result<BTreeMap<MemberId, Vec<u8>>, Refused> {
        let mut given: BTreeMap<_, _> = given.into_iter().collect();
        let members = self.members.keys();
        let assignments: BTreeMap<_, _> = members
            .map(|id| (id.clone(), given.remove(id).unwrap_or_default()))
            .collect();
        let bytes: usize = assignments.values().map(Vec::len).sum();
        match bytes <= GROUP_BYTES_MAX {
            true => Ok(assignments),
            false => Err(Refused::Invalid),
        }
    }

    pub(super) fn synced(&self, member_id: &MemberId) -> Synced {
        let member = self.members.get(member_id);
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }

    pub(super) fn heartbeat(&mut self, now_ms: u64, claim: &Claim) -> Answer {
        match self.seen(now_ms, claim) {
            Err(refused) => Answer::Refused(refused),
            Ok(Phase::Preparing) => Answer::Refused(Refused::RebalanceInProgress),
            Ok(Phase::Empty | Phase::Completing | Phase::Stable) => Answer::Alive,
        }
    }

    /// While members join, they still commit what they did in the generation that ends. Once it
    /// ended, those who have not synced join again first.
    pub(super) fn commit(&mut self, now_ms: u64, claim: &Claim) -> Answer {
        match self.seen(now_ms, claim) {
            Err(refused) => Answer::Refused(refused),
            Ok(Phase::Completing) => Answer::Refused(Refused::RebalanceInProgress),
            Ok(Phase::Empty | Phase::Preparing | Phase::Stable) => Answer::MayCommit,
        }
    }

    /// A member of the generation gave a sign of life.
    fn seen(&mut self, now_ms: u64, claim: &Claim) -> Result<Phase, Refused> {
        let member_id = self.in_generation(claim)?;
        if let Some(member) = self.members.get_mut(&member_id) {
            member.last_seen_ms = now_ms;
        }
        Ok(self.phase)
    }

    fn in_generation(&self, claim: &Claim) -> Result<MemberId, Refused> {
        let member_id = self.known(claim)?;
        match claim.generation == self.generation {
            true => Ok(member_id),
            false => Err(Refused::IllegalGeneration),
        }
    }

    pub(super) fn leave(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        leaving: &[Leaving],
        actions: &mut Vec<Action>,
    ) {
        let count = self.members.len();
        let outcomes = leaving.iter().map(|one| self.leave_one(one, actions));
        let outcomes = outcomes.collect();
        actions.push(Action::Answer(ticket, Answer::Left(outcomes)));
        if self.members.len() < count {
            self.prepare_without(now_ms, actions);
        }
    }

    fn leave_one(&mut self, leaving: &Leaving, actions: &mut Vec<Action>) -> Result<(), Refused> {
        let instance_id = leaving.instance_id.as_deref();
        self.check_instance(leaving.member_id.as_ref(), instance_id)?;
        let member_id = match (&leaving.member_id, instance_id) {
            (Some(member_id), _) => Some(member_id.clone()),
            (None, Some(instance_id)) => self.instance(instance_id).cloned(),
            (None, None) => None,
        };
        let member_id = member_id.ok_or(Refused::UnknownMember)?;
        if self.promised.remove(&member_id).is_some() || self.remove(&member_id, actions) {
            return Ok(());
        }
        Err(Refused::UnknownMember)
    }

    /// Takes a member out; tells whether it was one.
    pub(super) fn remove(&mut self, member_id: &MemberId, actions: &mut Vec<Action>) -> bool {
        let Some(member) = self.members.remove(member_id) else {
            return false;
        };
        for ticket in [member.joining, member.syncing].into_iter().flatten() {
            refuse(actions, ticket, Refused::UnknownMember);
        }
        if self.leader.as_ref() == Some(member_id) {
            self.leader = None;
        }
        true
    }
}
