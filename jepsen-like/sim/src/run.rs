//! One run: a cluster forms, works, breaks, heals and is read to the end.
//!
//! Phases: setup, faults, converge (everything healed; every partition must acknowledge again
//! in bounded time), stop, perhaps a power cut of everything, drain.

use std::time::Duration;

use floe_env::{Env, Rng};
use floe_jepsen::{Header, Plan, SCHEMA};
use turmoil::{Builder, Sim};

use crate::book::Book;
use crate::cluster::{Seat, client_env, client_name, client_seeds};
use crate::machine;
use crate::nemesis::{Machines, Nemesis};
use crate::net::Links;
use crate::oracle::Oracle;
use crate::plan::{Fault, NemesisPlan};
use crate::signals::{Phase, Signals};
use crate::verdict::Verdict;
use crate::workload::{
    TOPIC, Topic, Workload, churn, client_host, compare_replicas, drain, haunt, make_topic, probe,
    storm, trim,
};

const CLIENTS: u32 = 3;
/// Replicas of each partition.
const REPLICATION: u32 = 3;

/// Limits of virtual time; to miss one is a liveness failure.
const SETTLE_LIMIT: Duration = Duration::from_secs(40);
const SETUP_LIMIT: Duration = Duration::from_secs(30);
const CONVERGE_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const DRAIN_LIMIT: Duration = Duration::from_secs(60);
/// How long the power is off before the final reading.
const DARK: Duration = Duration::from_secs(1);
/// Between two looks of the oracle.
const ORACLE_PERIOD_STEPS: u64 = 10;
/// Between two looks at states that must have settled.
const STATES_PAUSE: Duration = Duration::from_millis(300);
/// Between two looks whether all replicas are equal.
const SETTLE_PERIOD_STEPS: u64 = 50;

/// Everything that decides a run.
pub struct Run {
    /// Where all randomness comes from.
    pub seed: u64,
    /// What breaks.
    pub plan: NemesisPlan,
    /// Whether the disks lie, so that the run must fail.
    pub lying_disks: bool,
    /// Whether the first trouble ends the run: enough for who asks whether there is one.
    pub stops_at_trouble: bool,
}

impl Run {
    /// A run whose plan follows from the seed.
    pub fn from_seed(seed: u64, length: Duration, bias: &[&str]) -> Self {
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let rng = Rng::from_seed(seed).fork();
        let plan = NemesisPlan::from_seed(&rng, length_ms, CLIENTS, bias);
        Self {
            seed,
            plan,
            lying_disks: false,
            stops_at_trouble: false,
        }
    }

    /// Runs to the end and judges.
    ///
    /// # Errors
    /// A panic in a node, or a history that does not fit its own format.
    pub fn execute(&self) -> Result<Verdict, Box<dyn std::error::Error>> {
        let book = Book::open(&self.header())?;
        let rng = Rng::from_seed(self.seed);
        let max_latency = Duration::from_millis(1 + rng.below(8));
        let mut sim = self.builder(max_latency).build();
        let mut stage = Stage::set(&mut sim, &rng, max_latency, &self.plan, &book);
        stage.stops_at_trouble = self.stops_at_trouble;
        match stage.play(&mut sim, self) {
            Err(error) if error.is::<Troubled>() => {}
            played => played?,
        }
        if let Some(doubt) = stage.oracle.doubt() {
            book.doubt(doubt);
        }
        Verdict::of(self.seed, &book, stage.nemesis.landed())
    }

    fn header(&self) -> Header {
        let fault = |timed| serde_json::to_string(timed).expect("a fault is plain data");
        Header {
            schema: SCHEMA,
            seed: self.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: Plan {
                workload: "append-and-read".to_owned(),
                nemesis: self.plan.faults.iter().map(fault).collect(),
                faults_min: self.plan.faults_min,
                dense_offsets: true,
                ..Plan::default()
            },
        }
    }

    fn builder(&self, max_latency: Duration) -> Builder {
        let mut builder = Builder::new();
        builder
            .rng_seed(self.seed)
            // The phases have limits of their own.
            .simulation_duration(Duration::from_secs(100_000))
            .tick_duration(Duration::from_millis(1))
            .min_message_latency(Duration::from_micros(200))
            .max_message_latency(max_latency)
            // Segments in flight of a connection, and connections that wait for a listener.
            .tcp_capacity(1024)
            .epoch(std::time::UNIX_EPOCH + machine::EPOCH)
            .enable_random_order();
        builder
    }
}

