//! Consumer-group ownership and producer ids: the counters that never reset.
//!
//! Every change of a group is a compare-and-set by the coordinator that metadata knows:
//! exactly the recorded epoch, and for a rebalance exactly the recorded generation.

use std::collections::BTreeMap;
use std::sync::Arc;

use floe_model::limits::GROUP_MEMBERS_MAX;
use floe_model::{
    FencingToken, Generation, GroupKind, GroupName, LeaderEpoch, MemberId, ProducerId,
    TopicIdPartition,
};

use super::{Change, Reach};
use crate::group_record::RetiredGroup;
use crate::{Applied, GroupRecord, MemberRecord, Ownership, Rebalance, Refusal, State};

/// Most producer ids in one block.
const PRODUCER_IDS_MAX: u32 = 1_000_000;
/// The first token of every group.
const TOKENS_FIRST: FencingToken = FencingToken(1);

pub(super) fn coordinator_epoch(
    state: &mut State,
    offsets_partition: u32,
    epoch: LeaderEpoch,
) -> Change {
    let Some(partition) = state.offsets.get_mut(offsets_partition as usize) else {
        return Err(Refusal::UnknownOffsetsPartition { offsets_partition });
    };
    let current = partition.coordinator_epoch;
    match epoch.cmp(&current) {
        std::cmp::Ordering::Less => Err(Refusal::CoordinatorFenced {
            current,
            given: epoch,
        }),
        std::cmp::Ordering::Equal => Ok((Applied::Done, Reach::Nothing)),
        std::cmp::Ordering::Greater => {
            Arc::make_mut(partition).coordinator_epoch = epoch;
            Ok((Applied::Done, Reach::Facts))
        }
    }
}

pub(super) fn allocate_producer_ids(state: &mut State, count: u32) -> Change {
    if !(1..=PRODUCER_IDS_MAX).contains(&count) {
        return Err(Refusal::InvalidCount {
            given: count,
            max: PRODUCER_IDS_MAX,
        });
    }
    let first = state.next_producer;
    let end = first
        .0
        .checked_add(i64::from(count))
        .ok_or(Refusal::Exhausted)?;
    if !floe_model::mutant!("producer-id-reused") {
        state.next_producer = ProducerId(end);
    }
    Ok((Applied::ProducerIds { first, count }, Reach::Facts))
}

pub(super) fn complete_rebalance(state: &mut State, rebalance: Rebalance) -> Change {
    check_coordinator(state, &rebalance.group, rebalance.coordinator_epoch)?;
    let (current, given) = (
        state.generation_of(&rebalance.group),
        rebalance.expected_generation,
    );
    if current != given {
        return Err(Refusal::GenerationMismatch {
            group: rebalance.group,
            current,
            given,
        });
    }
    if rebalance.members.len() > GROUP_MEMBERS_MAX {
        let given = u32::try_from(rebalance.members.len()).unwrap_or(u32::MAX);
        return Err(Refusal::TooManyMembers {
            given,
            max: GROUP_MEMBERS_MAX as u32,
        });
    }
    if rebalance.kind != GroupKind::Native && !rebalance.owners.is_empty() {
        return Err(Refusal::WrongKind);
    }
    let stranger = |owner: &&MemberId| !rebalance.members.contains_key(*owner);
    if let Some(member_id) = rebalance.owners.values().find(stranger) {
        return Err(Refusal::UnknownMember {
            member_id: member_id.clone(),
        });
    }
    let generation = following(current)?;
    let (owners, next_token) = hand_out(state, &rebalance.group, rebalance.owners)?;
    let tokens = owners
        .iter()
        .map(|(&partition, owner)| (partition, owner.token))
        .collect();
    let record = GroupRecord {
        generation,
        kind: rebalance.kind,
        protocol: rebalance.protocol,
        members: rebalance.members,
        assignments: BTreeMap::new(),
        owners,
        next_token,
    };
    state.retired_groups.remove(&rebalance.group);
    state.groups.insert(rebalance.group, Arc::new(record));
    Ok((Applied::Rebalanced { generation, tokens }, Reach::Facts))
}

fn following(generation: Generation) -> Result<Generation, Refusal> {
    let next = generation.0.checked_add(1).ok_or(Refusal::Exhausted)?;
    Ok(Generation(next))
}

