//! Applies commands: the only way in which the state changes.
//!
//! One function per command, in a file per family. Each either refuses and leaves the state
//! untouched, or changes it and says how far the change reaches, from which the versions grow.

mod damage;
mod groups;
mod nodes;
mod reports;
mod topics;

#[cfg(test)]
mod tests;

use crate::{Applied, Command, Outcome, Refusal, State};

/// How far a command's change reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nothing changed.
    Nothing,
    /// Facts that readers see.
    Facts,
    /// Raft groups, replicas, tombstones or settings of topics: what nodes host, and how.
    Layout,
}

type Change = Result<(Applied, Reach), Refusal>;

/// Applies one command.
///
/// # Errors
/// The refusal; the state is then unchanged. It is an outcome like any other and identical on
/// every node.
pub fn apply(state: &mut State, command: Command) -> Outcome {
    let change = match (&state.formation, command) {
        (
            _,
            Command::Form {
                cluster_id,
                name,
                seeds,
                at_ms,
            },
        ) => nodes::form(state, cluster_id, name, seeds, at_ms),
        (None, _) => Err(Refusal::NotFormed),
        (Some(_), command) => apply_formed(state, command),
    };
    let (applied, reach) = change?;
    state.version += u64::from(reach != Reach::Nothing);
    state.layout_version += u64::from(reach == Reach::Layout);
    Ok(applied)
}

fn apply_formed(state: &mut State, command: Command) -> Change {
    match command {
        Command::Form { .. } => Err(Refusal::AlreadyFormed),
        Command::RegisterNode { node, at_ms } => nodes::register(state, node, at_ms),
        Command::CreateTopic(topic) => topics::create(state, topic, None),
        Command::DeleteTopic { topic_id, at_ms } => topics::delete(state, topic_id, at_ms),
        Command::AlterTopic {
            topic_id,
            configs,
            partitions,
        } => topics::alter(state, topic_id, configs, partitions),
        Command::ReportLeaders { leaders } => Ok(reports::leaders(state, &leaders)),
        Command::ReportMembership {
            raft_group,
            membership,
        } => reports::membership(state, raft_group, membership),
        Command::ConfirmDeleted {
            node_id,
            node_uuid,
            raft_groups,
        } => reports::confirm_deleted(state, node_id, node_uuid, &raft_groups),
        Command::CoordinatorEpoch {
            offsets_partition,
            epoch,
        } => groups::coordinator_epoch(state, offsets_partition, epoch),
        Command::AllocateProducerIds { count } => groups::allocate_producer_ids(state, count),
        Command::CompleteRebalance(rebalance) => groups::complete_rebalance(state, rebalance),
        Command::StoreAssignment {
            group,
            generation,
            coordinator_epoch,
            assignments,
        } => groups::store_assignment(state, group, generation, coordinator_epoch, assignments),
        Command::DeleteGroup {
            group,
            coordinator_epoch,
        } => groups::delete(state, group, coordinator_epoch),
        Command::EditTopicConfig {
            topic_id,
            replace,
            edits,
        } => topics::edit_config(state, topic_id, replace, edits),
        Command::CreateTopicAt { topic, nodes } => topics::create(state, topic, Some(&nodes)),
        Command::AddPartitionsAt {
            topic_id,
            partitions,
            nodes,
        } => topics::add_partitions_at(state, topic_id, partitions, &nodes),
        Command::ReportDamaged {
            node_id,
            node_uuid,
            incarnation,
            replicas,
        } => damage::report(state, node_id, node_uuid, incarnation, &replicas),
        Command::ReplaceMember {
            group,
            generation,
            coordinator_epoch,
            former,
            heir,
            record,
        } => {
            let replacement = groups::Replacement {
                former,
                heir,
                record,
            };
            groups::replace_member(state, group, generation, coordinator_epoch, replacement)
        }
    }
}
