//! What a replica promised outlives its process: the vote that it gave and the entries that it
//! reported as durable. Within one life no position falls.

use floe_model::RaftGroupId;

use super::ReplicaSight;
use crate::book::Book;

/// Compares a replica with its former self.
#[derive(Default)]
pub struct Promises;

impl Promises {
    /// What the last life left must be there in this one. `before` was seen right before the
    /// crash, or a little earlier if the process ended by itself.
    pub(super) fn check_restart(
        &self,
        group: RaftGroupId,
        before: &ReplicaSight,
        now: &ReplicaSight,
        book: &Book,
    ) {
        let same = before.replica_id == now.replica_id;
        if !same || before.progress.is_damaged || now.progress.is_damaged {
            return;
        }
        let node = now.node;
        let (was, is) = (before.ballot, now.ballot);
        let is_lower = is.term < was.term;
        // Whatever it voted, a replica follows who was elected in that term.
        let elected = is.is_elected && !was.is_elected;
        let other = is.term == was.term && is.candidate != was.candidate && !elected;
        if is_lower || other {
            book.trouble(format!(
                "{group} on {node}: voted {was:?} and after a restart {is:?}"
            ));
        }
        let Some(durable) = before.log.progress().durable else {
            return;
        };
        // A leader of a later term may take back what was not committed; the leader of the
        // entry's own term never does.
        let is_binding = is.term == durable.term || before.log.progress().applied >= Some(durable);
        let is_here = now.progress.start >= Some(durable)
            || now.log.log_id_at(durable.index) == Some(durable);
        if is_binding && !is_here {
            book.trouble(format!(
                "{group} on {node}: {durable:?} was durable, and after a restart the log ends at \
                 {:?}",
                now.progress.last
            ));
        }
    }

    pub(super) fn check_life(
        &self,
        group: RaftGroupId,
        before: &ReplicaSight,
        now: &ReplicaSight,
        book: &Book,
    ) {
        if before.replica_id != now.replica_id {
            return;
        }
        let node = now.node;
        if now.role.epoch < before.role.epoch {
            let (was, is) = (before.role.epoch, now.role.epoch);
            book.trouble(format!("{group} on {node}: epoch fell {was} to {is}"));
        }
        if now.progress.high_watermark < before.progress.high_watermark {
            let (was, is) = (before.progress.high_watermark, now.progress.high_watermark);
            book.trouble(format!(
                "{group} on {node}: high watermark fell {was} to {is}"
            ));
        }
        if now.ballot.term < before.ballot.term {
            let (was, is) = (before.ballot, now.ballot);
            book.trouble(format!("{group} on {node}: vote fell {was:?} to {is:?}"));
        }
    }
}