/// The simulation with its actors in place.
struct Stage {
    seats: Vec<Seat>,
    signals: Signals,
    nemesis: Nemesis,
    oracle: Oracle,
    book: Book,
    steps: u64,
    stops_at_trouble: bool,
}

/// What a client host of its own does.
#[derive(Clone, Copy)]
enum Extra {
    Prober,
    Trimmer,
    Ghost,
}

/// The run ended with the first trouble.
#[derive(Debug)]
struct Troubled;

impl std::fmt::Display for Troubled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("in trouble")
    }
}

impl std::error::Error for Troubled {}

/// The nodes, on hosts that outlive them.
fn seat_nodes(
    sim: &mut Sim<'_>,
    rng: &Rng,
    plan: &NemesisPlan,
    links: &Links,
    book: &Book,
) -> Vec<Seat> {
    let seats: Vec<Seat> = (1..=plan.nodes)
        .map(|node| Seat::new(node, plan.nodes, &rng.fork(), links, book))
        .collect();
    for seat in &seats {
        let name = seat.name();
        let seat = seat.clone();
        sim.host(name, move || {
            let seat = seat.clone();
            async move {
                seat.live().await;
                Ok(())
            }
        });
    }
    seats
}

/// Those who use the cluster, each on a host of its own.
fn seat_clients(sim: &mut Sim<'_>, rng: &Rng, links: &Links, workload: &Workload) {
    for client in 1..=CLIENTS {
        let (name, workload) = (client_name(client), workload.clone());
        let (host, rng, links) = (name.clone(), rng.fork(), links.clone());
        sim.client(name, async move {
            client_host(workload, client_env(&host, &rng, &links)).await;
            Ok(())
        });
    }
    for (name, work) in [
        ("prober", Extra::Prober),
        ("trimmer", Extra::Trimmer),
        ("ghost", Extra::Ghost),
    ] {
        let (workload, rng, links) = (workload.clone(), rng.fork(), links.clone());
        sim.client(name, async move {
            let env = client_env(name, &rng, &links);
            match work {
                Extra::Prober => probe(&workload, &env).await,
                Extra::Trimmer => trim(&workload, &env).await,
                Extra::Ghost => haunt(&workload, &env).await,
            }
            Ok(())
        });
    }
}

/// Makes the topics, moves leaderships, and reads everything in the end.
fn seat_director(
    sim: &mut Sim<'_>,
    rng: &Rng,
    links: &Links,
    workload: Workload,
    seats: Vec<Seat>,
) {
    let (rng, links) = (rng.fork(), links.clone());
    sim.client("director", async move {
        let env: Env = client_env("director", &rng, &links);
        make_topic(&workload, &env, REPLICATION).await;
        tokio::join!(churn(&workload, &env), storm(&workload, &env));
        workload.signals.until(Phase::Drain).await;
        if floe_model::mutant!("drain-skipped") {
            return Ok(());
        }
        compare_replicas(&workload.book, &seats, DRAIN_LIMIT).await;
        if !drain(&workload, &env, DRAIN_LIMIT).await {
            workload
                .book
                .trouble("the final reading did not come to the end".to_owned());
        }
        Ok(())
    });
}

impl Stage {
    fn set(
        sim: &mut Sim<'_>,
        rng: &Rng,
        max_latency: Duration,
        plan: &NemesisPlan,
        book: &Book,
    ) -> Self {
        let links = Links::default();
        let signals = Signals::new();
        let seats = seat_nodes(sim, rng, plan, &links, book);
        let workload = Workload {
            book: book.clone(),
            signals: signals.clone(),
            seeds: client_seeds(plan.nodes),
            topic: Topic {
                name: TOPIC,
                label: TOPIC.to_owned(),
                partitions: plan.partitions,
            },
        };
        seat_clients(sim, rng, &links, &workload);
        seat_director(sim, rng, &links, workload, seats.clone());
        let machines = Machines {
            seats: seats.clone(),
            clients: CLIENTS,
            links,
            max_latency,
            signals: signals.clone(),
        };
        let nemesis = Nemesis::new(machines, book.clone());
        Self {
            seats,
            signals,
            nemesis,
            oracle: Oracle::default(),
            book: book.clone(),
            steps: 0,
            stops_at_trouble: false,
        }
    }

