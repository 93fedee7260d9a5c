//! Which groups have no leader, whose turn it is to stand, and when to look again.
//!
//! Only groups whose leadership is in doubt stand in the queue, by the moment of their next look.
//! A group leaves it in one way only: the node that it knows to lead claims it and is alive.

use std::collections::BTreeSet;
use std::time::Duration;

use floe_model::{LeaderEpoch, NodeId, RaftGroupId};

use super::group_view::{GroupFacts, GroupView};
use super::{Due, FOUNDING_PATIENCE, Liveness, SPREAD, STAGGER, move_poke, move_queued};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// A live leader.
    None,
    /// The leader has until then to claim the group.
    Until(Duration),
    /// No leader.
    Leaderless,
}

impl Liveness {
    // -- leaderless groups

    /// Whether this node holds the group to be without a leader.
    pub(crate) fn is_leaderless(&self, group: RaftGroupId, now: Duration) -> bool {
        let Some(view) = self.groups.get(&group) else {
            return false;
        };
        self.leadership_doubt(group, view, now) == Doubt::Leaderless
    }

    /// Whether a candidate on `node` may pass the leases of this replica.
    pub(crate) fn lets_pass(&self, group: RaftGroupId, node: NodeId, now: Duration) -> bool {
        let leader = self.groups.get(&group).and_then(|view| view.facts.leader);
        // A leader that stands again deposes nobody but itself.
        leader == Some(node) || self.is_leaderless(group, now)
    }

    fn leadership_doubt(&self, group: RaftGroupId, view: &GroupView, now: Duration) -> Doubt {
        let epoch = view.facts.epoch;
        let settled = view.since + self.config.claim_grace;
        if view
            .facts
            .leader
            .is_some_and(|leader| self.claims(leader, group, epoch))
        {
            return Doubt::None;
        }
        if self.claimed_by_a_live_peer(group, epoch) {
            // It leads, or is about to, but has not yet reached this replica.
            return Doubt::Until(now + self.config.claim_grace);
        }
        let gone = match view.facts.leader {
            Some(node) if node == self.me => {
                if view.facts.leads && !view.fenced {
                    return Doubt::None;
                }
                true
            }
            Some(node) => {
                let restarted = view.leader_incarnation.is_some()
                    && self.detector.incarnation(node) != view.leader_incarnation;
                self.suspects(node) || restarted
            }
            // Founded by nobody yet: there was never a leader to wait for.
            None => !view.facts.founders.is_empty(),
        };
        // A vote was given or leadership learned lately: its candidate has time to claim.
        if gone || now >= settled {
            Doubt::Leaderless
        } else {
            Doubt::Until(settled)
        }
    }

    fn claims(&self, node: NodeId, group: RaftGroupId, epoch: LeaderEpoch) -> bool {
        let claimed = self
            .peer_claims
            .get(&node)
            .and_then(|claims| claims.epoch(group));
        claimed >= Some(epoch) && !self.suspects(node)
    }

    /// Among claims the highest epoch wins; one below what is known here is void.
    fn claimed_by_a_live_peer(&self, group: RaftGroupId, epoch: LeaderEpoch) -> bool {
        self.peer_claims
            .keys()
            .any(|&node| self.claims(node, group, epoch))
    }

    /// Puts a group whose leadership is in doubt into the queue, at this node's turn.
    pub(super) fn doubt(&mut self, group: RaftGroupId, now: Duration) {
        let Some(view) = self.groups.get(&group) else {
            return;
        };
        let turn = self.rng.jitter(self.turn(group, view), SPREAD);
        let at = match self.leadership_doubt(group, view, now) {
            Doubt::None => return,
            Doubt::Until(at) => at + turn,
            Doubt::Leaderless if view.facts.founders.is_empty() => now + turn,
            Doubt::Leaderless => now,
        };
        if let Some(view) = self.groups.get_mut(&group) {
            let at = view.queued.map_or(at, |queued| queued.min(at));
            move_queued(&mut self.queue, group, view, Some(at));
        }
    }

    /// How long better placed candidates come first.
    fn turn(&self, group: RaftGroupId, view: &GroupView) -> Duration {
        let order = view.facts.order(group);
        let live = order.iter().filter(|voter| !self.suspects(voter.node_id));
        let rank = live
            .take_while(|voter| voter.node_id != self.me)
            .filter(|voter| Some(voter.node_id) != view.facts.leader)
            .count();
        STAGGER * u32::try_from(rank).unwrap_or(u32::MAX)
    }

