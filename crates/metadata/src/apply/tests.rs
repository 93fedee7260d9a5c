//! The rules of each command, one by one, and invariants over random histories.
#![allow(clippy::unwrap_used)]

mod assignment;
mod damage;
mod golden;
mod histories;

use std::collections::{BTreeMap, BTreeSet};

use floe_model::{
    ClusterId, ErrorCode, FencingToken, Generation, GroupKind, GroupName, Incarnation, LeaderEpoch,
    LogIndex, MemberId, NodeId, NodeUuid, PartitionIndex, ProducerId, RaftGroupId, ReplicaId,
    TopicId, TopicIdPartition, TopicName,
};

use super::apply;
use crate::{
    Applied, Command, LeaderReport, MemberRecord, MembershipReport, NewTopic, NodeRegistration,
    Outcome, RaftGroupOwner, Rebalance, Refusal, State, offsets_partition_of,
};

fn node(id: u32, disk: u8) -> NodeRegistration {
    NodeRegistration {
        node_id: NodeId(id),
        node_uuid: NodeUuid([disk; 16]),
        incarnation: Incarnation(1),
        client_addr: format!("host{id}:9192"),
        peer_addr: format!("host{id}:9292"),
        kafka_addr: None,
        http_addr: None,
        rack: None,
    }
}

fn form(nodes: u32) -> Command {
    Command::Form {
        cluster_id: ClusterId([9; 16]),
        name: "floe".to_owned(),
        seeds: (1..=nodes).rev().map(|id| node(id, id as u8)).collect(),
        at_ms: 1,
    }
}

fn formed(nodes: u32) -> State {
    let mut state = State::new();
    apply(&mut state, form(nodes)).unwrap();
    state
}

fn topic_id(tag: u8) -> TopicId {
    TopicId([tag; 16])
}

fn new_topic(tag: u8, partitions: u32) -> NewTopic {
    NewTopic {
        topic_id: topic_id(tag),
        name: TopicName::new(format!("topic-{tag}")).unwrap(),
        partitions,
        replication: None,
        configs: BTreeMap::new(),
        at_ms: 2,
        if_not_exists: false,
    }
}

fn create(state: &mut State, tag: u8, partitions: u32) -> Outcome {
    apply(state, Command::CreateTopic(new_topic(tag, partitions)))
}

fn register(state: &mut State, node: NodeRegistration) -> Outcome {
    apply(state, Command::RegisterNode { node, at_ms: 3 })
}

fn partition(tag: u8, index: u32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: topic_id(tag),
        partition: PartitionIndex(index),
    }
}

fn group() -> GroupName {
    GroupName::new("readers").unwrap()
}

