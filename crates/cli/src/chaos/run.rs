//! One run: setup, faults, healing, the final reading, the verdict.

use std::io;
use std::path::Path;
use std::time::Duration;

use floe_client::{ErrorKind, Offset, PartitionIndex, Start, TopicPartition};
use floe_env::{Env, Rng};
use floe_jepsen::live::{Book, Pulse, Target, Workload, drain};
use floe_jepsen::{Action, Header, Plan, SCHEMA, Stage};
use tokio_util::sync::CancellationToken;

use super::ChaosArgs;
use super::nemesis::Nemesis;
use super::nodes::TestedNodes;
use super::screen::Screen;
use super::verdict::{self, Evidence};
use crate::connection::{Connection, topic_name};
use crate::failure::{CommandError, ExitStatus};
use crate::serve::{Signals, real_env};
use crate::version;

const PARTITIONS: u32 = 4;
/// Until every partition has acknowledged something: before the faults, and after them.
const PROGRESS_LIMIT: Duration = Duration::from_secs(30);
/// From the end of the faults until every node serves.
const HEAL_LIMIT: Duration = Duration::from_secs(60);
/// For clients to end what they are in.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const DRAIN_LIMIT: Duration = Duration::from_secs(120);
const SHOW_INTERVAL: Duration = Duration::from_millis(200);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Runs everything and prints the verdict.
pub(super) async fn run(args: &ChaosArgs) -> Result<(), CommandError> {
    let mut signals = Signals::install()?;
    let mut env = real_env()?;
    let connection = Connection::open(&args.connect).await?;
    let nodes = TestedNodes::find(&connection).await?;
    std::fs::create_dir_all(&args.report).map_err(|error| cannot_write(&args.report, &error))?;
    let run = format!("floe-chaos-{:08x}", env.rng.below(1 << 32));
    let seed = args.seed.unwrap_or_else(|| env.rng.next_u64());
    env.rng = Rng::from_seed(seed);
    let target = target(args, &run, &connection).await?;
    let workload = workload(args, &connection, target, run, seed, &env)?;
    let (nemesis, skipped) = Nemesis::new(
        nodes.clone(),
        &args.faults,
        env.rng.fork(),
        &workload.book,
        &workload.pulse,
    );
    let mut phases = Phases {
        length: Duration::from_secs(args.seconds),
        workload: &workload,
        nodes,
        nemesis,
        env: &env,
    };
    let outcome = shown(&workload, phases.run(&mut signals)).await;
    let evidence = Evidence {
        workload: &workload,
        landed: phases.nemesis.landed(),
        skipped,
        seed,
    };
    match outcome {
        Ok(()) => verdict::conclude(args, &evidence).await,
        Err(error) => {
            verdict::clean_up(&workload).await;
            Err(error)
        }
    }
}

/// Shows what is going on while `work` lasts.
async fn shown<T>(workload: &Workload, work: impl Future<Output = T>) -> T {
    let mut screen = Screen::new();
    let mut ticks = tokio::time::interval(SHOW_INTERVAL);
    let look = || {
        let now = workload.book.elapsed();
        (now, workload.pulse.glance(now))
    };
    tokio::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => {
                let (now, glance) = look();
                screen.show(now, &glance);
                return outcome;
            }
            _ = ticks.tick() => {
                let (now, glance) = look();
                screen.show(now, &glance);
            }
        }
    }
}

/// The topic: the one that was named, if it exists, or one made for this run.
async fn target(
    args: &ChaosArgs,
    run: &str,
    connection: &Connection,
) -> Result<Target, CommandError> {
    let name = match &args.topic {
        Some(name) => topic_name(name)?,
        None => topic_name(run)?,
    };
    let topic = name.as_str();
    let admin = connection.working_admin();
    let is_scratch = match admin.describe_topic(topic).await {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(connection.explain(&error)),
    };
    if is_scratch {
        let made = admin.create_topic(topic).partitions(PARTITIONS).send();
        made.await.map_err(|error| connection.explain(&error))?;
    }
    let ends = admin.offsets(topic, Start::End).await;
    let ends = ends.map_err(|error| connection.explain(&error))?;
    let target = Target {
        topic: topic.to_owned(),
        is_scratch,
        begin: ends
            .into_iter()
            .map(|(partition, end)| (partition, end.unwrap_or(Offset::ZERO)))
            .collect(),
    };
    // The group begins where the run does, also in a topic with other records.
    let place = |(partition, begin): (&PartitionIndex, &Offset)| {
        let (topic, partition) = (name.clone(), *partition);
        (TopicPartition { topic, partition }, *begin)
    };
    let positions: Vec<_> = target.begin.iter().map(place).collect();
    let placed = admin.seek_group(run, &positions).await;
    placed.map_err(|error| connection.explain(&error))?;
    Ok(target)
}

