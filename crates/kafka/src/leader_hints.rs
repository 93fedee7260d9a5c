//! Who leads now, along with the error of a client that asked another node (KIP-951).

use floe_broker::api::Failure;
use floe_kafka_codec::messages::{LeaderIdAndEpoch, NodeEndpoint};

use crate::endpoints::{Endpoints, kafka_id};

/// Collects the leaders that the partitions of one response name, and where they are.
pub(crate) struct LeaderHints<'a> {
    endpoints: &'a Endpoints,
    me: floe_model::NodeId,
    named: Vec<NodeEndpoint>,
}

impl<'a> LeaderHints<'a> {
    pub(crate) fn new(endpoints: &'a Endpoints, me: floe_model::NodeId) -> Self {
        Self {
            endpoints,
            me,
            named: Vec::new(),
        }
    }

    /// The leader that `failure` names, if clients can reach it. This node is never a hint: it
    /// has just refused.
    pub(crate) fn of(&mut self, failure: &Failure) -> LeaderIdAndEpoch {
        let hint = failure.leader.as_ref().filter(|hint| hint.node != self.me);
        let endpoint = hint.and_then(|hint| self.endpoints.get(hint.node));
        let (Some(hint), Some(endpoint)) = (hint, endpoint) else {
            return LeaderIdAndEpoch::default();
        };
        if !self.named.contains(endpoint) {
            self.named.push(endpoint.clone());
        }
        LeaderIdAndEpoch {
            leader_id: kafka_id(hint.node),
            leader_epoch: hint.epoch.0,
        }
    }

    /// Where the leaders are that were named.
    pub(crate) fn into_endpoints(self) -> Vec<NodeEndpoint> {
        self.named
    }
}
