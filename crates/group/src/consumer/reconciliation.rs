//! What each member is to hold, and its next step there.
//!
//! Invariant: no partition is assigned to two members, and none to one while another was told to
//! give it up and has not said that it did, left, or was put out.

use std::collections::{BTreeMap, BTreeSet};

use floe_model::{MemberId, TopicIdPartition, TopicName};

use super::admission::Stay;
use super::group::ConsumerGroup;
use super::member::Member;
use super::{Answer, Assignor, Beaten, Heartbeat, Refused};
use crate::native::assign;

/// Partitions of each member.
type Targets = BTreeMap<MemberId, BTreeSet<TopicIdPartition>>;

impl ConsumerGroup {
    /// The way to assign that most members prefer; the uniform one where it counts as much.
    pub(super) fn assignor(&self) -> Assignor {
        let votes = |wanted: Assignor| {
            let members = self.members.values();
            members.filter(|one| one.assignor == Some(wanted)).count()
        };
        match votes(Assignor::Range) > votes(Assignor::StickyCooperative) {
            true => Assignor::Range,
            false => Assignor::StickyCooperative,
        }
    }

    /// Gives every member its target anew, in a new epoch, if the members changed or the topics
    /// ask for it. The epoch is the generation that is about to be proposed.
    pub(super) fn retarget(&mut self) {
        if !self.is_stale && !std::mem::take(&mut self.is_unsure) {
            return;
        }
        let targets = self.targets();
        let is_other = |(id, member): (&MemberId, &Member)| targets.get(id) != Some(&member.target);
        if !self.is_stale && !self.members.iter().any(is_other) {
            return;
        }
        self.epoch = self.generation.0.saturating_add(1);
        for (member_id, member) in &mut self.members {
            member.target = targets.get(member_id).cloned().unwrap_or_default();
        }
        (self.is_stale, self.is_changed) = (false, true);
    }

    fn targets(&self) -> Targets {
        let reads: BTreeMap<&MemberId, BTreeSet<TopicName>> = self
            .members
            .iter()
            .map(|(id, member)| (id, member.reads(&self.topics)))
            .collect();
        let reads: BTreeMap<&MemberId, &BTreeSet<TopicName>> =
            reads.iter().map(|(&id, names)| (id, names)).collect();
        let mut present = BTreeMap::new();
        for (member_id, member) in &self.members {
            present.extend(member.target.iter().map(|&id| (id, member_id.clone())));
        }
        let owners = assign(self.assignor(), &reads, &self.topics, &present);
        let nothing = self.members.keys().map(|id| (id.clone(), BTreeSet::new()));
        let mut targets: Targets = nothing.collect();
        for (partition, member_id) in owners {
            targets.entry(member_id).or_default().insert(partition);
        }
        targets
    }

    /// Takes the member of an admitted heartbeat a step to its target.
    pub(super) fn answer(&mut self, now_ms: u64, beat: &Heartbeat, stay: Stay) -> Answer {
        let must_tell = match stay {
            Stay::Member { must_tell } => must_tell,
            Stay::Left(member_epoch) => {
                return Ok(Beaten {
                    member_epoch,
                    assignment: None,
                });
            }
        };
        // A later heartbeat of the same batch may have taken it out.
        let Some(mut member) = self.members.remove(&beat.member_id) else {
            return Err(Refused::UnknownMember);
        };
        let before = (member.epoch, member.assigned.clone(), member.revoking.len());
        if !member.is_away() {
            self.reconcile(now_ms, &mut member, beat.owned.as_ref());
        }
        let is_told = !must_tell && member.assigned == before.1;
        self.is_changed |= (member.epoch, member.revoking.len()) != (before.0, before.2)
            || member.assigned != before.1;
        let beaten = Beaten {
            member_epoch: member.epoch,
            assignment: (!is_told).then(|| member.assigned.clone()),
        };
        self.members.insert(beat.member_id.clone(), member);
        Ok(beaten)
    }

    /// One step of a member that is not among `members` at the moment: first it gives up, then
    /// it gets what nobody else has. Its epoch moves on when it owes nothing.
    fn reconcile(
        &self,
        now_ms: u64,
        member: &mut Member,
        owned: Option<&BTreeSet<TopicIdPartition>>,
    ) {
        let may_hold = |partitions: &BTreeSet<TopicIdPartition>| {
            owned.is_none_or(|owned| !owned.is_disjoint(partitions))
        };
        if member.is_settled(self.epoch)
            || (!member.revoking.is_empty() && may_hold(&member.revoking))
        {
            return;
        }
        let surplus: BTreeSet<_> = member
            .assigned
            .difference(&member.target)
            .copied()
            .collect();
        member.assigned.retain(|id| !surplus.contains(id));
        if !surplus.is_empty() && may_hold(&surplus) {
            (member.revoking, member.revoking_since_ms) = (surplus, now_ms);
            return;
        }
        member.revoking.clear();
        let missing = member.target.difference(&member.assigned);
        let is_free = |id: &&TopicIdPartition| {
            let mut others = self.members.values();
            !others.any(|other| other.assigned.contains(*id) || other.revoking.contains(*id))
        };
        let gained: Vec<_> = missing.filter(is_free).copied().collect();
        member.assigned.extend(gained);
        if member.epoch != self.epoch {
            member.previous_epoch = std::mem::replace(&mut member.epoch, self.epoch);
        }
    }
}
