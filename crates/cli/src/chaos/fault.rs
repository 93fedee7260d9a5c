//! The kinds of faults that can be asked for, and what one fault hits.

use std::fmt;

use clap::ValueEnum;
use floe_client::NodeId;
use serde::Serialize;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FaultKind {
    /// Processes die as by SIGKILL and are started again
    Kill,
    /// Processes stand still as by SIGSTOP
    Pause,
    /// Nodes cannot reach others, in both directions or one
    Partition,
    /// Syncs fail, the disk is full, or it is slow
    Disk,
    /// The wall clock jumps and jumps back
    Clock,
    /// All processes die at once; only when named
    KillAll,
}

impl FaultKind {
    /// What happens unless told otherwise.
    pub(crate) const DEFAULT: [Self; 5] = [
        Self::Kill,
        Self::Pause,
        Self::Partition,
        Self::Disk,
        Self::Clock,
    ];

    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::KillAll => "kill-all",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Node numbers, for people.
pub(crate) fn list(nodes: &[NodeId]) -> String {
    let nodes: Vec<_> = nodes.iter().map(|node| node.0.to_string()).collect();
    nodes.join(",")
}
