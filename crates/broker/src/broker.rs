//! The services of a node, as a cheap handle for everybody in the process.

use crate::{NodeStatus, NotReady};

/// A node's services. Clones share the node. Calls after the node stopped answer `ShuttingDown`.
#[derive(Clone)]
pub struct Broker {}

impl Broker {
    /// Why the node should get no traffic; empty when it should.
    #[must_use]
    pub fn readiness(&self) -> Vec<NotReady> {
        unimplemented!()
    }

    /// All metrics of the node, OpenMetrics text.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        unimplemented!()
    }

    /// Whether the node's event loop turns and its store works.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        unimplemented!()
    }

    /// The node at a glance.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        unimplemented!()
    }
}
