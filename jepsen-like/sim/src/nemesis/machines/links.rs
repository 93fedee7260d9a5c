//! Faults of the links between hosts.

use std::time::Duration;

use turmoil::Sim;

use super::{Landing, Machines, Undo, sim_runs};
use crate::cluster::{client_name, node_name};
use crate::net::Weather;

/// A direction: from whom to whom.
type Direction = (String, String);

impl Machines {
    /// No messages between two nodes.
    pub(super) fn cut_pair(&self, sim: &Sim<'_>, a: u32, b: u32) -> Landing {
        let (a, b) = (node_name(a), node_name(b));
        let target = format!("{a}|{b}");
        self.cut(sim, target, vec![(a.clone(), b.clone()), (b, a)])
    }

    /// No messages in one direction.
    pub(super) fn cut_direction(&self, sim: &Sim<'_>, from: u32, to: u32) -> Landing {
        let (from, to) = (node_name(from), node_name(to));
        self.cut(sim, format!("{from}>{to}"), vec![(from, to)])
    }

    /// A client host does not reach a node.
    pub(super) fn cut_client(&self, sim: &Sim<'_>, client: u32, node: u32) -> Landing {
        let (client, node) = (client_name(client), node_name(node));
        let target = format!("{client}|{node}");
        let cuts = vec![(client.clone(), node.clone()), (node, client)];
        self.cut(sim, target, cuts)
    }

    /// A node does not hear the other nodes (`deaf`), or is not heard (`mute`); clients still
    /// reach it.
    pub(super) fn isolate(&self, sim: &Sim<'_>, node: u32, deaf: bool, mute: bool) -> Landing {
        let node = node_name(node);
        let mut cuts = Vec::new();
        for other in self.others(&node) {
            if mute {
                cuts.push((node.clone(), other.clone()));
            }
            if deaf {
                cuts.push((other, node.clone()));
            }
        }
        self.cut(sim, node, cuts)
    }

    /// Cuts all links of a node, those to clients too; says which.
    pub(super) fn cut_off(&self, sim: &Sim<'_>, node: u32) -> Vec<Direction> {
        let name = node_name(node);
        let others = self.others(&name).into_iter().chain(self.client_names());
        let cuts: Vec<Direction> = others
            .flat_map(|other| [(name.clone(), other.clone()), (other, name.clone())])
            .collect();
        self.cut_all(sim, &cuts);
        cuts
    }

    /// Messages to and from a node take long.
    pub(super) fn slow_down(&self, sim: &Sim<'_>, node: u32, latency: Duration) -> Landing {
        self.set_latency(sim, node, latency);
        Landing::on(node_name(node), Undo::SpeedUp { node })
    }

    /// How long messages to and from a node take at most.
    pub(super) fn set_latency(&self, sim: &Sim<'_>, node: u32, latency: Duration) {
        let name = node_name(node);
        self.links.note_latency(&name, latency);
        for other in self.others(&name).into_iter().chain(self.client_names()) {
            sim.set_link_max_message_latency(name.as_str(), other.as_str(), latency);
        }
    }

    /// Messages to and from a node get lost or are late.
    pub(super) fn spoil_weather(&self, node: u32, weather: Weather) -> Landing {
        let target = node_name(node);
        self.links.set_weather(&target, Some(weather));
        Landing::on(target, Undo::ClearUp { node })
    }

    /// Messages to and from a node are held back.
    pub(super) fn hold(&self, sim: &Sim<'_>, node: u32) -> Landing {
        let target = node_name(node);
        self.links.note_held(&target, true);
        for other in self.uncut_from(&target) {
            sim.hold(target.as_str(), other.as_str());
        }
        Landing::on(target, Undo::Release { node })
    }

    /// What was held back arrives.
    pub(super) fn release(&self, sim: &Sim<'_>, node: u32) {
        let name = node_name(node);
        self.links.note_held(&name, false);
        for other in self.uncut_from(&name) {
            sim.release(name.as_str(), other.as_str());
        }
    }

    /// All connections of a node break at once.
    pub(super) fn reset(&self, sim: &mut Sim<'_>, node: u32) -> Landing {
        let target = node_name(node);
        if !sim_runs(sim, node) {
            return Landing::Missed { target };
        }
        self.links.reset(&target);
        Landing::on(target, Undo::Nothing)
    }

    /// A node cannot accept connections.
    pub(super) fn refuse(&self, node: u32) -> Landing {
        let target = node_name(node);
        self.links.set_full(&target, true);
        // Only new connections meet it.
        self.links.reset(&target);
        Landing::on(target, Undo::Accept { node })
    }

    /// Takes cuts back.
    pub(super) fn mend(&self, sim: &Sim<'_>, cuts: &[Direction]) {
        for (from, to) in cuts {
            if !self.links.mend(from, to) {
                continue;
            }
            sim.repair_oneway(from.as_str(), to.as_str());
            // Held back before it was cut, and not released because it was cut.
            let is_held = self.links.is_held(from) || self.links.is_held(to);
            if !is_held && !self.links.cuts(to, from) {
                sim.release(from.as_str(), to.as_str());
            }
        }
    }

    fn cut(&self, sim: &Sim<'_>, target: String, cuts: Vec<Direction>) -> Landing {
        self.cut_all(sim, &cuts);
        Landing::on(target, Undo::Mend(cuts))
    }

    fn cut_all(&self, sim: &Sim<'_>, cuts: &[Direction]) {
        for (from, to) in cuts {
            if self.links.cut(from, to) {
                sim.partition_oneway(from.as_str(), to.as_str());
            }
        }
    }

    /// A link that is cut stays so: releasing it would mend it.
    fn uncut_from(&self, name: &str) -> Vec<String> {
        let others = self.others(name).into_iter().chain(self.client_names());
        let is_whole =
            |other: &String| !self.links.cuts(name, other) && !self.links.cuts(other, name);
        others.filter(is_whole).collect()
    }
}
