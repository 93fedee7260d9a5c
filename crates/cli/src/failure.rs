//! How a command fails: what happened, where, and what to type next.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use floe_client::FailureDetail;

/// The exit codes, part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Nothing went wrong; only the reader of our output is gone.
    Ok = 0,
    /// It did not work.
    Failed = 1,
    /// The command line or a line of input is wrong.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// The cluster did not answer or did not finish in time.
    Unavailable = 4,
    /// Some of it worked, or nobody knows.
    Partial = 5,
}

/// Why a command stops. Shown as up to three lines: what, where, and the next command.
#[derive(Debug)]
pub(crate) struct CommandError {
    status: ExitStatus,
    what: Option<String>,
    place: Option<String>,
    next: Option<String>,
}

impl CommandError {
    /// A failure with an exit code of its own.
    pub(crate) fn new(status: ExitStatus, what: impl Into<String>) -> Self {
        Self {
            status,
            what: Some(what.into()),
            place: None,
            next: None,
        }
    }

    /// A plain failure.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(ExitStatus::Failed, what)
    }

    /// A wrong command line or input.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, what)
    }

    /// Wrong usage that was already explained.
    pub(crate) fn silent_usage() -> Self {
        Self {
            status: ExitStatus::Usage,
            what: None,
            place: None,
            next: None,
        }
    }

    /// The failure of another process, which has explained itself.
    pub(crate) fn silent(code: i32) -> Self {
        let status = match code {
            0 => ExitStatus::Ok,
            2 => ExitStatus::Usage,
            3 => ExitStatus::NotFound,
            4 => ExitStatus::Unavailable,
            5 => ExitStatus::Partial,
            _ => ExitStatus::Failed,
        };
        Self {
            status,
            ..Self::silent_usage()
        }
    }

    /// Adds the second line: where it happened, or a likely cause.
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// Adds the last line: what to type next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Keeps the hints under another headline.
    pub(crate) fn replace(mut self, status: ExitStatus, what: impl Into<String>) -> Self {
        self.status = status;
        self.what = Some(what.into());
        self
    }

    /// What the process returns.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status as u8)
    }

    /// The lines for people; `None` when there is nothing to say.
    pub(crate) fn message(&self) -> Option<String> {
        let mut text = format!("error: {}", self.what.as_ref()?);
        for line in [&self.place, &self.next].into_iter().flatten() {
            let written = write!(text, "\n  {line}");
            written.expect("writing to memory cannot fail");
        }
        Some(text)
    }
}

/// What to type after a refusal with these facts, on `topic` where there is one.
pub(crate) fn advice(detail: &FailureDetail, topic: Option<&str>) -> Option<String> {
    let topic = topic.unwrap_or("TOPIC");
    match detail {
        FailureDetail::BatchSize { size_bytes, .. } => Some(format!(
            "send less at once, or raise it:  floe topic alter {topic} --set \
             max.message.bytes={size_bytes}"
        )),
        FailureDetail::Replication { .. } => Some("see the nodes:  floe cluster nodes".to_owned()),
        FailureDetail::OffsetRange { .. } => {
            Some(format!("see what is there:  floe topic describe {topic}"))
        }
        FailureDetail::ProduceInProgress { .. } => {
            Some("try again, or send more slowly".to_owned())
        }
        // These say all there is to say.
        FailureDetail::Batch { .. }
        | FailureDetail::UnknownSetting { .. }
        | FailureDetail::SettingNotANumber { .. }
        | FailureDetail::SettingOutOfRange { .. }
        | FailureDetail::SettingNotAChoice { .. }
        | FailureDetail::Partitions { .. }
        | FailureDetail::Token { .. }
        | FailureDetail::Generation { .. }
        | FailureDetail::Member { .. }
        | FailureDetail::Members { .. }
        | FailureDetail::Waited { .. }
        | FailureDetail::Reason(_) => None,
    }
}

/// Writing to stdout failed. A reader that went away is no failure of ours.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                status: ExitStatus::Ok,
                what: None,
                place: None,
                next: None,
            };
        }
        Self::failed(format!("cannot write to stdout: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_three_lines_without_an_empty_one() {
        let error = CommandError::new(ExitStatus::NotFound, "topic 'orders' not found")
            .at("did you mean 'order'?")
            .next("create it:  floe topic create orders");
        let expected = "error: topic 'orders' not found\n  did you mean 'order'?\n  create it:  \
                        floe topic create orders";
        assert_eq!(error.message().as_deref(), Some(expected));
        assert_eq!(error.status, ExitStatus::NotFound);
        assert_eq!(
            CommandError::usage("no").message().as_deref(),
            Some("error: no")
        );
    }

    #[test]
    fn a_too_large_batch_is_answered_with_the_command_that_allows_it() {
        let detail = FailureDetail::BatchSize {
            size_bytes: 2_000_000,
            limit_bytes: 1_048_576,
        };
        let expected = "send less at once, or raise it:  floe topic alter orders --set \
                        max.message.bytes=2000000";
        assert_eq!(advice(&detail, Some("orders")).as_deref(), Some(expected));
    }

    #[test]
    fn a_broken_pipe_is_a_silent_success() {
        let gone = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((gone.status, gone.message()), (ExitStatus::Ok, None));
        let full = CommandError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.status, ExitStatus::Failed);
    }
}
