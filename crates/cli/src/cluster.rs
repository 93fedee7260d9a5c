//! `floe cluster`: state of the cluster.

use std::time::Duration;

use clap::{Args, Subcommand};
use floe_client::{
    ClusterInfo, ElectLeaders, NodeId, NodeInfo, NodeStats, PartitionIndex, StoreHealth, TopicInfo,
};
use serde::Serialize;

use crate::arguments::{ConnectArgs, OutputArgs, OutputForm};
use crate::connection::{Connection, topic_name};
use crate::failure::{CommandError, ExitStatus};
use crate::output::Stdout;
use crate::topic::PartitionRow;

/// For the counters of one node, which may be away.
const STATS_TIMEOUT: Duration = Duration::from_secs(2);

/// Subcommands of `floe cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// The cluster at a glance
    Status(StatusArgs),
    /// Nodes with their addresses and counters
    Nodes(StatusArgs),
    /// Partitions with their leaders and replicas
    Partitions(PartitionsArgs),
    /// Move leadership to the preferred replicas, or to one node
    Elect(ElectArgs),
}

/// Arguments of `floe cluster status` and `floe cluster nodes`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe cluster partitions`.
#[derive(Args, Debug)]
pub(crate) struct PartitionsArgs {
    /// Only of this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only those without a leader or with a replica on a dead node
    #[arg(long)]
    unhealthy: bool,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe cluster elect`.
#[derive(Args, Debug)]
pub(crate) struct ElectArgs {
    /// Only of this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only this partition of the topic
    #[arg(long, value_name = "N", requires = "topic")]
    partition: Option<u32>,
    /// To this node [default: the preferred replica of each partition]
    #[arg(long, value_name = "NODE")]
    to: Option<u32>,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The cluster at a glance.
#[derive(Serialize)]
struct StatusDocument {
    cluster_id: String,
    name: String,
    healthy: bool,
    controller: Option<u32>,
    nodes: usize,
    nodes_alive: usize,
    topics: usize,
    partitions: usize,
    without_leader: usize,
    under_replicated: usize,
    stores_full: Vec<u32>,
    stores_failed: Vec<u32>,
    metadata_version: u64,
}

/// A node.
#[derive(Serialize)]
struct NodeRow {
    id: u32,
    alive: bool,
    client_addr: String,
    kafka_addr: Option<String>,
    http_addr: Option<String>,
    rack: Option<String>,
    leaders: u32,
    replicas: u32,
    store: Option<StoreHealth>,
    journal_syncs: Option<u64>,
    bytes_written: Option<u64>,
    rss_bytes: Option<u64>,
    cpu_s: Option<f64>,
}

/// Runs `floe cluster`.
pub(crate) async fn run(command: ClusterCommand) -> Result<(), CommandError> {
    match command {
        ClusterCommand::Status(args) => status(args).await,
        ClusterCommand::Nodes(args) => nodes(args).await,
        ClusterCommand::Partitions(args) => partitions(args).await,
        ClusterCommand::Elect(args) => elect(args).await,
    }
}

async fn status(args: StatusArgs) -> Result<(), CommandError> {
    let connection = Connection::open(&args.connect).await?;
    let admin = connection.admin();
    let (cluster, topics) = futures::try_join!(admin.cluster(), admin.topics())
        .map_err(|error| connection.explain(&error))?;
    let rows = partition_rows(&topics);
    let without_leader = rows.iter().filter(|row| row.leader.is_none()).count();
    let short = |row: &&PartitionRow| row.alive_replicas.len() < row.replicas.len();
    let under_replicated = rows.iter().filter(short).count();
    let mut document = StatusDocument {
        cluster_id: cluster.cluster_id.to_string(),
        name: cluster.name.clone(),
        healthy: false,
        controller: cluster.controller.map(|node| node.0),
        nodes: cluster.nodes.len(),
        nodes_alive: cluster.nodes.iter().filter(|node| node.alive).count(),
        topics: topics.len(),
        partitions: rows.len(),
        without_leader,
        under_replicated,
        stores_full: Vec::new(),
        stores_failed: Vec::new(),
        metadata_version: cluster.metadata_version,
    };
    for node in node_rows(&connection, cluster).await {
        match node.store {
            Some(StoreHealth::Full) => document.stores_full.push(node.id),
            Some(StoreHealth::Failed) => document.stores_failed.push(node.id),
            Some(StoreHealth::Healthy) | None => {}
        }
    }
    document.healthy = document.is_healthy();
    Stdout::new().document(args.output.output, &document, StatusDocument::cells)
}

impl StatusDocument {
    fn is_healthy(&self) -> bool {
        self.nodes_alive == self.nodes
            && self.controller.is_some()
            && self.without_leader == 0
            && self.under_replicated == 0
            && self.stores_full.is_empty()
            && self.stores_failed.is_empty()
    }

    fn cells(&self) -> Vec<(&'static str, String)> {
        let healthy = if self.healthy { "healthy" } else { "degraded" };
        let controller = self
            .controller
            .map_or_else(|| "none".to_owned(), |node| node.to_string());
        let alive = format!("{} of {} alive", self.nodes_alive, self.nodes);
        let mut cells = vec![
            ("cluster", format!("{} ({})", self.name, self.cluster_id)),
            ("state", healthy.to_owned()),
            ("nodes", alive),
            ("controller", controller),
            ("topics", self.topics.to_string()),
            ("partitions", self.partitions.to_string()),
            ("without leader", self.without_leader.to_string()),
            ("under-replicated", self.under_replicated.to_string()),
        ];
        let mut trouble = |nodes: &[u32], what, next: &str| {
            if !nodes.is_empty() {
                let nodes: Vec<_> = nodes.iter().map(u32::to_string).collect();
                cells.push((what, format!("node {}: {next}", nodes.join(", "))));
            }
        };
        trouble(
            &self.stores_full,
            "disk full",
            "free some space; produce goes on by itself",
        );
        trouble(
            &self.stores_failed,
            "disk failed",
            "see its log, mend the disk, restart the node",
        );
        cells
    }
}

async fn nodes(args: StatusArgs) -> Result<(), CommandError> {
    let connection = Connection::open(&args.connect).await?;
    let cluster = connection.admin().cluster().await;
    let cluster = cluster.map_err(|error| connection.explain(&error))?;
    let rows = node_rows(&connection, cluster).await;
    let header = [
        "NODE", "ALIVE", "STORE", "CLIENTS", "HTTP", "RACK", "LEADERS", "REPLICAS", "SYNCS",
        "MEMORY",
    ];
    Stdout::new().rows(args.output.output, &rows, &header, NodeRow::cells)
}

/// Each node with its own counters, where it answers.
async fn node_rows(connection: &Connection, cluster: ClusterInfo) -> Vec<NodeRow> {
    let admin = connection.client.admin().timeout(STATS_TIMEOUT);
    let asked = cluster.nodes.into_iter().map(|node| {
        let admin = admin.clone();
        async move {
            let stats = match node.alive {
                true => admin.node_stats(node.node).await.ok(),
                false => None,
            };
            NodeRow::new(node, stats.as_ref())
        }
    });
    futures::future::join_all(asked).await
}

fn store_word(store: StoreHealth) -> &'static str {
    match store {
        StoreHealth::Healthy => "healthy",
        StoreHealth::Full => "full",
        StoreHealth::Failed => "failed",
    }
}

impl NodeRow {
    fn new(node: NodeInfo, stats: Option<&NodeStats>) -> Self {
        Self {
            id: node.node.0,
            alive: node.alive,
            client_addr: node.client_addr,
            kafka_addr: node.kafka_addr,
            http_addr: node.http_addr,
            rack: node.rack,
            leaders: stats.map_or(node.leaders, |stats| stats.leaders),
            replicas: stats.map_or(node.replicas, |stats| stats.replicas),
            store: stats.map(|stats| stats.store),
            journal_syncs: stats.map(|stats| stats.journal_syncs),
            bytes_written: stats.map(|stats| stats.bytes_written),
            rss_bytes: stats.map(|stats| stats.rss_bytes),
            cpu_s: stats.map(|stats| stats.cpu_us as f64 / 1e6),
        }
    }

    fn cells(&self) -> Vec<String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        vec![
            self.id.to_string(),
            if self.alive { "yes" } else { "no" }.to_owned(),
            self.store.map_or("-", store_word).to_owned(),
            self.client_addr.clone(),
            text(&self.http_addr),
            text(&self.rack),
            self.leaders.to_string(),
            self.replicas.to_string(),
            text(&self.journal_syncs.map(|syncs| syncs.to_string())),
            text(&self.rss_bytes.map(mib)),
        ]
    }
}

async fn partitions(args: PartitionsArgs) -> Result<(), CommandError> {
    let connection = Connection::open(&args.connect).await?;
    let topics = match &args.topic {
        None => {
            let topics = connection.admin().topics().await;
            topics.map_err(|error| connection.explain(&error))?
        }
        Some(topic) => {
            topic_name(topic)?;
            match connection.admin().describe_topic(topic.as_str()).await {
                Ok(info) => vec![info],
                Err(error) => return Err(connection.explain_topic(&error, topic).await),
            }
        }
    };
    let mut rows = partition_rows(&topics);
    if args.unhealthy {
        rows.retain(|row| !row.is_healthy());
    }
    Stdout::new().rows(
        args.output.output,
        &rows,
        &PartitionRow::HEADER,
        PartitionRow::cells,
    )
}

fn partition_rows(topics: &[TopicInfo]) -> Vec<PartitionRow> {
    let of_topic = |topic: &TopicInfo| {
        let name = topic.name.to_string();
        let rows = topic
            .partitions
            .iter()
            .map(move |info| PartitionRow::new(&name, info));
        rows.collect::<Vec<_>>()
    };
    topics.iter().flat_map(of_topic).collect()
}

/// A node or partition that does not exist would only look like nothing to do.
async fn check_targets(connection: &Connection, args: &ElectArgs) -> Result<(), CommandError> {
    let admin = connection.admin();
    if let Some(to) = args.to {
        let cluster = admin.cluster().await;
        let cluster = cluster.map_err(|error| connection.explain(&error))?;
        if !cluster.nodes.iter().any(|node| node.node.0 == to) {
            let what = format!("no node {to} in cluster '{}'", cluster.name);
            return Err(CommandError::new(ExitStatus::NotFound, what)
                .next("all nodes:  floe cluster nodes"));
        }
    }
    if let (Some(topic), Some(partition)) = (&args.topic, args.partition) {
        let info = match admin.describe_topic(topic.as_str()).await {
            Ok(info) => info,
            Err(error) => return Err(connection.explain_existing_topic(&error, topic).await),
        };
        let count = info.partitions.len();
        if partition as usize >= count {
            let what = format!("topic '{topic}' has partitions 0 to {}", count - 1);
            return Err(CommandError::new(ExitStatus::NotFound, what)
                .next(format!("see them:  floe topic describe {topic}")));
        }
    }
    Ok(())
}

async fn elect(args: ElectArgs) -> Result<(), CommandError> {
    let topic = args.topic.as_deref().map(topic_name).transpose()?;
    let connection = Connection::open(&args.connect).await?;
    check_targets(&connection, &args).await?;
    let request = ElectLeaders {
        topic,
        partition: args.partition.map(PartitionIndex),
        to: args.to.map(NodeId),
    };
    let moved = match (
        connection.working_admin().elect_leaders(request).await,
        &args.topic,
    ) {
        (Ok(moved), _) => moved,
        (Err(error), Some(topic)) => {
            return Err(connection.explain_existing_topic(&error, topic).await);
        }
        (Err(error), None) => return Err(connection.explain(&error)),
    };
    eprintln!("{moved} leaders are moving");
    let mut out = Stdout::new();
    if args.output.output == OutputForm::Json {
        out.json(&serde_json::json!({ "moved": moved }))?;
    }
    out.flush()
}
