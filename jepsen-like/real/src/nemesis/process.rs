//! Deaths, pauses and hunger of processes.

use std::time::Duration;

use floe_env::Rng;
use futures::future::join_all;
use tokio::time::Instant;

use super::{LOOK_INTERVAL, Nemesis};
use crate::failure::Failure;
use crate::node::Node;
use crate::plan::Strike;

/// A life between two deaths of one strike, at most: so that some die while they recover.
const LIFE_MAX: Duration = Duration::from_millis(900);
/// A starved process runs this long in each turn, and stands still for the rest.
const TURN_RUNS: Duration = Duration::from_millis(10);
const TURN_STANDS: Duration = Duration::from_millis(90);

impl Nemesis {
    /// SIGKILL and a new start, again and again. How many died.
    pub(super) async fn kill(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let rng = self.rng.clone();
        let dying = self
            .cluster
            .of(&strike.victims)
            .map(|node| die(node, strike, &rng));
        let mut died = 0;
        for outcome in join_all(dying).await {
            died += outcome?;
        }
        Ok(died)
    }

    /// SIGSTOP, and later SIGCONT.
    pub(super) async fn pause(&mut self, strike: &Strike) -> u64 {
        let mut stopped = false;
        for node in self.cluster.of(&strike.victims) {
            node.stop();
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
        for node in self.cluster.of(&strike.victims) {
            stopped |= node.stands_still();
        }
        tokio::time::sleep(strike.length.saturating_sub(LOOK_INTERVAL)).await;
        for node in self.cluster.of(&strike.victims) {
            node.resume();
        }
        u64::from(stopped)
    }

    /// A tenth of the time runs, the rest stands still.
    pub(super) async fn starve(&mut self, strike: &Strike) -> u64 {
        let deadline = Instant::now() + strike.length;
        let mut stopped = false;
        while Instant::now() < deadline {
            for node in self.cluster.of(&strike.victims) {
                node.stop();
            }
            tokio::time::sleep(TURN_STANDS).await;
            for node in self.cluster.of(&strike.victims) {
                stopped |= node.stands_still();
                node.resume();
            }
            tokio::time::sleep(TURN_RUNS).await;
        }
        u64::from(stopped)
    }
}

async fn die(node: &mut Node, strike: &Strike, rng: &Rng) -> Result<u64, Failure> {
    let mut died = 0;
    for turn in 0..strike.times {
        if turn > 0 {
            tokio::time::sleep(rng.jitter(Duration::ZERO, LIFE_MAX)).await;
        }
        died += u64::from(node.kill().await);
        tokio::time::sleep(strike.length).await;
        node.start()?;
    }
    Ok(died)
}
