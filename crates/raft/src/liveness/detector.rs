//! Which peers are alive, by what was heard of them and by what reached them.
//!
//! *Suspected*: nothing was heard for a while, or its port refuses connections. *Reached*: it
//! answered one of our beats lately; only that proves to a leader that it can be heard. Time in
//! which this process itself got no CPU is not held against a peer, so it moves what was heard
//! on; it does count against our own right to lead, so what was reached stays where it was.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_model::{Incarnation, NodeId, NodeUuid};

use crate::RaftConfig;

/// What is known of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeHealth {
    /// Its current start, once heard.
    pub incarnation: Option<Incarnation>,
    /// Taken for dead.
    pub suspected: bool,
    /// It answered a beat lately.
    pub reached: bool,
}

#[derive(Debug)]
struct Peer {
    health: NodeHealth,
    /// The disk it runs on: incarnations of another one are not comparable.
    disk: Option<NodeUuid>,
    heard: Duration,
    reached: Option<Duration>,
}

/// The peers of this node.
#[derive(Debug)]
pub(crate) struct Detector {
    suspect_after: Duration,
    fence_after: Duration,
    tick_interval: Duration,
    last_tick: Option<Duration>,
    peers: BTreeMap<NodeId, Peer>,
}

/// What a reading changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthChange {
    /// Now taken for dead.
    Suspected(NodeId),
    /// Heard again.
    Heard(NodeId),
    /// It runs as another process than before.
    Restarted(NodeId),
    /// It answers beats now, or no more.
    Reach,
}

impl Detector {
    pub(crate) fn new(config: &RaftConfig) -> Self {
        Self {
            suspect_after: config.suspect_after,
            fence_after: config.fence_after,
            tick_interval: config.beat_interval / 2,
            last_tick: None,
            peers: BTreeMap::new(),
        }
    }

    /// Adds a peer, alive until proven otherwise.
    pub(crate) fn add(&mut self, node: NodeId, now: Duration) {
        self.peers.entry(node).or_insert(Peer {
            health: NodeHealth {
                incarnation: None,
                suspected: false,
                reached: false,
            },
            disk: None,
            heard: now,
            reached: None,
        });
    }

    pub(crate) fn remove(&mut self, node: NodeId) {
        self.peers.remove(&node);
    }

    /// A node that is not a peer cannot be reached and counts as suspected.
    pub(crate) fn suspects(&self, node: NodeId) -> bool {
        self.peers
            .get(&node)
            .is_none_or(|peer| peer.health.suspected)
    }

    pub(crate) fn reaches(&self, node: NodeId) -> bool {
        self.peers
            .get(&node)
            .is_some_and(|peer| peer.health.reached)
    }

    pub(crate) fn incarnation(&self, node: NodeId) -> Option<Incarnation> {
        self.peers
            .get(&node)
            .and_then(|peer| peer.health.incarnation)
    }

    /// The disk that `node` runs on, as far as a handshake showed.
    pub(crate) fn disk(&self, node: NodeId) -> Option<NodeUuid> {
        self.peers.get(&node).and_then(|peer| peer.disk)
    }

    pub(crate) fn healths(&self) -> BTreeMap<NodeId, NodeHealth> {
        let peers = self.peers.iter();
        peers.map(|(&node, peer)| (node, peer.health)).collect()
    }

    /// `node` runs on this disk. After a change its incarnations start anew.
    pub(crate) fn runs_on(&mut self, node: NodeId, disk: NodeUuid) -> Vec<HealthChange> {
        let Some(peer) = self.peers.get_mut(&node) else {
            return Vec::new();
        };
        let changed = peer.disk.replace(disk).is_some_and(|before| before != disk);
        if changed && peer.health.incarnation.take().is_some() {
            vec![HealthChange::Restarted(node)]
        } else {
            Vec::new()
        }
    }

    /// A handshake showed `node` as an earlier incarnation on the same disk: that disk is a copy
    /// from before. The last process of an incarnation makes the last handshake, so it is
    /// believed.
    pub(crate) fn went_back(&mut self, node: NodeId, to: Incarnation) -> Vec<HealthChange> {
        let peer = self.peers.get_mut(&node);
        let known = peer.and_then(|peer| peer.health.incarnation.replace(to));
        known
            .map(|_| HealthChange::Restarted(node))
            .into_iter()
            .collect()
    }

    /// Something of this incarnation of `node` arrived.
    pub(crate) fn heard(
        &mut self,
        node: NodeId,
        incarnation: Incarnation,
        now: Duration,
    ) -> Vec<HealthChange> {
        let mut changes = Vec::new();
        let Some(peer) = self.peers.get_mut(&node) else {
            return changes;
        };
        if peer
            .health
            .incarnation
            .is_some_and(|known| incarnation < known)
        {
            return changes;
        }
        peer.heard = now;
        if let Some(before) = peer.health.incarnation.replace(incarnation)
            && before != incarnation
        {
            changes.push(HealthChange::Restarted(node));
        }
        if std::mem::take(&mut peer.health.suspected) {
            changes.push(HealthChange::Heard(node));
        }
        changes
    }

    /// `node` answered a beat that was sent at `sent`.
    pub(crate) fn reached(&mut self, node: NodeId, sent: Duration) -> Vec<HealthChange> {
        let Some(peer) = self.peers.get_mut(&node) else {
            return Vec::new();
        };
        peer.reached = peer.reached.max(Some(sent));
        peer.heard = peer.heard.max(sent);
        if std::mem::replace(&mut peer.health.reached, true) {
            Vec::new()
        } else {
            vec![HealthChange::Reach]
        }
    }

