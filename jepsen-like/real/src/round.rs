//! One round: setup, faults, healing, a last blow, the final reading, the verdict.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use floe_client::{Client, Offset, Start, TopicPartition};
use floe_env::{Env, Rng};
use floe_jepsen::live::{Book, Pulse, Target, Workload, drain};
use floe_jepsen::report::Page;
use floe_jepsen::{Action, Header, Plan as Promise, SCHEMA, Stage, Verdict, judge, read_history};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::fault::FaultKind;
use crate::isolation;
use crate::kafka::KafkaClients;
use crate::nemesis::Nemesis;
use crate::network::Network;
use crate::node::Blueprint;
use crate::order::Order;
use crate::plan::Plan;
use crate::summary::RoundDocument;
use crate::tool;

const PARTITIONS: u32 = 4;
/// Until every node serves at first.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Until every partition has acknowledged something: before the faults, and after them.
const PROGRESS_LIMIT: Duration = Duration::from_secs(60);
/// For clients to end what they are in.
const STOP_LIMIT: Duration = Duration::from_secs(40);
const DRAIN_LIMIT: Duration = Duration::from_secs(120);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// One fault in this many seconds is the least that makes a round worth something.
const SECONDS_PER_FAULT: u64 = 10;
const HISTORY: &str = "history.jsonl";
const PAGE: &str = "report.html";

/// Runs a round and judges it.
pub(crate) async fn run(order: &Order) -> Result<RoundDocument, Failure> {
    let mut env = Env::real().map_err(Failure::NoRandomness)?;
    env.rng = Rng::from_seed(order.seed);
    std::fs::create_dir_all(&order.out).map_err(Failure::of_file(&order.out))?;
    let (home, network) = house(order).await?;
    let blueprint = Blueprint {
        binary: order.binary.clone(),
        nodes: order.nodes,
        is_isolated: order.is_isolated,
        logs: order.out.clone(),
    };
    let history = order.out.join(HISTORY);
    let book =
        Book::open(&history, &header(order).await?, &env).map_err(Failure::of_file(&history))?;
    let formed = Cluster::form(&blueprint, &home, order.has_volumes, &env).await?;
    let (mut cluster, client) = formed;
    if !cluster.settled(START_LIMIT, &book).await?.is_empty() {
        return Err(Failure::NeverServed { limit: START_LIMIT });
    }
    let native = workload("native", order, &client, &book).await?;
    let kafka = match &order.python {
        Some(_) => Some(workload("kafka", order, &client, &book).await?),
        None => None,
    };
    let nemesis = Nemesis::new(cluster, network, env.rng.fork(), &book, &native.pulse);
    let mut round = Round {
        order,
        env: &env,
        blueprint,
        home,
        native,
        kafka,
        nemesis,
    };
    round.run().await?;
    let document = round.judge(&history)?;
    drop(round);
    Ok(document)
}

/// Where the files of the round live, and its network, if it has one.
async fn house(order: &Order) -> Result<(PathBuf, Option<Network>), Failure> {
    if !order.is_isolated {
        return Ok((order.out.join("home"), None));
    }
    let home = isolation::HOME;
    tool::run(&format!("mount -t tmpfs -o size=75% none {home}")).await?;
    let network = Network::lay(order.nodes, order.has_filter).await?;
    Ok((Path::new(home).join("floe"), Some(network)))
}

async fn header(order: &Order) -> Result<Header, Failure> {
    let binary = order.binary.display().to_string();
    let version = tool::run_words(&[&binary, "--version"], "").await?;
    Ok(Header {
        schema: SCHEMA,
        seed: order.seed,
        version: version.lines().next().unwrap_or_default().to_owned(),
        plan: Promise {
            workload: "append, read, consume as a group".to_owned(),
            nemesis: order.kinds.iter().map(ToString::to_string).collect(),
            faults_min: (order.seconds / SECONDS_PER_FAULT).max(1),
            dense_offsets: true,
            ..Promise::default()
        },
    })
}

/// A topic of its own, and what is to be known of the clients that use it.
async fn workload(
    topic: &str,
    order: &Order,
    client: &Client,
    book: &Book,
) -> Result<Workload, Failure> {
    let admin = client.admin();
    let run = format!("{topic}-{}", order.seed);
    admin
        .create_topic(topic)
        .partitions(PARTITIONS)
        .send()
        .await?;
    let ends = admin.offsets(topic, Start::End).await?;
    let begin = ends
        .into_iter()
        .map(|(index, end)| (index, end.unwrap_or(Offset::ZERO)));
    let target = Target {
        topic: topic.to_owned(),
        is_scratch: true,
        begin: begin.collect(),
    };
    let info = admin.describe_topic(topic).await?;
    let places = target.begin.iter().map(|(partition, begin)| {
        let place = TopicPartition {
            topic: info.name.clone(),
            partition: *partition,
        };
        (place, *begin)
    });
    let positions: Vec<_> = places.collect();
    admin.seek_group(run.as_str(), &positions).await?;
    Ok(Workload {
        client: client.clone(),
        pulse: Pulse::new(target.partitions()),
        target,
        run,
        book: book.clone(),
        stop: CancellationToken::new(),
    })
}

