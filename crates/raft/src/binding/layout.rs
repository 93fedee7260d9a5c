//! The bytes of votes, memberships and group states. Little-endian, a version byte first.
//!
//! | what | bytes |
//! |---|---|
//! | vote | version 1, term u64, replica u64, committed u8 |
//! | membership | version 1, config count u8, per config: count u16 and replicas u64; home count u16, per home: replica u64, node u32, disk \[16\] |
//! | log id, optional | u8 0, or u8 1, term u64, index u64 |
//! | state | version 1, log id of the membership (optional), membership length u32 and bytes, next offset i64, the state machine's bytes |
//! | group meta | version 1, replica u64, timers u8, founder count u16, per founder: a home |
//!
//! Checksums are the container's business: journal frames, entries and state files have them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes};
use floe_model::{LogId, LogIndex, NodeId, NodeUuid, Offset, ReplicaId, Term};
use openraft::vote::RaftLeaderId as _;

use crate::Voter;

use super::type_config::{Home, RaftMembership, RaftVote, StoredMembership, from_raft, to_raft};

const VERSION: u8 = 1;

/// Bytes that do not have the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LayoutError {
    /// Ends too early.
    #[error("{0} ends too early")]
    Short(&'static str),
    /// Written by another version.
    #[error("{what} has version {found}")]
    Version {
        /// Which structure.
        what: &'static str,
        /// Its version.
        found: u8,
    },
    /// A set of replicas that cannot be.
    #[error("membership names a replica without a home")]
    Membership,
}

fn version(bytes: &mut &[u8], what: &'static str) -> Result<(), LayoutError> {
    match bytes.try_get_u8() {
        Ok(VERSION) => Ok(()),
        Ok(found) => Err(LayoutError::Version { what, found }),
        Err(_) => Err(LayoutError::Short(what)),
    }
}

pub(crate) fn encode_vote(vote: &RaftVote) -> Bytes {
    let mut out = Vec::with_capacity(18);
    out.push(VERSION);
    out.extend_from_slice(&vote.leader_id.term().to_le_bytes());
    out.extend_from_slice(&vote.leader_id.voted_for.to_le_bytes());
    out.push(u8::from(vote.committed));
    out.into()
}

pub(crate) fn decode_vote(mut bytes: &[u8]) -> Result<RaftVote, LayoutError> {
    const SHORT: LayoutError = LayoutError::Short("vote");
    version(&mut bytes, "vote")?;
    let term = bytes.try_get_u64_le().map_err(|_| SHORT)?;
    let replica = bytes.try_get_u64_le().map_err(|_| SHORT)?;
    let committed = bytes.try_get_u8().map_err(|_| SHORT)? != 0;
    let vote = RaftVote::new(term, replica);
    Ok(if committed {
        RaftVote::new_committed(term, replica)
    } else {
        vote
    })
}

pub(crate) fn encode_membership(membership: &RaftMembership) -> Bytes {
    let mut out = vec![VERSION];
    let configs = membership.get_joint_config();
    out.push(u8::try_from(configs.len()).unwrap_or(u8::MAX));
    for config in configs {
        out.extend_from_slice(&count16(config.len()).to_le_bytes());
        for replica in config {
            out.extend_from_slice(&replica.to_le_bytes());
        }
    }
    let homes: Vec<_> = membership.nodes().collect();
    out.extend_from_slice(&count16(homes.len()).to_le_bytes());
    for (replica, home) in homes {
        put_home(&mut out, *replica, home.node_id, home.node_uuid);
    }
    out.into()
}

