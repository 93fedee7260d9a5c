//! `floe dev`: a three-node cluster in this process, to try things.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use floe_env::Env;

use crate::config::{SettingArgs, Settings, load, node::node_config};
use crate::failure::CommandError;
use crate::logging;
use crate::output::Stdout;
use crate::serve::{Edges, Serving, Signals, real_env};

const NODES: u16 = 3;
/// Ports of node I are those of node 1 plus I-1 times this.
const PORT_STEP: u16 = 10;
/// The cluster forms well within this on a loaded laptop.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// Arguments of `floe dev`.
#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Keep the data here [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Node I takes P+10*(I-1) for native clients, and the three ports after it for Kafka clients,
    /// HTTP and peers [default: 9192, 9092, 9392 and 9292 plus 10*(I-1)]
    #[arg(long, value_name = "P")]
    base_port: Option<u16>,
    /// What is logged: error, warn, info, debug, trace or directives
    #[arg(long, env = "FLOE_LOG", default_value = "warn", hide_env_values = true)]
    log: String,
}

/// Ports of one node.
#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    kafka: u16,
    http: u16,
    peer: u16,
}

fn ports(args: &DevArgs, index: u16) -> Result<Ports, CommandError> {
    let step = index * PORT_STEP;
    let at = |port: u16| {
        let port = port.checked_add(step);
        port.ok_or_else(|| CommandError::usage("--base-port leaves no room for three nodes"))
    };
    match args.base_port {
        None => Ok(Ports {
            client: at(9192)?,
            kafka: at(9092)?,
            http: at(9392)?,
            peer: at(9292)?,
        }),
        Some(base) => Ok(Ports {
            client: at(base)?,
            kafka: at(base.saturating_add(1))?,
            http: at(base.saturating_add(2))?,
            peer: at(base.saturating_add(3))?,
        }),
    }
}

fn settings(args: &DevArgs, dir: &Path, index: u16) -> Result<Settings, CommandError> {
    let own = ports(args, index)?;
    let mut seeds = Vec::new();
    for other in 0..NODES {
        seeds.push(format!(
            "{}@127.0.0.1:{}",
            other + 1,
            ports(args, other)?.peer
        ));
    }
    let id = index + 1;
    let set = vec![
        format!("node.id={id}"),
        "cluster.name=dev".to_owned(),
        format!("cluster.seeds={}", seeds.join(",")),
        format!("listeners.client=127.0.0.1:{}", own.client),
        format!("listeners.peer=127.0.0.1:{}", own.peer),
        format!("listeners.kafka=127.0.0.1:{}", own.kafka),
        format!("listeners.http=127.0.0.1:{}", own.http),
        format!(
            "storage.data_dir={}",
            dir.join(format!("node-{id}")).display()
        ),
        "storage.journal_size=128 MiB".to_owned(),
        "storage.journal_segment_size=32 MiB".to_owned(),
        "limits.tail_memory=64 MiB".to_owned(),
        "topics.auto_create=true".to_owned(),
        "groups.initial_rebalance_delay=0ms".to_owned(),
    ];
    load(&SettingArgs {
        set,
        ..SettingArgs::default()
    })
}

/// Runs `floe dev`.
pub(crate) async fn run(args: DevArgs) -> Result<(), CommandError> {
    logging::start(&args.log);
    let env = real_env()?;
    let mut signals = Signals::install()?;
    let temporary = args.dir.is_none();
    let dir = args.dir.clone().unwrap_or_else(|| {
        let name = format!("floe-dev-{:016x}", env.rng.next_u64());
        std::env::temp_dir().join(name)
    });
    let mut nodes = Vec::new();
    let outcome = tokio::select! {
        outcome = run_nodes(&args, &dir, &env, &mut nodes) => outcome,
        () = signals.next() => Ok(()),
    };
    let stopped = tokio::select! {
        stopped = stop_all(nodes) => stopped,
        () = signals.next() => Err(CommandError::failed("stopped at once by a second signal")),
    };
    if temporary && let Err(error) = std::fs::remove_dir_all(&dir) {
        tracing::warn!(%error, dir = %dir.display(), "the temporary directory is left behind");
    }
    outcome.and(stopped)
}

/// Starts the nodes into `nodes` and returns when one of them can serve no more.
async fn run_nodes(
    args: &DevArgs,
    dir: &Path,
    env: &Env,
    nodes: &mut Vec<Serving>,
) -> Result<(), CommandError> {
    let mut starting = Vec::new();
    for index in 0..NODES {
        let settings = settings(args, dir, index)?;
        let config = node_config(&settings)?;
        starting.push(async move { Serving::start(config, Edges::of(&settings), env).await });
    }
    for started in futures::future::join_all(starting).await {
        nodes.push(started?);
    }
    let ready = async {
        while nodes
            .iter()
            .any(|serving| !serving.node.broker().readiness().is_empty())
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(READY_LIMIT, ready).await.is_err() {
        return Err(
            CommandError::failed("the three nodes did not form a cluster")
                .next("see why:  floe dev --log info"),
        );
    }
    welcome(args, nodes)?;
    let failures = nodes.iter().map(|serving| Box::pin(serving.node.failed()));
    let (reason, index, _) = futures::future::select_all(failures).await;
    Err(CommandError::failed(format!(
        "node {} stopped: {reason}",
        index + 1
    )))
}

fn welcome(args: &DevArgs, nodes: &[Serving]) -> Result<(), CommandError> {
    let mut out = Stdout::new();
    out.line("three nodes are running; ctrl-c stops them")?;
    for (place, serving) in nodes.iter().enumerate() {
        let kafka = serving.kafka_addr();
        out.line(&format!(
            "  node {}  {}  Kafka clients: {}",
            place + 1,
            serving.node.client_addr(),
            kafka.map_or("off".to_owned(), |addr| addr.to_string())
        ))?;
    }
    let server = match args.base_port {
        Some(base) => format!(" --server localhost:{base}"),
        None => String::new(),
    };
    out.line("try, in another terminal:")?;
    out.line(&format!("  echo hello | floe produce greetings{server}"))?;
    out.line(&format!("  floe consume greetings -n 1{server}"))?;
    out.flush()
}

async fn stop_all(nodes: Vec<Serving>) -> Result<(), CommandError> {
    let stops = nodes.into_iter().map(Serving::stop);
    futures::future::join_all(stops).await.into_iter().collect()
}
