//! Is the leader of a group alive? The rules, without clock, tasks or network.
//!
//! Leadership is alive per group, not per node: a group is leaderless for this node when its
//! leader's node is suspected, runs as another incarnation, or does not claim the group. Only
//! groups whose leadership is in doubt stand in the queue, by the moment of their next look;
//! nothing ever walks over all groups but an event that concerns all of a node's groups.
//!
//! Everything here is liveness policy. Safety is Raft's: terms, logs and majorities.

mod claims;
mod detector;
mod group_view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use floe_env::Rng;
use floe_model::{Incarnation, LeaderEpoch, LogId, NodeId, RaftGroupId, ReplicaId};
use floe_rpc::{Beat, BeatReply};

pub(crate) use claims::Told;
use claims::{OwnClaims, PeerClaims};
pub use detector::NodeHealth;
use detector::{Detector, HealthChange};
pub(crate) use group_view::GroupFacts;
use group_view::GroupView;

use crate::{RaftConfig, Voter};

/// Time a better placed candidate has before the next one stands.
const STAGGER: Duration = Duration::from_millis(250);
/// Spread of first candidacies, so that a dead node's groups do not all move in one instant.
const SPREAD: Duration = Duration::from_millis(20);
/// Distance of the heartbeats to the groups of a restarted peer.
const POKE_PACE: Duration = Duration::from_micros(200);

/// The node's view of its peers and groups.
pub(crate) struct Liveness {
    me: NodeId,
    incarnation: Incarnation,
    config: RaftConfig,
    rng: Rng,
    detector: Detector,
    peer_claims: BTreeMap<NodeId, PeerClaims>,
    own: OwnClaims,
    groups: BTreeMap<RaftGroupId, GroupView>,
    by_leader: BTreeMap<NodeId, BTreeSet<RaftGroupId>>,
    queue: BTreeSet<(Duration, RaftGroupId)>,
    pokes: BTreeSet<(Duration, RaftGroupId)>,
    /// Groups whose log the leaders on that node have still to check.
    unchecked: BTreeMap<NodeId, BTreeSet<RaftGroupId>>,
}

/// What the node must do after an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Health of a peer changed.
    pub(crate) health: bool,
    /// Groups that this node leads and that became fenced or free again.
    pub(crate) fences: Vec<(RaftGroupId, bool)>,
}

/// Something that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Initialise the group with exactly these voters.
    Found(RaftGroupId, Vec<Voter>),
    /// Ask the voters whether they agree, then stand.
    Stand(RaftGroupId),
    /// Send one heartbeat to the group's followers.
    Heartbeat(RaftGroupId),
}

impl Liveness {
    pub(crate) fn new(config: &RaftConfig, incarnation: Incarnation, rng: Rng) -> Self {
        Self {
            me: config.node_id,
            incarnation,
            config: config.clone(),
            rng,
            detector: Detector::new(config),
            peer_claims: BTreeMap::new(),
            own: OwnClaims::default(),
            groups: BTreeMap::new(),
            by_leader: BTreeMap::new(),
            queue: BTreeSet::new(),
            pokes: BTreeSet::new(),
            unchecked: BTreeMap::new(),
        }
    }

    // -- peers

    pub(crate) fn add_peer(&mut self, node: NodeId, now: Duration) {
        self.detector.add(node, now);
        self.peer_claims.entry(node).or_default();
    }

    pub(crate) fn remove_peer(&mut self, node: NodeId, now: Duration) -> Effects {
        self.detector.remove(node);
        self.peer_claims.remove(&node);
        self.doubt_groups_of(node, now);
        self.after(vec![HealthChange::Reach], now)
    }

    pub(crate) fn suspects(&self, node: NodeId) -> bool {
        node != self.me && self.detector.suspects(node)
    }

    pub(crate) fn healths(&self) -> BTreeMap<NodeId, NodeHealth> {
        self.detector.healths()
    }

    pub(crate) fn tick_interval(&self) -> Duration {
        self.detector.tick_interval()
    }

    pub(crate) fn tick(&mut self, now: Duration) -> Effects {
        let changes = self.detector.tick(now);
        self.after(changes, now)
    }

    /// A handshake or beat of `node` proved that this incarnation of it lives.
    pub(crate) fn heard(&mut self, node: NodeId, of: Incarnation, now: Duration) -> Effects {
        let changes = self.detector.heard(node, of, now);
        self.after(changes, now)
    }

    pub(crate) fn refused(&mut self, node: NodeId, now: Duration) -> Effects {
        let changes = self.detector.refused(node);
        self.after(changes, now)
    }

    pub(crate) fn reached(&mut self, node: NodeId, sent: Duration, now: Duration) -> Effects {
        let changes = self.detector.reached(node, sent);
        self.after(changes, now)
    }

    /// The next beat for a peer.
    pub(crate) fn frame(&self, told: Told) -> (Beat, Told) {
        self.own.frame(told, self.incarnation)
    }

