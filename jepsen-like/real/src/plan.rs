//! What is broken, in which order, and how badly: a pure function of the seed.
//!
//! Invariant: a strike hits a minority of the nodes at once, unless its kind says all; every kind
//! comes as often as its weight says before any comes again.

use std::collections::BTreeSet;
use std::time::Duration;

use floe_env::Rng;

use crate::fault::FaultKind;
use crate::matrix::{CutMatrix, pick};

const LENGTH_MIN: Duration = Duration::from_millis(300);
const LENGTH_MAX: Duration = Duration::from_secs(3);
/// Now and then a fault outlasts sessions and timeouts of connections.
const LENGTH_LONG: Duration = Duration::from_secs(11);
const LONG_IN: u64 = 10;
const GAP_MAX_MS: u64 = 900;
/// Lives of a killed node, at most.
const LIVES_MAX: u64 = 3;
/// A killed node is started again within this time.
const DOWN_MAX_MS: u64 = 1_200;

/// One fault of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    /// Its kind.
    pub(crate) kind: FaultKind,
    /// Whom it hits.
    pub(crate) victims: BTreeSet<u32>,
    /// Links that are cut; only a cut has any.
    pub(crate) cuts: CutMatrix,
    /// How long it lasts; of a death, how long the node stays down.
    pub(crate) length: Duration,
    /// How often in a row; of a death.
    pub(crate) times: u64,
    /// A number of chance for what the kind leaves open.
    pub(crate) dice: u64,
    /// Whether all nodes must serve before it begins.
    pub(crate) waits: bool,
    /// From its end to the next.
    pub(crate) gap: Duration,
}

impl Strike {
    /// For people and histories.
    pub(crate) fn target(&self) -> String {
        let nodes: Vec<_> = self.victims.iter().map(u32::to_string).collect();
        let nodes = nodes.join(",");
        match self.kind {
            FaultKind::Cut | FaultKind::CutOneWay | FaultKind::Bridge => {
                format!("links {}", self.cuts)
            }
            FaultKind::Kill | FaultKind::PowerCut if self.times > 1 => {
                format!("node {nodes}, {} times", self.times)
            }
            _ => format!("node {nodes}"),
        }
    }
}

/// An endless series of strikes.
pub(crate) struct Plan {
    nodes: u32,
    kinds: Vec<FaultKind>,
    rng: Rng,
    /// What is left of the present deal.
    deal: Vec<FaultKind>,
}

impl Plan {
    /// For `nodes` nodes and these kinds.
    pub(crate) fn new(nodes: u32, kinds: &[FaultKind], rng: Rng) -> Self {
        let kinds = kinds.to_vec();
        let deal = Vec::new();
        Self {
            nodes,
            kinds,
            rng,
            deal,
        }
    }

    /// The next strike; none when there is no kind.
    pub(crate) fn next(&mut self) -> Option<Strike> {
        if self.deal.is_empty() {
            let often = |kind: &FaultKind| std::iter::repeat_n(*kind, kind.weight());
            self.deal = self.kinds.iter().flat_map(often).collect();
        }
        if self.deal.is_empty() {
            return None;
        }
        let kind = self.deal.swap_remove(pick(&self.rng, self.deal.len()));
        Some(self.strike(kind))
    }

    /// Some strike of this kind.
    pub(crate) fn strike(&self, kind: FaultKind) -> Strike {
        let rng = &self.rng;
        let all: BTreeSet<u32> = (1..=self.nodes).collect();
        let victims = match kind {
            FaultKind::KillAll | FaultKind::PowerCutAll => all.clone(),
            _ => self.minority(),
        };
        let others: BTreeSet<u32> = all.difference(&victims).copied().collect();
        let cuts = match kind {
            FaultKind::Cut => CutMatrix::between(&victims, &others),
            FaultKind::CutOneWay if rng.chance(0.5) => CutMatrix::one_way(&victims, &others),
            FaultKind::CutOneWay => CutMatrix::one_way(&others, &victims),
            FaultKind::Bridge => CutMatrix::bridge(self.nodes, rng),
            _ => CutMatrix::default(),
        };
        let times = match kind {
            FaultKind::Kill | FaultKind::PowerCut => 1 + rng.below(LIVES_MAX),
            _ => 1,
        };
        Strike {
            kind,
            victims,
            cuts,
            length: self.length(kind),
            times,
            dice: rng.next_u64(),
            waits: rng.chance(0.5),
            gap: Duration::from_millis(rng.below(GAP_MAX_MS)),
        }
    }

