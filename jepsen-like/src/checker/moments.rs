//! What took place in a history, and what lies before what.
//!
//! A send is no atomic thing: each of its values is a moment of its own, and so is each log that
//! a poll reads. Of a transaction every append is one, every read, and the commit, which comes
//! after both and before all who read its values.
//!
//! Invariant: edges in time number as many as moments. They run over marks, one per completion,
//! each before the next, instead of from every moment to all later ones.

use std::collections::BTreeMap;

use super::graph::{Edge, Labels};
use crate::version_order::KeyLog;
use crate::{Action, Key, Operation, OperationIndex, Stage, Value};

/// The value stands right before the other's.
pub(super) const WW: Labels = 1;
/// The value was read.
pub(super) const WR: Labels = 2;
/// One process did both, in this order.
pub(super) const PROCESS: Labels = 4;
/// It had completed before the other began.
pub(super) const REALTIME: Labels = 8;
/// Within one transaction, and between marks.
pub(super) const FREE: Labels = 0;

/// One moment, or a mark of time.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    /// Whose; none of a mark.
    operation: Option<OperationIndex>,
    /// What it appends.
    written: Option<(&'a Key, Value)>,
    /// Index of the event since which it has certainly taken place.
    certain_since: Option<u64>,
}

/// All moments and what lies before what.
#[derive(Default)]
pub(super) struct Moments<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) edges: Vec<Edge>,
    /// The first append of each log; the others follow in the order of its writers.
    appends: BTreeMap<&'a Key, u32>,
    commits: BTreeMap<OperationIndex, u32>,
}

impl<'a> Moments<'a> {
    /// All appends, reads and commits of a history.
    pub(super) fn of(operations: &'a [Operation], logs: &'a BTreeMap<Key, KeyLog>) -> Self {
        let mut moments = Self::default();
        for (key, log) in logs {
            moments.add_log(key, log);
        }
        for operation in operations {
            if matches!(operation.action, Action::Txn(_)) && operation.outcome != Stage::Fail {
                moments.add_commit(operation, logs);
            }
        }
        for operation in operations {
            if operation.outcome != Stage::Fail {
                moments.add_reads(operation, logs);
            }
        }
        moments
    }

    /// Whose moment a node is; none of a mark.
    pub(super) fn operation(&self, node: u32) -> Option<OperationIndex> {
        self.nodes[node as usize].operation
    }

    /// What a node appends.
    pub(super) fn written(&self, node: u32) -> Option<(&'a Key, Value)> {
        self.nodes[node as usize].written
    }

    /// A value that transaction `from` sent and `to` read.
    pub(super) fn read_of(
        &self,
        operations: &'a [Operation],
        from: OperationIndex,
        to: OperationIndex,
    ) -> Option<(&'a Key, Value)> {
        let find = |index: OperationIndex| {
            let place = operations.binary_search_by_key(&index.0, |operation| operation.invoked);
            Some(&operations[place.ok()?].action)
        };
        let mut sent = Vec::new();
        find(from)?.each_sent(|key, value, _| sent.push((key, value)));
        let mut shared = None;
        find(to)?.each_polled(|key, values| {
            let mut read = values.iter().map(|(_, value)| (key, *value));
            shared = shared.or_else(|| read.find(|read| sent.contains(read)));
        });
        shared
    }

