//! Who should own what: pure functions from members, topics and present owners.
//!
//! Every partition of a subscribed topic gets exactly one of its subscribers. *Range* gives
//! each member neighbouring partitions of each topic, per topic even within one. *Sticky* is
//! even over all topics as far as subscriptions allow, and moves no partition more than that
//! needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use floe_model::{MemberId, PartitionIndex, TopicIdPartition, TopicName};
use serde::{Deserialize, Serialize};

use super::{TopicShape, Topics};

/// How partitions are spread over members. Append-only: it is part of a stored subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Assignor {
    /// Neighbouring partitions of each topic to one member.
    Range,
    /// Even, with as few moves as possible.
    #[default]
    StickyCooperative,
}

impl fmt::Display for Assignor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Range => "range",
            Self::StickyCooperative => "sticky-cooperative",
        })
    }
}

/// Owners by partition.
type Owners = BTreeMap<TopicIdPartition, MemberId>;

/// The wanted owners.
#[must_use]
pub fn assign(
    assignor: Assignor,
    subscriptions: &BTreeMap<&MemberId, &BTreeSet<TopicName>>,
    topics: &Topics,
    present: &Owners,
) -> Owners {
    let mut subscribers: BTreeMap<&TopicName, Vec<&MemberId>> = BTreeMap::new();
    for (&member, names) in subscriptions {
        for name in *names {
            subscribers.entry(name).or_default().push(member);
        }
    }
    let readers: Vec<(TopicShape, Vec<&MemberId>)> = subscribers
        .into_iter()
        .filter_map(|(name, members)| Some((*topics.get(name)?, members)))
        .collect();
    match assignor {
        Assignor::Range => range(&readers),
        Assignor::StickyCooperative => Sticky::new(&readers, present).assign(),
    }
}

fn partitions(shape: TopicShape) -> impl Iterator<Item = TopicIdPartition> {
    let TopicShape {
        topic_id,
        partitions,
    } = shape;
    (0..partitions).map(move |index| TopicIdPartition {
        topic_id,
        partition: PartitionIndex(index),
    })
}

fn range(readers: &[(TopicShape, Vec<&MemberId>)]) -> Owners {
    let mut owners = Owners::new();
    for (shape, members) in readers {
        let each = shape.partitions as usize / members.len();
        let larger = shape.partitions as usize % members.len();
        let shares = members.iter().enumerate().flat_map(|(place, &member)| {
            std::iter::repeat_n(member, each + usize::from(place < larger))
        });
        owners.extend(partitions(*shape).zip(shares.cloned()));
    }
    owners
}

struct Sticky<'a> {
    /// Subscribers of the topic of each partition.
    eligible: BTreeMap<TopicIdPartition, &'a [&'a MemberId]>,
    present: &'a Owners,
    owners: BTreeMap<TopicIdPartition, &'a MemberId>,
    owned: BTreeMap<&'a MemberId, BTreeSet<TopicIdPartition>>,
}

impl<'a> Sticky<'a> {
    fn new(readers: &'a [(TopicShape, Vec<&'a MemberId>)], present: &'a Owners) -> Self {
        let mut sticky = Self {
            eligible: BTreeMap::new(),
            present,
            owners: BTreeMap::new(),
            owned: BTreeMap::new(),
        };
        for (shape, members) in readers {
            for member in members {
                sticky.owned.entry(member).or_default();
            }
            sticky
                .eligible
                .extend(partitions(*shape).map(|id| (id, members.as_slice())));
        }
        sticky
    }

    fn assign(mut self) -> Owners {
        let all: Vec<_> = self
            .eligible
            .iter()
            .map(|(&id, &members)| (id, members))
            .collect();
        for &(id, members) in &all {
            // Members are in order, so that a subscriber is found without a scan.
            let owner = self.present.get(&id);
            let place = owner.and_then(|owner| members.binary_search(&owner).ok());
            if let Some(place) = place {
                self.give(id, members[place]);
            }
        }
        for &(id, members) in &all {
            if !self.owners.contains_key(&id)
                && let Some(member) = members
                    .iter()
                    .min_by_key(|member| (self.load(member), **member))
            {
                self.give(id, member);
            }
        }
        while self.even_out() {}
        self.owners
            .into_iter()
            .map(|(id, member)| (id, member.clone()))
            .collect()
    }

    fn load(&self, member: &MemberId) -> usize {
        self.owned.get(member).map_or(0, BTreeSet::len)
    }

    fn give(&mut self, id: TopicIdPartition, member: &'a MemberId) {
        if let Some(former) = self.owners.insert(id, member)
            && let Some(owned) = self.owned.get_mut(former)
        {
            owned.remove(&id);
        }
        self.owned.entry(member).or_default().insert(id);
    }

    /// Moves one partition from a member to one with at least two fewer. Ends, since each move
    /// lowers the sum of the squared loads.
    fn even_out(&mut self) -> bool {
        let mut givers: Vec<_> = self
            .owned
            .iter()
            .map(|(&m, owned)| (owned.len(), m))
            .collect();
        let fewest = givers.iter().map(|&(load, _)| load).min().unwrap_or(0);
        givers.retain(|&(load, _)| load >= fewest + 2);
        givers.sort_unstable_by(|a, b| b.cmp(a));
        let found = givers
            .into_iter()
            .find_map(|(load, giver)| self.move_from(giver, load));
        if let Some((id, taker)) = found {
            self.give(id, taker);
        }
        found.is_some()
    }

    /// The partition to move away from a member and who takes it: the least loaded taker, and
    /// of what it may take rather a partition that the giver does not have at present.
    fn move_from(&self, giver: &MemberId, load: usize) -> Option<(TopicIdPartition, &'a MemberId)> {
        let owned = self.owned.get(giver)?;
        let taker_of = |id: &TopicIdPartition| {
            let members = self.eligible.get(id)?;
            members
                .iter()
                .copied()
                .map(|member| (self.load(member), member))
                .min()
        };
        let mut takers: BTreeMap<_, Option<(usize, &MemberId)>> = BTreeMap::new();
        let mut best: Option<(usize, &'a MemberId, bool, TopicIdPartition)> = None;
        for id in owned {
            let taker = *takers.entry(id.topic_id).or_insert_with(|| taker_of(id));
            let Some((taker_load, taker)) = taker else {
                continue;
            };
            let settled = self.present.get(id) == Some(giver);
            let candidate = (taker_load, taker, settled, *id);
            if taker_load + 2 <= load && best.as_ref().is_none_or(|best| candidate < *best) {
                best = Some(candidate);
            }
        }
        best.map(|(_, taker, _, id)| (id, taker))
    }
}

#[cfg(test)]
mod tests;
