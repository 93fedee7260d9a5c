//! Logs of a node, on stderr: for people on a terminal, JSON otherwise.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

/// Libraries whose own logs say nothing that a node does not say better.
const QUIET: &str = "tarpc=off,openraft=off,hyper=warn,";

/// Starts logging; `filter` is a level or directives. A later start changes nothing.
pub(crate) fn start(filter: &str) {
    let filter = EnvFilter::new(format!("{QUIET}{filter}"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    // Several nodes in one process share the first one's logging.
    let started = if io::stderr().is_terminal() {
        lines.with_target(false).try_init()
    } else {
        lines.json().flatten_event(true).with_ansi(false).try_init()
    };
    drop(started);
}
