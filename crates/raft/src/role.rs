//! What a replica is at this moment, as its node may act on it.

use floe_model::{LeaderEpoch, NodeId};

/// A replica's role and the leadership it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// The node that leads, if known. Itself for a leader, also a fenced one.
    pub leader: Option<NodeId>,
    /// Epoch of the newest leadership known.
    pub epoch: LeaderEpoch,
    /// What this replica may do.
    pub state: RoleState,
}

/// What a replica may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleState {
    /// Leads. It serves only when `ready`: an entry of its own term is applied, so that its
    /// state holds everything acknowledged before.
    Leader {
        /// Whether it may serve.
        ready: bool,
    },
    /// Votes and follows.
    Follower,
    /// Follows without a vote.
    Learner,
    /// Believes to lead but does not reach a majority of its voters: serves nothing.
    Fenced,
    /// Stopped by an error or closed.
    Stopped,
}

impl Role {
    /// The role before anything is known.
    pub(crate) const UNKNOWN: Self = Self {
        leader: None,
        epoch: LeaderEpoch(0),
        state: RoleState::Learner,
    };

    /// The epoch in which this replica may accept produce and serve reads.
    #[must_use]
    pub fn serving_epoch(&self) -> Option<LeaderEpoch> {
        (self.state == RoleState::Leader { ready: true }).then_some(self.epoch)
    }
}
