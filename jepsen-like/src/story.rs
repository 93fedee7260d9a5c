//! Hand-made histories for tests: operations of which each completes before the next begins,
//! unless a story says otherwise.
#![allow(clippy::unwrap_used)]

use floe_model::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Sequence};

use crate::{
    Action, AnomalyKind, Batch, Doubt, Header, History, Identity, Join, Key, Operation, Place,
    Plan, Polled, Positions, Produce, Replica, SCHEMA, Sent, Stage, Value, Verdict, Watermarks,
    check,
};

/// Nanoseconds between two events of a story.
pub(crate) const STEP_NS: u64 = 1_000_000;

pub(crate) struct Story {
    pub(crate) plan: Plan,
    pub(crate) operations: Vec<Operation>,
    pub(crate) next_index: u64,
}

/// The one key of most stories.
pub(crate) fn key() -> Key {
    named("t/0")
}

pub(crate) fn named(name: &str) -> Key {
    Key(name.to_owned())
}

pub(crate) fn at(offsets: &[(&str, i64)]) -> Positions {
    let offset = |(key, offset): &(&str, i64)| (named(key), Offset(*offset));
    offsets.iter().map(offset).collect()
}

pub(crate) fn polled(key: &Key, values: &[(i64, Value)]) -> Polled {
    let values = values
        .iter()
        .map(|(offset, value)| (Offset(*offset), *value));
    [(key.clone(), values.collect())].into()
}

pub(crate) fn sent(key: &Key, value: Value, offset: Option<i64>) -> Sent {
    Sent {
        key: key.clone(),
        value,
        offset: offset.map(Offset),
    }
}

pub(crate) fn identity(id: i64, epoch: i16, sequence: i32) -> Identity {
    Identity {
        producer_id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        sequence: Sequence(sequence),
    }
}

/// A batch whose checksum follows from its offset.
pub(crate) fn batch(offset: i64, count: u32) -> Batch {
    Batch {
        base_offset: Offset(offset),
        count,
        crc: 1000 + u32::try_from(offset).unwrap(),
        appended_at_ms: None,
        producer: None,
    }
}

pub(crate) fn watermarks(start: i64, high: i64, epoch: Option<i32>) -> Watermarks {
    Watermarks {
        start: Offset(start),
        stable: None,
        high: Offset(high),
        epoch: epoch.map(LeaderEpoch),
    }
}

pub(crate) fn place(leader: u32, epoch: i32, replicas: &[u32]) -> Place {
    Place {
        leader: Some(NodeId(leader)),
        epoch: LeaderEpoch(epoch),
        replicas: replicas.iter().copied().map(NodeId).collect(),
    }
}

impl Story {
    pub(crate) fn new() -> Self {
        let plan = Plan {
            dense_offsets: true,
            ..Plan::default()
        };
        Self {
            plan,
            operations: Vec::new(),
            next_index: 0,
        }
    }

    pub(crate) fn act(mut self, process: u64, outcome: Stage, action: Action) -> Self {
        let (invoked, completed) = (self.next_index, self.next_index + 1);
        self.next_index += 2;
        self.operations.push(Operation {
            invoked,
            completed: Some(completed),
            invoked_ns: invoked * STEP_NS,
            completed_ns: Some(completed * STEP_NS),
            process,
            outcome,
            action,
            error: None,
            rebalanced: Vec::new(),
        });
        self
    }

    /// Lets the last operation run until `index`.
    pub(crate) fn until(mut self, index: u64) -> Self {
        let last = self.operations.last_mut().unwrap();
        last.completed = Some(index);
        last.completed_ns = Some(index * STEP_NS);
        self
    }

    /// Lets time pass.
    pub(crate) fn wait(mut self, events: u64) -> Self {
        self.next_index += events;
        self
    }

    /// An acknowledged send of one value by process 1.
    pub(crate) fn send(self, value: Value, offset: i64) -> Self {
        self.send_as(1, Stage::Ok, &[(value, Some(offset))])
    }

    pub(crate) fn send_as(
        self,
        process: u64,
        outcome: Stage,
        values: &[(Value, Option<i64>)],
    ) -> Self {
        let sends = values
            .iter()
            .map(|(value, offset)| sent(&key(), *value, *offset));
        self.act(process, outcome, Action::Send(sends.collect()))
    }