struct Round<'a> {
    order: &'a Order,
    env: &'a Env,
    blueprint: Blueprint,
    home: PathBuf,
    native: Workload,
    /// None where Kafka clients do not take part.
    kafka: Option<Workload>,
    nemesis: Nemesis,
}

impl Round<'_> {
    /// Everything up to the final reading.
    async fn run(&mut self) -> Result<(), Failure> {
        let mut clients = self.native.start(self.env);
        if let (Some(workload), Some(python)) = (&self.kafka, &self.order.python) {
            let addresses: Vec<_> = (1..=self.order.nodes)
                .map(|node| self.blueprint.kafka_addr(node))
                .collect();
            let servers = addresses.join(",");
            let (home, logs) = (&self.home, &self.order.out);
            let kafka = KafkaClients::start(python, home, logs, &servers, workload.clone())?;
            clients.spawn(kafka.run());
        }
        if self.silent(Duration::ZERO).await.is_some() {
            return Err(Failure::NeverServed {
                limit: PROGRESS_LIMIT,
            });
        }
        let rng = self.env.rng.fork();
        let mut plan = Plan::new(self.order.nodes, &self.order.kinds, rng);
        let length = Duration::from_secs(self.order.seconds);
        self.nemesis.run(&mut plan, length).await?;
        self.nemesis.heal().await?;
        self.come_back().await;
        self.end(&mut clients).await;
        self.last_blow(&mut plan).await?;
        self.read_all().await;
        let book = &self.native.book;
        for line in self.nemesis.cluster.panics() {
            book.trouble(line);
        }
        book.finish()
            .map_err(Failure::of_file(self.order.out.join(HISTORY)))
    }

    /// Everything is healed: every partition must acknowledge again.
    async fn come_back(&self) {
        let book = &self.native.book;
        let healed = || Action::Phase("heal".to_owned());
        let open = book.begin(book.new_process(), healed());
        book.end(open, Stage::Ok, healed(), None);
        if let Some(topic) = self.silent(book.elapsed()).await {
            let limit_s = PROGRESS_LIMIT.as_secs();
            book.trouble(format!(
                "a partition of {topic} acknowledges nothing for {limit_s} s though all is healed"
            ));
        }
    }

    async fn end(&self, clients: &mut JoinSet<()>) {
        for workload in self.workloads() {
            workload.stop.cancel();
        }
        let ended = async { while clients.join_next().await.is_some() {} };
        drop(tokio::time::timeout(STOP_LIMIT, ended).await);
        clients.abort_all();
    }

    /// Nobody writes any more. In half of the rounds all nodes die once more, as hard as this
    /// machine can make it: what was acknowledged last must be there too.
    async fn last_blow(&mut self, plan: &mut Plan) -> Result<(), Failure> {
        let kinds = [FaultKind::PowerCutAll, FaultKind::KillAll];
        let mut wanted = kinds
            .into_iter()
            .filter(|kind| self.order.kinds.contains(kind));
        if let (Some(kind), true) = (wanted.next(), self.env.rng.chance(0.5)) {
            let strike = plan.strike(kind);
            self.nemesis.strike(&strike).await?;
            self.nemesis.heal().await?;
        }
        Ok(())
    }

    async fn read_all(&self) {
        for workload in self.workloads() {
            // What was not read to its end makes the verdict unknown.
            drain(workload, DRAIN_LIMIT).await;
        }
    }

    fn workloads(&self) -> impl Iterator<Item = &Workload> {
        std::iter::once(&self.native).chain(self.kafka.as_ref())
    }

    /// Waits until every partition acknowledges something at `since` or later; else the topic.
    async fn silent(&self, since: Duration) -> Option<String> {
        let all_speak = |workload: &Workload| workload.pulse.all_acked_since(since);
        let reached = async {
            while !self.workloads().all(all_speak) {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        if tokio::time::timeout(PROGRESS_LIMIT, reached).await.is_ok() {
            return None;
        }
        let mut silent = self.workloads().filter(|workload| !all_speak(workload));
        silent.next().map(|workload| workload.target.topic.clone())
    }

    fn judge(&self, history: &Path) -> Result<RoundDocument, Failure> {
        let file = File::open(history).map_err(Failure::of_file(history))?;
        let read = read_history(BufReader::new(file)).map_err(|source| Failure::History {
            path: history.to_owned(),
            source,
        })?;
        let mut report = judge(&read);
        let troubles = self.native.book.troubles();
        if !troubles.is_empty() {
            report.verdict = Verdict::Invalid;
        }
        let page = self.order.out.join(PAGE);
        let html = Page {
            title: &format!("real nodes, seed {}", self.order.seed),
            history: &read,
            report: &report,
            remarks: &troubles,
            skipped: &[],
        }
        .html();
        std::fs::write(&page, html).map_err(Failure::of_file(&page))?;
        let gaps = self
            .workloads()
            .map(|workload| workload.pulse.longest_gap());
        Ok(RoundDocument::of(
            self.order,
            &report,
            self.nemesis.landed(),
            troubles,
            gaps.max().unwrap_or_default(),
        ))
    }
}