    fn play(&mut self, sim: &mut Sim<'_>, run: &Run) -> turmoil::Result {
        let plan = &run.plan;
        let signals = self.signals.clone();
        if !self.until(sim, SETUP_LIMIT, |_, _| signals.is_topic_ready())? {
            self.book.trouble("the topic could not be made".to_owned());
            return Ok(());
        }
        if run.lying_disks {
            self.seats.iter().for_each(Seat::make_disk_lie);
        }
        self.signals.enter(Phase::Faults);
        self.nemesis.begin(plan, sim.elapsed());
        self.until(sim, Duration::from_millis(plan.length_ms), |_, _| false)?;

        self.converge(sim, plan)?;
        self.signals.enter(Phase::Stop);
        if !self.until(sim, STOP_LIMIT, |_, _| signals.finished() == CLIENTS)? {
            self.book.trouble("a client did not stop".to_owned());
        }
        self.settle(sim)?;
        if plan.final_power_cut {
            self.nemesis
                .inflict(sim, Fault::PowerCutAll { torn: true }, DARK);
            self.until(sim, DARK * 2, |_, _| false)?;
        }
        self.signals.enter(Phase::Drain);
        self.until(sim, DRAIN_LIMIT * 2, |_, is_finished| is_finished)?;
        Ok(())
    }

    /// Everything is healed: each partition must be written and consumed again.
    fn converge(&mut self, sim: &mut Sim<'_>, plan: &NemesisPlan) -> turmoil::Result {
        let signals = self.signals.clone();
        self.nemesis.heal(sim);
        self.signals.enter(Phase::Converge);
        let all = plan.partitions as usize;
        if !self.until(sim, CONVERGE_LIMIT, |_, _| signals.converged() == all)? {
            self.book.trouble(format!(
                "only {} of {all} partitions could be written {} s after all was healed",
                signals.converged(),
                CONVERGE_LIMIT.as_secs(),
            ));
        }
        if !self.until(sim, CONVERGE_LIMIT, |_, _| signals.consumed_count() == all)? {
            self.book.trouble(format!(
                "the group committed only {} of {all} partitions since all was healed",
                signals.consumed_count(),
            ));
        }
        Ok(())
    }

    /// All replicas must become equal when nobody writes any more.
    fn settle(&mut self, sim: &mut Sim<'_>) -> turmoil::Result {
        let begun = sim.elapsed();
        let is_equal = |stage: &Self, _| {
            stage.steps % SETTLE_PERIOD_STEPS == 0 && stage.oracle.unsettled(&stage.seats).is_none()
        };
        if !self.until(sim, SETTLE_LIMIT, is_equal)? && !floe_model::mutant!("oracle-blind") {
            let why = self.oracle.unsettled(&self.seats).unwrap_or_default();
            self.book.trouble(format!(
                "the replicas are not equal {} s after the last write: {why}",
                SETTLE_LIMIT.as_secs()
            ));
        }
        tracing::info!(elapsed = ?(sim.elapsed() - begun), "settled");
        self.oracle.look_at_states(&self.seats, &self.book);
        self.until(sim, STATES_PAUSE, |_, _| false)?;
        self.oracle.look_at_states(&self.seats, &self.book);
        Ok(())
    }

    /// Steps until `is_done` says so; `false` after `limit`.
    fn until(
        &mut self,
        sim: &mut Sim<'_>,
        limit: Duration,
        is_done: impl Fn(&Self, bool) -> bool,
    ) -> Result<bool, Box<dyn std::error::Error>> {
        let end = sim.elapsed() + limit;
        while sim.elapsed() < end {
            machine::set_clocks(sim.elapsed());
            if self.nemesis.is_due(sim.elapsed()) {
                self.oracle
                    .look(sim.elapsed(), &self.seats, &self.signals, &self.book);
            }
            self.nemesis.step(sim);
            let is_finished = sim.step()?;
            self.steps += 1;
            if self.steps % ORACLE_PERIOD_STEPS == 0 {
                self.oracle
                    .look(sim.elapsed(), &self.seats, &self.signals, &self.book);
                if self.stops_at_trouble && self.book.has_trouble() {
                    return Err(Troubled.into());
                }
            }
            if is_done(self, is_finished) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
