//! Replicas where the caller wants them, and settings edited one by one.

use super::*;
use crate::{AssignmentFault, ConfigEdit, ConfigError};

fn ids(nodes: &[u32]) -> Vec<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

fn create_at(state: &mut State, nodes: &[&[u32]]) -> Outcome {
    let command = Command::CreateTopicAt {
        topic: new_topic(1, 77),
        nodes: nodes.iter().map(|nodes| ids(nodes)).collect(),
    };
    apply(state, command)
}

fn add_at(state: &mut State, partitions: u32, nodes: &[&[u32]]) -> Outcome {
    let command = Command::AddPartitionsAt {
        topic_id: topic_id(1),
        partitions,
        nodes: nodes.iter().map(|nodes| ids(nodes)).collect(),
    };
    apply(state, command)
}

fn placed(state: &State) -> Vec<Vec<NodeId>> {
    let topic = state.topic(&topic_id(1)).unwrap();
    let nodes = |set: &crate::ReplicaSet| set.founding.iter().map(|one| one.node_id).collect();
    topic
        .partitions
        .iter()
        .map(|partition| nodes(&partition.replica_set))
        .collect()
}

#[test]
fn replicas_go_to_the_named_nodes_in_the_named_order() {
    let mut state = formed(3);
    create_at(&mut state, &[&[3, 1], &[2, 3]]).unwrap();
    assert_eq!(placed(&state), [ids(&[3, 1]), ids(&[2, 3])]);
    assert_eq!(state.topic(&topic_id(1)).unwrap().replication, 2);
    add_at(&mut state, 3, &[&[1, 2]]).unwrap();
    assert_eq!(placed(&state)[2], ids(&[1, 2]));
    let groups = state.topic(&topic_id(1)).unwrap().partitions.iter();
    let groups: Vec<_> = groups.map(|one| one.replica_set.raft_group.0).collect();
    assert_eq!(groups, [1000, 1001, 1002]);
    // The ids taken are not given again.
    create(&mut state, 2, 1).unwrap();
    let next = state.topic(&topic_id(2)).unwrap().partitions[0]
        .replica_set
        .raft_group;
    assert_eq!(next, RaftGroupId(1003));
}

#[test]
fn an_impossible_assignment_is_refused_and_changes_nothing() {
    let mut state = formed(3);
    let refused = |partition, fault| Err(Refusal::InvalidAssignment { partition, fault });
    let before = state.snapshot();
    let node_id = NodeId(9);
    assert_eq!(
        create_at(&mut state, &[&[1, 2], &[1, 9]]),
        refused(1, AssignmentFault::UnknownNode { node_id })
    );
    let node_id = NodeId(2);
    assert_eq!(
        create_at(&mut state, &[&[2, 2]]),
        refused(0, AssignmentFault::NodeTwice { node_id })
    );
    assert_eq!(
        create_at(&mut state, &[&[1, 2], &[]]),
        refused(1, AssignmentFault::NoNode)
    );
    let uneven = AssignmentFault::Uneven {
        given: 1,
        replication: 2,
    };
    assert_eq!(
        create_at(&mut state, &[&[1, 2], &[3]]),
        refused(1, uneven.clone())
    );
    assert_eq!(state.snapshot(), before);
    create_at(&mut state, &[&[1, 2]]).unwrap();
    assert_eq!(add_at(&mut state, 2, &[&[1]]), refused(1, uneven));
    let count = AssignmentFault::Count {
        given: 1,
        wanted: 2,
    };
    assert_eq!(add_at(&mut state, 3, &[&[1, 2]]), refused(1, count));
    assert!(matches!(
        add_at(&mut state, 1, &[]),
        Err(Refusal::InvalidPartitions { given: 1, .. })
    ));
}

#[test]
fn settings_are_edited_one_by_one_or_replaced_as_a_whole() {
    let mut state = formed(3);
    create(&mut state, 1, 1).unwrap();
    let mut edit = |replace, edits: &[(&str, ConfigEdit)]| {
        let edits = edits.iter().cloned();
        let edits = edits.map(|(key, edit)| (key.to_owned(), edit)).collect();
        let command = Command::EditTopicConfig {
            topic_id: topic_id(1),
            replace,
            edits,
        };
        apply(&mut state, command)?;
        let config = &state.topic(&topic_id(1)).unwrap().config;
        Ok(config.overrides().clone())
    };
    let set = |value: &str| ConfigEdit::Set(value.to_owned());
    let append = ConfigEdit::Append("compact".to_owned());
    let kept = edit(
        false,
        &[("retention.ms", set("5")), ("cleanup.policy", append)],
    );
    let text = |text: &str| text.to_owned();
    let both = BTreeMap::from([
        (text("cleanup.policy"), text("delete,compact")),
        (text("retention.ms"), text("5")),
    ]);
    assert_eq!(kept, Ok(both));
    let kept = edit(false, &[("retention.ms", ConfigEdit::Reset)]).unwrap();
    assert_eq!(kept.len(), 1);
    let kept = edit(true, &[("segment.ms", set("7"))]).unwrap();
    assert_eq!(kept, BTreeMap::from([(text("segment.ms"), text("7"))]));
    let refused = edit(false, &[("segment.ms", set("8")), ("nonsense", set("1"))]);
    let key = text("nonsense");
    let unknown = Refusal::InvalidConfig(ConfigError::UnknownKey { key });
    assert_eq!(refused, Err(unknown));
    assert_eq!(edit(false, &[]), Ok(kept));
}
