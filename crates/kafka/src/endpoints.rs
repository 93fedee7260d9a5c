//! Where Kafka clients reach the nodes, in the form that several responses carry.

use floe_broker::api::KnownNode;
use floe_kafka_codec::messages::NodeEndpoint;
use floe_model::NodeId;

/// The live nodes that serve Kafka clients, ascending by id.
pub(crate) struct Endpoints {
    nodes: Vec<NodeEndpoint>,
}

impl Endpoints {
    /// Those of `nodes` that are alive and have a Kafka listener.
    pub(crate) fn of(nodes: &[KnownNode]) -> Self {
        let live = nodes.iter().filter(|node| node.is_alive);
        let nodes = live.filter_map(|node| {
            let (host, port) = split(node.kafka_addr.as_deref()?)?;
            Some(NodeEndpoint {
                node_id: kafka_id(node.node_id),
                host,
                port,
                rack: node.rack.clone(),
            })
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[NodeEndpoint] {
        &self.nodes
    }

    /// That of one node, if clients can reach it.
    pub(crate) fn get(&self, node: NodeId) -> Option<&NodeEndpoint> {
        let id = kafka_id(node);
        self.nodes.iter().find(|endpoint| endpoint.node_id == id)
    }
}

/// A node id as Kafka's broker id. Node ids are configured in `1..=i32::MAX`.
pub(crate) fn kafka_id(node: NodeId) -> i32 {
    i32::try_from(node.0).unwrap_or(i32::MAX)
}

/// `host:port`, where an IPv6 host stands in brackets that clients do not want.
fn split(addr: &str) -> Option<(String, i32)> {
    let (host, port) = addr.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port: u16 = port.parse().ok()?;
    Some((host.to_owned(), i32::from(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u32, kafka_addr: Option<&str>, alive: bool) -> KnownNode {
        KnownNode {
            node_id: NodeId(id),
            kafka_addr: kafka_addr.map(str::to_owned),
            rack: None,
            is_alive: alive,
        }
    }

    #[test]
    fn dead_nodes_and_those_without_a_kafka_listener_are_left_out() {
        let endpoints = Endpoints::of(&[
            node(1, Some("[::1]:9092"), true),
            node(2, Some("b:9092"), false),
            node(3, None, true),
        ]);
        let [only] = endpoints.all() else {
            panic!("one endpoint")
        };
        assert_eq!(
            (only.node_id, only.host.as_str(), only.port),
            (1, "::1", 9092)
        );
        assert!(endpoints.get(NodeId(2)).is_none());
    }
}