    pub(crate) fn beat(
        &mut self,
        from: NodeId,
        beat: &Beat,
        now: Duration,
    ) -> (BeatReply, Effects) {
        let known = self.detector.incarnation(from);
        if known.is_some_and(|known| beat.incarnation < known) {
            return (BeatReply::Restart, Effects::default());
        }
        let mut withdrawn = Vec::new();
        let reply = match self.peer_claims.get_mut(&from) {
            Some(claims) => claims.take(beat, &mut withdrawn),
            None => return (BeatReply::Restart, Effects::default()),
        };
        // Claims first: a restart must find the new incarnation's claims, not the old one's.
        let effects = self.heard(from, beat.incarnation, now);
        for group in withdrawn {
            if self
                .groups
                .get(&group)
                .is_some_and(|view| view.facts.leader == Some(from))
            {
                self.doubt(group, now);
            }
        }
        (reply, effects)
    }

    fn after(&mut self, changes: Vec<HealthChange>, now: Duration) -> Effects {
        let mut effects = Effects::default();
        for change in changes {
            effects.health = true;
            match change {
                HealthChange::Suspected(node) => self.doubt_groups_of(node, now),
                HealthChange::Restarted(node) => {
                    self.doubt_groups_of(node, now);
                    self.poke_groups_on(node, now);
                }
                HealthChange::Heard(_) => {}
                HealthChange::Reach => self.update_fences(&mut effects.fences),
            }
        }
        effects
    }

    fn doubt_groups_of(&mut self, node: NodeId, now: Duration) {
        let groups: Vec<_> = self
            .by_leader
            .get(&node)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        for group in groups {
            self.doubt(group, now);
        }
    }

    fn poke_groups_on(&mut self, node: NodeId, now: Duration) {
        let mine: Vec<_> = self
            .by_leader
            .get(&self.me)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let mut at = now;
        for group in mine {
            let Some(view) = self.groups.get_mut(&group) else {
                continue;
            };
            if view
                .facts
                .members
                .iter()
                .any(|member| member.node_id == node)
            {
                at += POKE_PACE;
                move_poke(&mut self.pokes, group, view, Some(at));
            }
        }
    }

    // -- groups

    /// Starts to watch a group. `check_by` are the nodes whose leaders must look at the end of
    /// its log before it may vote: all other members' when the log existed before this start.
    pub(crate) fn open(
        &mut self,
        group: RaftGroupId,
        opened_with: Option<LogId>,
        check_by: BTreeSet<NodeId>,
    ) {
        for node in &check_by {
            self.unchecked.entry(*node).or_default().insert(group);
        }
        self.groups.insert(
            group,
            GroupView {
                facts: GroupFacts::default(),
                since: Duration::ZERO,
                leader_incarnation: None,
                queued: None,
                poke: None,
                fenced: false,
                unchecked: check_by,
                opened_with,
            },
        );
    }

    pub(crate) fn close(&mut self, group: RaftGroupId) {
        let Some(mut view) = self.groups.remove(&group) else {
            return;
        };
        move_queued(&mut self.queue, group, &mut view, None);
        move_poke(&mut self.pokes, group, &mut view, None);
        if let Some(leader) = view.facts.leader {
            self.unindex(leader, group);
        }
        for node in view.unchecked {
            self.remove_unchecked(node, group);
        }
        self.own.set(group, None);
    }

    fn unindex(&mut self, leader: NodeId, group: RaftGroupId) {
        if let Some(groups) = self.by_leader.get_mut(&leader) {
            groups.remove(&group);
        }
    }

    /// Takes the new facts of a group. Returns whether it is fenced now.
    pub(crate) fn update(&mut self, group: RaftGroupId, facts: GroupFacts, now: Duration) -> bool {
        let Some(view) = self.groups.get_mut(&group) else {
            return false;
        };
        if view.facts == facts {
            return view.fenced;
        }
        let (before, leader) = (view.facts.leader, facts.leader);
        let moved = (before, view.facts.epoch) != (leader, facts.epoch);
        view.facts = facts;
        if moved {
            view.since = now;
            view.leader_incarnation = leader.and_then(|node| self.detector.incarnation(node));
        }
        let leads = view.facts.leads;
        let next_poke = match (leads, view.poke) {
            (true, None) => {
                let half = self.config.idle_heartbeat / 2;
                Some(now + self.rng.jitter(half, half))
            }
            (true, Some(at)) => Some(at),
            (false, _) => None,
        };
        move_poke(&mut self.pokes, group, view, next_poke);
        if before != leader {
            if let Some(before) = before {
                self.unindex(before, group);
            }
            if let Some(leader) = leader {
                self.by_leader.entry(leader).or_default().insert(group);
            }
        }
        let fenced = self.update_fence(group);
        if !leads {
            self.doubt(group, now);
        }
        fenced
    }

    /// Recomputes the fence of one group and what is claimed of it.
    fn update_fence(&mut self, group: RaftGroupId) -> bool {
        let Some(view) = self.groups.get_mut(&group) else {
            return false;
        };
        let (me, detector) = (self.me, &self.detector);
        let alive = view
            .facts
            .is_majority(|node| node == me || detector.reaches(node));
        view.fenced = view.facts.leads && !alive;
        let claim = (view.facts.leads && alive).then_some(view.facts.epoch);
        self.own.set(group, claim);
        view.fenced
    }

