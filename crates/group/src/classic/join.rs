//! JoinGroup: who becomes a member of the next generation.
//!
//! Invariant: an instance id belongs to one member. Who brings one under another id replaces
//! the member that had it, which is out from then on.

use floe_model::MemberId;
use floe_model::limits::GROUP_MEMBERS_MAX;

use super::group::{ClassicGroup, Phase, refuse};
use super::member::{FIXED_BYTES, Member, protocols_bytes};
use super::{Action, Answer, Join, Joined, Proposal, Refused, Ticket, vote};

/// Most that the members of one group may say of themselves, bytes: the record of a group fits
/// a message between two nodes.
pub(crate) const GROUP_BYTES_MAX: usize = 512 << 10;
/// Protocols that one member may support.
const PROTOCOLS_MAX: usize = 64;

impl ClassicGroup {
    pub(super) fn join(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        join: Join,
        actions: &mut Vec<Action>,
    ) {
        if let Err(refused) = self.join_checked(now_ms, ticket, join, actions) {
            refuse(actions, ticket, refused);
        }
    }

    fn join_checked(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        join: Join,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let allowed = self.limits.session_timeout_ms_min..=self.limits.session_timeout_ms_max;
        if !allowed.contains(&join.session_timeout_ms) {
            return Err(Refused::InvalidSessionTimeout);
        }
        match (join.member_id.clone(), join.instance_id.clone()) {
            (None, Some(instance_id)) => match self.instance(&instance_id).cloned() {
                Some(former) => self.replace(now_ms, ticket, &former, join, actions),
                None => self.add(now_ms, ticket, join.new_member_id.clone(), join, actions),
            },
            (None, None) if join.is_id_required => {
                self.check_room(None, &join)?;
                self.check_protocols(None, &join)?;
                let session = u64::from(join.session_timeout_ms);
                let until_ms = now_ms.saturating_add(session);
                self.promised.insert(join.new_member_id.clone(), until_ms);
                let answer = Answer::MemberIdRequired(join.new_member_id);
                actions.push(Action::Answer(ticket, answer));
                Ok(())
            }
            (None, None) => self.add(now_ms, ticket, join.new_member_id.clone(), join, actions),
            (Some(member_id), None) if self.promised.contains_key(&member_id) => {
                self.add(now_ms, ticket, member_id, join, actions)
            }
            (Some(member_id), instance_id) => {
                self.check_instance(Some(&member_id), instance_id.as_deref())?;
                if !self.members.contains_key(&member_id) {
                    return Err(Refused::UnknownMember);
                }
                self.rejoin(now_ms, ticket, &member_id, join, actions)
            }
        }
    }

    /// A new member.
    fn add(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        member_id: MemberId,
        join: Join,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        self.check_room(Some(&member_id), &join)?;
        self.check_protocols(None, &join)?;
        self.promised.remove(&member_id);
        self.protocol_type.clone_from(&join.protocol_type);
        let mut member = Member::joined(join, now_ms);
        member.joining = Some(ticket);
        self.members.insert(member_id, member);
        if let Some(gathering) = &mut self.gathering {
            gathering.is_grown = true;
        }
        if self.phase != Phase::Preparing {
            self.prepare(now_ms, actions);
        }
        Ok(())
    }

    /// A member that this coordinator knows.
    fn rejoin(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        member_id: &MemberId,
        join: Join,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        self.check_room(Some(member_id), &join)?;
        self.check_protocols(Some(member_id), &join)?;
        let is_leader = self.leader.as_ref() == Some(member_id);
        let Some(member) = self.members.get_mut(member_id) else {
            return Err(Refused::UnknownMember);
        };
        let is_same = member.protocols == join.protocols;
        let stays = match self.phase {
            Phase::Preparing | Phase::Empty => false,
            // Its answer got lost.
            Phase::Completing => is_same,
            // The leader joins again when it wants to assign anew.
            Phase::Stable => is_same && !is_leader,
        };
        if stays {
            member.last_seen_ms = now_ms;
            let answer = Answer::Joined(self.joined(member_id));
            actions.push(Action::Answer(ticket, answer));
            return Ok(());
        }
        member.update(join, now_ms);
        if let Some(former) = member.joining.replace(ticket) {
            refuse(actions, former, Refused::RebalanceInProgress);
        }
        if self.phase != Phase::Preparing {
            self.prepare(now_ms, actions);
        }
        Ok(())
    }

