//! Commits of members and zombies over random interleavings with rebalances.

use proptest::prelude::*;

use super::*;

/// A coordinator, some members and some zombies. Metadata is a counter of generations and one
/// of tokens.
#[derive(Default)]
struct World {
    state: OffsetsState,
    generation: i32,
    next_token: u64,
    /// The right that the last fence gave to each member, by kind.
    kind: Option<GroupKind>,
    members: BTreeMap<MemberId, i32>,
    tokens: BTreeMap<TopicIdPartition, FencingToken>,
    /// Everything that was ever granted: what zombies hold.
    granted: Vec<(Committer, TopicIdPartition, Option<FencingToken>)>,
}

impl World {
    fn rebalance(&mut self, kind: GroupKind, count: usize, moved: &[bool]) {
        self.generation += 1;
        let generation = Generation(self.generation);
        self.kind = Some(kind);
        self.members = (0..count)
            .map(|place| (member(&format!("m{place}")), self.generation))
            .collect();
        let native = kind == GroupKind::Native && count > 0;
        for (index, &moved) in (0..).zip(moved) {
            if native && (moved || !self.tokens.contains_key(&id(index))) {
                self.next_token += 1;
                self.tokens.insert(id(index), FencingToken(self.next_token));
            }
        }
        if !native {
            self.tokens.clear();
        }
        let (members, tokens) = (self.members.clone(), self.tokens.clone());
        let fence = Fence {
            group: group(),
            generation,
            kind,
            members,
            tokens,
        };
        assert_eq!(
            apply(&mut self.state, Command::Fence(fence)),
            Ok(Applied::Done)
        );
        for (member_id, &member_epoch) in &self.members {
            let member_id = member_id.clone();
            self.granted.push((
                Committer::Classic {
                    member_id: member_id.clone(),
                    generation,
                },
                id(0),
                None,
            ));
            self.granted.push((
                Committer::Consumer {
                    member_id,
                    member_epoch,
                },
                id(0),
                None,
            ));
        }
        for (&partition, &token) in &self.tokens {
            self.granted
                .push((Committer::Native, partition, Some(token)));
        }
        self.granted.push((Committer::Standalone, id(0), None));
    }

    /// The rule in other words than the code's.
    fn is_right(&self, right: &(Committer, TopicIdPartition, Option<FencingToken>)) -> bool {
        let Some(kind) = self.kind else { return false };
        match &right.0 {
            Committer::Standalone => self.members.is_empty(),
            Committer::Classic {
                member_id,
                generation,
            } => {
                kind == GroupKind::Classic
                    && generation.0 == self.generation
                    && self.members.contains_key(member_id)
            }
            Committer::Consumer {
                member_id,
                member_epoch,
            } => kind == GroupKind::Consumer && self.members.get(member_id) == Some(member_epoch),
            Committer::Native => {
                kind == GroupKind::Native && right.2 == self.tokens.get(&right.1).copied()
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Rebalance(usize, usize, Vec<bool>),
    Commit(prop::sample::Index, i64),
    Delete,
    StaleFence(i32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_usize..3, 0_usize..3, proptest::collection::vec(any::<bool>(), 3))
            .prop_map(|(kind, count, moved)| Step::Rebalance(kind, count, moved)),
        6 => (any::<prop::sample::Index>(), 0_i64..1000).prop_map(|(i, o)| Step::Commit(i, o)),
        1 => Just(Step::Delete),
        1 => (1_i32..4).prop_map(Step::StaleFence),
    ]
}

proptest! {
    #[test]
    fn no_stale_commit_ever_succeeds(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::default();
        let mut log = Vec::new();
        for step in steps {
            match step {
                Step::Rebalance(kind, count, moved) => {
                    let kinds = [GroupKind::Classic, GroupKind::Consumer, GroupKind::Native];
                    world.rebalance(kinds[kind], count, &moved);
                    let fenced = world.state.fenced(&group()).unwrap().clone();
                    log.push(Command::Fence(fenced));
                }
                Step::Commit(index, offset) if !world.granted.is_empty() => {
                    let right = index.get(&world.granted).clone();
                    let (committer, partition, token) = right.clone();
                    let before = world.state.committed(&group(), &partition).cloned();
                    let commit = OffsetCommit {
                        partition, offset: Offset(offset), leader_epoch: None,
                        metadata: String::new(), token,
                    };
                    let command = Command::Commit {
                        group: group(), committer, at_ms: offset, offsets: vec![commit],
                    };
                    log.push(command.clone());
                    let outcome = apply(&mut world.state, command);
                    prop_assert_eq!(outcome == PASSED, world.is_right(&right));
                    let after = world.state.committed(&group(), &partition);
                    if outcome == PASSED {
                        prop_assert_eq!(after.unwrap().offset, Offset(offset));
                    } else {
                        prop_assert_eq!(after.cloned(), before);
                    }
                }
                // Metadata deletes only empty groups, and under a new generation.
                Step::Delete if world.members.is_empty() => {
                    let repeated = world.state.fenced(&group()).cloned();
                    world.generation += 1;
                    let generation = Generation(world.generation);
                    let command = Command::DeleteGroup { group: group(), generation };
                    log.push(command.clone());
                    prop_assert_eq!(apply(&mut world.state, command), Ok(Applied::Done));
                    world.kind = None;
                    world.tokens.clear();
                    if let Some(repeated) = repeated {
                        log.push(Command::Fence(repeated.clone()));
                        prop_assert!(apply(&mut world.state, Command::Fence(repeated)).is_err());
                        prop_assert_eq!(world.state.fenced(&group()), None);
                    }
                }
                Step::StaleFence(behind) => {
                    let stale = fence(world.generation - behind, GroupKind::Native, &[("z", 0)], &[(0, 0)]);
                    log.push(stale.clone());
                    prop_assert!(world.generation < 1 || apply(&mut world.state, stale).is_err());
                }
                Step::Commit(..) | Step::Delete => {}
            }
        }
        if world.generation > 0 {
            let mut twin = OffsetsState::new();
            for command in log {
                let command = decode(&encode(&command)).unwrap();
                let _same_as_before = apply(&mut twin, command);
            }
            prop_assert_eq!(twin.snapshot(), world.state.snapshot());
            prop_assert_eq!(OffsetsState::from_snapshot(&twin.snapshot()).unwrap(), twin);
        }
    }
}
