//! What has configurations, by Kafka's numbers.

use floe_model::NodeId;

use crate::admin_error::AdminError;
use crate::context::RequestContext;
use crate::endpoints::kafka_id;

/// Kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConfigResourceKind {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ConfigResourceKind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Topic,
        Self::Broker,
        Self::BrokerLogger,
        Self::ClientMetrics,
        Self::Group,
    ];

    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    pub(crate) fn of(code: i8) -> Result<Self, AdminError> {
        let mut kinds = Self::ALL.into_iter();
        kinds
            .find(|kind| kind.code() == code)
            .ok_or_else(|| AdminError::invalid(format!("unknown type of resource {code}")))
    }
}

/// Checks that a broker resource is this node, or (by the empty name) the default of all nodes.
/// Tells whether it is this node.
pub(crate) fn is_this_node(cx: &RequestContext, name: &str) -> Result<bool, AdminError> {
    let here: NodeId = cx.broker().node_id();
    if name.is_empty() {
        return Ok(false);
    }
    match name.parse::<i32>() {
        Ok(id) if id == kafka_id(here) => Ok(true),
        Ok(id) => Err(AdminError::invalid(format!(
            "node {here} was asked for the configuration of node {id}"
        ))),
        Err(_) => Err(AdminError::invalid(format!("'{name}' is no node id"))),
    }
}

/// Refuses to change what is no topic: all of it is read when a node starts.
pub(crate) fn refuse_change(
    cx: &RequestContext,
    kind: ConfigResourceKind,
    name: &str,
) -> Result<(), AdminError> {
    match kind {
        ConfigResourceKind::Topic => Ok(()),
        ConfigResourceKind::Broker => {
            is_this_node(cx, name)?;
            Err(AdminError::invalid(
                "settings of a node are read from its configuration file when it starts and \
                 cannot be changed while it runs",
            ))
        }
        ConfigResourceKind::BrokerLogger => Err(AdminError::invalid(
            "log levels are set when a node starts and cannot be changed while it runs",
        )),
        ConfigResourceKind::ClientMetrics => {
            Err(AdminError::invalid("client metrics are not collected"))
        }
        ConfigResourceKind::Group => Err(AdminError::invalid(
            "settings of single groups cannot be changed; they have those of their nodes",
        )),
    }
}
