//! `floe topic`: create, list, describe, alter and delete.

mod row;

use std::time::Duration;

use clap::{Args, Subcommand};
use floe_client::{Error, ErrorKind, Start};

use crate::arguments::{ConnectArgs, OutputArgs, OutputForm};
use crate::connection::{Connection, topic_name};
use crate::failure::CommandError;
use crate::nearest::nearest;
use crate::output::Stdout;

pub(crate) use row::{PartitionRow, TopicRow};

/// For offsets that are asked of leaders, one of which may be away.
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(2);

/// Subcommands of `floe topic`.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Make a topic; returns when each partition can be written
    Create(CreateArgs),
    /// All topics
    List(ListArgs),
    /// Partitions, leaders, offsets and settings of a topic
    Describe(DescribeArgs),
    /// Change settings or add partitions
    Alter(AlterArgs),
    /// Delete a topic and its records
    Delete(DeleteArgs),
}

/// Arguments of `floe topic create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Name: letters, digits, '.', '_' and '-'
    topic: String,
    /// Number of partitions
    #[arg(long, default_value_t = 1, value_name = "N")]
    partitions: u32,
    /// Copies of each partition [default: 3, or the number of nodes if that is less]
    #[arg(long, value_name = "N")]
    replication: Option<u32>,
    /// A setting by Kafka's name, as retention.ms=3600000; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Succeed when the topic exists already
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe topic list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe topic describe`.
#[derive(Args, Debug)]
pub(crate) struct DescribeArgs {
    /// The topic
    topic: String,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe topic alter`.
