//! The network of a round: a bridge, and a namespace per node at the end of a cable.
//!
//! Clients sit at the bridge itself. What passes between nodes goes through one filter there,
//! the cut matrix, which counts what it drops; that count is the evidence that a cut was felt.
//!
//! Invariant: names and addresses follow from a node's number alone, and all of it lives in the
//! namespace of the round.

pub(crate) mod relay;

use serde_json::Value;

use crate::failure::Failure;
use crate::matrix::CutMatrix;
use crate::tool;

/// Rules at the bridge. A link is a pair of cables, in the direction of what passes.
const FILTER: &str = "
table bridge faults {
  set cut {
    type ifname . ifname
  }
  set deaf {
    type ifname
  }
  set lossy {
    type ifname
  }
  chain between {
    type filter hook forward priority 0; policy accept;
    iifname . oifname @cut counter drop
    iifname @lossy numgen random mod 100 < 25 counter drop
    oifname @lossy numgen random mod 100 < 25 counter drop
  }
  chain from_nodes {
    type filter hook input priority 0; policy accept;
    iifname @deaf counter drop
    iifname @lossy numgen random mod 100 < 25 counter drop
  }
  chain to_nodes {
    type filter hook output priority 0; policy accept;
    oifname @deaf counter drop
    oifname @lossy numgen random mod 100 < 25 counter drop
  }
}
";
/// Every TCP packet that arrives at a node is answered by a reset, but resets themselves.
const REJECTION: &str = "
table inet resets {
  chain arriving {
    type filter hook input priority 0; policy accept;
    iifname lo accept
    tcp flags & rst == rst accept
    meta l4proto tcp counter reject with tcp reset
  }
}
";

/// The address of a node, and of the clients for 254.
pub(crate) fn address(node: u32) -> String {
    format!("10.77.0.{node}")
}

/// The network of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    /// Whether there is a filter at the bridge.
    pub(crate) filters: bool,
}

impl Network {
    /// Makes it, for nodes `1..=nodes`, with a filter or without.
    pub(crate) async fn lay(nodes: u32, filters: bool) -> Result<Self, Failure> {
        tool::run("ip link set lo up").await?;
        tool::run("ip link add br0 type bridge").await?;
        tool::run("ip link set br0 up").await?;
        tool::run(&format!("ip addr add {}/24 dev br0", address(254))).await?;
        for node in 1..=nodes {
            let address = address(node);
            for line in [
                format!("ip netns add n{node}"),
                format!("ip link add v{node} type veth peer name eth0 netns n{node}"),
                format!("ip link set v{node} master br0 up"),
                format!("ip -n n{node} addr add {address}/24 dev eth0"),
                format!("ip -n n{node} link set eth0 up"),
                format!("ip -n n{node} link set lo up"),
            ] {
                tool::run(&line).await?;
            }
        }
        if filters {
            tool::fed("nft -f -", FILTER).await?;
        }
        Ok(Self { filters })
    }

    /// Cuts links, besides those that are cut.
    pub(crate) async fn cut(self, matrix: &CutMatrix) -> Result<(), Failure> {
        let links: Vec<_> = matrix
            .links()
            .map(|(from, to)| format!("\"v{from}\" . \"v{to}\""))
            .collect();
        if links.is_empty() {
            return Ok(());
        }
        self.add("cut", &links.join(", ")).await
    }

    /// Lets nothing pass between a node and the clients.
    pub(crate) async fn deafen(self, node: u32) -> Result<(), Failure> {
        self.add("deaf", &format!("\"v{node}\"")).await
    }

    /// Loses a quarter of what a node sends and gets.
    pub(crate) async fn make_lossy(self, node: u32) -> Result<(), Failure> {
        self.add("lossy", &format!("\"v{node}\"")).await
    }

    async fn add(self, set: &str, elements: &str) -> Result<(), Failure> {
        let line = format!("add element bridge faults {set} {{ {elements} }}");
        tool::fed("nft -f -", &line).await.map(drop)
    }

