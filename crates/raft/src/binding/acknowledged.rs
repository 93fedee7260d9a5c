//! What the other replicas of a group acknowledged to this one.
//!
//! An acknowledged append or vote is on the disk of the one that gave it: from then on its term
//! never falls, and within one term its log never ends earlier, because the one leader of that
//! term never takes back what it gave. So a replica that comes back with less has lost something.
//! It is noted where the reply arrives, before openraft counts it. A reply that was on its way
//! while the replica restarted and its log was checked is void: what it promises may be gone.

use floe_model::{LogId, ReplicaId, Term};
use floe_rpc::LogEnd;
use parking_lot::Mutex;

/// The acknowledgements that one replica got from the others of its group.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    /// Few: a group has a handful of replicas.
    replicas: Mutex<Vec<Promised>>,
}

/// How often a replica's log had been checked when it was asked for something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked(u64);

#[derive(Debug)]
struct Promised {
    replica: ReplicaId,
    /// The newest term in which it acknowledged anything.
    term: Term,
    /// The furthest entry that it acknowledged to the leader of that term, if that was us.
    end: Option<LogId>,
    checks: u64,
}

impl Acknowledged {
    /// To be called before `replica` is asked for what it may acknowledge.
    pub(crate) fn ask(&self, replica: ReplicaId) -> Asked {
        let replicas = self.replicas.lock();
        let known = replicas.iter().find(|known| known.replica == replica);
        Asked(known.map_or(0, |known| known.checks))
    }

    /// `replica` acknowledged in `term`: its vote, and its log up to `end`. Returns whether that
    /// counts.
    pub(crate) fn note(
        &self,
        replica: ReplicaId,
        asked: Asked,
        term: Term,
        end: Option<LogId>,
    ) -> bool {
        let mut replicas = self.replicas.lock();
        let promised = entry(&mut replicas, replica);
        if promised.checks != asked.0 {
            return false;
        }
        if term > promised.term {
            (promised.term, promised.end) = (term, end);
        } else if term == promised.term {
            promised.end = promised.end.max(end);
        }
        true
    }

    /// Whether a restarted replica lacks anything that it acknowledged here.
    pub(crate) fn is_lost(&self, restarted: &LogEnd) -> bool {
        let mut replicas = self.replicas.lock();
        let promised = entry(&mut replicas, restarted.replica);
        promised.checks += 1;
        // In a later term another leader may have had it drop what it acknowledged to us.
        restarted.term < promised.term
            || (restarted.term == promised.term && restarted.last_log_id < promised.end)
    }
}

fn entry(replicas: &mut Vec<Promised>, replica: ReplicaId) -> &mut Promised {
    let place = replicas.iter().position(|known| known.replica == replica);
    let place = place.unwrap_or_else(|| {
        replicas.push(Promised {
            replica,
            term: Term(0),
            end: None,
            checks: 0,
        });
        replicas.len() - 1
    });
    &mut replicas[place]
}

#[cfg(test)]
mod tests {
    use floe_model::{LogIndex, RaftGroupId};

    use super::*;

    const REPLICA: ReplicaId = ReplicaId(7);

    fn id(term: u64, index: u64) -> LogId {
        LogId {
            term: Term(term),
            index: LogIndex(index),
        }
    }

    fn restarted(term: u64, last_log_id: Option<LogId>) -> LogEnd {
        LogEnd {
            group: RaftGroupId(1000),
            replica: REPLICA,
            term: Term(term),
            last_log_id,
        }
    }

    fn noted(acknowledged: &Acknowledged, term: u64, end: Option<LogId>) -> bool {
        let asked = acknowledged.ask(REPLICA);
        acknowledged.note(REPLICA, asked, Term(term), end)
    }

    #[test]
    fn a_log_that_ends_before_what_it_acknowledged_is_lost() {
        let acknowledged = Acknowledged::default();
        assert!(noted(&acknowledged, 2, Some(id(2, 9))));
        assert!(noted(&acknowledged, 2, Some(id(2, 5))));
        assert!(acknowledged.is_lost(&restarted(2, Some(id(2, 8)))));
        assert!(acknowledged.is_lost(&restarted(2, None)));
        assert!(!acknowledged.is_lost(&restarted(2, Some(id(2, 9)))));
        assert!(!acknowledged.is_lost(&restarted(2, Some(id(2, 12)))));
    }

    #[test]
    fn a_log_cut_by_a_later_leader_is_not_lost() {
        let acknowledged = Acknowledged::default();
        noted(&acknowledged, 2, Some(id(2, 9)));
        assert!(!acknowledged.is_lost(&restarted(3, Some(id(2, 5)))));
        // Nor when this node leads again: what counts is what it acknowledged in the new term.
        noted(&acknowledged, 4, Some(id(2, 4)));
        assert!(!acknowledged.is_lost(&restarted(4, Some(id(2, 5)))));
    }

    #[test]
    fn a_disk_that_forgot_a_vote_it_gave_is_lost() {
        let acknowledged = Acknowledged::default();
        noted(&acknowledged, 5, None);
        assert!(acknowledged.is_lost(&restarted(4, Some(id(4, 100)))));
        assert!(!acknowledged.is_lost(&restarted(5, None)));
    }

    #[test]
    fn a_reply_from_before_the_check_is_void() {
        let acknowledged = Acknowledged::default();
        let asked = acknowledged.ask(REPLICA);
        assert!(!acknowledged.is_lost(&restarted(2, Some(id(2, 1)))));
        assert!(!acknowledged.note(REPLICA, asked, Term(2), Some(id(2, 3))));
        assert!(noted(&acknowledged, 2, Some(id(2, 2))));
        assert!(!acknowledged.is_lost(&restarted(2, Some(id(2, 2)))));
    }
}