/// Replicas of a group are few (see `limits::REPLICATION_MAX`); metadata has one per node.
fn count16(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

pub(crate) fn decode_membership(mut bytes: &[u8]) -> Result<RaftMembership, LayoutError> {
    const SHORT: LayoutError = LayoutError::Short("membership");
    version(&mut bytes, "membership")?;
    let mut configs = Vec::new();
    for _ in 0..bytes.try_get_u8().map_err(|_| SHORT)? {
        let mut config = BTreeSet::new();
        for _ in 0..bytes.try_get_u16_le().map_err(|_| SHORT)? {
            config.insert(bytes.try_get_u64_le().map_err(|_| SHORT)?);
        }
        configs.push(config);
    }
    let mut homes = BTreeMap::new();
    for _ in 0..bytes.try_get_u16_le().map_err(|_| SHORT)? {
        let (replica, node_id, node_uuid) = get_home(&mut bytes).ok_or(SHORT)?;
        homes.insert(replica, Home { node_id, node_uuid });
    }
    if configs.is_empty() && homes.is_empty() {
        return Ok(RaftMembership::default());
    }
    RaftMembership::new(configs, homes).map_err(|_| LayoutError::Membership)
}

/// A group's state after one entry: what a state file and a snapshot hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupState {
    pub(crate) membership: StoredMembership,
    pub(crate) next_offset: Offset,
    /// The state machine's own bytes.
    pub(crate) machine: Bytes,
}

pub(crate) fn encode_state(state: &GroupState) -> Bytes {
    let mut out = Vec::with_capacity(128 + state.machine.len());
    out.push(VERSION);
    match state.membership.log_id() {
        None => out.push(0),
        Some(id) => {
            let LogId { term, index } = from_raft(id);
            out.push(1);
            out.extend_from_slice(&term.0.to_le_bytes());
            out.extend_from_slice(&index.0.to_le_bytes());
        }
    }
    let membership = encode_membership(state.membership.membership());
    let membership_bytes = u32::try_from(membership.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&membership_bytes.to_le_bytes());
    out.extend_from_slice(&membership);
    out.extend_from_slice(&state.next_offset.0.to_le_bytes());
    out.extend_from_slice(&state.machine);
    out.into()
}

pub(crate) fn decode_state(bytes: &Bytes) -> Result<GroupState, LayoutError> {
    const SHORT: LayoutError = LayoutError::Short("state");
    let mut rest: &[u8] = bytes;
    version(&mut rest, "state")?;
    let log_id = match rest.try_get_u8().map_err(|_| SHORT)? {
        0 => None,
        _ => Some(to_raft(LogId {
            term: Term(rest.try_get_u64_le().map_err(|_| SHORT)?),
            index: LogIndex(rest.try_get_u64_le().map_err(|_| SHORT)?),
        })),
    };
    let membership_bytes = rest.try_get_u32_le().map_err(|_| SHORT)? as usize;
    let (membership, mut rest) = rest.split_at_checked(membership_bytes).ok_or(SHORT)?;
    let membership = decode_membership(membership)?;
    let next_offset = Offset(rest.try_get_i64_le().map_err(|_| SHORT)?);
    Ok(GroupState {
        membership: StoredMembership::new(log_id, membership),
        next_offset,
        machine: bytes.slice(bytes.len() - rest.len()..),
    })
}

/// What the journal keeps beside a group: what this replica of it was opened as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupMeta {
    pub(crate) replica_id: ReplicaId,
    pub(crate) timers: bool,
    pub(crate) founders: Vec<Voter>,
}

pub(crate) fn encode_meta(meta: &GroupMeta) -> Bytes {
    let mut out = vec![VERSION];
    out.extend_from_slice(&meta.replica_id.0.to_le_bytes());
    out.push(u8::from(meta.timers));
    out.extend_from_slice(&count16(meta.founders.len()).to_le_bytes());
    for founder in &meta.founders {
        put_home(
            &mut out,
            founder.replica_id.0,
            founder.node_id,
            founder.node_uuid,
        );
    }
    out.into()
}

pub(crate) fn decode_meta(mut bytes: &[u8]) -> Result<GroupMeta, LayoutError> {
    const SHORT: LayoutError = LayoutError::Short("group meta");
    version(&mut bytes, "group meta")?;
    let replica_id = ReplicaId(bytes.try_get_u64_le().map_err(|_| SHORT)?);
    let timers = bytes.try_get_u8().map_err(|_| SHORT)? != 0;
    let mut founders = Vec::new();
    for _ in 0..bytes.try_get_u16_le().map_err(|_| SHORT)? {
        let (replica, node_id, node_uuid) = get_home(&mut bytes).ok_or(SHORT)?;
        founders.push(Voter {
            replica_id: ReplicaId(replica),
            node_id,
            node_uuid,
        });
    }
    Ok(GroupMeta {
        replica_id,
        timers,
        founders,
    })
}

