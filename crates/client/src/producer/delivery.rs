//! How a record's sender learns what became of it.
//!
//! All records of a batch share one slot: an accepted record costs one reference, not one channel.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use floe_model::{Offset, PartitionIndex};
use parking_lot::Mutex;

use crate::Error;

/// Where a record was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The partition.
    pub partition: PartitionIndex,
    /// The offset; -1 with `Acks::None`, where nobody says.
    pub offset: Offset,
}

/// Resolves when its record is acknowledged or has failed. Dropping it changes nothing.
#[derive(Debug)]
#[must_use = "the record is on its way; the delivery only tells what became of it"]
pub struct Delivery {
    slot: Arc<BatchSlot>,
    /// The record's place in its batch.
    index: u32,
}

/// The outcome of one batch and those who wait for it.
#[derive(Debug)]
pub(super) struct BatchSlot {
    partition: PartitionIndex,
    /// Held to look, to leave a waker, or to settle.
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    outcome: Option<Result<Offset, Error>>,
    wakers: BTreeMap<u32, Waker>,
    /// Records whose failure was reported.
    reported: BTreeSet<u32>,
}

impl BatchSlot {
    pub(super) fn new(partition: PartitionIndex) -> Arc<Self> {
        Arc::new(Self {
            partition,
            state: Mutex::default(),
        })
    }

    pub(super) fn partition(&self) -> PartitionIndex {
        self.partition
    }

    /// The delivery of the record at `index`.
    pub(super) fn delivery(self: &Arc<Self>, index: u32) -> Delivery {
        Delivery {
            slot: Arc::clone(self),
            index,
        }
    }

    /// Tells everybody. Later outcomes are ignored.
    pub(super) fn settle(&self, outcome: Result<Offset, Error>) {
        let wakers = {
            let mut state = self.state.lock();
            if state.outcome.is_none() {
                state.outcome = Some(outcome);
            }
            std::mem::take(&mut state.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }

    /// Whether the sender of the record at `index` was told of its failure.
    pub(super) fn was_reported(&self, index: u32) -> bool {
        self.state.lock().reported.contains(&index)
    }
}

impl Future for Delivery {
    type Output = Result<Ack, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.state.lock();
        match &state.outcome {
            Some(Ok(base_offset)) => {
                let is_known = *base_offset >= Offset::ZERO;
                let delta = if is_known { i64::from(self.index) } else { 0 };
                Poll::Ready(Ok(Ack {
                    partition: self.slot.partition,
                    offset: *base_offset + delta,
                }))
            }
            Some(Err(error)) => {
                let error = error.clone();
                state.reported.insert(self.index);
                Poll::Ready(Err(error))
            }
            None => {
                state.wakers.insert(self.index, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
