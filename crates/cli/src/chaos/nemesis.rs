//! Breaks nodes, one fault after the other, and finds out whether each took effect.
//!
//! Invariant: at most a minority of the nodes is hit at once (one, where there is no minority),
//! and the next fault waits until every node serves again; only `kill-all` hits all. A fault
//! counts as landed only on evidence: another life of the node, a late answer, calls that the
//! node itself saw changed.

mod plan;

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::{ChaosFault, ChaosHits, ChaosState};
use floe_env::Rng;
use floe_jepsen::live::{Book, Pulse};
use floe_jepsen::report::Skipped;
use floe_jepsen::{Action, Stage};
use futures::future::join_all;
use tokio::time::Instant;

use super::fault::{FaultKind, list};
use super::nodes::{TestedNode, TestedNodes};
use plan::{Strike, impossible, pick};

const LENGTH_MIN: Duration = Duration::from_millis(500);
const LENGTH_MAX: Duration = Duration::from_secs(3);
/// Now and then a fault outlasts sessions and the patience of connections.
const LENGTH_LONG: Duration = Duration::from_secs(12);
const GAP_MIN: Duration = Duration::from_millis(300);
const GAP_MAX: Duration = Duration::from_millis(1_500);
/// From the start of a killed process to its first answer.
const RESTART_LIMIT: Duration = Duration::from_secs(20);
/// From the end of a fault until every node serves.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);
/// A pause begins this long after it is asked for, or earlier.
const PAUSE_LAG: Duration = Duration::from_millis(150);

/// Breaks one cluster.
pub(super) struct Nemesis {
    nodes: TestedNodes,
    rng: Rng,
    book: Book,
    pulse: Pulse,
    process: u64,
    /// What can be done here.
    kinds: Vec<FaultKind>,
    /// What is yet to be done before anything is done again.
    round: Vec<FaultKind>,
    landed: BTreeMap<FaultKind, u64>,
}

impl Nemesis {
    /// For the kinds of `wanted` that this cluster can suffer.
    pub(super) fn new(
        nodes: TestedNodes,
        wanted: &[FaultKind],
        rng: Rng,
        book: &Book,
        pulse: &Pulse,
    ) -> (Self, Vec<Skipped>) {
        let mut kinds = Vec::new();
        let mut skipped = Vec::new();
        for &kind in wanted {
            match impossible(kind, &nodes.all) {
                Some(why) => skipped.push(Skipped {
                    fault: kind.name().to_owned(),
                    reason: why.to_owned(),
                }),
                None => kinds.push(kind),
            }
        }
        let nemesis = Self {
            nodes,
            rng,
            book: book.clone(),
            pulse: pulse.clone(),
            process: book.new_process(),
            landed: wanted.iter().map(|kind| (*kind, 0)).collect(),
            kinds,
            round: Vec::new(),
        };
        (nemesis, skipped)
    }

    /// Faults that landed, by kind.
    pub(super) fn landed(&self) -> &BTreeMap<FaultKind, u64> {
        &self.landed
    }