fn put_home(out: &mut Vec<u8>, replica: u64, node_id: NodeId, node_uuid: NodeUuid) {
    out.extend_from_slice(&replica.to_le_bytes());
    out.extend_from_slice(&node_id.0.to_le_bytes());
    out.extend_from_slice(&node_uuid.0);
}

fn get_home(bytes: &mut &[u8]) -> Option<(u64, NodeId, NodeUuid)> {
    let replica = bytes.try_get_u64_le().ok()?;
    let node_id = NodeId(bytes.try_get_u32_le().ok()?);
    let mut uuid = [0; 16];
    bytes.try_copy_to_slice(&mut uuid).ok()?;
    Some((replica, node_id, NodeUuid(uuid)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn membership() -> RaftMembership {
        let home = |n: u32| Home {
            node_id: NodeId(n),
            node_uuid: NodeUuid([n as u8; 16]),
        };
        let configs = vec![BTreeSet::from([1001]), BTreeSet::from([1001, 1002])];
        let homes = BTreeMap::from([(1001, home(1)), (1002, home(2)), (1003, home(3))]);
        RaftMembership::new(configs, homes).unwrap()
    }

    #[test]
    fn vote_bytes_are_golden_and_round_trip() {
        let vote = RaftVote::new_committed(7, 1001);
        let bytes = encode_vote(&vote);
        assert_eq!(
            bytes[..],
            [1, 7, 0, 0, 0, 0, 0, 0, 0, 0xe9, 3, 0, 0, 0, 0, 0, 0, 1]
        );
        assert_eq!(decode_vote(&bytes), Ok(vote));
    }

    #[test]
    fn membership_keeps_joint_configs_and_learners() {
        let bytes = encode_membership(&membership());
        assert_eq!(bytes.len(), 2 + 2 + 8 + 2 + 16 + 2 + 3 * 28);
        assert_eq!(decode_membership(&bytes), Ok(membership()));
    }

    #[test]
    fn state_round_trips() {
        let id = LogId {
            term: Term(3),
            index: LogIndex(9),
        };
        for log_id in [None, Some(to_raft(id))] {
            let state = GroupState {
                membership: StoredMembership::new(log_id, membership()),
                next_offset: Offset(77),
                machine: Bytes::from_static(b"state"),
            };
            assert_eq!(decode_state(&encode_state(&state)), Ok(state));
        }
    }

    #[test]
    fn every_cut_is_refused() {
        let state = GroupState {
            membership: StoredMembership::new(None, membership()),
            next_offset: Offset(1),
            machine: Bytes::new(),
        };
        let bytes = encode_state(&state);
        for len in 0..bytes.len() {
            assert!(decode_state(&bytes.slice(..len)).is_err());
        }
        let vote = encode_vote(&RaftVote::new(1, 1));
        assert!((0..vote.len()).all(|len| decode_vote(&vote[..len]).is_err()));
        let opened = GroupMeta {
            replica_id: ReplicaId(5),
            timers: true,
            founders: vec![Voter {
                replica_id: ReplicaId(5),
                node_id: NodeId(1),
                node_uuid: NodeUuid([7; 16]),
            }],
        };
        let meta = encode_meta(&opened);
        assert_eq!(decode_meta(&meta), Ok(opened));
        assert!((0..meta.len()).all(|len| decode_meta(&meta[..len]).is_err()));
    }

    #[test]
    fn another_version_is_refused() {
        let mut vote = encode_vote(&RaftVote::new(1, 1)).to_vec();
        vote[0] = 2;
        let refused = LayoutError::Version {
            what: "vote",
            found: 2,
        };
        assert_eq!(decode_vote(&vote), Err(refused));
    }
}
