//! Replicas, leaders, membership and metadata.

use super::*;
use crate::{Access, NodeChange, TopicChange};
use floe_model::NodeId;

#[test]
fn replicas_hold_the_same_bytes() {
    let differ = [AnomalyKind::ReplicaDivergence];
    let whole = [batch(0, 2), batch(2, 1)];
    let other = |changed: [Batch; 2], committed| {
        sound()
            .replica(1, 3, &whole)
            .replica(2, committed, &changed)
    };
    let crc = Batch {
        crc: 7,
        ..batch(2, 1)
    };
    other([batch(0, 2), crc.clone()], 3).is(&differ);
    other([batch(0, 1), batch(1, 2)], 3).is(&differ);
    let first = Batch {
        crc: 7,
        ..batch(0, 2)
    };
    other([first, batch(2, 1)], 3).is(&differ);
    other(whole.clone(), 3).is(&[]);
    // What is not known to be committed may still change.
    other([batch(0, 2), crc], 2).is(&[]);
    sound()
        .replica(1, 3, &whole)
        .replica(2, 2, &whole[..1])
        .is(&[]);
}

#[test]
fn a_replica_is_compared_where_both_have_something() {
    let trimmed = |crc| {
        let story = sound().replica(1, 3, &[batch(0, 2), batch(2, 1)]);
        let replica = Replica {
            key: key(),
            node: NodeId(2),
            start: Offset(2),
            committed: Offset(3),
            batches: vec![Batch { crc, ..batch(2, 1) }],
        };
        story.act(10, Stage::Ok, Action::Replica(replica))
    };
    trimmed(1002).is(&[]);
    trimmed(1003).is(&[AnomalyKind::ReplicaDivergence]);
}

#[test]
fn an_epoch_has_one_leader() {
    let two = [AnomalyKind::TwoLeaders];
    let seen = |first, second| sound().placed(first).placed(second);
    seen(place(1, 4, &[1, 2]), place(2, 4, &[1, 2])).is(&two);
    let later = seen(place(1, 4, &[1, 2]), place(2, 5, &[1, 2]));
    later.placed(place(2, 4, &[1, 2])).is(&two);
    let concurrent = sound().placed(place(1, 4, &[1])).until(40);
    concurrent.placed(place(2, 4, &[1])).is(&two);
    seen(place(1, 4, &[1, 2]), place(2, 5, &[1, 2])).is(&[]);
    seen(place(1, 4, &[1, 2]), place(1, 4, &[1, 2])).is(&[]);
    let nobody = Place {
        leader: None,
        ..place(2, 4, &[1, 2])
    };
    seen(place(1, 4, &[1, 2]), nobody).is(&[]);
}

#[test]
fn an_emptied_node_is_not_in_use() {
    let used = [AnomalyKind::DrainedNodeInUse];
    let change = |story: Story, change, outcome| {
        let node = NodeId(3);
        story.act(14, outcome, Action::Membership { change, node })
    };
    let drained = |outcome| {
        change(
            sound().placed(place(1, 1, &[1, 3])),
            NodeChange::Drain,
            outcome,
        )
    };
    drained(Stage::Ok).placed(place(1, 1, &[1, 3])).is(&used);
    let removed = change(sound(), NodeChange::Remove, Stage::Ok);
    removed.placed(place(1, 1, &[3])).is(&used);
    let twice = drained(Stage::Ok).placed(place(1, 1, &[1, 2]));
    twice.placed(place(1, 1, &[1, 3])).is(&used);
    drained(Stage::Ok).placed(place(1, 1, &[1, 2])).is(&[]);
    drained(Stage::Info).placed(place(1, 1, &[1, 3])).is(&[]);
    let back = change(drained(Stage::Ok), NodeChange::Add, Stage::Info);
    back.placed(place(1, 1, &[1, 3])).is(&[]);
    // A view that lags behind is put right later.
    let lagging = drained(Stage::Ok).placed(place(1, 1, &[1, 3]));
    lagging.placed(place(1, 2, &[1, 2])).is(&[]);
}

fn access(story: Story, process: u64, outcome: Stage, access: Access) -> Story {
    let name = "limit".to_owned();
    story.act(process, outcome, Action::Register { name, access })
}

fn write(story: Story, outcome: Stage, value: u64) -> Story {
    access(story, 20, outcome, Access::Write { value: Some(value) })
}

fn read(story: Story, value: Option<u64>) -> Story {
    access(story, 21, Stage::Ok, Access::Read { value })
}

#[test]
fn metadata_is_linearizable() {
    let wrong = [AnomalyKind::NotLinearizable];
    let wrote = || write(sound(), Stage::Ok, 1);
    read(wrote(), None).is(&wrong);
    read(read(write(wrote(), Stage::Info, 2), Some(2)), Some(1)).is(&wrong);
    read(write(wrote(), Stage::Fail, 2), Some(2)).is(&wrong);
    read(wrote(), Some(1)).is(&[]);
    read(read(write(wrote(), Stage::Info, 2), Some(1)), Some(2)).is(&[]);
    read(write(wrote(), Stage::Fail, 2), Some(1)).is(&[]);
    // Two registers have nothing to do with each other.
    let name = "other".to_owned();
    let value = Access::Read { value: None };
    let other = Action::Register {
        name,
        access: value,
    };
    wrote().act(22, Stage::Ok, other).is(&[]);
}

#[test]
fn a_name_has_one_topic_at_a_time() {
    let wrong = [AnomalyKind::NotLinearizable];
    let topic = |story: Story, change, incarnation, outcome| {
        let topic = "u".to_owned();
        let action = Action::Topic {
            change,
            topic,
            incarnation,
        };
        story.act(15, outcome, action)
    };
    let made = || topic(sound(), TopicChange::Create, 1, Stage::Ok);
    topic(made(), TopicChange::Create, 2, Stage::Ok).is(&wrong);
    let gone = |outcome| topic(made(), TopicChange::Delete, 1, outcome);
    topic(gone(Stage::Ok), TopicChange::Delete, 1, Stage::Ok).is(&wrong);
    topic(gone(Stage::Fail), TopicChange::Create, 2, Stage::Ok).is(&wrong);
    topic(gone(Stage::Ok), TopicChange::Create, 2, Stage::Ok).is(&[]);
    topic(gone(Stage::Info), TopicChange::Create, 2, Stage::Ok).is(&[]);
    topic(gone(Stage::Info), TopicChange::Delete, 1, Stage::Ok).is(&[]);
}
