//! What the fields of a finding speak of: operations, values and offsets.

use std::collections::BTreeSet;

use floe_model::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Sequence};

use crate::anomaly::{Link, Moment, OperationIndex};
use crate::{Key, Value};

/// The things that a finding is about.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    pub(crate) operations: BTreeSet<OperationIndex>,
    pub(crate) keys: BTreeSet<Key>,
    pub(crate) values: BTreeSet<Value>,
    pub(crate) offsets: BTreeSet<Offset>,
}

/// A field of a finding.
pub(crate) trait Evidence {
    /// Adds what it speaks of.
    fn add_to(&self, subject: &mut Subject);
}

impl Evidence for OperationIndex {
    fn add_to(&self, subject: &mut Subject) {
        subject.operations.insert(*self);
    }
}

impl Evidence for Key {
    fn add_to(&self, subject: &mut Subject) {
        subject.keys.insert(self.clone());
    }
}

impl Evidence for Value {
    fn add_to(&self, subject: &mut Subject) {
        subject.values.insert(*self);
    }
}

impl Evidence for Offset {
    fn add_to(&self, subject: &mut Subject) {
        subject.offsets.insert(*self);
    }
}

impl Evidence for Link {
    fn add_to(&self, subject: &mut Subject) {
        self.from.add_to(subject);
        self.to.add_to(subject);
        if let Some(key) = &self.key {
            key.add_to(subject);
        }
        if let Some(value) = self.value {
            value.add_to(subject);
        }
    }
}

impl<T: Evidence, const N: usize> Evidence for [T; N] {
    fn add_to(&self, subject: &mut Subject) {
        self.iter().for_each(|one| one.add_to(subject));
    }
}

impl<T: Evidence> Evidence for Vec<T> {
    fn add_to(&self, subject: &mut Subject) {
        self.iter().for_each(|one| one.add_to(subject));
    }
}

/// Fields that name nothing to be found in a history.
macro_rules! names_nothing {
    ($($type:ty)*) => {
        $(impl Evidence for $type {
            fn add_to(&self, _: &mut Subject) {}
        })*
    };
}

names_nothing!(String i64 u32 Moment Option<Moment> NodeId ProducerId ProducerEpoch LeaderEpoch Sequence);
