//! Turns settings into what the broker starts with, and refuses combinations that cannot work.

use std::net::IpAddr;
use std::time::Duration;

use floe_broker::{ClassicGroupLimits, ConsumerGroupLimits, NodeConfig, RaftTimings, Seed};
use floe_journal::JournalConfig;
use floe_model::NodeId;

use super::Settings;
use super::keys::{self, Key};
use super::value::split_address;
use crate::failure::CommandError;
use crate::version;

/// The configuration of a node.
pub(crate) fn node_config(settings: &Settings) -> Result<NodeConfig, CommandError> {
    for (listen, advertised) in [
        (&keys::CLIENT, &keys::CLIENT_ADVERTISED),
        (&keys::PEER, &keys::PEER_ADVERTISED),
        (&keys::KAFKA, &keys::KAFKA_ADVERTISED),
        (&keys::HTTP, &keys::HTTP_ADVERTISED),
    ] {
        refuse_wildcard(settings, listen, advertised)?;
    }
    let node_id = NodeId(small(settings, &keys::NODE_ID));
    let seeds: Vec<_> = settings
        .seeds(&keys::CLUSTER_SEEDS)
        .iter()
        .map(|(id, addr)| Seed {
            node_id: NodeId(*id),
            peer_addr: addr.clone(),
        })
        .collect();
    let http = settings.optional(&keys::HTTP_ADVERTISED);
    let kafka = settings.optional(&keys::KAFKA_ADVERTISED);
    Ok(NodeConfig {
        node_id,
        cluster_name: settings.text(&keys::CLUSTER_NAME).to_owned(),
        data_dir: settings.text(&keys::DATA_DIR).into(),
        client_listen: settings.text(&keys::CLIENT).to_owned(),
        client_advertised: settings.optional(&keys::CLIENT_ADVERTISED),
        peer_listen: settings.text(&keys::PEER).to_owned(),
        peer_advertised: settings.optional(&keys::PEER_ADVERTISED),
        kafka_advertised: kafka.or_else(|| settings.optional(&keys::KAFKA)),
        http_advertised: http.or_else(|| settings.optional(&keys::HTTP)),
        seeds,
        commit: version::COMMIT,
        rack: settings.optional(&keys::NODE_RACK),
        auto_create_topics: settings.flag(&keys::AUTO_CREATE),
        default_partitions: small(settings, &keys::DEFAULT_PARTITIONS),
        journal: journal_config(settings),
        raft: RaftTimings {
            beat_interval: time(settings, &keys::BEAT_INTERVAL),
            suspect_after: time(settings, &keys::SUSPECT_AFTER),
            fence_after: time(settings, &keys::FENCE_AFTER),
        },
        classic_groups: ClassicGroupLimits {
            initial_rebalance_delay_ms: small(settings, &keys::INITIAL_REBALANCE_DELAY),
            ..ClassicGroupLimits::default()
        },
        consumer_groups: ConsumerGroupLimits {
            heartbeat_interval_ms: small(settings, &keys::CONSUMER_HEARTBEAT),
            session_timeout_ms: small(settings, &keys::CONSUMER_SESSION),
        },
        retention_check: time(settings, &keys::RETENTION_CHECK),
        offsets_retention: time(settings, &keys::OFFSETS_RETENTION),
        produce_bytes_max: settings.number(&keys::PRODUCE_MEMORY) as usize,
        client_connections_max: NodeConfig::CLIENT_CONNECTIONS_MAX,
        faults: None,
    })
}

fn journal_config(settings: &Settings) -> JournalConfig {
    let segment_age_ms = settings.number(&keys::PARTITION_SEGMENT_AGE);
    JournalConfig {
        dir: settings.text(&keys::DATA_DIR).into(),
        journal_bytes: settings.number(&keys::JOURNAL_SIZE),
        journal_segment_bytes: settings.number(&keys::JOURNAL_SEGMENT_SIZE),
        partition_segment_bytes: settings.number(&keys::PARTITION_SEGMENT_SIZE),
        partition_segment_ms: i64::try_from(segment_age_ms).expect("the key is at most a year"),
        tail_bytes: settings.number(&keys::TAIL_MEMORY),
        uncommitted_group_bytes: settings.number(&keys::UNCOMMITTED),
        disk_reserve_bytes: settings.number(&keys::DISK_RESERVE),
        checkpoint_interval_ms: settings.number(&keys::CHECKPOINT_INTERVAL),
        ..JournalConfig::default()
    }
}

