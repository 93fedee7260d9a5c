//! Disks without power, without room, and with syncs that fail.

use std::time::Duration;

use floe_client::ChaosFault;
use floe_env::Rng;
use futures::future::join_all;
use tokio::time::Instant;

use super::{LOOK_INTERVAL, Nemesis, is_hit};
use crate::failure::Failure;
use crate::node::Node;
use crate::plan::Strike;

/// Between two power cuts of one machine, at most: so that some come while it recovers.
const LIFE_MAX: Duration = Duration::from_millis(1_500);
/// A process may see its disk fail for as long before it is gone too.
const AFTERGLOW_MAX: Duration = Duration::from_millis(30);

impl Nemesis {
    /// Takes the power from machines, again and again. How many lost it.
    pub(super) async fn cut_power(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let rng = self.rng.clone();
        let cuts = self
            .cluster
            .of(&strike.victims)
            .map(|node| lose_power(node, strike, &rng));
        let mut cut = 0;
        for outcome in join_all(cuts).await {
            cut += outcome?;
        }
        Ok(cut)
    }

    /// Leaves filesystems without room.
    pub(super) async fn fill(&mut self, strike: &Strike) -> Result<u64, Failure> {
        let volumes: Vec<_> = self.cluster.of(&strike.victims).collect();
        let volumes: Vec<_> = volumes
            .iter()
            .filter_map(|node| node.volume.clone())
            .collect();
        if volumes.is_empty() {
            return Ok(self.suffer(strike, &ChaosFault::DiskFull).await);
        }
        let (mut was_full, end) = (false, Instant::now() + strike.length);
        while Instant::now() < end {
            // Files that the node removes make room: it is taken at once.
            for volume in &volumes {
                was_full |= volume.is_full() || volume.fill();
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        for volume in &volumes {
            volume.empty();
        }
        Ok(u64::from(was_full))
    }

    /// Makes syncs fail: a node that syncs then stops, and its supervisor starts it again.
    pub(super) async fn fail_syncs(&mut self, strike: &Strike) -> u64 {
        let fault = ChaosFault::DiskSyncFails;
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
        let (mut landed, end) = (false, Instant::now() + strike.length);
        while Instant::now() < end {
            tokio::time::sleep(LOOK_INTERVAL).await;
            for (node, before) in &before {
                let after = self.cluster.look(*node).await;
                landed |= after.is_some_and(|after| {
                    after.incarnation != before.incarnation || is_hit(&fault, before, &after)
                });
            }
        }
        u64::from(landed)
    }
}

async fn lose_power(node: &mut Node, strike: &Strike, rng: &Rng) -> Result<u64, Failure> {
    let Some(volume) = node.volume.clone() else {
        return Ok(0);
    };
    let mut lost = 0;
    for turn in 0..strike.times {
        if turn > 0 {
            tokio::time::sleep(rng.jitter(Duration::ZERO, LIFE_MAX)).await;
        }
        let dies_first = rng.chance(0.5);
        if dies_first {
            lost += u64::from(node.kill().await);
            volume.cut_power().await?;
        } else {
            volume.cut_power().await?;
            tokio::time::sleep(rng.jitter(Duration::ZERO, AFTERGLOW_MAX)).await;
            // A node that has seen its disk fail may have stopped by itself meanwhile.
            node.kill().await;
            lost += 1;
        }
        volume.power_on().await?;
        tokio::time::sleep(strike.length).await;
        node.start()?;
    }
    Ok(lost)
}
