//! Openraft's configuration for the two ways in which groups are kept alive.
//!
//! Groups without timers are elected by the node's detector: openraft's ticks are off, and its
//! leases are a day long so that an idle leader goes on accepting writes. Their liveness rests on
//! `floe-raft`'s detector, vote hook and election queue. Groups with timers (metadata) run
//! ordinary Raft timers, pre-vote and leases; only their heartbeats ride on the node's tick.

use std::time::Duration;

use floe_journal::GroupKind;
use openraft::{Config, SnapshotPolicy, StepDownPolicy};

use crate::RaftConfig;

/// Lease of leaders and followers without timers.
const LEASE_MS: u64 = 86_400_000;

pub(crate) fn openraft_config(config: &RaftConfig, kind: GroupKind, timers: bool) -> Config {
    let snapshot_policy = match kind {
        GroupKind::Data => SnapshotPolicy::Never,
        GroupKind::State => SnapshotPolicy::LogsSinceLast(config.state_entries),
    };
    let base = Config {
        cluster_name: "floe".to_owned(),
        snapshot_policy,
        max_in_snapshot_log_to_keep: match kind {
            GroupKind::Data => 0,
            // A follower that is a little behind catches up from the log, not by a snapshot.
            GroupKind::State => config.state_entries,
        },
        replication_lag_threshold: 1000,
        max_payload_entries: 1024,
        api_channel_size: Some(1024),
        notification_channel_size: Some(1024),
        state_machine_channel_size: Some(256),
        log_stage_capacity: Some(1),
        enable_leader_restore: Some(false),
        removed_leader_step_down: StepDownPolicy::Never,
        backoff: "20ms 50ms 100ms ...500ms".to_owned(),
        install_snapshot_timeout: 30_000,
        ..Config::default()
    };
    if timers {
        Config {
            // The node's own tick sends the heartbeats. This sets openraft's tick, 13/64 of it,
            // and so how exactly an election is due: a wake-up each, on every node, for ever.
            enable_heartbeat: false,
            heartbeat_interval: millis(config.timer_election) * 3 / 4,
            election_timeout_min: millis(config.timer_election),
            election_timeout_max: millis(config.timer_election) * 2,
            enable_pre_vote: Some(true),
            ..base
        }
    } else {
        Config {
            enable_tick: false,
            enable_heartbeat: false,
            enable_elect: false,
            // Only the time an AppendEntries call may take.
            heartbeat_interval: 1000,
            // Only the time a vote call may take.
            election_timeout_min: 2000,
            election_timeout_max: LEASE_MS,
            ..base
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
