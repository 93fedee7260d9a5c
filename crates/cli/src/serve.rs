//! `floe serve`: runs a node until a signal or until the node itself can serve no more.
//!
//! Where faults are allowed this process only watches over the node, which is its child.

mod refusal;
mod supervisor;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use floe_broker::{Node, NodeConfig, start_node};
use floe_console::Console;
use floe_env::{Env, Faults, Listener, Supervisor};
use floe_kafka::{Gateway, GatewayLimits};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{SettingArgs, Settings, keys, load, node::node_config};
use crate::failure::CommandError;
use crate::{logging, version};

/// Leaders are handed over and everything is on disk within this; a service manager kills at ten.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(9);

/// Arguments of `floe serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingArgs,
    /// Check the configuration and exit
    #[arg(long)]
    check: bool,
    /// Process id of the supervisor that started this node
    #[arg(long, hide = true, value_name = "PID")]
    supervised_by: Option<u32>,
}

/// Runs `floe serve`.
pub(crate) async fn run(args: ServeArgs) -> Result<(), CommandError> {
    let settings = load(&args.settings)?;
    let mut config = node_config(&settings)?;
    if args.check {
        eprintln!("the configuration is valid");
        return Ok(());
    }
    logging::start(settings.text(&keys::LOG_LEVEL));
    let mut env = real_env()?;
    let data_dir = config.data_dir.clone();
    let supervisor = match args.supervised_by {
        Some(process_id) => Some(attach(process_id)?),
        None => None,
    };
    let is_supervised = supervisor.is_some();
    if settings.flag(&keys::CHAOS) {
        if !is_supervised {
            return supervisor::run(&data_dir, &env).await;
        }
        let (breakable, faults) = Faults::around(&env, supervisor);
        (env, config.faults) = (breakable, Some(faults));
    }
    let mut signals = Signals::install()?;
    let edges = Edges::of(&settings);
    let serving = tokio::select! {
        started = Serving::start(config, edges, &env) => started?,
        () = signals.next() => return Ok(()),
    };
    let outcome = tokio::select! {
        reason = serving.node.failed() => {
            tracing::error!(%reason, "this node can serve no more");
            Err(refusal::explain_failure(&reason, &data_dir))
        }
        () = signals.next() => {
            tracing::info!("stopping: leaders are handed over; a second signal stops at once");
            Ok(())
        }
    };
    tokio::select! {
        stopped = serving.stop() => outcome.and(stopped),
        // A signal to a whole process group comes twice here: once directly, once passed on.
        () = signals.next(), if !is_supervised => Err(CommandError::failed("stopped at once by a second signal")),
    }
}

/// Where a node serves others than native clients and nodes.
pub(crate) struct Edges {
    kafka: Option<String>,
    http: Option<String>,
}

impl Edges {
    /// Those that are configured.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            kafka: settings.optional(&keys::KAFKA),
            http: settings.optional(&keys::HTTP),
        }
    }
}

/// A node, its Kafka gateway and its console.
pub(crate) struct Serving {
    /// The node.
    pub(crate) node: Node,
    gateway: Option<Gateway>,
    console: Option<Console>,
}

impl Serving {
    /// Binds the edges first: a port that is taken is found before any data is touched.
    pub(crate) async fn start(
        mut config: NodeConfig,
        edges: Edges,
        env: &Env,
    ) -> Result<Self, CommandError> {
        let http = listen(edges.http.as_deref(), env).await?;
        let kafka = listen(edges.kafka.as_deref(), env).await?;
        tell_chosen_port(&mut config.kafka_advertised, kafka.as_deref());
        tell_chosen_port(&mut config.http_advertised, http.as_deref());
        let node_id = config.node_id;
        let data_dir = config.data_dir.clone();
        let node = start_node(config, env.clone())
            .await
            .map_err(|error| refusal::explain(&error, &data_dir))?;
        let limits = GatewayLimits::default();
        let gateway = kafka.map(|listener| Gateway::start(listener, node.broker(), env, limits));
        let console = http.map(|listener| Console::start(listener, node.broker(), env));
        let addr = |addr: Option<SocketAddr>| addr.map_or("off".to_owned(), |a| a.to_string());
        tracing::info!(
            node = node_id.0,
            version = version::VERSION,
            commit = version::COMMIT,
            client = %node.client_addr(),
            peer = %node.peer_addr(),
            kafka = %addr(gateway.as_ref().map(Gateway::local_addr)),
            http = %addr(console.as_ref().map(Console::local_addr)),
            data_dir = %data_dir.display(),
            "node started"
        );
        Ok(Self {
            node,
            gateway,
            console,
        })
    }

    /// Where Kafka clients connect, if they can.
    pub(crate) fn kafka_addr(&self) -> Option<SocketAddr> {
        self.gateway.as_ref().map(Gateway::local_addr)
    }

    /// Hands leaders over, answers what is in progress, flushes and closes.
    pub(crate) async fn stop(self) -> Result<(), CommandError> {
        // Kafka clients stay connected while the node hands its leaders over: they are told where
        // to go on, request by request. When the node is done nothing is left to wait for.
        let stopped = self.node.shutdown(DRAIN_LIMIT).await;
        if let Some(gateway) = self.gateway {
            gateway.shutdown().await;
        }
        if let Some(console) = self.console {
            console.shutdown().await;
        }
        stopped.map_err(|error| {
            CommandError::failed(format!("this node did not stop cleanly: {error}"))
                .at("what was acknowledged is on disk; the next start recovers it")
        })
    }
}

async fn listen(addr: Option<&str>, env: &Env) -> Result<Option<Box<dyn Listener>>, CommandError> {
    let Some(addr) = addr else {
        return Ok(None);
    };
    let bound = env.net.listen(addr).await;
    bound
        .map(Some)
        .map_err(|error| refusal::cannot_listen(addr, &error))
}

/// Port 0 lets the system choose: others must be told what it chose.
fn tell_chosen_port(advertised: &mut Option<String>, listener: Option<&dyn Listener>) {
    if let (Some(told), Some(listener)) = (advertised, listener)
        && told.ends_with(":0")
    {
        *told = listener.local_addr().to_string();
    }
}

/// The machine.
pub(crate) fn real_env() -> Result<Env, CommandError> {
    Env::real().map_err(|error| CommandError::failed(format!("no random numbers: {error}")))
}

fn attach(process_id: u32) -> Result<Supervisor, CommandError> {
    Supervisor::attach(process_id).map_err(|error| {
        CommandError::failed(format!("process {process_id} is not the parent: {error}"))
            .next("run a node:  floe serve")
    })
}

/// SIGTERM and SIGINT, one at a time.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the signals no longer end the process by themselves.
    pub(crate) fn install() -> Result<Self, CommandError> {
        let install = |kind| {
            signal(kind).map_err(|error| CommandError::failed(format!("no signals: {error}")))
        };
        Ok(Self {
            terminate: install(SignalKind::terminate())?,
            interrupt: install(SignalKind::interrupt())?,
        })
    }

    /// The next signal that came or comes.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
