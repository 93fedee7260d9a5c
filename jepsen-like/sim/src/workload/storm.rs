//! Moves leaderships around for as long as the nemesis wants it.

use std::time::Duration;

use floe_client::{ElectLeaders, NodeId, TopicName};
use floe_env::Env;

use super::{RETRY, TOPIC, Workload};
use crate::signals::Phase;

/// Between two moves.
const PAUSE: Duration = Duration::from_millis(150);

/// Works until everything was healed.
pub async fn storm(workload: &Workload, env: &Env) {
    workload.signals.until(Phase::Faults).await;
    let Some(client) = workload.connect(env).await else {
        return;
    };
    while workload.signals.phase() < Phase::Stop {
        if !workload.signals.is_storm() {
            tokio::time::sleep(RETRY).await;
            continue;
        }
        let node = u32::try_from(1 + env.rng.below(3)).unwrap_or(1);
        let request = ElectLeaders {
            topic: TopicName::new(TOPIC).ok(),
            partition: None,
            to: Some(NodeId(node)),
        };
        let admin = client.admin();
        let moved = tokio::time::timeout(Duration::from_secs(1), admin.elect_leaders(request));
        if let Ok(Err(error)) = moved.await {
            tracing::debug!(%error, "leaders not moved");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