fn small(settings: &Settings, key: &Key) -> u32 {
    u32::try_from(settings.number(key)).expect("the key's range fits")
}

fn time(settings: &Settings, key: &Key) -> Duration {
    Duration::from_millis(settings.number(key))
}

/// A wildcard means "here": nobody else could connect to it.
fn refuse_wildcard(settings: &Settings, listen: &Key, told: &Key) -> Result<(), CommandError> {
    let (addr, advertised) = (settings.text(listen), settings.text(told));
    for (key, addr) in [(listen, addr), (told, advertised)] {
        let must_be_real = key == told || advertised.is_empty();
        if must_be_real && is_wildcard(addr) {
            let what = format!(
                "{} = '{addr}' is a wildcard that nobody can connect to",
                key.path
            );
            return Err(CommandError::usage(what)
                .at(format!("others need a real address in {}", told.path))
                .next(format!("floe serve --set {}=HOST:PORT", told.path)));
        }
    }
    Ok(())
}

fn is_wildcard(addr: &str) -> bool {
    let Some((host, _)) = split_address(addr) else {
        return false;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "*" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::super::{SettingArgs, load};
    use super::*;

    fn config(set: &[&str]) -> Result<NodeConfig, CommandError> {
        let set = set.iter().map(|&pair| pair.to_owned()).collect();
        let args = SettingArgs {
            set,
            ..SettingArgs::default()
        };
        node_config(&load(&args)?)
    }

    #[test]
    fn defaults_are_those_of_the_broker_and_the_journal() {
        let ours = config(&[]).unwrap();
        let theirs = NodeConfig::single(NodeId(1), ours.data_dir.clone());
        let journal = JournalConfig::new(ours.data_dir.clone());
        assert_eq!(ours.journal, journal);
        assert_eq!(ours.raft, theirs.raft);
        assert_eq!(ours.classic_groups, theirs.classic_groups);
        assert_eq!(ours.consumer_groups, theirs.consumer_groups);
        assert_eq!(ours.retention_check, theirs.retention_check);
        assert_eq!(ours.offsets_retention, theirs.offsets_retention);
        assert_eq!(ours.produce_bytes_max, theirs.produce_bytes_max);
        assert_eq!(ours.default_partitions, theirs.default_partitions);
        assert_eq!(ours.cluster_name, theirs.cluster_name);
        assert_eq!(ours.http_advertised.as_deref(), Some("127.0.0.1:9392"));
        assert_eq!(ours.kafka_advertised.as_deref(), Some("127.0.0.1:9092"));
    }

    #[test]
    fn a_wildcard_listener_needs_an_advertised_address() {
        for addr in ["0.0.0.0:9192", "[::]:9192", "*:9192"] {
            let listen = format!("listeners.client={addr}");
            let error = config(&[&listen]).unwrap_err().message().unwrap();
            assert!(error.contains("listeners.client_advertised"), "{error}");
            assert!(config(&[&listen, "listeners.client_advertised=db1:9192"]).is_ok());
        }
        assert!(config(&["listeners.peer_advertised=0.0.0.0:1"]).is_err());
    }

    #[test]
    fn seeds_become_nodes_with_addresses() {
        let config = config(&["cluster.seeds=2@a:1,1@b:1"]).unwrap();
        let seeds: Vec<_> = config
            .seeds
            .iter()
            .map(|s| (s.node_id.0, &*s.peer_addr))
            .collect();
        assert_eq!(seeds, [(2, "a:1"), (1, "b:1")]);
    }
}
