//! Random histories of commands, most of them plausible: counters only grow, refusals change
//! nothing, ids are unique, and the same commands give the same bytes.

use proptest::prelude::*;

use super::*;
use crate::{decode, encode};

fn members() -> impl Strategy<Value = Vec<(u32, u8)>> {
    proptest::collection::vec((0_u32..4, 0_u8..3), 0..4)
}

fn command() -> impl Strategy<Value = Command> {
    let topic = |(tag, partitions, replication, if_not_exists): (u8, u32, Option<u32>, bool)| {
        Command::CreateTopic(NewTopic {
            replication,
            if_not_exists,
            ..new_topic(tag, partitions)
        })
    };
    let grow = |(tag, partitions): (u8, u32)| Command::AlterTopic {
        topic_id: topic_id(tag),
        configs: BTreeMap::new(),
        partitions: Some(partitions),
    };
    let lead = |(group, node, epoch): (u64, u32, i32)| Command::ReportLeaders {
        leaders: vec![(RaftGroupId(group), led(node, epoch))],
    };
    let own = |(expected, epoch, owners): (i32, i32, Vec<(u32, u8)>)| {
        let names = ["a", "b", "c"];
        let owners: BTreeMap<_, _> = owners.into_iter().collect();
        let owners: Vec<_> = owners
            .into_iter()
            .map(|(index, name)| (partition(1, index), names[usize::from(name)]))
            .collect();
        Command::CompleteRebalance(rebalance(expected, epoch, &owners))
    };
    let coordinator = |epoch| Command::CoordinatorEpoch {
        offsets_partition: offsets_partition_of(&group()),
        epoch: LeaderEpoch(epoch),
    };
    let confirm = |(id, disk, group): (u32, u8, u64)| Command::ConfirmDeleted {
        node_id: NodeId(id),
        node_uuid: NodeUuid([disk; 16]),
        raft_groups: vec![RaftGroupId(group)],
    };
    let damaged = |(id, group, replica): (u32, u64, u64)| Command::ReportDamaged {
        node_id: NodeId(id),
        node_uuid: NodeUuid([id as u8; 16]),
        incarnation: Incarnation(1),
        replicas: vec![(RaftGroupId(group), ReplicaId(replica))],
    };
    let membership =
        |(group, voters, index): (u64, BTreeSet<u64>, u64)| Command::ReportMembership {
            raft_group: RaftGroupId(group),
            membership: MembershipReport {
                epoch: LeaderEpoch(5),
                log_index: LogIndex(index),
                voters: voters.into_iter().map(ReplicaId).collect(),
                learners: vec![],
            },
        };
    let some = proptest::collection::btree_set(1000_u64..1040, 0..20);
    prop_oneof![
        4 => (1_u32..4, 998_u64..1004, 1000_u64..1040).prop_map(damaged),
        2 => (998_u64..1004, some, 0_u64..9).prop_map(membership),
        1 => (1_u32..6, 1_u8..9).prop_map(|(id, disk)| Command::RegisterNode {
            node: node(id, disk),
            at_ms: 3
        }),
        3 => (0_u8..4, 0_u32..6, proptest::option::of(0_u32..5), any::<bool>()).prop_map(topic),
        1 => (0_u8..4).prop_map(|tag| Command::DeleteTopic { topic_id: topic_id(tag), at_ms: 4 }),
        1 => (0_u8..4, 0_u32..9).prop_map(grow),
        2 => (998_u64..1020, 1_u32..5, 0_i32..6).prop_map(lead),
        1 => (1_u32..6, 1_u8..9, 1000_u64..1020).prop_map(confirm),
        1 => (0_i32..4).prop_map(coordinator),
        1 => (0_u32..5).prop_map(|count| Command::AllocateProducerIds { count }),
        6 => (0_i32..6, 0_i32..4, members()).prop_map(own),
        1 => (0_i32..4).prop_map(|epoch| Command::DeleteGroup {
            group: group(),
            coordinator_epoch: LeaderEpoch(epoch)
        }),
    ]
}

/// Aims most reports of damage at a replica that is wanted: few ids are.
fn aimed(mut command: Command, state: &State) -> Command {
    if let Command::ReportDamaged {
        node_id, replicas, ..
    } = &mut command
    {
        for (group, replica) in replicas.iter_mut().filter(|(_, id)| id.0 % 4 != 0) {
            let set = state.replica_set(*group);
            let wanted = set.and_then(|set| set.replica_on(*node_id));
            *replica = wanted.map_or(*replica, |one| one.replica_id);
        }
    }
    command
}

