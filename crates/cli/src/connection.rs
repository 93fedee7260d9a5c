//! A connection to the cluster that `--server` names, and what its errors mean for people.

use std::time::Duration;

use floe_client::{Admin, Client, Error, ErrorCode, ErrorKind, TopicName};

use crate::arguments::ConnectArgs;
use crate::failure::{CommandError, ExitStatus, advice};
use crate::nearest::nearest;

/// For questions, and for finding a node at all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// For work that the cluster has to do.
const WORK_TIMEOUT: Duration = Duration::from_secs(30);
/// For what only improves an error message.
const HINT_TIMEOUT: Duration = Duration::from_secs(2);

/// A cluster to talk to.
pub(crate) struct Connection {
    /// The client.
    pub(crate) client: Client,
    server: String,
    timeout: Option<Duration>,
}

impl Connection {
    /// Finds the cluster, within the time that the command line allows.
    pub(crate) async fn open(args: &ConnectArgs) -> Result<Self, CommandError> {
        let limit = args.timeout.unwrap_or(ANSWER_TIMEOUT);
        let explain = |error| describe(&error, &args.server, ExitStatus::Unavailable);
        let client = match tokio::time::timeout(limit, Client::connect(&args.server)).await {
            Ok(connected) => connected.map_err(explain)?,
            Err(_) => return Err(unreachable_cluster(&args.server, limit)),
        };
        Ok(Self {
            client,
            server: args.server.clone(),
            timeout: args.timeout,
        })
    }

    /// Administration, for questions.
    pub(crate) fn admin(&self) -> Admin {
        self.client
            .admin()
            .timeout(self.timeout.unwrap_or(ANSWER_TIMEOUT))
    }

    /// Administration, for work.
    pub(crate) fn working_admin(&self) -> Admin {
        self.client
            .admin()
            .timeout(self.timeout.unwrap_or(WORK_TIMEOUT))
    }

    /// What to show for `error`.
    pub(crate) fn explain(&self, error: &Error) -> CommandError {
        describe(error, &self.server, ExitStatus::Failed)
    }

    /// What to show for an `error` about `topic`; a missing topic gets a suggestion.
    pub(crate) async fn explain_topic(&self, error: &Error, topic: &str) -> CommandError {
        if error.kind() != ErrorKind::NotFound || error.partition().is_some() {
            return self.explain(error);
        }
        self.no_such_topic(topic)
            .await
            .next(format!("create it:  floe topic create {topic}"))
    }

    /// The same for a command that wants a topic gone or changed: making it would be no help.
    pub(crate) async fn explain_existing_topic(&self, error: &Error, topic: &str) -> CommandError {
        if error.kind() != ErrorKind::NotFound || error.partition().is_some() {
            return self.explain(error);
        }
        self.no_such_topic(topic)
            .await
            .next("all topics:  floe topic list")
    }

    async fn no_such_topic(&self, topic: &str) -> CommandError {
        let admin = self.client.admin().timeout(HINT_TIMEOUT);
        let topics = admin.topics().await.unwrap_or_default();
        let names = topics.iter().map(|info| info.name.as_str());
        self.not_found("topic", topic, nearest(topic, names)).await
    }

    /// What to show for an `error` about `group`; a missing group gets a suggestion.
    pub(crate) async fn explain_group(&self, error: &Error, group: &str) -> CommandError {
        let next = format!("see its members:  floe group describe {group}");
        match error.kind() {
            ErrorKind::NotFound if error.topic().is_none() => {
                let admin = self.client.admin().timeout(HINT_TIMEOUT);
                let groups = admin.groups().await.unwrap_or_default();
                let names = groups.iter().map(|listing| listing.group.as_str());
                self.not_found("group", group, nearest(group, names))
                    .await
                    .next("all groups:  floe group list")
            }
            ErrorKind::GroupNotEmpty | ErrorKind::Fenced => {
                CommandError::failed(format!("group '{group}' has members; stop them first"))
                    .at(format!("on {}", self.server))
                    .next(next)
            }
            _ => self.explain(error),
        }
    }

    async fn not_found(&self, what: &str, name: &str, meant: Option<&str>) -> CommandError {
        let admin = self.client.admin().timeout(HINT_TIMEOUT);
        let cluster = match admin.cluster().await {
            Ok(cluster) => format!("cluster '{}' ({})", cluster.name, self.server),
            Err(_) => self.server.clone(),
        };
        let what = format!("{what} '{name}' not found on {cluster}");
        let error = CommandError::new(ExitStatus::NotFound, what);
        match meant {
            Some(meant) => error.at(format!("did you mean '{meant}'?")),
            None => error,
        }
    }
}

/// The exit code for a kind of error; `other` for what has none of its own.
pub(crate) fn status_of(kind: ErrorKind, other: ExitStatus) -> ExitStatus {
    match kind {
        ErrorKind::NotFound => ExitStatus::NotFound,
        ErrorKind::InvalidInput | ErrorKind::TooLarge => ExitStatus::Usage,
        ErrorKind::Unavailable | ErrorKind::TimedOut => ExitStatus::Unavailable,
        ErrorKind::AlreadyExists
        | ErrorKind::Fenced
        | ErrorKind::OutOfRange
        | ErrorKind::Corrupt
        | ErrorKind::GroupNotEmpty
        | ErrorKind::Incompatible => ExitStatus::Failed,
        ErrorKind::Closed | ErrorKind::Internal => other,
    }
}

fn describe(error: &Error, server: &str, other: ExitStatus) -> CommandError {
    let shown = CommandError::new(status_of(error.kind(), other), with_sources(error));
    let topic = error.topic().map(TopicName::as_str);
    if let Some(next) = error.detail().and_then(|detail| advice(detail, topic)) {
        return shown.at(format!("on {server}")).next(next);
    }
    if error.code() == Some(ErrorCode::DiskFull) {
        let next = format!("free some space, see where:  floe cluster status --server {server}");
        return shown.at(format!("asked {server}")).next(next);
    }
    match error.kind() {
        ErrorKind::Unavailable => {
            let start = format!("is one running?  floe cluster status --server {server}");
            let shown = shown.at(format!("asked {server}"));
            // No code: nobody answered. With a code a node is there but cannot help now.
            match error.code() {
                None => shown.next("start one:  floe dev"),
                Some(_) => shown.next(start),
            }
        }
        ErrorKind::TimedOut => shown.at(format!("asked {server}")).next(format!(
            "see what is missing:  floe cluster status --server {server}"
        )),
        ErrorKind::Incompatible => shown
            .at(format!("asked {server}"))
            .next("see yours:  floe --version"),
        _ => shown.at(format!("on {server}")),
    }
}

/// The message with its causes, where they add anything.
fn with_sources(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = source.source();
    }
    text
}

fn unreachable_cluster(server: &str, limit: Duration) -> CommandError {
    let what = format!("no node answered within {} s", limit.as_secs_f32());
    CommandError::new(ExitStatus::Unavailable, what)
        .at(format!("asked {server}"))
        .next("start one:  floe dev")
}

/// Checks a topic name before anything is sent.
pub(crate) fn topic_name(topic: &str) -> Result<TopicName, CommandError> {
    TopicName::new(topic).map_err(|fault| {
        CommandError::usage(format!("'{topic}' is not a topic name: {fault}"))
            .next("all topics:  floe topic list")
    })
}
