//! A run from the first process to the verdict.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use floe_client::{Client, Error, Start};
use floe_env::Env;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::DemoOptions;
use crate::fleet::{self, FleetAccount, FleetProgress};
use crate::groups::{Audit, Effects};
use crate::nodes::{NODES, Nodes, NodesError};
use crate::position::Position;
use crate::reading::{self, GroupAccount, GroupProgress};
use crate::report::{GroupReport, Report, Verdict};
use crate::snapshot::{Failover, GroupLine, NodeLine, Snapshot};

const TOPIC: &str = "courier.location";
const PARTITIONS: u32 = 12;
const START_TIMEOUT: Duration = Duration::from_secs(30);
const SHOW_INTERVAL: Duration = Duration::from_millis(500);
/// How long a killed node stays down.
const DOWN_TIME: Duration = Duration::from_secs(5);
/// A fresh read ends when all end offsets are reached, or after this long without progress.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a run could not be finished. A run that finished badly is a [`Report`].
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The cluster did not run.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// The cluster did not answer.
    #[error("the demo's cluster does not answer")]
    Client(#[from] Error),
    /// A part of the demo ended early.
    #[error("a part of the demo ended early")]
    Interrupted,
}

/// Runs the story on three processes of `program`, showing where it stands now and then.
///
/// Ends after `options.length` or when `stop` is cancelled, whichever is first.
///
/// # Errors
/// The cluster could not be started or stopped answering for good.
pub async fn run(
    env: &Env,
    program: &Path,
    options: &DemoOptions,
    stop: CancellationToken,
    show: &mut (dyn FnMut(&Snapshot) + Send),
) -> Result<Report, DemoError> {
    let nodes = Nodes::start(program, env).await?;
    let client = connect(env, &nodes).await?;
    client
        .admin()
        .timeout(START_TIMEOUT)
        .create_topic(TOPIC)
        .partitions(PARTITIONS)
        .send()
        .await?;
    let mut story = Story::begin(env, nodes, client, options, &stop);
    let outcome = story.play(options, &stop, show).await;
    let judged = match outcome {
        Ok(()) => story.finish(options).await,
        Err(error) => Err(error),
    };
    story.nodes.stop().await;
    judged
}