    /// Up to `max` things that are due. Groups still in doubt stay queued for a retry.
    pub(crate) fn due(&mut self, now: Duration, max: usize) -> Vec<Due> {
        let mut due = Vec::new();
        while due.len() < max
            && let Some(&(at, group)) = self.queue.first()
            && at <= now
        {
            self.queue.pop_first();
            if let Some(what) = self.look(group, now) {
                due.push(what);
            }
        }
        while due.len() < max
            && let Some(&(at, group)) = self.pokes.first()
            && at <= now
        {
            self.pokes.pop_first();
            if let Some(view) = self.groups.get_mut(&group) {
                let half = self.config.idle_heartbeat / 2;
                view.poke = None;
                move_poke(
                    &mut self.pokes,
                    group,
                    view,
                    Some(now + self.rng.jitter(half, half)),
                );
                due.push(Due::Heartbeat(group));
            }
        }
        due
    }

    /// Looks at a group taken from the queue.
    fn look(&mut self, group: RaftGroupId, now: Duration) -> Option<Due> {
        let view = self.groups.get_mut(&group)?;
        view.queued = None;
        let view = self.groups.get(&group)?;
        let retry = now
            + self
                .rng
                .jitter(self.config.election_retry, self.config.election_retry);
        let (again, due) = match self.leadership_doubt(group, view, now) {
            Doubt::None => return None,
            // The fence puts it back once there is something to confirm.
            Doubt::Leaderless if view.facts.leads && !self.may_lead(group, view) => return None,
            Doubt::Leaderless if view.facts.leads => (retry, Some(Due::Confirm(group))),
            Doubt::Until(at) => (at + self.rng.jitter(self.turn(group, view), SPREAD), None),
            Doubt::Leaderless if !view.facts.founders.is_empty() => {
                let found = self.is_founder_now(view, now);
                (
                    retry,
                    found.then(|| Due::Found(group, view.facts.founders.clone())),
                )
            }
            Doubt::Leaderless if view.facts.may_stand => {
                (retry, self.may_vote(group).then_some(Due::Stand(group)))
            }
            // A new fact of the group (it became a voter) puts it back.
            Doubt::Leaderless => return None,
        };
        if let Some(view) = self.groups.get_mut(&group) {
            move_queued(&mut self.queue, group, view, Some(again));
        }
        due
    }

    /// The first founder initialises; the next one only when those before it are dead: not heard,
    /// or on a node that came back with another disk; or when they had their time for it.
    fn is_founder_now(&self, view: &GroupView, now: Duration) -> bool {
        let before = view.facts.founders.iter();
        let live = before
            .take_while(|founder| founder.replica_id != view.facts.replica_id)
            .filter(|founder| {
                let disk = self.detector.disk(founder.node_id);
                let is_wiped = disk.is_some_and(|disk| disk != founder.node_uuid);
                !self.suspects(founder.node_id) && !is_wiped
            });
        let live = u32::try_from(live.count()).unwrap_or(u32::MAX);
        now >= view.opened + FOUNDING_PATIENCE.saturating_mul(live)
    }

    /// A candidate learned that another voter's log is longer: that one stands first.
    pub(crate) fn yield_turn(&mut self, group: RaftGroupId, now: Duration) {
        if let Some(view) = self.groups.get_mut(&group) {
            let at = now + self.rng.jitter(2 * self.config.election_retry, STAGGER);
            move_queued(&mut self.queue, group, view, Some(at));
        }
    }

    /// A better candidate asked for by a peer with a shorter log.
    pub(crate) fn stand_soon(&mut self, group: RaftGroupId, now: Duration) {
        if let Some(view) = self.groups.get_mut(&group) {
            move_queued(&mut self.queue, group, view, Some(now));
        }
    }

    pub(crate) fn next_due(&self) -> Option<Duration> {
        let first = |queue: &BTreeSet<(Duration, RaftGroupId)>| queue.first().map(|(at, _)| *at);
        match (first(&self.queue), first(&self.pokes)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    pub(crate) fn facts(&self, group: RaftGroupId) -> Option<&GroupFacts> {
        self.groups.get(&group).map(|view| &view.facts)
    }

    /// Whether the voters on `agreeing` nodes, with this one, are a majority of the group.
    pub(crate) fn is_majority(&self, group: RaftGroupId, agreeing: &BTreeSet<NodeId>) -> bool {
        let facts = self.facts(group);
        facts.is_some_and(|facts| {
            facts.is_majority(|node| node == self.me || agreeing.contains(&node))
        })
    }
}
