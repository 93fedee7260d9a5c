//! The bytes of every command and of a small snapshot. They are the log and disk format: a
//! change here breaks every existing cluster.

use super::*;
use crate::{ConfigEdit, decode, decode_outcome, encode, encode_outcome};

#[expect(clippy::too_many_lines, reason = "a table")]
fn every_command() -> Vec<Command> {
    let membership = MembershipReport {
        epoch: LeaderEpoch(4),
        log_index: LogIndex(300),
        voters: vec![ReplicaId(1000)],
        learners: vec![ReplicaId(1001)],
    };
    let registration = NodeRegistration {
        kafka_addr: Some("k:1".to_owned()),
        http_addr: Some("h:1".to_owned()),
        rack: Some("r".to_owned()),
        ..node(1, 1)
    };
    let text = |text: &str| text.to_owned();
    vec![
        form(1),
        Command::RegisterNode {
            node: registration,
            at_ms: 3,
        },
        Command::CreateTopic(NewTopic {
            replication: Some(3),
            configs: BTreeMap::from([(text("retention.ms"), text("1"))]),
            if_not_exists: true,
            ..new_topic(1, 12)
        }),
        Command::DeleteTopic {
            topic_id: topic_id(1),
            at_ms: 4,
        },
        Command::AlterTopic {
            topic_id: topic_id(1),
            configs: BTreeMap::from([(text("a"), None), (text("b"), Some(text("c")))]),
            partitions: Some(13),
        },
        Command::ReportLeaders {
            leaders: vec![(RaftGroupId(1000), led(2, 7))],
        },
        Command::ReportMembership {
            raft_group: RaftGroupId(1000),
            membership,
        },
        Command::ConfirmDeleted {
            node_id: NodeId(1),
            node_uuid: NodeUuid([1; 16]),
            raft_groups: vec![RaftGroupId(1000)],
        },
        Command::CoordinatorEpoch {
            offsets_partition: 3,
            epoch: LeaderEpoch(2),
        },
        Command::AllocateProducerIds { count: 1000 },
        Command::CompleteRebalance(rebalance(1, 2, &[(partition(1, 5), "m")])),
        Command::StoreAssignment {
            group: group(),
            generation: Generation(2),
            coordinator_epoch: LeaderEpoch(2),
            assignments: BTreeMap::from([(member("m"), vec![1, 2])]),
        },
        Command::DeleteGroup {
            group: group(),
            coordinator_epoch: LeaderEpoch(2),
        },
        Command::ReplaceMember {
            group: group(),
            generation: Generation(2),
            coordinator_epoch: LeaderEpoch(2),
            former: member("m"),
            heir: member("n"),
            record: MemberRecord {
                instance_id: Some(text("i")),
                ..record()
            },
        },
        Command::EditTopicConfig {
            topic_id: topic_id(1),
            replace: true,
            edits: BTreeMap::from([
                (text("a"), ConfigEdit::Set(text("1"))),
                (text("b"), ConfigEdit::Reset),
                (text("c"), ConfigEdit::Append(text("2"))),
                (text("d"), ConfigEdit::Subtract(text("3"))),
            ]),
        },
        Command::CreateTopicAt {
            topic: new_topic(1, 1),
            nodes: vec![vec![NodeId(2), NodeId(1)]],
        },
        Command::AddPartitionsAt {
            topic_id: topic_id(1),
            partitions: 2,
            nodes: vec![vec![NodeId(1)]],
        },
        Command::ReportDamaged {
            node_id: NodeId(1),
            node_uuid: NodeUuid([1; 16]),
            incarnation: Incarnation(2),
            replicas: vec![(RaftGroupId(1000), ReplicaId(1001))],
        },
    ]
}

const GOLDEN: [&str; 18] = [
    "01000909090909090909090909090909090904666c6f65010101010101010101010101010101010101010a686f7374313a393139320a686f7374313a3932393200000002",
    "01010101010101010101010101010101010101010a686f7374313a393139320a686f7374313a3932393201036b3a310103683a3101017206",
    "01020101010101010101010101010101010107746f7069632d310c0103010c726574656e74696f6e2e6d7301310401",
    "01030101010101010101010101010101010108",
    "010401010101010101010101010101010101020161000162010163010d",
    "010501fbe803020e",
    "0106fbe80308fb2c0101fbe80301fbe903",
    "0107010101010101010101010101010101010101fbe803",
    "01080304",
    "0109fbe803",
    "010a07726561646572730204020572616e676501016d00fb1027fb60ea02010200010101010101010101010101010101010105016d",
    "010b0772656164657273040401016d020102",
    "010c077265616465727304",
    "010d07726561646572730404016d016e010169fb1027fb60ea02010200",
    "010e010101010101010101010101010101010104016100013101620101630201320164030133",
    "010f0101010101010101010101010101010107746f7069632d31010000040001020201",
    "01100101010101010101010101010101010102010101",
    "011101010101010101010101010101010101010201fbe803fbe903",
];

#[test]
fn golden_bytes_of_commands() {
    for (command, golden) in every_command().iter().zip(GOLDEN) {
        assert_eq!(floe_model::to_hex(&encode(command)), golden, "{command:?}");
        assert_eq!(decode(&encode(command)).unwrap(), *command);
    }
}

#[test]
fn golden_bytes_of_outcomes() {
    let outcomes: [(Outcome, &str); 3] = [
        (Ok(Applied::Done), "010000"),
        (
            Ok(Applied::TopicCreated {
                topic_id: topic_id(1),
                created: true,
            }),
            "0100020101010101010101010101010101010101",
        ),
        (
            Err(Refusal::InvalidReplication { given: 4, max: 3 }),
            "01010c0403",
        ),
    ];
    for (outcome, golden) in outcomes {
        assert_eq!(
            floe_model::to_hex(&encode_outcome(&outcome)),
            golden,
            "{outcome:?}"
        );
        assert_eq!(decode_outcome(&encode_outcome(&outcome)).unwrap(), outcome);
    }
}

#[test]
fn golden_bytes_of_a_snapshot() {
    let mut state = formed(1);
    create(&mut state, 1, 1).unwrap();
    coordinate(&mut state, 1).unwrap();
    let owners = [(partition(1, 0), "m")];
    apply(
        &mut state,
        Command::CompleteRebalance(rebalance(0, 1, &owners)),
    )
    .unwrap();
    let snapshot = state.snapshot();
    // The whole is long; its length and a checksum over it pin it as well.
    let checksum = snapshot.iter().fold(0_u64, |sum, &byte| {
        (sum.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95)
    });
    assert_eq!(
        (snapshot.len(), checksum),
        (661, 15_545_191_376_415_533_351)
    );
    assert_eq!(State::from_snapshot(&snapshot).unwrap(), state);
}
