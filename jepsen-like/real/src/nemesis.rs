//! Does what the plan says, and finds out whether each fault took effect.
//!
//! Invariant: a fault counts as landed only on evidence: a process that died of it or was seen
//! standing still, packets that a filter counted, a filesystem without room or without power,
//! calls that the node itself saw changed. Every fault is over when its strike is.

mod disk;
mod line;
mod process;

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{ChaosFault, ChaosHits, ChaosState};
use floe_env::Rng;
use floe_jepsen::live::{Book, Pulse};
use floe_jepsen::{Action, Stage};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::fault::FaultKind;
use crate::network::Network;
use crate::plan::{Plan, Strike};

/// Where a strike waits for all nodes, it waits no longer than this.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// From the end of the faults until every node serves.
const HEAL_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at something that is to happen.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// No strike is begun when less is left.
const LENGTH_MIN: Duration = Duration::from_millis(500);

/// Breaks one cluster.
pub(crate) struct Nemesis {
    /// What it breaks.
    pub(crate) cluster: Cluster,
    /// The network between, where it can be broken from outside.
    network: Option<Network>,
    rng: Rng,
    book: Book,
    pulse: Pulse,
    process: u64,
    landed: BTreeMap<FaultKind, u64>,
}

impl Nemesis {
    /// For a cluster that serves.
    pub(crate) fn new(
        cluster: Cluster,
        network: Option<Network>,
        rng: Rng,
        book: &Book,
        pulse: &Pulse,
    ) -> Self {
        Self {
            cluster,
            network,
            rng,
            book: book.clone(),
            pulse: pulse.clone(),
            process: book.new_process(),
            landed: BTreeMap::new(),
        }
    }

    /// How often each kind has landed.
    pub(crate) fn landed(&self) -> &BTreeMap<FaultKind, u64> {
        &self.landed
    }

    /// Breaks things for `length`.
    pub(crate) async fn run(&mut self, plan: &mut Plan, length: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + length;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(mut strike) = plan.next() else {
                self.pulse.doing("no fault is possible here");
                tokio::time::sleep(left).await;
                return Ok(());
            };
            if left < LENGTH_MIN {
                return Ok(());
            }
            if strike.waits {
                let limit = left.min(SETTLE_LIMIT);
                self.cluster.settled(limit, &self.book).await?;
            } else {
                self.cluster.revive(&self.book)?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            strike.length = strike.length.min(left);
            self.strike(&strike).await?;
            self.pulse.doing("no fault");
            let gap = (Instant::now() + strike.gap).min(deadline);
            tokio::time::sleep_until(gap).await;
        }
    }

    /// One fault, from its beginning to its end, as an operation of the history.
    pub(crate) async fn strike(&mut self, strike: &Strike) -> Result<(), Failure> {
        let kind = strike.kind;
        let action = || Action::Fault {
            kind: kind.name().to_owned(),
            target: strike.target(),
        };
        let length_ms = strike.length.as_millis();
        let target = strike.target();
        self.pulse
            .doing(format!("{kind} on {target} for {length_ms} ms"));
        if may_end_nodes(kind) {
            self.cluster.excuse(&strike.victims);
        }
        let open = self.book.begin(self.process, action());
        let landed = self.perform(strike).await;
        let stage = match &landed {
            Ok(0) | Err(_) => Stage::Fail,
            Ok(_) => Stage::Ok,
        };
        self.book.end(open, stage, action(), None);
        let landed = landed?;
        if landed > 0 {
            self.pulse.landed();
            *self.landed.entry(kind).or_default() += landed;
        }
        if !may_end_nodes(kind) {
            self.cluster.revive(&self.book)?;
            self.cluster.excuse(&std::collections::BTreeSet::new());
        }
        Ok(())
    }

