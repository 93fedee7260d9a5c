//! Who is a member: joining, coming back, leaving, and whose epoch is the current one.
//!
//! Invariant: a member that joins again holds nothing, and gets an epoch that nobody had: what
//! it sent in its former epochs is stale.

use floe_model::MemberId;
use floe_model::limits::GROUP_MEMBERS_MAX;

use super::group::ConsumerGroup;
use super::member::{Changed, Member};
use super::{Heartbeat, JOIN_EPOCH, LEAVE_EPOCH, Refused, STATIC_LEAVE_EPOCH};
use crate::classic::GROUP_BYTES_MAX;

/// What follows from a heartbeat that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// A step to the target; `must_tell` says that the member may not know its assignment.
    Member { must_tell: bool },
    /// Gone, under this epoch.
    Left(i32),
}

impl ConsumerGroup {
    /// Lets a heartbeat have its effect on who is a member and wants what.
    pub(super) fn admit(&mut self, now_ms: u64, beat: &Heartbeat) -> Result<Stay, Refused> {
        match beat.member_epoch {
            JOIN_EPOCH => self.join(now_ms, beat),
            LEAVE_EPOCH | STATIC_LEAVE_EPOCH => self.leave(now_ms, beat),
            epoch if epoch > 0 => self.go_on(now_ms, beat),
            _ => Err(Refused::Invalid),
        }
    }

    fn join(&mut self, now_ms: u64, beat: &Heartbeat) -> Result<Stay, Refused> {
        let instance = beat.instance_id.as_deref();
        let namesake = instance.and_then(|instance| self.instance(instance).cloned());
        let former = namesake.filter(|id| *id != beat.member_id);
        let known = former.as_ref().unwrap_or(&beat.member_id);
        let mut member = match self.members.get(known) {
            Some(other) if former.is_some() && !other.is_away() => {
                return Err(Refused::UnreleasedInstance);
            }
            Some(member) => member.clone(),
            None => Member::new(now_ms),
        };
        let is_new = !self.members.contains_key(known);
        let changed = member.update(beat).map_err(|_| Refused::InvalidPattern)?;
        self.check_room(known, is_new, &member)?;
        member.last_seen_ms = now_ms;
        // A join whose answer was lost: nothing happened since.
        let is_retry = former.is_none() && member.previous_epoch == 0 && member.epoch > 0;
        if former.is_some() {
            // It takes over what its predecessor left, under an id that commits can tell apart.
            (member.epoch, member.previous_epoch) = (0, 0);
            self.is_stale |= changed == Changed::Subscription;
        } else if !is_retry {
            (member.epoch, member.previous_epoch) = (0, 0);
            member.revoking.clear();
            // A static member that is back finds what it left.
            if !is_new && !self.members.get(known).is_some_and(Member::is_away) {
                member.assigned.clear();
            }
            self.is_stale = true;
        } else {
            self.is_stale |= changed == Changed::Subscription;
        }
        self.is_changed |= !is_retry || changed != Changed::Nothing;
        if let Some(former) = former {
            self.members.remove(&former);
        }
        self.members.insert(beat.member_id.clone(), member);
        Ok(Stay::Member { must_tell: true })
    }

    fn go_on(&mut self, now_ms: u64, beat: &Heartbeat) -> Result<Stay, Refused> {
        self.check_instance(beat)?;
        let known = self.members.get(&beat.member_id);
        let known = known.ok_or(Refused::UnknownMember)?;
        let mut must_tell = beat.is_full();
        if beat.member_epoch != known.epoch {
            // The answer with its epoch was lost, and it has nothing that others may have now.
            let owned = beat.owned.as_ref();
            let is_late = beat.member_epoch == known.previous_epoch
                && owned.is_some_and(|owned| owned.is_subset(&known.assigned));
            if !is_late {
                return Err(Refused::FencedMemberEpoch);
            }
            must_tell = true;
        }
        let mut member = known.clone();
        let changed = member.update(beat).map_err(|_| Refused::InvalidPattern)?;
        if changed != Changed::Nothing {
            self.check_room(&beat.member_id, false, &member)?;
        }
        self.is_stale |= changed == Changed::Subscription;
        self.is_changed |= changed != Changed::Nothing;
        member.last_seen_ms = now_ms;
        self.members.insert(beat.member_id.clone(), member);
        Ok(Stay::Member { must_tell })
    }

    fn leave(&mut self, now_ms: u64, beat: &Heartbeat) -> Result<Stay, Refused> {
        self.check_instance(beat)?;
        let known = self.members.get_mut(&beat.member_id);
        let member = known.ok_or(Refused::UnknownMember)?;
        if beat.member_epoch == STATIC_LEAVE_EPOCH {
            if member.instance_id.is_none() {
                return Err(Refused::Invalid);
            }
            member.epoch = STATIC_LEAVE_EPOCH;
            member.revoking.clear();
            member.last_seen_ms = now_ms;
        } else {
            self.members.remove(&beat.member_id);
            self.is_stale = true;
        }
        self.is_changed = true;
        Ok(Stay::Left(beat.member_epoch))
    }

    /// Refuses an instance id that is not a member's, or another member's.
    fn check_instance(&self, beat: &Heartbeat) -> Result<(), Refused> {
        let Some(instance_id) = beat.instance_id.as_deref() else {
            return Ok(());
        };
        let current = self.instance(instance_id).ok_or(Refused::UnknownMember)?;
        match *current == beat.member_id {
            true => Ok(()),
            false => Err(Refused::FencedInstance),
        }
    }

    fn instance(&self, instance_id: &str) -> Option<&MemberId> {
        let has = |member: &Member| member.instance_id.as_deref() == Some(instance_id);
        let found = self.members.iter().find(|(_, member)| has(member));
        found.map(|(member_id, _)| member_id)
    }

    /// Refuses more members, or more of their words, than the group's record has room for.
    fn check_room(&self, id: &MemberId, is_new: bool, member: &Member) -> Result<(), Refused> {
        let others = self.members.iter().filter(|(other, _)| *other != id);
        let bytes: usize = others.map(|(_, other)| other.words_bytes()).sum();
        let count = self.members.len() + usize::from(is_new);
        match count <= GROUP_MEMBERS_MAX && bytes + member.words_bytes() <= GROUP_BYTES_MAX {
            true => Ok(()),
            false => Err(Refused::GroupFull),
        }
    }
}
