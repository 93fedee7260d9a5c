//! Damaged replicas: when they get a successor, and when not.

use super::*;

fn reported(state: &State, id: u32, replicas: &[(RaftGroupId, ReplicaId)]) -> Command {
    let node = &state.node(NodeId(id)).unwrap().registration;
    Command::ReportDamaged {
        node_id: node.node_id,
        node_uuid: node.node_uuid,
        incarnation: node.incarnation,
        replicas: replicas.to_vec(),
    }
}

fn damage(state: &mut State, id: u32, group: RaftGroupId) -> ReplicaId {
    let replica = replica_on(state, group, id);
    let command = reported(state, id, &[(group, replica)]);
    assert_eq!(apply(state, command), Ok(Applied::Done));
    replica
}

fn replica_on(state: &State, group: RaftGroupId, id: u32) -> ReplicaId {
    let set = state.replica_set(group).unwrap();
    set.replica_on(NodeId(id)).unwrap().replica_id
}

/// Reports a membership of all wanted replicas but `without`.
fn members_without(state: &mut State, group: RaftGroupId, index: u64, without: &[ReplicaId]) {
    let wanted = state.replica_set(group).unwrap().replicas.iter();
    let ids = wanted.map(|one| one.replica_id);
    let voters = ids.filter(|id| !without.contains(id)).collect();
    let membership = MembershipReport {
        epoch: LeaderEpoch(1),
        log_index: LogIndex(index),
        voters,
        learners: vec![],
    };
    let report = Command::ReportMembership {
        raft_group: group,
        membership,
    };
    assert_eq!(apply(state, report), Ok(Applied::Done));
}

fn with_a_topic() -> (State, RaftGroupId) {
    let mut state = formed(3);
    create(&mut state, 1, 1).unwrap();
    let set = &state.partition(&partition(1, 0)).unwrap().replica_set;
    let group = set.raft_group;
    (state, group)
}

#[test]
fn a_damaged_replica_is_replaced_once_its_group_goes_on_without_it() {
    let (mut state, group) = with_a_topic();
    let before = state.replica_set(group).unwrap().clone();
    let damaged = damage(&mut state, 2, group);
    assert!(state.is_damaged(damaged));
    assert_eq!(replica_on(&state, group, 2), damaged);
    // A membership with it changes nothing of that.
    members_without(&mut state, group, 5, &[]);
    assert!(state.is_damaged(damaged));
    members_without(&mut state, group, 6, &[damaged]);
    let successor = replica_on(&state, group, 2);
    assert!(successor > damaged && !state.is_damaged(damaged));
    assert_eq!(state.damaged_replicas().count(), 0);
    assert_eq!(state.dead_replicas().count(), 0);
    let after = state.replica_set(group).unwrap();
    assert_eq!(after.founding, before.founding);
    for (one, other) in before.replicas.iter().zip(&after.replicas) {
        assert_eq!(
            (one.node_id, one.node_uuid),
            (other.node_id, other.node_uuid)
        );
        let is_same = one.replica_id == other.replica_id;
        assert_eq!(is_same, one.node_id != NodeId(2));
    }
    // Told again, late: it is another one now.
    let version = state.layout_version();
    let late = reported(&state, 2, &[(group, damaged)]);
    assert_eq!(apply(&mut state, late), Ok(Applied::Done));
    assert_eq!(
        (state.layout_version(), replica_on(&state, group, 2)),
        (version, successor)
    );
    // The successor, too, may be damaged.
    damage(&mut state, 2, group);
    members_without(&mut state, group, 7, &[successor]);
    assert!(replica_on(&state, group, 2) > successor);
}

#[test]
fn a_report_that_comes_after_the_membership_replaces_as_well() {
    let (mut state, group) = with_a_topic();
    let replica = replica_on(&state, group, 3);
    members_without(&mut state, group, 5, &[replica]);
    assert_eq!(replica_on(&state, group, 3), replica);
    damage(&mut state, 3, group);
    assert!(replica_on(&state, group, 3) > replica);
}

#[test]
fn only_the_process_that_runs_there_says_that_its_own_replica_is_damaged() {
    let (mut state, group) = with_a_topic();
    let (mine, others) = (replica_on(&state, group, 2), replica_on(&state, group, 3));
    let mut late = reported(&state, 2, &[(group, mine)]);
    let own = Command::ReportDamaged {
        node_id: NodeId(2),
        node_uuid: NodeUuid([2; 16]),
        incarnation: Incarnation(1),
        replicas: vec![(group, others), (RaftGroupId(4242), mine)],
    };
    let unchanged = state.clone();
    assert_eq!(apply(&mut state, own), Ok(Applied::Done));
    // The metadata group cannot be mended this way.
    let metadata = reported(&state, 2, &[(RaftGroupId::METADATA, ReplicaId(2))]);
    assert_eq!(apply(&mut state, metadata), Ok(Applied::Done));
    assert_eq!(state, unchanged);
    let mut restarted = node(2, 2);
    restarted.incarnation = Incarnation(2);
    register(&mut state, restarted).unwrap();
    let refused = apply(&mut state, late.clone());
    assert!(matches!(refused, Err(Refusal::StaleIncarnation { .. })));
    if let Command::ReportDamaged { node_uuid, .. } = &mut late {
        *node_uuid = NodeUuid([7; 16]);
    }
    let refused = apply(&mut state, late);
    let unknown = Err(Refusal::UnknownNode { node_id: NodeId(2) });
    assert_eq!(refused, unknown);
    let early = Command::ReportDamaged {
        node_id: NodeId(2),
        node_uuid: NodeUuid([2; 16]),
        incarnation: Incarnation(3),
        replicas: vec![(group, mine)],
    };
    assert_eq!(apply(&mut state, early), unknown);
    assert_eq!(state.damaged_replicas().count(), 0);
}

#[test]
fn a_new_process_a_new_disk_and_the_end_of_the_topic_end_the_damage() {
    let (formed, group) = with_a_topic();
    for case in 0..3 {
        let mut state = formed.clone();
        damage(&mut state, 2, group);
        damage(&mut state, 3, group);
        let version = state.layout_version();
        let left = match case {
            0 => {
                let mut restarted = node(2, 2);
                restarted.incarnation = Incarnation(2);
                register(&mut state, restarted).unwrap();
                1
            }
            1 => {
                register(&mut state, node(2, 22)).unwrap();
                1
            }
            _ => {
                let (topic_id, at_ms) = (topic_id(1), 9);
                apply(&mut state, Command::DeleteTopic { topic_id, at_ms }).unwrap();
                0
            }
        };
        assert_eq!(state.damaged_replicas().count(), left, "case {case}");
        assert!(state.layout_version() > version, "case {case}");
    }
}