    fn length(&self, kind: FaultKind) -> Duration {
        let is_death = matches!(
            kind,
            FaultKind::Kill | FaultKind::KillAll | FaultKind::PowerCut | FaultKind::PowerCutAll
        );
        if is_death {
            return Duration::from_millis(self.rng.below(DOWN_MAX_MS));
        }
        let most = match self.rng.below(LONG_IN) {
            0 => LENGTH_LONG,
            _ => LENGTH_MAX,
        };
        self.rng.jitter(LENGTH_MIN, most - LENGTH_MIN)
    }

    /// One node, or several if they are fewer than half.
    fn minority(&self) -> BTreeSet<u32> {
        let mut left: Vec<u32> = (1..=self.nodes).collect();
        let most = (left.len().saturating_sub(1) / 2).max(1);
        let count = 1 + pick(&self.rng, most);
        (0..count)
            .map(|_| left.swap_remove(pick(&self.rng, left.len())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn strikes(nodes: u32, kinds: &[FaultKind], seed: u64, count: usize) -> Vec<Strike> {
        let mut plan = Plan::new(nodes, kinds, Rng::from_seed(seed));
        (0..count).map_while(|_| plan.next()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_strikes_and_another_seed_gives_others() {
        let of = |seed| strikes(5, &FaultKind::ALL, seed, 100);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn only_kinds_that_say_all_hit_more_than_a_minority() {
        for nodes in 1..=7 {
            for strike in strikes(nodes, &FaultKind::ALL, u64::from(nodes), 300) {
                let hit = u32::try_from(strike.victims.len()).unwrap();
                let is_of_all = matches!(strike.kind, FaultKind::KillAll | FaultKind::PowerCutAll);
                match is_of_all {
                    true => assert_eq!(hit, nodes),
                    false => assert!((1..=(nodes.saturating_sub(1) / 2).max(1)).contains(&hit)),
                }
                assert!(strike.victims.iter().all(|node| (1..=nodes).contains(node)));
                assert!(strike.length <= LENGTH_LONG && strike.times <= LIVES_MAX);
            }
        }
    }

    #[test]
    fn every_kind_comes_as_often_as_its_weight_in_each_deal() {
        let deal: usize = FaultKind::ALL.into_iter().map(FaultKind::weight).sum();
        let all = strikes(3, &FaultKind::ALL, 3, deal * 4);
        for chunk in all.chunks(deal) {
            let mut counts = BTreeMap::<FaultKind, usize>::new();
            for strike in chunk {
                *counts.entry(strike.kind).or_default() += 1;
            }
            for kind in FaultKind::ALL {
                assert_eq!(counts.get(&kind), Some(&kind.weight()), "{kind}");
            }
        }
        assert!(strikes(3, &[], 1, 1).is_empty());
    }

    #[test]
    fn cuts_cross_the_line_between_victims_and_others_only() {
        let kinds = [FaultKind::Cut, FaultKind::CutOneWay];
        for strike in strikes(5, &kinds, 9, 200) {
            let is_victim = |node| strike.victims.contains(&node);
            assert!(strike.cuts.links().count() > 0);
            assert!(
                strike
                    .cuts
                    .links()
                    .all(|(a, b)| is_victim(a) != is_victim(b))
            );
            let out = strike.cuts.links().any(|(from, _)| is_victim(from));
            let back = strike.cuts.links().any(|(from, _)| !is_victim(from));
            assert_eq!(out && back, strike.kind == FaultKind::Cut);
        }
    }
}