/// The owners with their tokens: kept where the owner stays, new everywhere else.
fn hand_out(
    state: &State,
    group: &GroupName,
    owners: BTreeMap<TopicIdPartition, MemberId>,
) -> Result<(BTreeMap<TopicIdPartition, Ownership>, FencingToken), Refusal> {
    let record = state.group(group);
    let retired = || {
        state
            .retired_groups
            .get(group)
            .map(|retired| retired.next_token)
    };
    let mut next = record
        .map(|record| record.next_token)
        .or_else(retired)
        .unwrap_or(TOKENS_FIRST);
    let mut owned = BTreeMap::new();
    for (partition, member_id) in owners {
        if state.partition(&partition).is_none() {
            continue;
        }
        let kept = record
            .and_then(|record| record.owners.get(&partition))
            .filter(|former| {
                former.member_id == member_id || floe_model::mutant!("token-not-bumped")
            })
            .map(|former| former.token);
        let token = match kept {
            Some(token) => token,
            None => {
                let token = next;
                next = FencingToken(token.0.checked_add(1).ok_or(Refusal::Exhausted)?);
                token
            }
        };
        owned.insert(partition, Ownership { member_id, token });
    }
    Ok((owned, next))
}

pub(super) fn store_assignment(
    state: &mut State,
    group: GroupName,
    given: Generation,
    coordinator_epoch: LeaderEpoch,
    assignments: BTreeMap<MemberId, Vec<u8>>,
) -> Change {
    check_coordinator(state, &group, coordinator_epoch)?;
    let Some(record) = state.groups.get_mut(&group) else {
        return Err(Refusal::UnknownGroup { group });
    };
    let current = record.generation;
    if current != given {
        return Err(Refusal::GenerationMismatch {
            group,
            current,
            given,
        });
    }
    if record.kind != GroupKind::Classic {
        return Err(Refusal::WrongKind);
    }
    if let Some(member_id) = assignments
        .keys()
        .find(|id| !record.members.contains_key(*id))
    {
        return Err(Refusal::UnknownMember {
            member_id: member_id.clone(),
        });
    }
    if record.assignments == assignments {
        return Ok((Applied::Done, Reach::Nothing));
    }
    Arc::make_mut(record).assignments = assignments;
    Ok((Applied::Done, Reach::Facts))
}

/// Who takes whose place.
pub(super) struct Replacement {
    pub(super) former: MemberId,
    pub(super) heir: MemberId,
    pub(super) record: MemberRecord,
}

pub(super) fn replace_member(
    state: &mut State,
    group: GroupName,
    given: Generation,
    coordinator_epoch: LeaderEpoch,
    replacement: Replacement,
) -> Change {
    check_coordinator(state, &group, coordinator_epoch)?;
    let Some(known) = state.groups.get_mut(&group) else {
        return Err(Refusal::UnknownGroup { group });
    };
    let current = known.generation;
    if current != given {
        return Err(Refusal::GenerationMismatch {
            group,
            current,
            given,
        });
    }
    if known.kind != GroupKind::Classic {
        return Err(Refusal::WrongKind);
    }
    let Replacement {
        former,
        heir,
        record,
    } = replacement;
    if !known.members.contains_key(&former) {
        return Err(Refusal::UnknownMember { member_id: former });
    }
    let known = Arc::make_mut(known);
    known.members.remove(&former);
    known.members.insert(heir.clone(), record);
    if let Some(assignment) = known.assignments.remove(&former) {
        known.assignments.insert(heir, assignment);
    }
    Ok((Applied::Done, Reach::Facts))
}

/// Deletes a group without members, also one that only ever had outsiders and so no record. The
/// generation moves on: whatever of the deleted group is still under way is then stale.
pub(super) fn delete(
    state: &mut State,
    group: GroupName,
    coordinator_epoch: LeaderEpoch,
) -> Change {
    check_coordinator(state, &group, coordinator_epoch)?;
    let (generation, next_token) = match state.groups.get(&group) {
        Some(record) if !record.members.is_empty() => {
            let members = u32::try_from(record.members.len()).unwrap_or(u32::MAX);
            return Err(Refusal::GroupNotEmpty { group, members });
        }
        Some(record) => (record.generation, record.next_token),
        None => {
            let retired = state.retired_groups.get(&group).copied();
            retired.map_or((Generation::default(), TOKENS_FIRST), |retired| {
                (retired.generation, retired.next_token)
            })
        }
    };
    let generation = following(generation)?;
    state.groups.remove(&group);
    state.retired_groups.insert(
        group,
        RetiredGroup {
            generation,
            next_token,
        },
    );
    Ok((Applied::Done, Reach::Facts))
}

fn check_coordinator(state: &State, group: &GroupName, given: LeaderEpoch) -> Result<(), Refusal> {
    let current = state.coordinator_epoch(group);
    match current == given {
        true => Ok(()),
        false => Err(Refusal::CoordinatorFenced { current, given }),
    }
}
