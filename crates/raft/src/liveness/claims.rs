//! Who claims to lead which group: what this node tells its peers, and what each peer told it.
//!
//! A claim is withdrawn by the node that made it, or falls with that node's incarnation. The
//! frames of one peer are a sequence: frame 0 carries all claims, the others only what changed,
//! so that thousands of idle groups cost nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_model::{Incarnation, LeaderEpoch, RaftGroupId};
use floe_rpc::{Beat, BeatReply, Claim};

/// What this node leads, and in which order it changed.
#[derive(Debug, Default)]
pub(crate) struct OwnClaims {
    version: u64,
    leading: BTreeMap<RaftGroupId, LeaderEpoch>,
    /// The newest change of each group, by version; its mirror finds it by group.
    changes: BTreeMap<u64, RaftGroupId>,
    changed_at: BTreeMap<RaftGroupId, u64>,
}

/// What one peer has been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    seq: u64,
    version: u64,
}

impl OwnClaims {
    /// Claims `group` or withdraws it. Returns whether that changed anything.
    pub(crate) fn set(&mut self, group: RaftGroupId, epoch: Option<LeaderEpoch>) -> bool {
        let before = match epoch {
            Some(epoch) => self.leading.insert(group, epoch),
            None => self.leading.remove(&group),
        };
        if before == epoch {
            return false;
        }
        self.version += 1;
        if let Some(old) = self.changed_at.insert(group, self.version) {
            self.changes.remove(&old);
        }
        self.changes.insert(self.version, group);
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.leading.len()
    }

    /// Whether a peer that was told this has nothing to learn.
    pub(crate) fn is_known(&self, told: Told) -> bool {
        told.seq > 0 && told.version == self.version
    }

    /// The next frame for a peer, and what it will have been told then.
    pub(crate) fn frame(&self, told: Told, incarnation: Incarnation) -> (Beat, Told) {
        let (mut claims, mut withdrawn) = (Vec::new(), Vec::new());
        if told.seq == 0 {
            let all = self.leading.iter();
            claims.extend(all.map(|(&group, &epoch)| Claim { group, epoch }));
        } else {
            for &group in self
                .changes
                .range(told.version + 1..)
                .map(|(_, group)| group)
            {
                match self.leading.get(&group) {
                    Some(&epoch) => claims.push(Claim { group, epoch }),
                    None => withdrawn.push(group),
                }
            }
        }
        let beat = Beat {
            incarnation,
            seq: told.seq,
            claims,
            withdrawn,
        };
        let told = Told {
            seq: told.seq + 1,
            version: self.version,
        };
        (beat, told)
    }
}

/// What one peer claims.
#[derive(Debug, Default)]
pub(crate) struct PeerClaims {
    next_seq: u64,
    leading: BTreeMap<RaftGroupId, LeaderEpoch>,
    /// When the peer's last beat was answered.
    answered_at: Option<Duration>,
    /// When a beat last showed that the answer before it had arrived.
    confirmed_at: Option<Duration>,
}

impl PeerClaims {
    /// Notes that `beat` is answered `now`. Frames are sent one by one, each after the answer to
    /// the one before: a later one shows that this answer arrived. Returns when it was given.
    pub(crate) fn answered(
        &mut self,
        beat: &Beat,
        reply: BeatReply,
        now: Duration,
    ) -> Option<Duration> {
        let before = self.answered_at.replace(now);
        if reply != BeatReply::Heard || beat.seq == 0 {
            return None;
        }
        self.confirmed_at = Some(now);
        before
    }

    /// When the peer last showed that it hears this node.
    pub(crate) fn confirmed_at(&self) -> Option<Duration> {
        self.confirmed_at
    }

    /// Takes a frame. Groups that it withdrew, explicitly or by leaving them out of frame 0, are
    /// added to `withdrawn`.
    pub(crate) fn take(&mut self, beat: &Beat, withdrawn: &mut Vec<RaftGroupId>) -> BeatReply {
        if beat.seq == 0 {
            let all = beat.claims.iter().map(|claim| (claim.group, claim.epoch));
            let before = std::mem::replace(&mut self.leading, all.collect());
            let lost = before
                .into_keys()
                .filter(|group| !self.leading.contains_key(group));
            withdrawn.extend(lost);
        } else if beat.seq == self.next_seq {
            for claim in &beat.claims {
                self.leading.insert(claim.group, claim.epoch);
            }
            for group in &beat.withdrawn {
                self.leading.remove(group);
                withdrawn.push(*group);
            }
        } else {
            return BeatReply::Restart;
        }
        self.next_seq = beat.seq + 1;
        BeatReply::Heard
    }

    /// The epoch in which the peer claims `group`.
    pub(crate) fn epoch(&self, group: RaftGroupId) -> Option<LeaderEpoch> {
        self.leading.get(&group).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Incarnation = Incarnation(1);

    fn group(id: u64) -> RaftGroupId {
        RaftGroupId(id)
    }

    #[test]
    fn frame_zero_carries_all_and_later_frames_only_changes() {
        let mut own = OwnClaims::default();
        assert!(own.set(group(1), Some(LeaderEpoch(1))));
        assert!(own.set(group(2), Some(LeaderEpoch(1))));
        assert!(!own.set(group(2), Some(LeaderEpoch(1))));
        let (all, told) = own.frame(Told::default(), ME);
        assert_eq!((all.seq, all.claims.len()), (0, 2));
        let (idle, told) = own.frame(told, ME);
        assert_eq!(
            (idle.seq, idle.claims.len(), idle.withdrawn.len()),
            (1, 0, 0)
        );
        own.set(group(1), None);
        own.set(group(2), Some(LeaderEpoch(3)));
        let (changes, _) = own.frame(told, ME);
        assert_eq!(changes.withdrawn, [group(1)]);
        assert_eq!(changes.claims.len(), 1);
    }

    #[test]
    fn a_missing_frame_asks_for_all_claims_again() {
        let mut own = OwnClaims::default();
        own.set(group(1), Some(LeaderEpoch(1)));
        let mut peer = PeerClaims::default();
        let mut lost = Vec::new();
        let (first, told) = own.frame(Told::default(), ME);
        assert_eq!(peer.take(&first, &mut lost), BeatReply::Heard);
        let (_, told) = own.frame(told, ME);
        let (third, _) = own.frame(told, ME);
        assert_eq!(peer.take(&third, &mut lost), BeatReply::Restart);
        assert_eq!(peer.epoch(group(1)), Some(LeaderEpoch(1)));
        own.set(group(1), None);
        let (again, _) = own.frame(Told::default(), ME);
        assert_eq!(peer.take(&again, &mut lost), BeatReply::Heard);
        assert_eq!(lost, [group(1)]);
    }
}