#[derive(Args, Debug)]
pub(crate) struct AlterArgs {
    /// The topic
    topic: String,
    /// New total number of partitions; it can only grow
    #[arg(long, value_name = "N")]
    partitions: Option<u32>,
    /// Set a setting by Kafka's name; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Put a setting back to its default; can be repeated
    #[arg(long = "unset", value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe topic delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The topic
    topic: String,
    /// Succeed when there is no such topic
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs `floe topic`.
pub(crate) async fn run(command: TopicCommand) -> Result<(), CommandError> {
    match command {
        TopicCommand::Create(args) => create(args).await,
        TopicCommand::List(args) => list(args).await,
        TopicCommand::Describe(args) => describe(args).await,
        TopicCommand::Alter(args) => alter(args).await,
        TopicCommand::Delete(args) => delete(args).await,
    }
}

async fn create(args: CreateArgs) -> Result<(), CommandError> {
    topic_name(&args.topic)?;
    let settings = pairs(&args.set)?;
    let connection = Connection::open(&args.connect).await?;
    let mut request = connection
        .working_admin()
        .create_topic(args.topic.as_str())
        .partitions(args.partitions);
    if let Some(replication) = args.replication {
        request = request.replication(replication);
    }
    if args.if_not_exists {
        request = request.if_not_exists();
    }
    for (key, value) in settings {
        request = request.config(key, value);
    }
    let made = request.send().await.map_err(|error| {
        let shown = connection.explain(&error);
        match error.kind() {
            ErrorKind::AlreadyExists => {
                shown.next(format!("see it:  floe topic describe {}", args.topic))
            }
            _ => shown,
        }
    })?;
    let row = TopicRow::new(&made);
    eprintln!(
        "topic '{}' has {} with {} each",
        row.name,
        counted(row.partitions, "partition"),
        counted(row.replication, "replica")
    );
    let mut out = Stdout::new();
    match args.output.output {
        OutputForm::Json => out.json(&row)?,
        OutputForm::Table => {}
    }
    out.flush()
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

async fn list(args: ListArgs) -> Result<(), CommandError> {
    let connection = Connection::open(&args.connect).await?;
    let topics = connection.admin().topics().await;
    let topics = topics.map_err(|error| connection.explain(&error))?;
    let rows: Vec<_> = topics.iter().map(TopicRow::new).collect();
    if rows.is_empty() {
        eprintln!("no topics yet; make one:  floe topic create NAME");
    }
    let header = [
        "TOPIC",
        "PARTITIONS",
        "REPLICATION",
        "WITHOUT LEADER",
        "TOPIC ID",
    ];
    Stdout::new().rows(args.output.output, &rows, &header, TopicRow::cells)
}

async fn describe(args: DescribeArgs) -> Result<(), CommandError> {
    topic_name(&args.topic)?;
    let connection = Connection::open(&args.connect).await?;
    let info = match connection.admin().describe_topic(args.topic.as_str()).await {
        Ok(info) => info,
        Err(error) => return Err(connection.explain_topic(&error, &args.topic).await),
    };
    let mut document = row::TopicDocument::new(&info);
    let admin = connection.client.admin().timeout(OFFSETS_TIMEOUT);
    let topic = args.topic.as_str();
    let (starts, ends) = futures::join!(
        admin.offsets(topic, Start::Start),
        admin.offsets(topic, Start::End)
    );
    if let (Ok(starts), Ok(ends)) = (starts, ends) {
        document.add_offsets(&starts, &ends);
    }
    let mut out = Stdout::new();
    match args.output.output {
        OutputForm::Json => out.json(&document)?,
        OutputForm::Table => document.print(&mut out)?,
    }
    out.flush()
}

async fn alter(args: AlterArgs) -> Result<(), CommandError> {
    topic_name(&args.topic)?;
    if args.partitions.is_none() && args.set.is_empty() && args.unset.is_empty() {
        return Err(CommandError::usage("nothing to change").next(format!(
            "floe topic alter {} --set retention.ms=3600000",
            args.topic
        )));
    }
    let settings = pairs(&args.set)?;
    let connection = Connection::open(&args.connect).await?;
    let mut request = connection.working_admin().alter_topic(args.topic.as_str());
    if let Some(partitions) = args.partitions {
        request = request.partitions(partitions);
    }
    for (key, value) in settings {
        request = request.config(key, value);
    }
    for key in args.unset {
        request = request.reset_config(key);
    }
    let info = match request.send().await {
        Ok(info) => info,
        Err(error) => {
            return Err(explain_alter(&connection, &error, &args.topic, args.partitions).await);
        }
    };
    let mut out = Stdout::new();
    let document = row::TopicDocument::new(&info);
    match args.output.output {
        OutputForm::Json => out.json(&document)?,
        OutputForm::Table => document.print(&mut out)?,
    }
    out.flush()
}

/// A number of partitions that does not grow is the only one that is refused for its value.
async fn explain_alter(
    connection: &Connection,
    error: &Error,
    topic: &str,
    partitions: Option<u32>,
) -> CommandError {
    let shown = connection.explain_existing_topic(error, topic).await;
    let (Some(wanted), ErrorKind::InvalidInput) = (partitions, error.kind()) else {
        return shown;
    };
    match connection.admin().describe_topic(topic).await {
        Ok(info) if info.partitions.len() > wanted as usize => {
            let what = format!(
                "topic '{topic}' has {} partitions; the number can only grow",
                info.partitions.len()
            );
            CommandError::usage(what).next(format!("see them:  floe topic describe {topic}"))
        }
        _ => shown,
    }
}

async fn delete(args: DeleteArgs) -> Result<(), CommandError> {
    topic_name(&args.topic)?;
    let connection = Connection::open(&args.connect).await?;
    let deleted = connection
        .working_admin()
        .delete_topic(args.topic.as_str())
        .await;
    let (topic_id, was_there) = match deleted {
        Ok(topic_id) => (Some(topic_id.to_string()), true),
        Err(error) if args.if_exists && error.kind() == ErrorKind::NotFound => (None, false),
        Err(error) => return Err(connection.explain_existing_topic(&error, &args.topic).await),
    };
    let verb = if was_there {
        "deleted"
    } else {
        "did not exist"
    };
    eprintln!("topic '{}' {verb}", args.topic);
    let mut out = Stdout::new();
    if args.output.output == OutputForm::Json {
        out.json(&serde_json::json!({
            "name": args.topic, "deleted": was_there, "topic_id": topic_id,
        }))?;
    }
    out.flush()
}

fn unknown_setting(key: &str) -> CommandError {
    let keys = floe_metadata::SETTINGS.iter().map(|setting| setting.key);
    let error = CommandError::usage(format!("unknown topic setting '{key}'"));
    match nearest(key, keys) {
        Some(meant) => error.at(format!("did you mean '{meant}'?")),
        None => error,
    }
}

/// Splits `KEY=VALUE`.
fn pairs(texts: &[String]) -> Result<Vec<(String, String)>, CommandError> {
    let split = |text: &String| match text.split_once('=') {
        Some((key, value)) if floe_metadata::setting(key).is_some() => {
            Ok((key.to_owned(), value.to_owned()))
        }
        Some((key, _)) if !key.is_empty() => Err(unknown_setting(key)),
        _ => Err(CommandError::usage(format!("'{text}' is not KEY=VALUE"))),
    };
    texts.iter().map(split).collect()
}