    /// Nobody listens at the peer's port: its process is gone.
    pub(crate) fn refused(&mut self, node: NodeId) -> Vec<HealthChange> {
        let mut changes = Vec::new();
        if let Some(peer) = self.peers.get_mut(&node) {
            if !std::mem::replace(&mut peer.health.suspected, true) {
                changes.push(HealthChange::Suspected(node));
            }
            peer.reached = None;
            if std::mem::take(&mut peer.health.reached) {
                changes.push(HealthChange::Reach);
            }
        }
        changes
    }

    /// Looks at the time. To be called every [`tick_interval`](Self::tick_interval).
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<HealthChange> {
        let late = self
            .last_tick
            .map(|last| now.saturating_sub(last + self.tick_interval))
            .filter(|late| *late > self.tick_interval)
            .unwrap_or_default();
        self.last_tick = Some(now);
        let mut changes = Vec::new();
        for (&node, peer) in &mut self.peers {
            peer.heard = (peer.heard + late).min(now);
            let silent = now.saturating_sub(peer.heard) >= self.suspect_after;
            if silent && !std::mem::replace(&mut peer.health.suspected, true) {
                changes.push(HealthChange::Suspected(node));
            }
            let since = peer.reached.map(|reached| now.saturating_sub(reached));
            let unreached = since.is_none_or(|since| since >= self.fence_after);
            if unreached && std::mem::take(&mut peer.health.reached) {
                changes.push(HealthChange::Reach);
            }
        }
        changes
    }

    pub(crate) fn tick_interval(&self) -> Duration {
        self.tick_interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId(2);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn detector() -> Detector {
        let mut detector = Detector::new(&RaftConfig {
            suspect_after: ms(400),
            fence_after: ms(500),
            ..RaftConfig::new(NodeId(1))
        });
        detector.add(PEER, ms(0));
        detector.heard(PEER, Incarnation(1), ms(0));
        detector
    }

    #[test]
    fn silence_suspects_and_a_beat_clears() {
        let mut detector = detector();
        for now in (0..400).step_by(50) {
            assert_eq!(detector.tick(ms(now)), []);
        }
        assert_eq!(detector.tick(ms(400)), [HealthChange::Suspected(PEER)]);
        let heard = detector.heard(PEER, Incarnation(1), ms(410));
        assert_eq!(heard, [HealthChange::Heard(PEER)]);
        assert!(!detector.suspects(PEER));
    }

    #[test]
    fn our_own_starvation_is_not_held_against_a_peer() {
        let mut detector = detector();
        detector.tick(ms(0));
        assert_eq!(detector.tick(ms(5000)), []);
        for now in (5050..5350).step_by(50) {
            assert_eq!(detector.tick(ms(now)), []);
        }
        let later = (5350..5600)
            .step_by(50)
            .flat_map(|now| detector.tick(ms(now)));
        assert_eq!(later.collect::<Vec<_>>(), [HealthChange::Suspected(PEER)]);
    }

    #[test]
    fn our_own_starvation_ends_our_right_to_lead() {
        let mut detector = detector();
        detector.tick(ms(0));
        detector.reached(PEER, ms(0));
        assert_eq!(detector.tick(ms(5000)), [HealthChange::Reach]);
        assert!(!detector.suspects(PEER));
    }

    #[test]
    fn a_refused_port_suspects_at_once() {
        let mut detector = detector();
        detector.reached(PEER, ms(10));
        let changes = [HealthChange::Suspected(PEER), HealthChange::Reach];
        assert_eq!(detector.refused(PEER), changes);
        assert_eq!(detector.refused(PEER), []);
    }

    #[test]
    fn a_new_incarnation_is_a_restart_and_an_old_one_is_ignored() {
        let mut detector = detector();
        let restarted = [HealthChange::Restarted(PEER)];
        assert_eq!(detector.heard(PEER, Incarnation(2), ms(90)), restarted);
        assert_eq!(detector.heard(PEER, Incarnation(1), ms(95)), []);
        assert_eq!(detector.incarnation(PEER), Some(Incarnation(2)));
    }

    #[test]
    fn a_disk_put_back_in_time_restarts_as_an_earlier_incarnation() {
        let mut detector = detector();
        detector.heard(PEER, Incarnation(5), ms(10));
        let changes = detector.went_back(PEER, Incarnation(3));
        assert_eq!(changes, [HealthChange::Restarted(PEER)]);
        detector.tick(ms(10));
        assert_eq!(detector.heard(PEER, Incarnation(3), ms(400)), []);
        assert_eq!(detector.incarnation(PEER), Some(Incarnation(3)));
    }

    #[test]
    fn a_wiped_disk_starts_its_incarnations_anew() {
        let mut detector = detector();
        let (old, new) = (NodeUuid([1; 16]), NodeUuid([2; 16]));
        assert_eq!(detector.runs_on(PEER, old), []);
        detector.heard(PEER, Incarnation(9), ms(0));
        assert_eq!(detector.runs_on(PEER, new), [HealthChange::Restarted(PEER)]);
        detector.heard(PEER, Incarnation(1), ms(10));
        assert_eq!(detector.incarnation(PEER), Some(Incarnation(1)));
    }

    #[test]
    fn hearing_a_peer_does_not_prove_that_it_hears_us() {
        let mut detector = detector();
        assert_eq!(detector.reached(PEER, ms(0)), [HealthChange::Reach]);
        for now in (0..400).step_by(50) {
            detector.tick(ms(now));
            detector.heard(PEER, Incarnation(1), ms(now));
        }
        for now in (400..500).step_by(50) {
            detector.tick(ms(now));
            detector.heard(PEER, Incarnation(1), ms(now));
        }
        assert_eq!(detector.tick(ms(500)), [HealthChange::Reach]);
        assert!(!detector.reaches(PEER) && !detector.suspects(PEER));
    }
}