/// What was ever seen, to compare with.
#[derive(Default)]
struct Seen {
    generation: Generation,
    token_by_owner: BTreeMap<u64, (TopicIdPartition, MemberId)>,
    token: BTreeMap<TopicIdPartition, FencingToken>,
    replicas: BTreeMap<ReplicaId, (RaftGroupId, NodeUuid)>,
    founding: BTreeMap<RaftGroupId, Vec<crate::Replica>>,
    epochs: BTreeMap<RaftGroupId, LeaderEpoch>,
    producers: ProducerId,
}

impl Seen {
    fn check(&mut self, state: &State) {
        let generation = state.generation_of(&group());
        assert!(generation >= self.generation, "a generation went back");
        self.generation = generation;
        for (&id, owned) in state
            .group(&group())
            .iter()
            .flat_map(|record| &record.owners)
        {
            let newest = self.token.entry(id).or_default();
            assert!(owned.token >= *newest, "a token went back");
            *newest = owned.token;
            let holder = (id, owned.member_id.clone());
            let first = self
                .token_by_owner
                .entry(owned.token.0)
                .or_insert(holder.clone());
            assert_eq!(*first, holder, "a token was given twice");
        }
        for set in state.replica_sets() {
            let founding = self
                .founding
                .entry(set.raft_group)
                .or_insert(set.founding.clone());
            assert_eq!(*founding, set.founding, "a founding set changed");
            let nodes: BTreeSet<_> = set.replicas.iter().map(|replica| replica.node_id).collect();
            assert_eq!(nodes.len(), set.replicas.len());
            for replica in &set.replicas {
                let place = (set.raft_group, replica.node_uuid);
                let first = self.replicas.entry(replica.replica_id).or_insert(place);
                assert_eq!(*first, place, "a replica id was used twice");
                let node = state.node(replica.node_id).unwrap();
                assert_eq!(
                    node.registration.node_uuid, replica.node_uuid,
                    "a dead disk is wanted"
                );
            }
            if let Some(leader) = set.leader {
                let epoch = self.epochs.entry(set.raft_group).or_insert(leader.epoch);
                assert!(leader.epoch >= *epoch, "an epoch went back");
                *epoch = leader.epoch;
            }
        }
        for (replica, group) in state.damaged_replicas() {
            let set = state.replica_set(group).unwrap();
            let wanted = set.replicas.iter().any(|one| one.replica_id == replica);
            assert!(wanted, "a damaged replica is not wanted");
            let is_member = set.membership.as_ref().is_none_or(|m| m.contains(replica));
            assert!(
                is_member,
                "a damaged replica outside its group has no successor"
            );
        }
        for tombstone in state.tombstones() {
            assert!(
                tombstone
                    .unconfirmed
                    .values()
                    .all(|nodes| !nodes.is_empty())
            );
            assert!(
                tombstone
                    .unconfirmed
                    .keys()
                    .all(|group| state.owner_of(*group).is_none())
            );
        }
        assert!(state.next_producer >= self.producers);
        self.producers = state.next_producer;
    }
}

proptest! {
    #[test]
    fn histories_are_monotonic_and_deterministic(
        nodes in 1_u32..4,
        commands in proptest::collection::vec(command(), 0..120),
    ) {
        let mut state = formed(nodes);
        let mut twin = formed(nodes);
        let mut seen = Seen::default();
        for (place, command) in commands.into_iter().enumerate() {
            let before = state.clone();
            let command = aimed(command, &before);
            let copy = decode(&encode(&command)).unwrap();
            let outcome = apply(&mut state, command);
            prop_assert_eq!(&outcome, &apply(&mut twin, copy));
            if outcome.is_err() {
                prop_assert_eq!(&before, &state);
            }
            let is_changed = State { version: 0, layout_version: 0, ..before.clone() }
                != State { version: 0, layout_version: 0, ..state.clone() };
            prop_assert_eq!(state.version() > before.version(), is_changed);
            seen.check(&state);
            if place % 7 == 0 {
                twin = State::from_snapshot(&twin.snapshot()).unwrap();
            }
        }
        prop_assert_eq!(state.snapshot(), twin.snapshot());
        prop_assert_eq!(state, twin);
    }

    #[test]
    fn any_bytes_decode_or_fail(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        let _either = (decode(&bytes).is_ok(), State::from_snapshot(&bytes).is_ok());
    }
}