fn member(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

fn record() -> MemberRecord {
    MemberRecord {
        instance_id: None,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        subscription: vec![1, 2],
        member_epoch: 0,
    }
}

fn rebalance(expected: i32, epoch: i32, owners: &[(TopicIdPartition, &str)]) -> Rebalance {
    Rebalance {
        group: group(),
        expected_generation: Generation(expected),
        coordinator_epoch: LeaderEpoch(epoch),
        kind: GroupKind::Native,
        protocol: "range".to_owned(),
        members: owners
            .iter()
            .map(|(_, name)| (member(name), record()))
            .collect(),
        owners: owners
            .iter()
            .map(|&(id, name)| (id, member(name)))
            .collect(),
    }
}

fn coordinate(state: &mut State, epoch: i32) -> Outcome {
    let offsets_partition = offsets_partition_of(&group());
    apply(
        state,
        Command::CoordinatorEpoch {
            offsets_partition,
            epoch: LeaderEpoch(epoch),
        },
    )
}

fn tokens(outcome: Outcome) -> Vec<u64> {
    match outcome.unwrap() {
        Applied::Rebalanced { tokens, .. } => tokens.values().map(|token| token.0).collect(),
        other => panic!("not a rebalance: {other:?}"),
    }
}

fn led(node: u32, epoch: i32) -> LeaderReport {
    LeaderReport {
        node_id: NodeId(node),
        epoch: LeaderEpoch(epoch),
    }
}

#[test]
fn seeds_get_replica_ids_by_place_and_the_first_odd_number_votes() {
    for (nodes, voters) in [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (7, 5)] {
        let state = formed(nodes);
        assert_eq!(state.formation().unwrap().voters, voters);
        for (place, node) in state.nodes().enumerate() {
            assert_eq!(node.metadata_replica, ReplicaId(place as u64 + 1));
            assert_eq!(node.registration.node_id, NodeId(place as u32 + 1));
        }
        let metadata = state.replica_set(RaftGroupId::METADATA).unwrap();
        assert_eq!(metadata.replicas.len(), nodes as usize);
        assert_eq!(metadata.founding.len(), voters as usize);
        assert_eq!(state.offsets_partitions().count(), 8);
        for offsets in state.offsets_partitions() {
            let nodes: BTreeSet<_> = offsets
                .replica_set
                .founding
                .iter()
                .map(|r| r.node_id)
                .collect();
            assert_eq!(nodes.len(), state.nodes().count().min(3));
            assert!(
                offsets
                    .replica_set
                    .founding
                    .iter()
                    .all(|r| r.replica_id >= ReplicaId(1000))
            );
        }
    }
}

#[test]
fn forming_is_first_once_and_needs_distinct_seeds() {
    let mut state = State::new();
    assert_eq!(create(&mut state, 1, 1), Err(Refusal::NotFormed));
    let mut seeds = vec![node(1, 1), node(1, 2)];
    for broken in [
        seeds.clone(),
        vec![],
        vec![node(0, 1)],
        vec![node(1, 1), node(2, 1)],
    ] {
        let (cluster_id, name) = (ClusterId([9; 16]), String::new());
        let command = Command::Form {
            cluster_id,
            name,
            seeds: broken,
            at_ms: 0,
        };
        assert_eq!(apply(&mut state, command), Err(Refusal::InvalidSeeds));
    }
    seeds.clear();
    assert_eq!(state, State::new());
    apply(&mut state, form(3)).unwrap();
    assert_eq!(apply(&mut state, form(3)), Err(Refusal::AlreadyFormed));
}

#[test]
fn a_restart_moves_addresses_and_an_older_process_is_refused() {
    let mut state = formed(3);
    let (version, layout) = (state.version(), state.layout_version());
    assert!(register(&mut state, node(2, 2)).is_ok());
    assert_eq!(state.version(), version, "nothing changed");
    let mut moved = node(2, 2);
    moved.incarnation = Incarnation(5);
    moved.client_addr = "elsewhere:1".to_owned();
    let known = Applied::NodeRegistered {
        metadata_replica: ReplicaId(2),
        new_disk: false,
    };
    assert_eq!(register(&mut state, moved), Ok(known));
    assert_eq!(
        state.node(NodeId(2)).unwrap().registration.client_addr,
        "elsewhere:1"
    );
    assert!(state.version() > version && state.layout_version() == layout);
    let stale = Refusal::StaleIncarnation {
        node_id: NodeId(2),
        known: Incarnation(5),
        given: Incarnation(1),
    };
    assert_eq!(register(&mut state, node(2, 2)), Err(stale));
    let owner = NodeId(3);
    let foreign = Refusal::DiskOfAnotherNode {
        node_uuid: NodeUuid([3; 16]),
        owner,
    };
    assert_eq!(register(&mut state, node(2, 3)), Err(foreign));
    let out_of_range = Refusal::InvalidNodeId {
        node_id: NodeId(1 << 31),
    };
    assert_eq!(register(&mut state, node(1 << 31, 7)), Err(out_of_range));
}

#[test]
fn a_wiped_disk_kills_its_replicas_and_names_their_successors() {
    let mut state = formed(3);
    create(&mut state, 1, 2).unwrap();
    let before = state.clone();
    let outcome = register(&mut state, node(2, 22)).unwrap();
    let Applied::NodeRegistered {
        metadata_replica,
        new_disk: true,
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(metadata_replica >= ReplicaId(1000));
    // The metadata group, 8 offsets partitions, 2 partitions.
    assert_eq!(state.dead_replicas().count(), 11);
    for (dead, record) in state.dead_replicas() {
        assert_eq!(
            (record.node_id, record.node_uuid),
            (NodeId(2), NodeUuid([2; 16]))
        );
        let former = before
            .replica_set(record.raft_group)
            .unwrap()
            .replica_on(NodeId(2))
            .unwrap();
        assert_eq!(former.replica_id, dead);
        let set = state.replica_set(record.raft_group).unwrap();
        let successor = set.replica_on(NodeId(2)).unwrap();
        assert!(successor.replica_id > dead && successor.node_uuid == NodeUuid([22; 16]));
        assert_eq!(
            set.founding,
            before.replica_set(record.raft_group).unwrap().founding
        );
        assert_eq!(set.replicas.len(), 3);
    }
    let retired = Refusal::RetiredDisk {
        node_uuid: NodeUuid([2; 16]),
    };
    assert_eq!(register(&mut state, node(2, 2)), Err(retired));
    assert!(state.is_retired(&NodeUuid([2; 16])));
    // A membership without the dead replica ends its mention.
    let set = state
        .partition(&partition(1, 0))
        .unwrap()
        .replica_set
        .clone();
    let raft_group = set.raft_group;
    let report = |membership| Command::ReportMembership {
        raft_group,
        membership,
    };
    let newest = MembershipReport {
        epoch: LeaderEpoch(4),
        log_index: LogIndex(10),
        voters: set
            .replicas
            .iter()
            .map(|replica| replica.replica_id)
            .collect(),
        learners: vec![],
    };
    apply(&mut state, report(newest.clone())).unwrap();
    assert_eq!(state.dead_replicas().count(), 10);
    for (epoch, log_index) in [(3, 99), (4, 9)] {
        let mut old = newest.clone();
        (old.epoch, old.log_index) = (LeaderEpoch(epoch), LogIndex(log_index));
        assert_eq!(
            apply(&mut state, report(old)),
            Err(Refusal::StaleReport { raft_group })
        );
    }
}

#[test]
fn a_topic_is_placed_evenly_with_fresh_ids() {
    let mut state = formed(3);
    let created = Applied::TopicCreated {
        topic_id: topic_id(1),
        created: true,
    };
    assert_eq!(create(&mut state, 1, 12), Ok(created));
    let topic = state.topic(&topic_id(1)).unwrap();
    let sets: Vec<_> = topic.partitions.iter().map(|p| &p.replica_set).collect();
    let groups: Vec<_> = sets.iter().map(|set| set.raft_group.0).collect();
    assert_eq!(groups, (1000..1012).collect::<Vec<_>>());
    let replicas: BTreeSet<_> = state
        .replica_sets()
        .flat_map(|set| &set.founding)
        .map(|r| r.replica_id)
        .collect();
    assert_eq!(replicas.len(), (12 + 8) * 3);
    for node in 1..=3 {
        let leads = |set: &&&crate::ReplicaSet| set.preferred_leader() == Some(NodeId(node));
        assert_eq!(sets.iter().filter(leads).count(), 4);
        assert_eq!(state.hosted_by(NodeId(node)).count(), 20);
    }
    let (topic, third) = state.partition_of(RaftGroupId(1003)).unwrap();
    assert_eq!(
        (topic.name.as_str(), third.index),
        ("topic-1", PartitionIndex(3))
    );
    assert_eq!(
        state.owner_of(RaftGroupId(17)),
        Some(RaftGroupOwner::Offsets(1))
    );
    assert_eq!(state.owner_of(RaftGroupId(24)), None);
    assert_eq!(
        state.owner_of(RaftGroupId(1)),
        Some(RaftGroupOwner::Metadata)
    );
    assert_eq!(
        state.owner_of(RaftGroupId(1003)),
        Some(RaftGroupOwner::Partition(partition(1, 3)))
    );
}

#[test]
fn impossible_topics_are_refused() {
    let mut state = formed(3);
    create(&mut state, 1, 1).unwrap();
    let before = state.clone();
    let name = TopicName::new("topic-1").unwrap();
    assert_eq!(create(&mut state, 1, 1), Err(Refusal::TopicExists { name }));
    let again = NewTopic {
        if_not_exists: true,
        topic_id: topic_id(7),
        ..new_topic(1, 5)
    };
    let existed = Applied::TopicCreated {
        topic_id: topic_id(1),
        created: false,
    };
    assert_eq!(apply(&mut state, Command::CreateTopic(again)), Ok(existed));
    let same_id = NewTopic {
        topic_id: topic_id(1),
        ..new_topic(2, 1)
    };
    let used = Err(Refusal::TopicIdUsed {
        topic_id: topic_id(1),
    });
    assert_eq!(apply(&mut state, Command::CreateTopic(same_id)), used);
    for partitions in [0, 10_001] {
        let refused = Refusal::InvalidPartitions {
            given: partitions,
            min: 1,
            max: 10_000,
        };
        assert_eq!(create(&mut state, 2, partitions), Err(refused));
    }
    for replication in [0, 4] {
        let topic = NewTopic {
            replication: Some(replication),
            ..new_topic(2, 1)
        };
        let refused = Refusal::InvalidReplication {
            given: replication,
            max: 3,
        };
        assert_eq!(apply(&mut state, Command::CreateTopic(topic)), Err(refused));
    }
    let configs = BTreeMap::from([("segment.bytes".to_owned(), "1".to_owned())]);
    let topic = NewTopic {
        configs,
        ..new_topic(2, 1)
    };
    let refused = apply(&mut state, Command::CreateTopic(topic)).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidConfig);
    assert_eq!(state, before);
}

#[test]
fn altering_is_all_or_nothing() {
    let mut state = formed(3);
    create(&mut state, 1, 2).unwrap();
    let alter = |key: &str, value: &str, partitions| Command::AlterTopic {
        topic_id: topic_id(1),
        configs: BTreeMap::from([(key.to_owned(), Some(value.to_owned()))]),
        partitions,
    };
    let before = state.clone();
    let refused = Refusal::InvalidPartitions {
        given: 2,
        min: 3,
        max: 10_000,
    };
    assert_eq!(
        apply(&mut state, alter("retention.ms", "1", Some(2))),
        Err(refused)
    );
    assert!(apply(&mut state, alter("retention.ms", "x", Some(4))).is_err());
    assert_eq!(state, before);
    apply(&mut state, alter("retention.ms", "1000", Some(4))).unwrap();
    let topic = state
        .topic_named(&TopicName::new("topic-1").unwrap())
        .unwrap();
    assert_eq!(
        (topic.config.retention_ms(), topic.partitions.len()),
        (Some(1000), 4)
    );
    assert_eq!(
        state.partition_of(RaftGroupId(1003)).unwrap().1.index,
        PartitionIndex(3)
    );
    let old = before.topic(&topic_id(1)).unwrap();
    assert_eq!(
        state.topic(&topic_id(1)).unwrap().partitions[..2],
        old.partitions[..]
    );
    let version = state.version();
    apply(&mut state, alter("retention.ms", "1000", None)).unwrap();
    assert_eq!(state.version(), version);
}

#[test]
fn a_deleted_topic_stays_a_tombstone_until_every_disk_confirmed_or_is_gone() {
    let mut state = formed(3);
    create(&mut state, 1, 2).unwrap();
    let delete = Command::DeleteTopic {
        topic_id: topic_id(1),
        at_ms: 9,
    };
    let raft_groups = vec![RaftGroupId(1000), RaftGroupId(1001)];
    let deleted = Applied::TopicDeleted {
        raft_groups: raft_groups.clone(),
    };
    assert_eq!(apply(&mut state, delete.clone()), Ok(deleted));
    let unknown = Err(Refusal::UnknownTopic {
        topic_id: topic_id(1),
    });
    assert_eq!(apply(&mut state, delete), unknown);
    assert_eq!(state.owner_of(RaftGroupId(1000)), None);
    assert_eq!(
        state.to_delete_on(NodeId(1)).collect::<Vec<_>>(),
        raft_groups
    );
    let confirm = |id: u32, disk: u8| Command::ConfirmDeleted {
        node_id: NodeId(id),
        node_uuid: NodeUuid([disk; 16]),
        raft_groups: raft_groups.clone(),
    };
    let other_disk = Err(Refusal::UnknownNode { node_id: NodeId(1) });
    assert_eq!(apply(&mut state, confirm(1, 9)), other_disk);
    apply(&mut state, confirm(1, 1)).unwrap();
    apply(&mut state, confirm(2, 2)).unwrap();
    assert_eq!(state.tombstones().count(), 1);
    assert_eq!(state.to_delete_on(NodeId(3)).count(), 2);
    register(&mut state, node(3, 33)).unwrap();
    assert_eq!(state.tombstones().count(), 0);
    let name = TopicName::new("topic-1").unwrap();
    apply(
        &mut state,
        Command::CreateTopic(NewTopic {
            name,
            ..new_topic(2, 1)
        }),
    )
    .unwrap();
    assert!(
        state.partition_of(RaftGroupId(1002)).is_some(),
        "group ids are never reused"
    );
}

#[test]
fn only_newer_leaders_are_taken() {
    let mut state = formed(3);
    create(&mut state, 1, 1).unwrap();
    let raft_group = RaftGroupId(1000);
    let known = |state: &State| state.replica_set(raft_group).unwrap().leader;
    for (report, expected) in [
        (led(1, 3), led(1, 3)),
        (led(2, 2), led(1, 3)),
        (led(2, 3), led(1, 3)),
        (led(2, 4), led(2, 4)),
    ] {
        let unknown = (RaftGroupId(5000), led(3, 9));
        apply(
            &mut state,
            Command::ReportLeaders {
                leaders: vec![(raft_group, report), unknown],
            },
        )
        .unwrap();
        assert_eq!(known(&state), Some(expected));
    }
    let version = state.version();
    apply(
        &mut state,
        Command::ReportLeaders {
            leaders: vec![(raft_group, led(1, 1))],
        },
    )
    .unwrap();
    assert_eq!(state.version(), version);
}

#[test]
fn producer_ids_are_handed_out_once() {
    let mut state = formed(1);
    let mut allocate = |count| apply(&mut state, Command::AllocateProducerIds { count });
    assert_eq!(
        allocate(1000),
        Ok(Applied::ProducerIds {
            first: ProducerId(0),
            count: 1000
        })
    );
    assert_eq!(
        allocate(5),
        Ok(Applied::ProducerIds {
            first: ProducerId(1000),
            count: 5
        })
    );
    for count in [0, 1_000_001] {
        assert_eq!(
            allocate(count),
            Err(Refusal::InvalidCount {
                given: count,
                max: 1_000_000
            })
        );
    }
}

#[test]
fn a_rebalance_needs_the_newest_coordinator_and_the_generation() {
    let mut state = formed(3);
    create(&mut state, 1, 3).unwrap();
    let complete = |state: &mut State, r| apply(state, Command::CompleteRebalance(r));
    let owners = [
        (partition(1, 0), "a"),
        (partition(1, 1), "b"),
        (partition(9, 0), "a"),
    ];
    let fenced = |current, given| Refusal::CoordinatorFenced {
        current: LeaderEpoch(current),
        given: LeaderEpoch(given),
    };
    assert_eq!(
        complete(&mut state, rebalance(0, 3, &owners)),
        Err(fenced(0, 3))
    );
    coordinate(&mut state, 3).unwrap();
    coordinate(&mut state, 3).unwrap();
    // The partition of an unknown topic is left out.
    assert_eq!(
        tokens(complete(&mut state, rebalance(0, 3, &owners))),
        [1, 2]
    );
    let mismatch = Refusal::GenerationMismatch {
        group: group(),
        current: Generation(1),
        given: Generation(0),
    };
    assert_eq!(
        complete(&mut state, rebalance(0, 3, &owners)),
        Err(mismatch)
    );
    coordinate(&mut state, 4).unwrap();
    assert_eq!(coordinate(&mut state, 3), Err(fenced(4, 3)));
    assert_eq!(
        complete(&mut state, rebalance(1, 3, &owners)),
        Err(fenced(4, 3))
    );
    // Partition 0 stays with its owner and keeps its token.
    let moved = [
        (partition(1, 0), "a"),
        (partition(1, 1), "a"),
        (partition(1, 2), "b"),
    ];
    assert_eq!(
        tokens(complete(&mut state, rebalance(1, 4, &moved))),
        [1, 3, 4]
    );
    assert_eq!(
        state.token(&group(), &partition(1, 1)),
        Some(FencingToken(3))
    );
    let mut stranger = rebalance(2, 4, &moved);
    stranger.members.remove(&member("b"));
    let unknown = Refusal::UnknownMember {
        member_id: member("b"),
    };
    assert_eq!(complete(&mut state, stranger), Err(unknown));
    let classic = Rebalance {
        kind: GroupKind::Classic,
        ..rebalance(2, 4, &moved)
    };
    assert_eq!(complete(&mut state, classic), Err(Refusal::WrongKind));
}

#[test]
fn a_deleted_group_never_starts_over() {
    let mut state = formed(1);
    create(&mut state, 1, 1).unwrap();
    coordinate(&mut state, 1).unwrap();
    let complete = |state: &mut State, r| apply(state, Command::CompleteRebalance(r));
    let delete = || Command::DeleteGroup {
        group: group(),
        coordinator_epoch: LeaderEpoch(1),
    };
    // Outsiders only: what they committed is fenced by generation 0, the next is another.
    apply(&mut state, delete()).unwrap();
    assert_eq!(state.generation_of(&group()), Generation(1));
    assert_eq!(
        tokens(complete(
            &mut state,
            rebalance(1, 1, &[(partition(1, 0), "a")])
        )),
        [1]
    );
    let not_empty = Refusal::GroupNotEmpty {
        group: group(),
        members: 1,
    };
    assert_eq!(apply(&mut state, delete()), Err(not_empty));
    complete(&mut state, rebalance(2, 1, &[])).unwrap();
    apply(&mut state, delete()).unwrap();
    assert_eq!(
        (state.group(&group()), state.generation_of(&group())),
        (None, Generation(4))
    );
    for former in [0, 3] {
        let late = rebalance(former, 1, &[(partition(1, 0), "a")]);
        assert!(complete(&mut state, late).is_err());
    }
    assert_eq!(
        tokens(complete(
            &mut state,
            rebalance(4, 1, &[(partition(1, 0), "a")])
        )),
        [2]
    );
    assert_eq!(state.generation_of(&group()), Generation(5));
}

#[test]
fn classic_assignments_belong_to_one_generation() {
    let mut state = formed(1);
    coordinate(&mut state, 1).unwrap();
    let store = |generation, name: &str| Command::StoreAssignment {
        group: group(),
        generation: Generation(generation),
        coordinator_epoch: LeaderEpoch(1),
        assignments: BTreeMap::from([(member(name), vec![7])]),
    };
    assert_eq!(
        apply(&mut state, store(1, "a")),
        Err(Refusal::UnknownGroup { group: group() })
    );
    let members = BTreeMap::from([(member("a"), record())]);
    let classic = |expected| Rebalance {
        kind: GroupKind::Classic,
        members: members.clone(),
        ..rebalance(expected, 1, &[])
    };
    apply(&mut state, Command::CompleteRebalance(classic(0))).unwrap();
    let unknown = Err(Refusal::UnknownMember {
        member_id: member("b"),
    });
    assert_eq!(apply(&mut state, store(1, "b")), unknown);
    apply(&mut state, store(1, "a")).unwrap();
    assert_eq!(
        state.group(&group()).unwrap().assignments[&member("a")],
        [7]
    );
    apply(&mut state, Command::CompleteRebalance(classic(1))).unwrap();
    assert!(state.group(&group()).unwrap().assignments.is_empty());
    assert!(apply(&mut state, store(1, "a")).is_err());
}

#[test]
fn a_static_member_takes_its_place_over_within_the_generation() {
    let mut state = formed(1);
    coordinate(&mut state, 1).unwrap();
    let classic = Rebalance {
        kind: GroupKind::Classic,
        members: BTreeMap::from([(member("a"), record()), (member("b"), record())]),
        ..rebalance(0, 1, &[])
    };
    apply(&mut state, Command::CompleteRebalance(classic)).unwrap();
    let store = Command::StoreAssignment {
        group: group(),
        generation: Generation(1),
        coordinator_epoch: LeaderEpoch(1),
        assignments: BTreeMap::from([(member("a"), vec![7]), (member("b"), vec![8])]),
    };
    apply(&mut state, store).unwrap();
    let replace = |generation, epoch, former: &str| Command::ReplaceMember {
        group: group(),
        generation: Generation(generation),
        coordinator_epoch: LeaderEpoch(epoch),
        former: member(former),
        heir: member("c"),
        record: record(),
    };
    assert!(matches!(
        apply(&mut state, replace(1, 0, "a")),
        Err(Refusal::CoordinatorFenced { .. })
    ));
    assert!(matches!(
        apply(&mut state, replace(2, 1, "a")),
        Err(Refusal::GenerationMismatch { .. })
    ));
    apply(&mut state, replace(1, 1, "a")).unwrap();
    let known = state.group(&group()).unwrap();
    assert_eq!(known.generation, Generation(1));
    assert!(known.members.keys().eq(known.assignments.keys()));
    assert_eq!(known.assignments[&member("c")], [7]);
    let unknown = Err(Refusal::UnknownMember {
        member_id: member("a"),
    });
    assert_eq!(apply(&mut state, replace(1, 1, "a")), unknown);
}

#[test]
fn the_hash_of_a_group_is_pinned() {
    let of = |name: &str| offsets_partition_of(&GroupName::new(name).unwrap());
    assert_eq!(
        ["a", "customer-ui", "analytics", "notifications"].map(of),
        [4, 6, 3, 7]
    );
}