    /// Breaks things for `length`.
    pub(super) async fn run(&mut self, length: Duration) {
        let deadline = Instant::now() + length;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.kinds.is_empty() {
                self.pulse.doing("no fault is possible here");
                tokio::time::sleep(left).await;
            }
            if left < LENGTH_MIN {
                return;
            }
            if let Err(unwell) = self.nodes.settled(left.min(SETTLE_LIMIT)).await {
                self.pulse
                    .doing(format!("waiting for node {}", list(&unwell)));
                continue;
            }
            let kind = self.choose();
            let length = self.length(deadline.saturating_duration_since(Instant::now()));
            self.strike(kind, length).await;
            self.pulse.doing("no fault");
            let gap = self.rng.jitter(GAP_MIN, GAP_MAX - GAP_MIN);
            tokio::time::sleep_until((Instant::now() + gap).min(deadline)).await;
        }
    }

    /// Every kind comes once before any comes again, in an order of chance.
    fn choose(&mut self) -> FaultKind {
        if self.round.is_empty() {
            self.round = self.kinds.clone();
        }
        self.round.swap_remove(pick(&self.rng, self.round.len()))
    }

    fn length(&self, left: Duration) -> Duration {
        let is_long = left > LENGTH_LONG * 3 && self.rng.chance(0.15);
        let most = if is_long { LENGTH_LONG } else { LENGTH_MAX };
        let most = most.min(left / 2).max(LENGTH_MIN);
        self.rng.jitter(LENGTH_MIN, most - LENGTH_MIN)
    }

    /// One fault, from its beginning to its end.
    async fn strike(&mut self, kind: FaultKind, length: Duration) {
        let Strike { target, faults } = Strike::plan(kind, &self.nodes.all, &self.rng);
        let action = || Action::Fault {
            kind: kind.name().to_owned(),
            target: target.clone(),
        };
        let length_ms = length.as_millis();
        self.pulse
            .doing(format!("{kind} on {target} for {length_ms} ms"));
        let open = self.book.begin(self.process, action());
        let striking = faults
            .into_iter()
            .map(|(node, fault)| self.suffer(node, fault, length));
        let landed = join_all(striking).await.contains(&true);
        let stage = if landed { Stage::Ok } else { Stage::Fail };
        self.book.end(open, stage, action(), None);
        if landed {
            self.pulse.landed();
            *self.landed.entry(kind).or_default() += 1;
        }
    }

    /// Lets a node suffer to the end. Whether there is evidence that it did.
    async fn suffer(&self, node: TestedNode, fault: ChaosFault, length: Duration) -> bool {
        let limit = length + RESTART_LIMIT;
        let Some(before) = self.nodes.look(&node, RESTART_LIMIT).await else {
            return false;
        };
        if !self.nodes.inject(&node, fault.clone(), length).await {
            return false;
        }
        match fault {
            ChaosFault::Kill => self.nodes.is_back(&node, &before, limit).await,
            ChaosFault::Pause => {
                tokio::time::sleep(PAUSE_LAG).await;
                let asked = Instant::now();
                let answered = self.nodes.look(&node, limit).await.is_some();
                answered && asked.elapsed() + PAUSE_LAG >= length / 2
            }
            ChaosFault::DiskSyncFails => {
                // It may be idle: then nothing is synced, and it does not stop.
                let end = Instant::now() + length;
                while Instant::now() < end {
                    if self.left_trace(&node, &fault, &before).await {
                        return self.nodes.is_back(&node, &before, limit).await;
                    }
                    tokio::time::sleep(PAUSE_LAG).await;
                }
                self.left_trace(&node, &fault, &before).await
            }
            ChaosFault::Cut { .. }
            | ChaosFault::DiskFull
            | ChaosFault::DiskSlow { .. }
            | ChaosFault::ClockOffset { .. } => {
                tokio::time::sleep(length).await;
                self.left_trace(&node, &fault, &before).await
            }
        }
    }

    /// Whether the node saw calls changed, or is gone or in another life.
    async fn left_trace(&self, node: &TestedNode, fault: &ChaosFault, before: &ChaosState) -> bool {
        match self.nodes.look(node, PAUSE_LAG * 10).await {
            Some(now) if now.incarnation == before.incarnation => {
                hits_of(fault, now.hits) > hits_of(fault, before.hits)
            }
            Some(_) | None => matches!(fault, ChaosFault::DiskSyncFails),
        }
    }
}

fn hits_of(fault: &ChaosFault, hits: ChaosHits) -> u64 {
    match fault {
        ChaosFault::Cut { .. } => hits.cut,
        ChaosFault::DiskSyncFails | ChaosFault::DiskFull | ChaosFault::DiskSlow { .. } => hits.disk,
        ChaosFault::ClockOffset { .. } => hits.clock,
        ChaosFault::Kill | ChaosFault::Pause => 0,
    }
}
