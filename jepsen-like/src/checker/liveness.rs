//! How long logs could not be written, and whether they could once everything was healed.

use std::collections::BTreeMap;

use super::Found;
use crate::availability::{Writes, healed_at_ns, writes};
use crate::report::OUTAGE_NS;
use crate::{Anomaly, Doubt, Downtime, History, Key, Moment};

const NS_PER_MS: u64 = 1_000_000;

/// Measures each log's downtime. Where the plan says how soon a log must be writable, finds those
/// that were not, after everything was healed.
pub(super) fn check(history: &History, found: &mut Found) -> BTreeMap<Key, Downtime> {
    let writes = writes(&history.operations);
    let end_ns = history.end_ns();
    if let Some(within_ms) = history.header.plan.available_within_ms {
        let healed_ns = healed_at_ns(history);
        // Topics with several lives come and go, and nobody can tell when one was gone.
        let lasting = writes.iter().filter(|(key, _)| !key.0.contains('#'));
        for (key, writes) in lasting {
            check_key(key, writes, [healed_ns, end_ns], within_ms, found);
            if writes.last_attempt_ns < healed_ns {
                found
                    .doubts
                    .push(Doubt::NotTriedAfterHeal { key: key.clone() });
            }
        }
    }
    writes
        .into_iter()
        .map(|(key, writes)| (key, downtime(&writes, end_ns)))
        .collect()
}

fn check_key(
    key: &Key,
    writes: &Writes,
    [healed_ns, end_ns]: [u64; 2],
    within_ms: u32,
    found: &mut Found,
) {
    let within_ns = u64::from(within_ms) * NS_PER_MS;
    for window in &writes.windows {
        let until_ns = window.until_ns.unwrap_or(end_ns);
        let due_ns = window.from_ns.max(healed_ns).saturating_add(within_ns);
        if until_ns > due_ns {
            found.add(Anomaly::Unavailable {
                key: key.clone(),
                from: Moment(window.from_ns),
                until: window.until_ns.map(Moment),
                within_ms,
                operation: window.waiter,
            });
        }
    }
}

fn downtime(writes: &Writes, end_ns: u64) -> Downtime {
    let mut downtime = Downtime::default();
    for window in &writes.windows {
        let length_ns = window.length_ns(end_ns);
        if length_ns >= OUTAGE_NS {
            downtime.windows += 1;
            downtime.longest_ms = downtime.longest_ms.max(length_ns / NS_PER_MS);
            downtime.total_ms += length_ns / NS_PER_MS;
        }
    }
    downtime
}