    pub(crate) fn produce(
        self,
        outcome: Stage,
        producer: Identity,
        values: &[Value],
        offset: Option<i64>,
    ) -> Self {
        let batch = Produce {
            key: key(),
            producer,
            values: values.to_vec(),
            offset: offset.map(Offset),
        };
        self.act(1, outcome, Action::Produce(batch))
    }

    /// A successful poll by process 2.
    pub(crate) fn poll(self, values: &[(i64, Value)]) -> Self {
        self.poll_as(2, Stage::Ok, values)
    }

    pub(crate) fn poll_as(self, process: u64, outcome: Stage, values: &[(i64, Value)]) -> Self {
        self.act(process, outcome, Action::Poll(polled(&key(), values)))
    }

    pub(crate) fn subscribe(self, process: u64) -> Self {
        let topics = vec!["t".to_owned()];
        self.act(process, Stage::Ok, Action::Subscribe(topics))
    }

    pub(crate) fn join(self, process: u64, member: &str, generation: i64, keys: &[Key]) -> Self {
        let join = Join {
            group: "g".to_owned(),
            member: member.to_owned(),
            generation,
            keys: keys.to_vec(),
        };
        self.act(process, Stage::Ok, Action::Join(join))
    }

    pub(crate) fn commit(self, generation: i64, outcome: Stage) -> Self {
        self.commit_at(generation, outcome, 0)
    }

    pub(crate) fn commit_at(self, generation: i64, outcome: Stage, offset: i64) -> Self {
        let (group, offsets) = ("g".to_owned(), at(&[("t/0", offset)]));
        let commit = Action::Commit {
            group,
            generation,
            offsets,
        };
        self.act(3, outcome, commit)
    }

    pub(crate) fn committed(self, offsets: &[(&str, i64)]) -> Self {
        let (group, offsets) = ("g".to_owned(), at(offsets));
        self.act(8, Stage::Ok, Action::Committed { group, offsets })
    }

    pub(crate) fn reset(self, outcome: Stage, offset: i64) -> Self {
        let (group, offsets) = ("g".to_owned(), at(&[("t/0", offset)]));
        self.act(7, outcome, Action::Reset { group, offsets })
    }

    pub(crate) fn drain(self, end: i64) -> Self {
        self.act(9, Stage::Ok, Action::Drain(at(&[("t/0", end)])))
    }

    pub(crate) fn fault(self, outcome: Stage) -> Self {
        let (kind, target) = ("kill".to_owned(), "1".to_owned());
        self.act(0, outcome, Action::Fault { kind, target })
    }

    pub(crate) fn batches(self, batches: &[Batch]) -> Self {
        let (key, batches) = (key(), batches.to_vec());
        self.act(10, Stage::Ok, Action::Batches { key, batches })
    }

    pub(crate) fn replica(self, node: u32, committed: i64, batches: &[Batch]) -> Self {
        let replica = Replica {
            key: key(),
            node: NodeId(node),
            start: Offset(0),
            committed: Offset(committed),
            batches: batches.to_vec(),
        };
        self.act(10, Stage::Ok, Action::Replica(replica))
    }

    pub(crate) fn watermarks(self, told: Watermarks) -> Self {
        self.act(11, Stage::Ok, Action::Watermarks([(key(), told)].into()))
    }

    pub(crate) fn placed(self, place: Place) -> Self {
        self.act(12, Stage::Ok, Action::Placement([(key(), place)].into()))
    }

    pub(crate) fn history(self) -> History {
        let header = Header {
            schema: SCHEMA,
            seed: 7,
            version: "0.0.0".to_owned(),
            plan: self.plan,
        };
        History {
            header,
            operations: self.operations,
        }
    }

    #[track_caller]
    pub(crate) fn is(self, kinds: &[AnomalyKind]) {
        let report = check(&self.history());
        let found: Vec<_> = report.anomalies.keys().copied().collect();
        assert_eq!(found, kinds, "{report:#?}");
        let expected = if kinds.is_empty() {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        assert_eq!(report.verdict, expected, "{report:#?}");
    }

    #[track_caller]
    pub(crate) fn shows_nothing(self, doubt: &Doubt) {
        let report = check(&self.history());
        assert_eq!(report.verdict, Verdict::Unknown, "{report:#?}");
        assert!(report.doubts.contains(doubt), "{report:#?}");
    }
}

/// Three values sent, read and drained.
pub(crate) fn sound() -> Story {
    let sent = Story::new().send(10, 0).send(11, 1).send(12, 2);
    sent.poll(&[(0, 10), (1, 11), (2, 12)]).drain(3)
}
