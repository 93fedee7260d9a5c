//! When `floe consume` has read enough: after N records, or at the ends seen at the start.

use std::collections::BTreeMap;

use floe_client::{Message, Offset, PartitionIndex};

use super::source::Source;

/// Counts down.
pub(super) struct Finish {
    records_left: Option<u64>,
    ends: Option<Ends>,
}

/// Partitions that are not yet read to their end.
struct Ends {
    left: BTreeMap<PartitionIndex, Offset>,
}

impl Finish {
    /// Stops after `number` records and, with `until_end`, at the ends that `source` saw.
    pub(super) fn new(source: &Source, number: Option<u64>, until_end: bool) -> Self {
        let ends = until_end.then(|| Ends::new(&source.ends, &source.begins));
        Self {
            records_left: number,
            ends,
        }
    }

    /// Whether the record lies before the end of its partition. Says also that all before it is
    /// read.
    pub(super) fn wants(&mut self, message: &Message) -> bool {
        self.ends
            .as_mut()
            .is_none_or(|ends| ends.reach(message.partition, message.offset))
    }

    /// Notes that a record was printed.
    pub(super) fn count(&mut self) {
        if let Some(left) = &mut self.records_left {
            *left -= 1;
        }
    }

    /// Whether nothing more is to be printed.
    pub(super) async fn is_done(&mut self, source: &Source) -> bool {
        if self.records_left == Some(0) {
            return true;
        }
        let Some(ends) = &mut self.ends else {
            return false;
        };
        // Positions also move over records that retention has removed.
        for partition in source.consumer.assignment() {
            if let Some(position) = source.consumer.position(&partition) {
                ends.advance(partition.partition, position);
            }
        }
        if ends.left.is_empty() {
            return true;
        }
        let others_only = source.is_member
            && !ends.left.keys().any(|index| {
                source
                    .consumer
                    .assignment()
                    .iter()
                    .any(|owned| owned.partition == *index)
            });
        if others_only && let Some(committed) = source.committed().await {
            for (index, offset) in committed {
                ends.advance(index, offset);
            }
        }
        ends.left.is_empty()
    }
}

impl Ends {
    fn new(
        ends: &BTreeMap<PartitionIndex, Offset>,
        begins: &BTreeMap<PartitionIndex, Offset>,
    ) -> Self {
        let left = ends.iter().filter(|(index, end)| {
            let begin = begins.get(index).copied().unwrap_or(Offset::ZERO);
            begin < **end
        });
        Self {
            left: left.map(|(&index, &end)| (index, end)).collect(),
        }
    }

    /// Notes that all records before `position` are read.
    fn advance(&mut self, index: PartitionIndex, position: Offset) {
        if self.left.get(&index).is_some_and(|end| position >= *end) {
            self.left.remove(&index);
        }
    }

    /// Notes a record; whether it lies before the end of its partition.
    fn reach(&mut self, index: PartitionIndex, offset: Offset) -> bool {
        let Some(&end) = self.left.get(&index) else {
            return false;
        };
        self.advance(index, offset + 1);
        offset < end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(of: &[(u32, i64)]) -> BTreeMap<PartitionIndex, Offset> {
        of.iter()
            .map(|&(index, offset)| (PartitionIndex(index), Offset(offset)))
            .collect()
    }

    #[test]
    fn a_partition_is_read_up_to_the_end_it_had_at_the_start() {
        let mut ends = Ends::new(
            &offsets(&[(0, 2), (1, 0), (2, 5)]),
            &offsets(&[(0, 0), (2, 5)]),
        );
        assert!(ends.reach(PartitionIndex(0), Offset(0)));
        assert!(!ends.left.is_empty());
        assert!(ends.reach(PartitionIndex(0), Offset(1)));
        assert!(ends.left.is_empty());
        assert!(!ends.reach(PartitionIndex(0), Offset(2)));
        assert!(!ends.reach(PartitionIndex(1), Offset(0)));
    }

    #[test]
    fn records_that_retention_removed_are_not_waited_for() {
        let mut ends = Ends::new(&offsets(&[(0, 10)]), &offsets(&[]));
        assert!(!ends.reach(PartitionIndex(0), Offset(12)));
        assert!(ends.left.is_empty());
    }
}
