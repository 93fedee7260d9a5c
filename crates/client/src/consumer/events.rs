//! What a group member is told of its rebalances.

use floe_model::TopicPartition;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Events kept for a slow reader.
pub(super) const EVENTS_KEPT: usize = 64;

/// A change of what a group member owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebalanceEvent {
    /// These partitions are read from now on.
    Assigned(Vec<TopicPartition>),
    /// These were given up in order; with automatic commits, what was processed of them is
    /// committed.
    Revoked(Vec<TopicPartition>),
    /// These were taken away: the session ended first. Others may have read on from the last
    /// commit.
    Lost(Vec<TopicPartition>),
}

/// Rebalance events from the moment of asking on.
#[derive(Debug)]
pub struct RebalanceEvents {
    pub(super) events: broadcast::Receiver<RebalanceEvent>,
}

impl RebalanceEvents {
    /// The next event; none after the consumer is gone. Only the newest 64 are kept for a slow
    /// reader.
    pub async fn next(&mut self) -> Option<RebalanceEvent> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
