//! A node that does not reach another tries again soon: pauses between attempts stay bounded,
//! however long the other was away.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::book::Book;
use crate::cluster::Seat;

/// A node may leave another alone for so long; between attempts it pauses a second at most.
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Since when each node has left another alone.
#[derive(Default)]
pub struct Patience {
    idle: BTreeMap<(u32, u32), Idle>,
}

struct Idle {
    since: Duration,
    /// Attempts that had been made by then.
    attempts: u64,
}

impl Patience {
    pub(super) fn look(&mut self, now: Duration, seats: &[Seat], book: &Book) {
        for from in seats {
            for to in seats.iter().filter(|to| to.node() != from.node()) {
                let pair = (from.node(), to.node());
                let (attempts, is_open) = from.dials_to(to);
                if is_open || !from.works() {
                    self.idle.remove(&pair);
                    continue;
                }
                let idle = self.idle.entry(pair).or_insert(Idle {
                    since: now,
                    attempts,
                });
                if idle.attempts != attempts {
                    *idle = Idle {
                        since: now,
                        attempts,
                    };
                } else if now - idle.since > PAUSE_MAX {
                    let (from, to) = (from.name(), to.name());
                    book.trouble(format!(
                        "{from} has not tried to reach {to} since {:?}",
                        idle.since
                    ));
                    // Said once; it may go on.
                    idle.since = now;
                }
            }
        }
    }
}
