//! Namespaces of its own for each round: network, mounts and processes.
//!
//! Invariant: when the first process of the namespaces is gone, for whatever reason, so are all
//! others in it, its network, its mounts, the files on them and the loop devices behind them. The
//! round ends when the one who started it is gone: its stdin is at its end.

use rustix::process::geteuid;

/// Where the files of a round live: a filesystem in memory that only its namespace sees.
pub(crate) const HOME: &str = "/run";

/// `unshare` and its flags. Without privileges the namespaces belong to a user namespace, where
/// networks can be made but no filesystem can be mounted from a file.
pub(crate) fn words() -> Vec<&'static str> {
    let mut words = vec!["unshare"];
    if !is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    words.extend([
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--",
    ]);
    words
}

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}
