//! Timings and bounds of a node's Raft groups.
//!
//! All of them are durations or bytes with a default that a test may shorten; none is a promise
//! to a peer, so nodes with different values work together.

use std::time::Duration;

use floe_model::{NodeId, NodeUuid};

/// How one node runs its groups.
#[derive(Clone, Debug)]
pub struct RaftConfig {
    /// This node.
    pub node_id: NodeId,
    /// One liveness beat to each peer in this time.
    pub beat_interval: Duration,
    /// Silence of a peer that makes it suspect. Grows by as much as this node itself was late.
    pub suspect_after: Duration,
    /// A leader that has not reached a majority of its voters for this long stops serving.
    pub fence_after: Duration,
    /// Time a leader has to claim its group before its followers look for another.
    pub claim_grace: Duration,
    /// A failed election is tried again after one to two of these.
    pub election_retry: Duration,
    /// An idle leader renews its 24 h lease within this time.
    pub idle_heartbeat: Duration,
    /// Bytes proposed and not yet answered in one group.
    pub group_proposal_bytes: usize,
    /// The same over all groups of records of the node.
    pub node_proposal_bytes: usize,
    /// Heartbeat of groups with timers (metadata).
    pub timer_heartbeat: Duration,
    /// Shortest election timeout of groups with timers; the longest is twice that.
    pub timer_election: Duration,
    /// A group of kind State saves its state after this many entries.
    pub state_entries: u64,
}

impl RaftConfig {
    /// The defaults for `node_id`.
    #[must_use]
    pub fn new(node_id: NodeId) -> Self {
        Self {
            node_id,
            beat_interval: Duration::from_millis(150),
            suspect_after: Duration::from_millis(500),
            fence_after: Duration::from_millis(600),
            claim_grace: Duration::from_millis(300),
            election_retry: Duration::from_millis(300),
            idle_heartbeat: Duration::from_secs(6 * 3600),
            group_proposal_bytes: 8 << 20,
            node_proposal_bytes: 128 << 20,
            timer_heartbeat: Duration::from_millis(150),
            timer_election: Duration::from_millis(500),
            state_entries: 1000,
        }
    }
}

/// Where a peer listens, and which disk it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddr {
    /// `host:port` of the peer listener.
    pub addr: String,
    /// The disk that metadata knows; a peer with another one is refused. `None` before formation.
    pub node_uuid: Option<NodeUuid>,
}