/// Tries until the nodes serve.
async fn connect(env: &Env, nodes: &Nodes) -> Result<Client, DemoError> {
    let deadline = env.clock.now() + START_TIMEOUT;
    loop {
        match Client::connect_in(env.clone(), &nodes.seeds()).await {
            Ok(client) => return Ok(client),
            Err(error) if env.clock.now() > deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

struct Story {
    env: Env,
    nodes: Nodes,
    client: Client,
    started: Duration,
    tasks: JoinSet<Ended>,
    fleet_stop: CancellationToken,
    fleet: watch::Receiver<FleetProgress>,
    groups: Vec<(&'static str, watch::Receiver<GroupProgress>)>,
    target: watch::Sender<Option<Arc<Audit>>>,
    killed_at: watch::Sender<Option<Duration>>,
    victim: Option<u32>,
    kills: u32,
}

enum Ended {
    Fleet(Result<FleetAccount, Error>),
    Group(&'static str, Result<GroupAccount, Error>),
}

impl Story {
    fn begin(
        env: &Env,
        nodes: Nodes,
        client: Client,
        options: &DemoOptions,
        stop: &CancellationToken,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let target = watch::Sender::new(None);
        let mut groups = Vec::new();
        for (name, effects) in Effects::all() {
            let progress = watch::Sender::new(GroupProgress::default());
            groups.push((name, progress.subscribe()));
            let (env, client) = (env.clone(), client.clone());
            let target = target.subscribe();
            tasks.spawn(async move {
                let topic = TOPIC.to_owned();
                let group = (name, effects);
                Ended::Group(
                    name,
                    reading::read(env, client, topic, group, progress, target).await,
                )
            });
        }
        let fleet_progress = watch::Sender::new(FleetProgress::default());
        let fleet = fleet_progress.subscribe();
        let killed_at = watch::Sender::new(None);
        let fleet_stop = stop.child_token();
        {
            let (env, client, options) = (env.clone(), client.clone(), options.clone());
            let (killed_at, stop) = (killed_at.subscribe(), fleet_stop.clone());
            tasks.spawn(async move {
                let ride = fleet::ride(
                    &env,
                    &client,
                    TOPIC,
                    &options,
                    killed_at,
                    fleet_progress,
                    stop,
                );
                Ended::Fleet(ride.await)
            });
        }
        let (started, env) = (env.clock.now(), env.clone());
        Self {
            env,
            nodes,
            client,
            started,
            tasks,
            fleet_stop,
            fleet,
            groups,
            target,
            killed_at,
            victim: None,
            kills: 0,
        }
    }

    /// Until it is time to stop: kill and restart as asked, and show.
    async fn play(
        &mut self,
        options: &DemoOptions,
        stop: &CancellationToken,
        show: &mut (dyn FnMut(&Snapshot) + Send),
    ) -> Result<(), DemoError> {
        let mut timer = tokio::time::interval(SHOW_INTERVAL.min(Duration::from_millis(100)));
        let mut shown_at = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = timer.tick() => {}
            }
            let elapsed = self.env.clock.now().saturating_sub(self.started);
            if options.length.is_some_and(|length| elapsed >= length) {
                return Ok(());
            }
            if options.kill_leader_at.is_some_and(|at| elapsed >= at) && self.victim.is_none() {
                self.kill_busiest().await?;
            }
            let killed_at = *self.killed_at.borrow();
            if let (Some(at), Some(victim)) = (killed_at, self.victim)
                && self.env.clock.now() > at + DOWN_TIME
            {
                self.nodes.restart(victim)?;
            }
            if elapsed >= shown_at {
                shown_at = elapsed + SHOW_INTERVAL;
                show(&self.snapshot(elapsed).await);
            }
        }
    }

    async fn kill_busiest(&mut self) -> Result<(), DemoError> {
        let topic = self.client.admin().describe_topic(TOPIC).await?;
        let mut led = BTreeMap::<u32, u32>::new();
        for leader in topic
            .partitions
            .iter()
            .filter_map(|partition| partition.leader)
        {
            *led.entry(leader.0).or_default() += 1;
        }
        let busiest = led
            .into_iter()
            .max_by_key(|&(node, partitions)| (partitions, node));
        if let Some((node, _)) = busiest {
            self.killed_at.send_replace(Some(self.env.clock.now()));
            self.kills += u32::from(self.nodes.kill(node).await);
            self.victim = Some(node);
        }
        Ok(())
    }

    async fn snapshot(&mut self, elapsed: Duration) -> Snapshot {
        let mut leaders = vec![0; NODES];
        // While the cluster fails over nobody may answer in time: show what is known.
        let describe = self
            .client
            .admin()
            .timeout(SHOW_INTERVAL)
            .describe_topic(TOPIC)
            .await;
        for node in describe
            .iter()
            .flat_map(|t| &t.partitions)
            .filter_map(|p| p.leader)
        {
            if let Some(count) = leaders.get_mut(node.0 as usize - 1) {
                *count += 1;
            }
        }
        let nodes = (1..).zip(leaders).map(|(id, leaders)| NodeLine {
            id,
            leaders,
            client_addr: self.nodes.client_addr(id),
            running: self.nodes.is_running(id),
        });
        let nodes = nodes.collect();
        let fleet = self.fleet.borrow().clone();
        let groups = self.groups.iter().map(|(name, progress)| {
            let progress = progress.borrow();
            GroupLine {
                name,
                received: progress.received,
                effects: progress.effects,
                lag_records: progress.lag_records,
                lag_ms: progress.lag_ms,
            }
        });
        Snapshot {
            elapsed,
            produced: fleet.produced,
            acked: fleet.acked,
            failed: fleet.failed,
            groups: groups.collect(),
            nodes,
            last_failover: self.victim.map(|node| Failover {
                node,
                unavailable_ms: fleet.unavailable_ms_max,
            }),
        }
    }

    /// Stops the fleet, lets the groups catch up, reads the log afresh and compares.
    async fn finish(&mut self, options: &DemoOptions) -> Result<Report, DemoError> {
        self.fleet_stop.cancel();
        let mut fleet = None;
        let mut groups = BTreeMap::new();
        while let Some(ended) = self.tasks.join_next().await {
            match ended.map_err(|_| DemoError::Interrupted)? {
                Ended::Fleet(account) => {
                    let account = account?;
                    let (progress, acked) = (account.progress, Arc::new(account.acked));
                    self.target.send_replace(Some(acked.clone()));
                    fleet = Some((progress, acked));
                }
                Ended::Group(name, account) => {
                    groups.insert(name, account?);
                }
            }
        }
        let (progress, acked) = fleet.ok_or(DemoError::Interrupted)?;
        let (log, truth) = self.fresh_read().await?;
        let report = Report {
            verdict: Verdict::Fail,
            produced: progress.produced,
            acked: progress.acked,
            lost: log.missing_of(&acked),
            kills: self.kills,
            unavailable_ms_max: progress.unavailable_ms_max,
            groups: groups
                .iter()
                .map(|(name, account)| {
                    let truth = truth.iter().find(|(truth, _)| truth == name);
                    (
                        *name,
                        group_report(account, &acked, truth.map(|(_, effects)| effects)),
                    )
                })
                .collect(),
        };
        Ok(report.judged(u32::from(options.kill_leader_at.is_some())))
    }

    /// Reads the whole topic as somebody who was not there, up to the ends seen at the start.
    async fn fresh_read(&self) -> Result<(Audit, [(&'static str, Effects); 3]), DemoError> {
        let reader = self.client.reader().topic(TOPIC, Start::Start);
        let mut reader = reader.build().await?;
        let mut left = reader.end_offsets().await?;
        left.retain(|_, end| end.0 > 0);
        let (mut log, mut truth) = (Audit::default(), Effects::all());
        while !left.is_empty() {
            let next = tokio::time::timeout(READ_TIMEOUT, reader.next()).await;
            let Ok(Some(message)) = next else { break };
            let message = message?;
            let partition = message.topic_partition();
            if left
                .get(&partition)
                .is_some_and(|end| message.offset.0 + 1 >= end.0)
            {
                left.remove(&partition);
            }
            let value = message.value.unwrap_or_default();
            if let Ok(position) = Position::from_json(&value)
                && log.arrived(position.courier, position.seq)
            {
                truth
                    .iter_mut()
                    .for_each(|(_, effects)| effects.on(&position));
            }
        }
        drop(reader.close().await);
        Ok((log, truth))
    }
}

fn group_report(account: &GroupAccount, acked: &Audit, truth: Option<&Effects>) -> GroupReport {
    GroupReport {
        received: account.audit.received(),
        missing: account.audit.missing_of(acked) + account.unreadable,
        duplicates: account.audit.duplicates(),
        out_of_order: account.audit.out_of_order(),
        effects: account.effects.count(),
        effects_wrong: truth.map_or(u64::MAX, |truth| account.effects.wrong(truth)),
    }
}