    /// Mends everything at the bridge.
    pub(crate) async fn mend(self) -> Result<(), Failure> {
        if !self.filters {
            return Ok(());
        }
        let sets = ["cut", "deaf", "lossy"];
        let lines: Vec<_> = sets
            .iter()
            .map(|set| format!("flush set bridge faults {set}"))
            .collect();
        tool::fed("nft -f -", &lines.join("\n")).await.map(drop)
    }

    /// Packets that the filter has dropped so far.
    pub(crate) async fn dropped(self) -> u64 {
        counted("nft -j list table bridge faults").await
    }

    /// Answers what arrives at a node with resets.
    pub(crate) async fn reset(self, node: u32) -> Result<(), Failure> {
        let line = format!("{} nft -f -", inside(node));
        tool::fed(&line, REJECTION).await.map(drop)
    }

    /// Ends that. How many packets were answered so.
    pub(crate) async fn end_resets(self, node: u32) -> u64 {
        let inside = inside(node);
        let count = counted(&format!("{inside} nft -j list table inet resets")).await;
        drop(tool::run(&format!("{inside} nft delete table inet resets")).await);
        count
    }

    /// Puts `discipline` before the line of a node, in both directions.
    pub(crate) async fn shape(self, node: u32, discipline: &str) -> Result<(), Failure> {
        let inside = inside(node);
        tool::run(&format!("tc qdisc add dev v{node} root {discipline}")).await?;
        tool::run(&format!("{inside} tc qdisc add dev eth0 root {discipline}")).await?;
        Ok(())
    }

    /// Ends that. What the queues held back, in packets.
    pub(crate) async fn unshape(self, node: u32) -> u64 {
        let inside = inside(node);
        let (mut held, ends) = (
            0,
            [
                format!("tc -s qdisc show dev v{node}"),
                format!("{inside} tc -s qdisc show dev eth0"),
            ],
        );
        for line in ends {
            held += tool::run(&line).await.map_or(0, |said| packets_held(&said));
        }
        drop(tool::run(&format!("tc qdisc del dev v{node} root")).await);
        drop(tool::run(&format!("{inside} tc qdisc del dev eth0 root")).await);
        held
    }
}

/// Runs what follows at the end of a node's cable. Mounts stay those of the round.
pub(crate) fn inside(node: u32) -> String {
    format!("nsenter --net=/run/netns/n{node} --")
}

/// The packets of all counters that `nft` shows.
async fn counted(line: &str) -> u64 {
    let said = tool::run(line).await.unwrap_or_default();
    serde_json::from_str(&said).map_or(0, |shown| packets(&shown))
}

fn packets(shown: &Value) -> u64 {
    match shown {
        Value::Array(all) => all.iter().map(packets).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("packets", Value::Number(count)) => count.as_u64().unwrap_or(0),
                (_, value) => packets(value),
            })
            .sum(),
        _ => 0,
    }
}

/// What stands behind `overlimits` where a queue is thin.
fn packets_held(said: &str) -> u64 {
    let mut words = said.split_whitespace();
    let after = words.by_ref().find(|word| *word == "overlimits");
    after.map_or(0, |_| number(words.next()))
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_of_all_rules_are_added_up() {
        let shown = r#"{"nftables":[{"rule":{"expr":[{"counter":{"packets":5,"bytes":328}},{"drop":null}]}},
            {"rule":{"expr":[{"counter":{"packets":2,"bytes":9}}]}},{"set":{"name":"cut"}}]}"#;
        assert_eq!(packets(&serde_json::from_str(shown).unwrap()), 7);
    }

    #[test]
    fn a_thin_line_has_held_what_was_over_its_limit() {
        let thin = "qdisc tbf 8001: root refcnt 3 rate 1Mbit\n Sent 900 bytes 7 pkt (dropped 0, overlimits 4 requeues 0)";
        assert_eq!(packets_held(thin), 4);
        assert_eq!(packets_held("qdisc noqueue 0: root"), 0);
    }
}
