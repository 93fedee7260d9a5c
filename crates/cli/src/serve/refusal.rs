//! Explains why a node did not start: what, where, and what to type next.

use std::io;
use std::path::Path;

use floe_broker::{NodeFailure, StartError};
use floe_journal::OpenError;

use crate::failure::CommandError;

/// The failure of `floe serve` for a node that did not start.
pub(crate) fn explain(error: &StartError, data_dir: &Path) -> CommandError {
    let failed = CommandError::failed(error.to_string());
    match error {
        StartError::InvalidNodeId { .. }
        | StartError::DuplicateSeed { .. }
        | StartError::WildcardWithoutAdvertised { .. } => {
            CommandError::usage(error.to_string()).next("see every value:  floe config show")
        }
        StartError::Listen { addr, source } => cannot_listen(addr, source),
        StartError::Store { source, .. } => explain_store(source, data_dir),
        StartError::Raft(_) => failed.next(verify(data_dir)),
    }
}

/// The failure of `floe serve` for a node that must stop by itself.
pub(crate) fn explain_failure(failure: &NodeFailure, data_dir: &Path) -> CommandError {
    let failed = CommandError::failed(format!("this node stopped: {failure}"));
    let dir = data_dir.display();
    match failure {
        NodeFailure::StorePoisoned { .. } | NodeFailure::Store(_) => failed
            .at("what was acknowledged is on disk; look at the disk before the next start")
            .next(verify(data_dir)),
        NodeFailure::Metadata(_) | NodeFailure::MetadataStopped => failed.next(verify(data_dir)),
        NodeFailure::WrongCluster { .. } => failed
            .at(format!("the data in {dir} was not touched"))
            .next("start with an empty directory:  floe serve --data-dir DIR"),
        NodeFailure::WrongClusterName { .. } | NodeFailure::SeedsDiffer { .. } => failed
            .at(format!(
                "cluster.name and cluster.seeds must be equal on all nodes, and the data in {dir} theirs"
            ))
            .next("compare:  floe config show --config FILE"),
        NodeFailure::Rejected { .. } => failed
            .at("this disk was replaced, or it belongs to another node")
            .next("start with an empty directory:  floe serve --data-dir DIR"),
    }
}

fn verify(data_dir: &Path) -> String {
    format!(
        "check the data directory:  floe log verify {}",
        data_dir.display()
    )
}

/// The failure for an address that cannot be bound.
pub(crate) fn cannot_listen(addr: &str, error: &io::Error) -> CommandError {
    let failed = CommandError::failed(format!("cannot listen on {addr}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => failed
            .at("another process has the port, perhaps another node")
            .next(format!("who is it:  ss -ltnp 'sport = :{}'", port(addr))),
        io::ErrorKind::PermissionDenied => {
            failed.at("ports below 1024 need privileges; choose a higher one")
        }
        _ => failed.next("see every address:  floe config show"),
    }
}

fn port(addr: &str) -> &str {
    addr.rsplit(':').next().unwrap_or(addr)
}

fn explain_store(error: &OpenError, data_dir: &Path) -> CommandError {
    let failed = CommandError::failed(error.to_string());
    let dir = data_dir.display();
    match error {
        OpenError::InUse { .. } => failed
            .at("another process has the directory open")
            .next("use another one:  floe serve --data-dir DIR"),
        OpenError::ForeignNode { .. } => failed
            .at("the directory belongs to another node; nothing was changed")
            .next("use the right number:  floe serve --set node.id=N"),
        OpenError::NewerFormat { .. } => failed
            .at("it was written by a newer release; nothing was changed")
            .next("see yours:  floe --version"),
        OpenError::Damaged { .. } => failed.next(verify(data_dir)),
        OpenError::ReadOnly { .. } => failed
            .at("this user must be able to write there; nothing was changed")
            .next("use another one:  floe serve --data-dir DIR"),
        OpenError::DiskFull { .. } => failed.next(format!("free some space:  df -h {dir}")),
        OpenError::Setting { .. } => failed.next("see every value:  floe config show"),
        OpenError::Io { .. } => failed,
    }
}