    fn update_fences(&mut self, changed: &mut Vec<(RaftGroupId, bool)>) {
        let mine: Vec<_> = self
            .by_leader
            .get(&self.me)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        for group in mine {
            let before = self.groups.get(&group).is_some_and(|view| view.fenced);
            let fenced = self.update_fence(group);
            if before != fenced {
                changed.push((group, fenced));
            }
        }
    }

    pub(crate) fn leading(&self) -> usize {
        self.own.len()
    }

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
        if self.claimed_by_a_live_peer(group, epoch) {
            return Doubt::None;
        }
        match view.facts.leader {
            None => Doubt::Leaderless,
            Some(node) if node == self.me => {
                if view.fenced || !view.facts.leads {
                    Doubt::Leaderless
                } else {
                    Doubt::None
                }
            }
            Some(node) => {
                let restarted = view.leader_incarnation.is_some()
                    && self.detector.incarnation(node) != view.leader_incarnation;
                let had_time = now.saturating_sub(view.since) >= self.config.claim_grace;
                if self.suspects(node) || restarted || had_time {
                    Doubt::Leaderless
                } else {
                    Doubt::Until(view.since + self.config.claim_grace)
                }
            }
        }
    }

    /// Among claims the highest epoch wins; one below what is known here is void.
    fn claimed_by_a_live_peer(&self, group: RaftGroupId, epoch: LeaderEpoch) -> bool {
        self.peer_claims.iter().any(|(&node, claims)| {
            claims.epoch(group).is_some_and(|claimed| claimed >= epoch) && !self.suspects(node)
        })
    }

    /// Puts a group whose leadership is in doubt into the queue, at this node's turn.
    fn doubt(&mut self, group: RaftGroupId, now: Duration) {
        let Some(view) = self.groups.get(&group) else {
            return;
        };
        let at = match self.leadership_doubt(group, view, now) {
            Doubt::None => return,
            Doubt::Until(at) => at,
            Doubt::Leaderless if view.facts.founders.is_empty() => {
                now + self.rng.jitter(self.turn(group, view), SPREAD)
            }
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
            Doubt::Until(at) => (at, None),
            Doubt::Leaderless if !view.facts.founders.is_empty() => {
                let found = self.first_founder(view);
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

    /// The first founder initialises; the next one only when those before it are dead.
    fn first_founder(&self, view: &GroupView) -> bool {
        let before = view.facts.founders.iter();
        before
            .take_while(|founder| founder.replica_id != view.facts.replica_id)
            .all(|founder| self.suspects(founder.node_id))
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

    // -- restarted replicas

    /// Whether every reachable node has checked the end of this replica's log.
    pub(crate) fn may_vote(&self, group: RaftGroupId) -> bool {
        self.groups
            .get(&group)
            .is_some_and(|view| view.unchecked.iter().all(|node| self.suspects(*node)))
    }

    /// Groups that `node` must check, at most `max`, with their replicas and ends.
    pub(crate) fn to_check(
        &self,
        node: NodeId,
        max: usize,
    ) -> Vec<(RaftGroupId, ReplicaId, Option<LogId>)> {
        let groups = self.unchecked.get(&node).into_iter().flatten().take(max);
        groups
            .filter_map(|group| {
                let view = self.groups.get(group)?;
                Some((*group, view.facts.replica_id, view.opened_with))
            })
            .collect()
    }

    pub(crate) fn checked(&mut self, node: NodeId, groups: impl Iterator<Item = RaftGroupId>) {
        for group in groups {
            self.remove_unchecked(node, group);
            if let Some(view) = self.groups.get_mut(&group) {
                view.unchecked.remove(&node);
            }
        }
    }

    fn remove_unchecked(&mut self, node: NodeId, group: RaftGroupId) {
        if let Some(groups) = self.unchecked.get_mut(&node) {
            groups.remove(&group);
            if groups.is_empty() {
                self.unchecked.remove(&node);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// A live leader.
    None,
    /// The leader has until then to claim the group.
    Until(Duration),
    /// No leader.
    Leaderless,
}

fn move_queued(
    queue: &mut BTreeSet<(Duration, RaftGroupId)>,
    group: RaftGroupId,
    view: &mut GroupView,
    to: Option<Duration>,
) {
    if let Some(at) = std::mem::replace(&mut view.queued, to) {
        queue.remove(&(at, group));
    }
    queue.extend(to.map(|at| (at, group)));
}

fn move_poke(
    pokes: &mut BTreeSet<(Duration, RaftGroupId)>,
    group: RaftGroupId,
    view: &mut GroupView,
    to: Option<Duration>,
) {
    if let Some(at) = std::mem::replace(&mut view.poke, to) {
        pokes.remove(&(at, group));
    }
    pokes.extend(to.map(|at| (at, group)));
}

#[cfg(test)]
mod tests;
