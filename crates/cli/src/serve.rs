//! `floe serve`: runs a node until a signal or until the node itself can serve no more.

mod refusal;

use std::time::Duration;

use clap::Args;
use floe_broker::{Node, NodeConfig, start_node};
use floe_console::Console;
use floe_env::{Env, Listener};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{SettingArgs, keys, load, node::node_config};
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
}

/// Runs `floe serve`.
pub(crate) async fn run(args: ServeArgs) -> Result<(), CommandError> {
    let settings = load(&args.settings)?;
    let config = node_config(&settings)?;
    if args.check {
        eprintln!("the configuration is valid");
        return Ok(());
    }
    logging::start(settings.text(&keys::LOG_LEVEL));
    let env = real_env()?;
    let mut signals = Signals::install()?;
    let http_addr = settings.optional(&keys::HTTP);
    let data_dir = config.data_dir.clone();
    let serving = tokio::select! {
        started = Serving::start(config, http_addr.as_deref(), &env) => started?,
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
        () = signals.next() => Err(CommandError::failed("stopped at once by a second signal")),
    }
}

/// A node and its console.
pub(crate) struct Serving {
    /// The node.
    pub(crate) node: Node,
    console: Option<Console>,
}

impl Serving {
    /// Binds the console first: a port that is taken is found before any data is touched.
    pub(crate) async fn start(
        config: NodeConfig,
        http_addr: Option<&str>,
        env: &Env,
    ) -> Result<Self, CommandError> {
        let http = match http_addr {
            Some(addr) => Some(listen(addr, env).await?),
            None => None,
        };
        let node_id = config.node_id;
        let data_dir = config.data_dir.clone();
        let node = start_node(config, env.clone())
            .await
            .map_err(|error| refusal::explain(&error, &data_dir))?;
        let console = http.map(|listener| Console::start(listener, node.broker(), env));
        tracing::info!(
            node = node_id.0,
            version = version::VERSION,
            commit = version::COMMIT,
            client = %node.client_addr(),
            peer = %node.peer_addr(),
            http = %console.as_ref().map_or_else(|| "off".to_owned(), |c| c.local_addr().to_string()),
            data_dir = %data_dir.display(),
            "node started"
        );
        Ok(Self { node, console })
    }

    /// Hands leaders over, flushes and closes.
    pub(crate) async fn stop(self) -> Result<(), CommandError> {
        let stopped = self.node.shutdown(DRAIN_LIMIT).await;
        if let Some(console) = self.console {
            console.shutdown().await;
        }
        stopped.map_err(|error| {
            CommandError::failed(format!("this node did not stop cleanly: {error}"))
                .at("what was acknowledged is on disk; the next start recovers it")
        })
    }
}

async fn listen(addr: &str, env: &Env) -> Result<Box<dyn Listener>, CommandError> {
    let bound = env.net.listen(addr).await;
    bound.map_err(|error| refusal::cannot_listen(addr, &error))
}

/// The machine.
pub(crate) fn real_env() -> Result<Env, CommandError> {
    Env::real().map_err(|error| CommandError::failed(format!("no random numbers: {error}")))
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