    /// A static member that comes back without its id.
    fn replace(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        former: &MemberId,
        join: Join,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        self.check_room(Some(former), &join)?;
        self.check_protocols(Some(former), &join)?;
        let heir = join.new_member_id.clone();
        if self.phase == Phase::Stable && self.is_unchanged_by(former, &join) {
            let skips = join.may_skip_assignment;
            let is_leader = self.leader.as_ref() == Some(former);
            let record = Member::joined(join, now_ms).record(&self.protocol_type, is_leader);
            let proposal = Proposal::Replacement {
                generation: self.generation,
                former: former.clone(),
                heir,
                record,
            };
            self.propose(proposal, Some((ticket, skips)), actions);
            return Ok(());
        }
        let Some(mut member) = self.members.remove(former) else {
            return Err(Refused::UnknownMember);
        };
        self.fence_former(&mut member, actions);
        if self.leader.as_ref() == Some(former) {
            self.leader = Some(heir.clone());
        }
        member.update(join, now_ms);
        member.joining = Some(ticket);
        self.members.insert(heir, member);
        if self.phase != Phase::Preparing {
            self.prepare(now_ms, actions);
        }
        Ok(())
    }

    /// Answers what the former holder of an instance id still waits for.
    pub(super) fn fence_former(&self, member: &mut Member, actions: &mut Vec<Action>) {
        let waiting = [member.joining.take(), member.syncing.take()];
        for ticket in waiting.into_iter().flatten() {
            refuse(actions, ticket, Refused::FencedInstance);
        }
    }

    /// Whether the assignment stands if `join` takes the place of `former`.
    fn is_unchanged_by(&self, former: &MemberId, join: &Join) -> bool {
        let others = self.members.iter().filter(|(id, _)| *id != former);
        let mut protocols: Vec<_> = others.map(|(_, one)| one.protocols.as_slice()).collect();
        protocols.push(&join.protocols);
        let is_consumer = self.protocol_type == super::group::CONSUMER;
        vote::choose(&protocols) == Some(self.protocol.as_str())
            && self.members.get(former).is_some_and(|member| {
                member.wants_same(&join.protocols, &self.protocol, is_consumer)
            })
    }

    fn check_room(&self, known: Option<&MemberId>, join: &Join) -> Result<(), Refused> {
        let is_here =
            known.is_some_and(|id| self.members.contains_key(id) || self.promised.contains_key(id));
        let count = self.members.len() + self.promised.len() + usize::from(!is_here);
        let others = self.members.iter().filter(|(id, _)| Some(*id) != known);
        let others_bytes: usize = others.map(|(_, member)| member.size_bytes()).sum();
        let text_bytes = join.client_id.len() + join.client_host.len();
        let instance_bytes = join.instance_id.as_ref().map_or(0, String::len);
        let bytes = protocols_bytes(&join.protocols) + text_bytes + instance_bytes + FIXED_BYTES;
        match count <= GROUP_MEMBERS_MAX && others_bytes + bytes <= GROUP_BYTES_MAX {
            true => Ok(()),
            false => Err(Refused::GroupFull),
        }
    }

    fn check_protocols(&self, known: Option<&MemberId>, join: &Join) -> Result<(), Refused> {
        let is_sane = !join.protocol_type.is_empty()
            && (1..=PROTOCOLS_MAX).contains(&join.protocols.len())
            && join.protocols.iter().all(|one| !one.name.is_empty());
        let mut others = self.members.iter().filter(|(id, _)| Some(*id) != known);
        let agrees = if others.clone().next().is_none() {
            true
        } else {
            let others = others.by_ref().map(|(_, one)| one.protocols.as_slice());
            let common = vote::supported_by_all(others);
            let supports = |name: &str| common.contains(name);
            self.protocol_type == join.protocol_type
                && join.protocols.iter().any(|one| supports(&one.name))
        };
        match is_sane && agrees {
            true => Ok(()),
            false => Err(Refused::InconsistentProtocol),
        }
    }

    /// What a member hears of the generation it is in.
    pub(super) fn joined(&self, member_id: &MemberId) -> Joined {
        let is_leader = self.leader.as_ref() == Some(member_id);
        let members = self.members.iter().filter(|_| is_leader);
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| member_id.clone()),
            member_id: member_id.clone(),
            members: members
                .map(|(id, member)| member.as_joined(id, &self.protocol))
                .collect(),
            skips_assignment: false,
        }
    }
}