fn workload(
    args: &ChaosArgs,
    connection: &Connection,
    target: Target,
    run: String,
    seed: u64,
    env: &Env,
) -> Result<Workload, CommandError> {
    let header = Header {
        schema: SCHEMA,
        seed,
        version: format!("{} ({})", version::VERSION, version::COMMIT),
        plan: Plan {
            workload: "append, read, consume as a group".to_owned(),
            nemesis: args.faults.iter().map(ToString::to_string).collect(),
            faults_min: 1,
            // Others may write to the topic too.
            dense_offsets: target.is_scratch,
            ..Plan::default()
        },
    };
    let history = verdict::history_file(args);
    let book =
        Book::open(&history, &header, env).map_err(|error| cannot_write(&history, &error))?;
    Ok(Workload {
        client: connection.client.clone(),
        pulse: Pulse::new(target.partitions()),
        target,
        run,
        book,
        stop: CancellationToken::new(),
    })
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> CommandError {
    CommandError::failed(format!("cannot write {}: {error}", path.display()))
        .next("choose another place:  floe chaos --report DIR")
}

/// What is done, one after the other.
struct Phases<'a> {
    length: Duration,
    workload: &'a Workload,
    nodes: TestedNodes,
    nemesis: Nemesis,
    env: &'a Env,
}

impl Phases<'_> {
    /// Everything up to the final reading. The first signal ends the faults, the second all.
    async fn run(&mut self, signals: &mut Signals) -> Result<(), CommandError> {
        let pulse = &self.workload.pulse;
        pulse.doing("starting clients");
        let mut clients = self.workload.start(self.env);
        let interrupted =
            || CommandError::failed("interrupted").at("faults that are on end by themselves");
        tokio::select! {
            acked = self.progress(Duration::ZERO) => if !acked {
                clients.abort_all();
                return Err(self.nothing_acked());
            },
            () = signals.next() => return Err(interrupted()),
        }
        tokio::select! {
            () = self.nemesis.run(self.length) => {}
            () = signals.next() => {}
        }
        tokio::select! {
            () = self.finish(&mut clients) => Ok(()),
            () = signals.next() => Err(interrupted()),
        }
    }

    /// Heals, lets everything come back, ends the clients and reads all.
    async fn finish(&self, clients: &mut tokio::task::JoinSet<()>) {
        let (book, pulse) = (&self.workload.book, &self.workload.pulse);
        pulse.doing("healing");
        self.nodes.heal().await;
        if let Err(unwell) = self.nodes.settled(HEAL_LIMIT).await {
            let nodes = super::fault::list(&unwell);
            let limit_s = HEAL_LIMIT.as_secs();
            book.trouble(format!(
                "node {nodes} does not serve {limit_s} s after the faults"
            ));
        }
        let healed = || Action::Phase("heal".to_owned());
        let open = book.begin(book.new_process(), healed());
        book.end(open, Stage::Ok, healed(), None);
        if !self.progress(book.elapsed()).await {
            let limit_s = PROGRESS_LIMIT.as_secs();
            book.trouble(format!(
                "a partition acknowledges nothing for {limit_s} s though all nodes are healed"
            ));
        }
        pulse.doing("stopping clients");
        self.workload.stop.cancel();
        let ended = async { while clients.join_next().await.is_some() {} };
        drop(tokio::time::timeout(STOP_LIMIT, ended).await);
        clients.abort_all();
        pulse.doing("reading everything");
        if !drain(self.workload, DRAIN_LIMIT).await {
            pulse.doing("not everything could be read");
        }
    }

    /// Waits until every partition acknowledges something at `since` or later.
    async fn progress(&self, since: Duration) -> bool {
        let reached = async {
            while !self.workload.pulse.all_acked_since(since) {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        tokio::time::timeout(PROGRESS_LIMIT, reached).await.is_ok()
    }

    fn nothing_acked(&self) -> CommandError {
        let topic = &self.workload.target.topic;
        let what = format!("topic '{topic}' takes no records, and nothing is broken yet");
        CommandError::new(ExitStatus::Unavailable, what)
            .next(format!("see its partitions:  floe topic describe {topic}"))
    }
}
