//! Why a round could not be run: never because of what the cluster did, only of the machine.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use floe_client::Error as ClientError;
use floe_jepsen::HistoryError;

/// What keeps a round from being run or judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line says nothing that can be done.
    #[error("{0}")]
    Usage(String),
    /// A tool of the machine could not be started.
    #[error("{tool} cannot be run: {source}")]
    NoTool {
        /// Its name.
        tool: String,
        /// Why.
        source: io::Error,
    },
    /// A tool of the machine did not do what it was asked.
    #[error("{line}: {said}")]
    ToolFailed {
        /// The whole command.
        line: String,
        /// What it said.
        said: String,
    },
    /// A tool of the machine did not end.
    #[error("{line}: no end within {} s", limit.as_secs())]
    ToolHangs {
        /// The whole command.
        line: String,
        /// How long it had.
        limit: Duration,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The history cannot be judged.
    #[error("{}: {source}", path.display())]
    History {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: HistoryError,
    },
    /// The cluster did not serve before anything was broken.
    #[error("the cluster does not serve {} s after its start, before anything is broken", limit.as_secs())]
    NeverServed {
        /// How long it had.
        limit: Duration,
    },
    /// The cluster refused what it was asked before anything was broken.
    #[error("before anything is broken: {0}")]
    Refused(#[from] ClientError),
    /// There are no random numbers.
    #[error("no random numbers: {0}")]
    NoRandomness(io::Error),
    /// What a document is made of cannot be written as JSON.
    #[error("no document: {0}")]
    Document(#[from] serde_json::Error),
    /// Somebody wants it to end.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// An error of the file `path`.
    pub(crate) fn of_file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}
