//! What one round is to be: all that the process of the round needs to know.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fault::FaultKind;

/// One round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Where its randomness comes from.
    pub(crate) seed: u64,
    /// How many nodes.
    pub(crate) nodes: u32,
    /// How long things are broken.
    pub(crate) seconds: u64,
    /// What is broken; all of it is possible here.
    pub(crate) kinds: Vec<FaultKind>,
    /// Whether nodes have networks of their own.
    pub(crate) is_isolated: bool,
    /// Whether there is a filter on the network.
    pub(crate) has_filter: bool,
    /// Whether nodes have disks of their own.
    pub(crate) has_volumes: bool,
    /// The program under test.
    pub(crate) binary: PathBuf,
    /// The Python of the Kafka clients, if they take part.
    pub(crate) python: Option<PathBuf>,
    /// Where history, page and logs go.
    pub(crate) out: PathBuf,
}
