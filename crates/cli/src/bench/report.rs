//! The result of a benchmark: one set of fields for all of them, and what the nodes spent.

use std::collections::BTreeMap;
use std::time::Duration;

use floe_client::NodeStats;
use serde::Serialize;

use super::tally::Tally;
use crate::arguments::OutputForm;
use crate::connection::Connection;
use crate::failure::CommandError;
use crate::output::Stdout;

/// For the counters of one node, which may be gone by now.
const STATS_TIMEOUT: Duration = Duration::from_secs(2);

/// What was measured.
#[derive(Serialize)]
pub(super) struct Report {
    records: u64,
    bytes: u64,
    seconds: f64,
    records_per_s: f64,
    mb_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    errors: u64,
    nodes: Vec<NodeCost>,
}

/// What one node spent in the meantime.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct NodeCost {
    id: u32,
    cpu_s: f64,
    rss_bytes: u64,
    journal_syncs: u64,
    bytes_written: u64,
}

/// Counters of every node that answers.
pub(super) type Counters = BTreeMap<u32, NodeStats>;

/// Asks every node.
pub(super) async fn read_counters(connection: &Connection) -> Counters {
    let admin = connection.client.admin().timeout(STATS_TIMEOUT);
    let nodes = admin
        .cluster()
        .await
        .map(|cluster| cluster.nodes)
        .unwrap_or_default();
    let asked = nodes.into_iter().map(|node| {
        let admin = admin.clone();
        async move { Some((node.node.0, admin.node_stats(node.node).await.ok()?)) }
    });
    futures::future::join_all(asked)
        .await
        .into_iter()
        .flatten()
        .collect()
}

/// The differences; a node that restarted in between counts from its start.
pub(super) fn costs(before: &Counters, after: &Counters) -> Vec<NodeCost> {
    let cost = |(&id, now): (&u32, &NodeStats)| {
        let then = before.get(&id).cloned().unwrap_or_default();
        let restarted = now.cpu_us < then.cpu_us;
        let then = if restarted {
            NodeStats::default()
        } else {
            then
        };
        NodeCost {
            id,
            cpu_s: (now.cpu_us - then.cpu_us) as f64 / 1e6,
            rss_bytes: now.rss_bytes,
            journal_syncs: now.journal_syncs.saturating_sub(then.journal_syncs),
            bytes_written: now.bytes_written.saturating_sub(then.bytes_written),
        }
    };
    after.iter().map(cost).collect()
}

impl Report {
    pub(super) fn new(tally: &Tally, took: Duration, nodes: Vec<NodeCost>) -> Self {
        let seconds = took.as_secs_f64().max(1e-6);
        Self {
            records: tally.records,
            bytes: tally.bytes,
            seconds,
            records_per_s: tally.records as f64 / seconds,
            mb_per_s: tally.bytes as f64 / 1e6 / seconds,
            p50_ms: tally.quantile_ms(0.5),
            p99_ms: tally.quantile_ms(0.99),
            p999_ms: tally.quantile_ms(0.999),
            errors: tally.errors,
            nodes,
        }
    }

    /// Prints it; records that failed make the benchmark fail.
    pub(super) fn finish(&self, form: OutputForm) -> Result<(), CommandError> {
        Stdout::new().document(form, self, Self::lines)?;
        match self.errors {
            0 => Ok(()),
            errors => Err(CommandError::failed(format!("{errors} records failed"))),
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("records", self.records.to_string()),
            ("seconds", format!("{:.2}", self.seconds)),
            ("records/s", format!("{:.0}", self.records_per_s)),
            ("MB/s", format!("{:.1}", self.mb_per_s)),
            ("p50", format!("{:.2} ms", self.p50_ms)),
            ("p99", format!("{:.2} ms", self.p99_ms)),
            ("p99.9", format!("{:.2} ms", self.p999_ms)),
            ("errors", self.errors.to_string()),
        ];
        lines.extend(self.nodes.iter().map(|node| {
            let NodeCost {
                id,
                cpu_s,
                journal_syncs,
                ..
            } = node;
            let (written, memory) = (node.bytes_written >> 20, node.rss_bytes >> 20);
            let text = format!(
                "{id}: {cpu_s:.2} CPU s, {memory} MiB memory, {journal_syncs} journal syncs, \
                 {written} MiB written"
            );
            ("node", text)
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_node_counts_from_its_start() {
        let stats = |cpu_us, journal_syncs| NodeStats {
            cpu_us,
            journal_syncs,
            ..NodeStats::default()
        };
        let before = Counters::from([(1, stats(1_000_000, 10)), (2, stats(9_000_000, 90))]);
        let after = Counters::from([(1, stats(3_000_000, 15)), (2, stats(1_000_000, 4))]);
        let costs = costs(&before, &after);
        let seen: Vec<_> = costs
            .iter()
            .map(|c| (c.id, c.cpu_s, c.journal_syncs))
            .collect();
        assert_eq!(seen, [(1, 2.0, 5), (2, 1.0, 4)]);
    }

    #[test]
    fn the_fields_are_those_that_scripts_read() {
        let report = Report::new(&Tally::new(), Duration::from_secs(1), Vec::new());
        let json = serde_json::to_value(report).unwrap();
        let fields: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let mut expected = vec![
            "records",
            "bytes",
            "seconds",
            "records_per_s",
            "mb_per_s",
            "p50_ms",
            "p99_ms",
            "p999_ms",
            "errors",
            "nodes",
        ];
        expected.sort_unstable();
        assert_eq!(fields, expected);
    }
}
