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
mod log_checks;
mod queue;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use floe_env::Rng;
use floe_model::{Incarnation, LeaderEpoch, NodeId, RaftGroupId};
use floe_rpc::{Beat, BeatReply, LogEnd, PeerIdentity};

pub(crate) use claims::Told;
use claims::{OwnClaims, PeerClaims};
pub use detector::NodeHealth;
use detector::{Detector, HealthChange};
pub(crate) use group_view::GroupFacts;
use group_view::GroupView;

use crate::{RaftConfig, Voter};

/// Time a better placed candidate has before the next one stands.
const STAGGER: Duration = Duration::from_millis(250);
/// How long each founder that lives has to initialise a group before the next one does. It may
/// be heard and yet not have heard that there is such a group.
const FOUNDING_PATIENCE: Duration = Duration::from_secs(3);
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
    /// Groups whose log that peer has still to check.
    unchecked: BTreeMap<NodeId, BTreeSet<RaftGroupId>>,
}

/// What the node must do after an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Health of a peer changed.
    pub(crate) health: bool,
    /// Groups that this node leads and whose fence went up or down.
    pub(crate) fences: Vec<RaftGroupId>,
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
    /// Ask a majority whether this node still leads; then its fence may come down.
    Confirm(RaftGroupId),
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
        if let Entry::Vacant(claims) = self.peer_claims.entry(node) {
            claims.insert(PeerClaims::default());
            self.check_all_by(node);
        }
    }

    pub(crate) fn remove_peer(&mut self, node: NodeId, now: Duration) -> Effects {
        self.detector.remove(node);
        self.peer_claims.remove(&node);
        self.unchecked.remove(&node);
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

    /// A handshake with `node` showed which disk and incarnation of it lives.
    pub(crate) fn met(&mut self, peer: &PeerIdentity, now: Duration) -> Effects {
        let (node, incarnation) = (peer.node_id, peer.incarnation);
        let mut changes = self.detector.runs_on(node, peer.node_uuid);
        if self.detector.incarnation(node) > Some(incarnation) {
            tracing::error!(%node, "its disk was put back to an older state");
            changes.extend(self.detector.went_back(node, incarnation));
        }
        changes.extend(self.detector.heard(node, incarnation, now));
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

    /// Whether a peer must be beaten on now. One of a pair is enough while there is nothing to
    /// tell: the beats of the other, which has the lower id, and our answers to them say both
    /// that each is alive and that each is heard.
    pub(crate) fn must_beat(&self, node: NodeId, told: Told, now: Duration) -> bool {
        let claims = self.peer_claims.get(&node);
        let exchanged = claims.and_then(PeerClaims::confirmed_at);
        let lately = self.config.beat_interval * 3 / 2;
        let is_beaten = exchanged.is_some_and(|at| now.saturating_sub(at) <= lately);
        self.me < node
            || !is_beaten
            || !self.own.is_known(told)
            || self.unchecked.contains_key(&node)
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
        let Some(claims) = self.peer_claims.get_mut(&from) else {
            return (BeatReply::Restart, Effects::default());
        };
        let reply = claims.take(beat, &mut withdrawn);
        let answer_heard = claims.answered(beat, reply, now);
        // Claims first: a restart must find the new incarnation's claims, not the old one's.
        let mut changes = self.detector.heard(from, beat.incarnation, now);
        if let Some(sent) = answer_heard
            && now.saturating_sub(sent) < self.config.fence_after
        {
            changes.extend(self.detector.reached(from, sent));
        }
        let mut effects = self.after(changes, now);
        for claim in &beat.claims {
            if self
                .groups
                .get(&claim.group)
                .is_some_and(|view| view.facts.leads)
            {
                self.check_fence(claim.group, now, &mut effects.fences);
            }
        }
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
                HealthChange::Reach => self.update_fences(now, &mut effects.fences),
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

    /// Starts to watch a group. When its log existed before this start, the peers must look at
    /// the end of it before it may vote.
    pub(crate) fn open(&mut self, group: RaftGroupId, restarted_with: Option<LogEnd>) {
        if restarted_with.is_some() {
            self.check_by_all(group);
        }
        self.groups.insert(
            group,
            GroupView {
                facts: GroupFacts::default(),
                since: Duration::ZERO,
                opened: Duration::ZERO,
                leader_incarnation: None,
                queued: None,
                poke: None,
                fenced: false,
                stuck: false,
                fresh: true,
                restarted_with,
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
        for node in self.peer_claims.keys().copied().collect::<Vec<_>>() {
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
            // What was true before this start needs no grace of its own, only time to be claimed.
            let known_for = if view.fresh {
                self.config
                    .claim_grace
                    .saturating_sub(self.config.beat_interval)
            } else {
                Duration::ZERO
            };
            view.since = now.saturating_sub(known_for);
            view.fenced = false;
            view.stuck = false;
            view.leader_incarnation = leader.and_then(|node| self.detector.incarnation(node));
        }
        if view.fresh {
            view.opened = now;
        }
        view.fresh = false;
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
        let fenced = self.update_fence(group, now);
        if !leads {
            self.doubt(group, now);
        }
        fenced
    }

    /// Whether this node may serve as leader of a group, as far as its peers say.
    fn may_lead(&self, group: RaftGroupId, view: &GroupView) -> bool {
        let (me, detector) = (self.me, &self.detector);
        let is_live = |node: NodeId| node == me || detector.reaches(node);
        let superseded = self.peer_claims.iter().any(|(&node, claims)| {
            claims.epoch(group) > Some(view.facts.epoch) && !self.suspects(node)
        });
        view.facts.is_majority(is_live) && !view.stuck && !superseded
    }

    /// Recomputes the fence of one group and what is claimed of it. A fence that was up comes
    /// down only after a round of the group's own majority, see [`confirmed`](Self::confirmed).
    fn update_fence(&mut self, group: RaftGroupId, now: Duration) -> bool {
        let Some(view) = self.groups.get(&group) else {
            return false;
        };
        let (leads, may_lead) = (view.facts.leads, self.may_lead(group, view));
        let epoch = view.facts.epoch;
        let Some(view) = self.groups.get_mut(&group) else {
            return false;
        };
        if leads && may_lead && view.fenced {
            move_queued(&mut self.queue, group, view, Some(now));
        }
        view.fenced = leads && (view.fenced || !may_lead);
        let claim = (leads && !view.fenced).then_some(epoch);
        self.own.set(group, claim);
        leads && claim.is_none()
    }

    fn update_fences(&mut self, now: Duration, changed: &mut Vec<RaftGroupId>) {
        let mine: Vec<_> = self
            .by_leader
            .get(&self.me)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        for group in mine {
            self.check_fence(group, now, changed);
        }
    }

    fn check_fence(&mut self, group: RaftGroupId, now: Duration, changed: &mut Vec<RaftGroupId>) {
        let before = self.groups.get(&group).is_some_and(|view| view.fenced);
        if before != self.update_fence(group, now) {
            changed.push(group);
        }
    }

    /// A majority of the group confirmed this node as leader in `epoch`: the fence may come down.
    /// Returns whether it did.
    pub(crate) fn confirmed(&mut self, group: RaftGroupId, epoch: LeaderEpoch) -> bool {
        let Some(view) = self.groups.get(&group) else {
            return false;
        };
        let current = view.facts.leads && view.facts.epoch == epoch && view.fenced;
        if !current || !self.may_lead(group, view) {
            return false;
        }
        if let Some(view) = self.groups.get_mut(&group) {
            view.fenced = false;
            move_queued(&mut self.queue, group, view, None);
            self.own.set(group, Some(epoch));
        }
        true
    }

    /// The proposals of a group that this node leads get no answer, or get answers again.
    pub(crate) fn set_stuck(&mut self, group: RaftGroupId, stuck: bool, now: Duration) -> Effects {
        let mut effects = Effects::default();
        if let Some(view) = self.groups.get_mut(&group)
            && view.facts.leads
            && view.stuck != stuck
        {
            view.stuck = stuck;
            self.check_fence(group, now, &mut effects.fences);
        }
        effects
    }

    pub(crate) fn leading(&self) -> usize {
        self.own.len()
    }
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
