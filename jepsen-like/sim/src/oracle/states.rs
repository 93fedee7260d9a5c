//! State machines are equal after equal entries, and what proves ownership is handed out once.

use std::collections::BTreeMap;

use floe_broker::Broker;
use floe_metadata::State;
use floe_model::{
    FencingToken, Generation, GroupName, LogIndex, MemberId, RaftGroupId, ReplicaId,
    TopicIdPartition,
};

use crate::book::Book;
use crate::verdict::Fnv64;

/// Digests of one group that are remembered.
const KEPT: usize = 256;

/// The states seen so far.
#[derive(Default)]
pub struct States {
    digests: BTreeMap<RaftGroupId, BTreeMap<LogIndex, (u64, ReplicaId)>>,
    owners: BTreeMap<(GroupName, TopicIdPartition, FencingToken), MemberId>,
    newest: BTreeMap<(GroupName, TopicIdPartition), (Generation, FencingToken)>,
    /// Replicas whose state was not what it should be at the last look.
    suspects: BTreeMap<(RaftGroupId, ReplicaId), (LogIndex, u64)>,
    compared: u64,
}

impl States {
    /// How often two replicas were at the same entry.
    pub(super) fn compared(&self) -> u64 {
        self.compared
    }

    pub(super) fn compare(&mut self, broker: &Broker, book: &Book) {
        for state in broker.replicated_states() {
            let (group, applied) = (state.group, state.applied);
            let mut digest = Fnv64::default();
            digest.add(&state.bytes);
            let digest = digest.0;
            let known = self.digests.entry(group).or_default();
            let (first, replica) = *known.entry(applied).or_insert((digest, state.replica_id));
            let suspect = (group, state.replica_id);
            if first == digest {
                self.suspects.remove(&suspect);
            } else if self.suspects.insert(suspect, (applied, digest)) == Some((applied, digest)) {
                // Seen twice: not a snapshot that is being installed.
                book.trouble(format!(
                    "{group}: the states of replicas {replica} and {} differ after entry {applied}",
                    state.replica_id
                ));
            }
            self.compared += u64::from(replica != state.replica_id);
            if known.len() > KEPT {
                known.pop_first();
            }
        }
        self.check_tokens(&broker.metadata_state(), book);
    }

    /// A token belongs to one member for ever, and those of a partition grow.
    fn check_tokens(&mut self, state: &State, book: &Book) {
        for (name, record) in state.groups() {
            for (&partition, owned) in &record.owners {
                let key = (name.clone(), partition, owned.token);
                let owner = self
                    .owners
                    .entry(key)
                    .or_insert_with(|| owned.member_id.clone());
                if *owner != owned.member_id {
                    book.trouble(format!(
                        "group {name}: {owner} and {} had the same token of {partition:?}",
                        owned.member_id
                    ));
                }
                let here = (record.generation, owned.token);
                let newest = self.newest.entry((name.clone(), partition)).or_insert(here);
                let is_later = here.0 >= newest.0;
                if is_later && here.1 < newest.1 {
                    book.trouble(format!(
                        "group {name}: the token of {partition:?} fell {:?} to {:?}",
                        newest.1, here.1
                    ));
                }
                if is_later {
                    *newest = here;
                }
            }
        }
    }
}