    /// How often it landed: of a death once for each, else once at most.
    async fn perform(&mut self, strike: &Strike) -> Result<u64, Failure> {
        match strike.kind {
            FaultKind::Kill => self.kill(strike).await,
            FaultKind::KillAll => Ok(u64::from(self.kill(strike).await? == all(strike))),
            FaultKind::Pause => Ok(self.pause(strike).await),
            FaultKind::Starve => Ok(self.starve(strike).await),
            FaultKind::Cut | FaultKind::CutOneWay | FaultKind::Bridge => self.cut(strike).await,
            FaultKind::CutClients => self.cut_clients(strike).await,
            FaultKind::Loss => self.lose(strike).await,
            FaultKind::Reset => self.reset(strike).await,
            FaultKind::Bandwidth => self.narrow(strike).await,
            FaultKind::Delay => self.delay(strike).await,
            FaultKind::PowerCut => self.cut_power(strike).await,
            FaultKind::PowerCutAll => Ok(u64::from(self.cut_power(strike).await? == all(strike))),
            FaultKind::DiskFull => self.fill(strike).await,
            FaultKind::DiskFails => Ok(self.fail_syncs(strike).await),
            FaultKind::DiskSlow => {
                let delay_ms = 20 + u32::try_from(strike.dice % 150).unwrap_or(0);
                Ok(self
                    .suffer(strike, &ChaosFault::DiskSlow { delay_ms })
                    .await)
            }
            FaultKind::Clock => {
                let ahead_ms = i64::try_from(1_000 + strike.dice % 3_600_000).unwrap_or(1_000);
                let is_ahead = strike.dice.is_multiple_of(2);
                let offset_ms = if is_ahead { ahead_ms } else { -ahead_ms };
                Ok(self
                    .suffer(strike, &ChaosFault::ClockOffset { offset_ms })
                    .await)
            }
        }
    }

    /// A fault that nodes inject into themselves, to its end. Whether calls were changed by it.
    async fn suffer(&self, strike: &Strike, fault: &ChaosFault) -> u64 {
        let mut before = Vec::new();
        for &node in &strike.victims {
            if let Some(state) = self.cluster.look(node).await
                && self
                    .cluster
                    .inject(node, fault.clone(), strike.length)
                    .await
            {
                before.push((node, state));
            }
        }
        tokio::time::sleep(strike.length).await;
        let mut landed = false;
        for (node, before) in before {
            let after = self.cluster.look(node).await;
            landed |= after.is_some_and(|after| is_hit(fault, &before, &after));
        }
        u64::from(landed)
    }

    /// Ends everything that is still on, and waits until all nodes serve again.
    pub(crate) async fn heal(&mut self) -> Result<(), Failure> {
        self.pulse.doing("healing");
        if let Some(network) = self.network {
            network.mend().await?;
        }
        self.cluster.heal().await;
        let unwell = self.cluster.settled(HEAL_LIMIT, &self.book).await?;
        for node in unwell {
            let limit_s = HEAL_LIMIT.as_secs();
            let what = format!("node {node} does not serve {limit_s} s after the faults");
            self.book.trouble(what);
        }
        Ok(())
    }
}

/// Faults over which a node may stop by itself, as it should.
fn may_end_nodes(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::DiskFull | FaultKind::DiskFails | FaultKind::PowerCut | FaultKind::PowerCutAll
    )
}

fn all(strike: &Strike) -> u64 {
    u64::try_from(strike.victims.len()).unwrap_or(u64::MAX)
}

fn is_hit(fault: &ChaosFault, before: &ChaosState, after: &ChaosState) -> bool {
    let is_same_life = before.incarnation == after.incarnation;
    is_same_life && hits_of(fault, after.hits) > hits_of(fault, before.hits)
}

fn hits_of(fault: &ChaosFault, hits: ChaosHits) -> u64 {
    match fault {
        ChaosFault::Cut { .. } => hits.cut,
        ChaosFault::DiskSyncFails | ChaosFault::DiskFull | ChaosFault::DiskSlow { .. } => hits.disk,
        ChaosFault::ClockOffset { .. } => hits.clock,
        ChaosFault::Kill | ChaosFault::Pause => 0,
    }
}
