//! The kinds of faults that real clusters are broken with, and what each needs of the machine.
//!
//! Invariant: the names stand in histories and documents; they change with the schema only.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FaultKind {
    /// SIGKILL, several times in a row: also while the node recovers.
    Kill,
    /// SIGKILL of all nodes at once.
    KillAll,
    /// SIGSTOP, later SIGCONT.
    Pause,
    /// The process gets a tenth of the time.
    Starve,
    /// A minority is cut off, in both directions.
    Cut,
    /// A minority is not heard, or does not hear.
    CutOneWay,
    /// Two halves that only one node connects.
    Bridge,
    /// Clients do not reach a node that the others do reach.
    CutClients,
    /// Part of what a node sends and gets is lost.
    Loss,
    /// TCP connections of a node are reset.
    Reset,
    /// A node has a thin line, with a long queue before it.
    Bandwidth,
    /// Everything a node sends comes late.
    Delay,
    /// The machine of a node loses power: nothing that was not synced is left.
    PowerCut,
    /// All machines lose power at once.
    PowerCutAll,
    /// The filesystem of a node has no room.
    DiskFull,
    /// Syncs of a node fail.
    DiskFails,
    /// Writes and syncs of a node take long.
    DiskSlow,
    /// The wall clock of a node is off.
    Clock,
}

/// What a fault needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Signals to own processes.
    Signals,
    /// Faults that nodes inject into themselves.
    Hooks,
    /// Network namespaces and a filtering bridge; without them the nodes cut themselves off.
    CutMatrix,
    /// The same; without namespaces a proxy before each node.
    ClientCut,
    /// The same, and nothing in its place.
    Filter,
    /// Packets answered by a reset; without namespaces the proxy.
    Rejection,
    /// The queueing discipline `tbf`; without namespaces the proxy.
    Shaper,
    /// A program that carries the frames of a cable; without namespaces the proxy.
    Relay,
    /// A filesystem in a file whose power can be cut.
    Volume,
}

impl FaultKind {
    /// All of them.
    pub(crate) const ALL: [Self; 18] = [
        Self::Kill,
        Self::KillAll,
        Self::Pause,
        Self::Starve,
        Self::Cut,
        Self::CutOneWay,
        Self::Bridge,
        Self::CutClients,
        Self::Loss,
        Self::Reset,
        Self::Bandwidth,
        Self::Delay,
        Self::PowerCut,
        Self::PowerCutAll,
        Self::DiskFull,
        Self::DiskFails,
        Self::DiskSlow,
        Self::Clock,
    ];

    /// As on the command line and in histories.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillAll => "kill-all",
            Self::Pause => "pause",
            Self::Starve => "starve",
            Self::Cut => "cut",
            Self::CutOneWay => "cut-one-way",
            Self::Bridge => "bridge",
            Self::CutClients => "cut-clients",
            Self::Loss => "loss",
            Self::Reset => "reset",
            Self::Bandwidth => "bandwidth",
            Self::Delay => "delay",
            Self::PowerCut => "power-cut",
            Self::PowerCutAll => "power-cut-all",
            Self::DiskFull => "disk-full",
            Self::DiskFails => "disk-fails",
            Self::DiskSlow => "disk-slow",
            Self::Clock => "clock",
        }
    }

    /// The kind with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it needs of the machine.
    pub(crate) fn need(self) -> Need {
        match self {
            Self::Kill | Self::KillAll | Self::Pause | Self::Starve => Need::Signals,
            Self::Cut | Self::CutOneWay | Self::Bridge => Need::CutMatrix,
            Self::CutClients => Need::ClientCut,
            Self::Loss => Need::Filter,
            Self::Reset => Need::Rejection,
            Self::Bandwidth => Need::Shaper,
            Self::Delay => Need::Relay,
            Self::PowerCut | Self::PowerCutAll => Need::Volume,
            Self::DiskFull | Self::DiskFails | Self::DiskSlow | Self::Clock => Need::Hooks,
        }
    }

    /// How often it comes in one deal of all kinds.
    pub(crate) fn weight(self) -> usize {
        match self {
            Self::Kill => 4,
            Self::Cut | Self::CutOneWay | Self::PowerCut => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_the_name_that_documents_have() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::named(kind.name()), Some(kind));
            let written = serde_json::to_value(kind).unwrap();
            assert_eq!(written, kind.name());
        }
        assert_eq!(FaultKind::named("kil"), None);
    }
}