    fn push(&mut self, node: Node<'a>) -> u32 {
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).expect("a history has fewer than 2^32 moments")
    }

    fn edge(&mut self, from: u32, to: u32, label: Labels) {
        self.edges.push(Edge { from, to, label });
    }

    fn mark(&mut self) -> u32 {
        self.push(Node {
            operation: None,
            written: None,
            certain_since: None,
        })
    }

    /// Appends, each before the next one known.
    fn add_log(&mut self, key: &'a Key, log: &KeyLog) {
        for (place, (value, writer)) in log.writers().enumerate() {
            let node = self.push(Node {
                operation: Some(writer.operation),
                written: Some((key, value)),
                certain_since: writer.acknowledged,
            });
            if place == 0 {
                self.appends.insert(key, node);
            }
        }
        let mut before: Option<u32> = None;
        for index in 0..log.offsets().len() {
            let &[(_, value), ..] = log.values_at(index) else {
                continue;
            };
            let Some(node) = self.append(key, log, value) else {
                continue;
            };
            if let Some(before) = before.filter(|before| *before != node) {
                self.edge(before, node, WW);
            }
            before = Some(node);
        }
    }

    /// The append of a value that may be there.
    fn append(&self, key: &Key, log: &KeyLog, value: Value) -> Option<u32> {
        let place = log.writer_place(value)?;
        let is_possible = log.writer(value)?.outcome != Stage::Fail;
        let first = self.appends.get(key).filter(|_| is_possible)?;
        Some(first + u32::try_from(place).ok()?)
    }

    fn add_commit(&mut self, operation: &'a Operation, logs: &BTreeMap<Key, KeyLog>) {
        let index = OperationIndex(operation.invoked);
        let commit = self.push(Node {
            operation: Some(index),
            written: None,
            certain_since: operation.acknowledged(),
        });
        self.commits.insert(index, commit);
        let mut appends = Vec::new();
        operation.action.each_sent(|key, value, _| {
            let log = logs.get(key);
            appends.extend(log.and_then(|log| self.append(key, log, value)));
        });
        for append in appends {
            self.edge(append, commit, FREE);
        }
    }

    fn add_reads(&mut self, operation: &'a Operation, logs: &BTreeMap<Key, KeyLog>) {
        let index = OperationIndex(operation.invoked);
        let commit = self.commits.get(&index).copied();
        operation.action.each_polled(|key, values| {
            let Some(log) = logs.get(key).filter(|_| !values.is_empty()) else {
                return;
            };
            let read = self.push(Node {
                operation: Some(index),
                written: None,
                certain_since: operation.completed,
            });
            if let Some(commit) = commit {
                self.edge(read, commit, FREE);
            }
            for (_, value) in values {
                let Some(append) = self.append(key, log, *value) else {
                    continue;
                };
                let writer = self.operation(append).filter(|writer| *writer != index);
                let Some(writer) = writer else { continue };
                // Who reads a transaction's value comes after all of it.
                let source = self.commits.get(&writer).copied().unwrap_or(append);
                self.edge(source, read, WR);
            }
        });
    }

    /// Every moment lies before the first mark after it is certain, and after the last mark
    /// before its operation began.
    pub(super) fn add_time(&mut self) {
        let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let certain = self.nodes.iter().filter_map(|node| node.certain_since);
        let mut events: Vec<u64> = certain.collect();
        events.sort_unstable();
        events.dedup();
        for event in 0..events.len() {
            let mark = self.mark();
            if event > 0 {
                self.edge(mark - 1, mark, FREE);
            }
        }
        let mark = |event: usize| nodes + u32::try_from(event).unwrap_or(u32::MAX);
        for node in 0..nodes {
            let moment = self.nodes[node as usize];
            if let Some(Ok(event)) = moment
                .certain_since
                .map(|since| events.binary_search(&since))
            {
                self.edge(node, mark(event), FREE);
            }
            let Some(operation) = moment.operation else {
                continue;
            };
            let before = events.partition_point(|event| *event < operation.0);
            if let Some(before) = before.checked_sub(1) {
                self.edge(mark(before), node, REALTIME);
            }
        }
    }

    /// The moments of each process operation by operation, with a mark behind each.
    pub(super) fn add_processes(&mut self, operations: &[Operation]) {
        let mut moments: BTreeMap<OperationIndex, Vec<u32>> = BTreeMap::new();
        for (node, moment) in (0..).zip(&self.nodes) {
            if let Some(operation) = moment.operation {
                moments.entry(operation).or_default().push(node);
            }
        }
        let mut marks: BTreeMap<u64, u32> = BTreeMap::new();
        for operation in operations {
            let Some(nodes) = moments.remove(&OperationIndex(operation.invoked)) else {
                continue;
            };
            let mark = self.mark();
            let before = marks.insert(operation.process, mark);
            if let Some(before) = before {
                self.edge(before, mark, FREE);
            }
            for node in nodes {
                if let Some(before) = before {
                    self.edge(before, node, PROCESS);
                }
                // What was certain only later may have happened later.
                let since = self.nodes[node as usize].certain_since;
                if since.is_some() && since <= operation.completed {
                    self.edge(node, mark, FREE);
                }
            }
        }
    }
}
