//! What happens to lines: cuts, loss, resets, thin and slow ones.

use std::time::Duration;

use floe_client::ChaosFault;

use super::{Nemesis, is_hit};
use crate::cluster::ids;
use crate::failure::Failure;
use crate::network::Network;
use crate::network::relay::Relay;
use crate::plan::Strike;
use crate::proxy::{Gate, Rule};

/// Resets are short: a connection needs only one.
const RESETS_MAX: Duration = Duration::from_millis(600);
/// Of a thin line, kbit/s.
const RATES_KBIT: [u32; 4] = [128, 256, 1_024, 4_096];

impl Nemesis {
    /// Cuts links on the network, or, where there is none, inside the nodes.
    pub(super) async fn cut(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let Some(network) = self.network.filter(|network| network.filters) else {
            return Ok(self.cut_inside(strike).await);
        };
        let before = network.dropped().await;
        network.cut(&strike.cuts).await?;
        mended(network, strike, before).await
    }

    async fn cut_inside(&self, strike: &Strike) -> u64 {
        let mut before = Vec::new();
        for node in &self.cluster.nodes {
            let from = ids(&strike.cuts.unreachable_from(node.id));
            if from.is_empty() {
                continue;
            }
            let fault = ChaosFault::Cut { from };
            if let Some(state) = self.cluster.look(node.id).await
                && self
                    .cluster
                    .inject(node.id, fault.clone(), strike.length)
                    .await
            {
                before.push((node.id, fault, state));
            }
        }
        tokio::time::sleep(strike.length).await;
        let mut landed = false;
        for (node, fault, before) in before {
            let after = self.cluster.look(node).await;
            landed |= after.is_some_and(|after| is_hit(&fault, &before, &after));
        }
        u64::from(landed)
    }

    /// Lets nothing pass between the victims and the clients.
    pub(super) async fn cut_clients(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let Some(network) = self.network else {
            return Ok(self.hold_at_proxies(strike, Rule::Shut, false).await);
        };
        let before = network.dropped().await;
        for &node in &strike.victims {
            network.deafen(node).await?;
        }
        mended(network, strike, before).await
    }

    /// Loses packets.
    pub(super) async fn lose(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let Some(network) = self.network else {
            return Ok(0);
        };
        let before = network.dropped().await;
        for &node in &strike.victims {
            network.make_lossy(node).await?;
        }
        mended(network, strike, before).await
    }

    /// Answers everything with resets.
    pub(super) async fn reset(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let Some(network) = self.network else {
            let before = self.felt(strike);
            for gate in self.gates(strike, true) {
                gate.reset();
            }
            tokio::time::sleep(strike.length.min(RESETS_MAX)).await;
            return Ok(u64::from(self.felt(strike) > before));
        };
        for &node in &strike.victims {
            network.reset(node).await?;
        }
        tokio::time::sleep(strike.length.min(RESETS_MAX)).await;
        let mut answered = 0;
        for &node in &strike.victims {
            answered += network.end_resets(node).await;
        }
        Ok(u64::from(answered > 0))
    }

    /// Makes lines thin.
    pub(super) async fn narrow(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let place = usize::try_from(strike.dice % 4).unwrap_or(0);
        let rate = RATES_KBIT.get(place).copied().unwrap_or(1_024);
        let Some(network) = self.network else {
            let narrow = Rule::Narrow(rate * 1_000 / 8);
            return Ok(self.hold_at_proxies(strike, narrow, true).await);
        };
        let discipline = format!("tbf rate {rate}kbit burst 16kb latency 400ms");
        for &node in &strike.victims {
            network.shape(node, &discipline).await?;
        }
        tokio::time::sleep(strike.length).await;
        let mut held = 0;
        for &node in &strike.victims {
            held += network.unshape(node).await;
        }
        Ok(u64::from(held > 0))
    }

    /// Makes lines slow.
    pub(super) async fn delay(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let (delay_ms, more_ms) = (5 + strike.dice % 200, strike.dice / 256 % 50);
        if self.network.is_none() {
            let late = Rule::Late(Duration::from_millis(delay_ms));
            return Ok(self.hold_at_proxies(strike, late, true).await);
        }
        let mut relays = Vec::new();
        for &node in &strike.victims {
            relays.push(Relay::insert(node, delay_ms, more_ms).await?);
        }
        tokio::time::sleep(strike.length).await;
        let mut carried = 0;
        for relay in relays {
            carried += relay.take_out().await?;
        }
        Ok(u64::from(carried > 0))
    }
}

impl Nemesis {
    /// Where nodes have no network of their own: the same before each victim.
    async fn hold_at_proxies(&self, strike: &Strike, rule: Rule, with_peers: bool) -> u64 {
        let before = self.felt(strike);
        for gate in self.gates(strike, with_peers) {
            gate.set(rule);
        }
        tokio::time::sleep(strike.length).await;
        for gate in self.gates(strike, with_peers) {
            gate.set(Rule::Open);
        }
        u64::from(self.felt(strike) > before)
    }

    fn gates(&self, strike: &Strike, with_peers: bool) -> Vec<&Gate> {
        let nodes = self.cluster.nodes.iter();
        let victims = nodes.filter(|node| strike.victims.contains(&node.id));
        let proxies = victims.filter_map(|node| node.proxy.as_ref());
        proxies
            .flat_map(|proxy| {
                std::iter::once(&proxy.clients).chain(with_peers.then_some(&proxy.peers))
            })
            .collect()
    }

    fn felt(&self, strike: &Strike) -> u64 {
        self.gates(strike, true).into_iter().map(Gate::felt).sum()
    }
}

/// Waits, mends, and says whether packets were dropped meanwhile.
async fn mended(network: Network, strike: &Strike, before: u64) -> Result<u64, Failure> {
    tokio::time::sleep(strike.length).await;
    let after = network.dropped().await;
    network.mend().await?;
    Ok(u64::from(after > before))
}
