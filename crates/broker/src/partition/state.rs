//! The replicated state of a partition: a pure function of its committed entries.
//!
//! Invariant: equal on all replicas at one log index. `log_start_offset` never goes back and
//! never passes the high watermark; log time never goes back. Nothing here reads a clock.

use floe_model::{LeaderEpoch, Offset};
use floe_record::{Entry, EntryBody};

use super::control::Control;
use super::producer::{BatchIdentity, Producers};

/// Everything about a partition that is not in its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartitionState {
    /// Its idempotent producers.
    pub(crate) producers: Producers,
    /// Each leader epoch that has an entry, with the first offset written in it. Ascending.
    pub(crate) epochs: Vec<(LeaderEpoch, Offset)>,
    /// First readable offset.
    pub(crate) log_start_offset: Offset,
    /// One past the last applied record.
    pub(crate) next_offset: Offset,
    /// `appended_at_ms` of the last applied entry.
    pub(crate) log_time_ms: i64,
}

impl PartitionState {
    /// Takes a committed entry in.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        self.log_time_ms = self.log_time_ms.max(entry.appended_at_ms);
        self.enter_epoch(entry);
        match &entry.body {
            EntryBody::Data(batches) => {
                for batch in batches {
                    if let Some(identity) = BatchIdentity::of(&batch.header()) {
                        self.producers
                            .record(&identity, batch.base_offset(), self.log_time_ms);
                    }
                }
            }
            EntryBody::Control(bytes) => match Control::decode(bytes) {
                Some(Control::TrimBefore(offset)) => self.trim_before(offset),
                None => tracing::error!(log_id = ?entry.log_id(), "unknown control entry skipped"),
            },
            EntryBody::Blank | EntryBody::Membership(_) => {}
        }
        self.next_offset = entry.next_offset();
        self.producers.expire(self.log_time_ms);
    }

    fn enter_epoch(&mut self, entry: &Entry) {
        let Some(epoch) = LeaderEpoch::from_term(entry.term) else {
            return;
        };
        if self.epochs.last().is_none_or(|&(last, _)| last < epoch) {
            // An epoch without records says nothing that its successor does not say.
            if self
                .epochs
                .last()
                .is_some_and(|&(_, first)| first == entry.base_offset)
            {
                self.epochs.pop();
            }
            self.epochs.push((epoch, entry.base_offset));
        }
    }

    fn trim_before(&mut self, offset: Offset) {
        self.log_start_offset = self.log_start_offset.max(offset.min(self.next_offset));
        // The epoch that the log start lies in stays.
        let start = self.log_start_offset;
        let below = self.epochs.partition_point(|&(_, first)| first <= start);
        self.epochs.drain(..below.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
