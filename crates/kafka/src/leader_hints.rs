//! Who leads now, along with the error of a client that asked another node (KIP-951).

use std::cell::OnceCell;

use floe_broker::api::Failure;
use floe_kafka_codec::messages::{LeaderIdAndEpoch, NodeEndpoint};

use crate::context::RequestContext;
use crate::endpoints::{Endpoints, kafka_id};

/// Collects the leaders that the partitions of one response name, and where they are. Looks the
/// nodes up only once one is named: most responses have no error.
pub(crate) struct LeaderHints<'a> {
    cx: &'a RequestContext,
    endpoints: OnceCell<Endpoints>,
    named: Vec<NodeEndpoint>,
}

impl<'a> LeaderHints<'a> {
    pub(crate) fn new(cx: &'a RequestContext) -> Self {
        Self {
            cx,
            endpoints: OnceCell::new(),
            named: Vec::new(),
        }
    }

    /// The leader that `failure` names, if clients can reach it. This node is never a hint: it
    /// has just refused.
    pub(crate) fn of(&mut self, failure: &Failure) -> LeaderIdAndEpoch {
        let me = self.cx.broker().node_id();
        let hint = failure.leader.as_ref().filter(|hint| hint.node != me);
        let endpoints = || self.endpoints.get_or_init(|| self.cx.endpoints());
        let endpoint = hint.and_then(|hint| endpoints().get(hint.node));
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
