//! Where a run stands, and how that looks in a terminal.

use std::fmt::Write as _;
use std::time::Duration;

/// Where a run stands.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Since the start of sending.
    pub elapsed: Duration,
    /// Positions sent.
    pub produced: u64,
    /// Positions acknowledged.
    pub acked: u64,
    /// Positions given up.
    pub failed: u64,
    /// By group.
    pub groups: Vec<GroupLine>,
    /// By node.
    pub nodes: Vec<NodeLine>,
    /// The last kill.
    pub last_failover: Option<Failover>,
}

/// One group.
#[derive(Clone, Debug)]
pub struct GroupLine {
    /// Its name.
    pub name: &'static str,
    /// Positions received.
    pub received: u64,
    /// Effects produced.
    pub effects: u64,
    /// Committed positions not yet received.
    pub lag_records: u64,
    /// Age of the newest position processed while behind, milliseconds.
    pub lag_ms: i64,
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeLine {
    /// Its id.
    pub id: u32,
    /// Where clients reach it.
    pub client_addr: String,
    /// Partitions of the story it leads.
    pub leaders: u32,
    /// Whether its process runs.
    pub running: bool,
}

/// A kill and what it cost.
#[derive(Clone, Debug)]
pub struct Failover {
    /// The node killed.
    pub node: u32,
    /// Longest wait for an acknowledgement since, milliseconds.
    pub unavailable_ms: u64,
}

impl Snapshot {
    /// The view as lines; `rate` is acknowledged positions per second since the last view.
    #[must_use]
    pub fn render(&self, rate: f64) -> String {
        let mut text = String::new();
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            writeln!(text, "{arguments}").expect("writing to a string cannot fail");
        };
        line(format_args!(
            "Helsinki Eats  {:>5.1} s   {:>8} sent  {:>8} acknowledged  {:>7.0}/s",
            self.elapsed.as_secs_f64(),
            self.produced,
            self.acked,
            rate
        ));
        line(format_args!(""));
        line(format_args!(
            "  {:<14} {:>9} {:>9} {:>13} {:>9}",
            "group", "received", "effects", "lag, records", "lag, s"
        ));
        for group in &self.groups {
            let lag_s = Duration::from_millis(group.lag_ms.max(0).unsigned_abs()).as_secs_f64();
            line(format_args!(
                "  {:<14} {:>9} {:>9} {:>13} {:>9.1}",
                group.name, group.received, group.effects, group.lag_records, lag_s
            ));
        }
        line(format_args!(""));
        for node in &self.nodes {
            let state = if node.running { "running" } else { "killed" };
            line(format_args!(
                "  node {}  {:<21} {:<8} leads {:>2} of 12",
                node.id, node.client_addr, state, node.leaders
            ));
        }
        if let Some(node) = self.nodes.first() {
            line(format_args!(
                "\n  break it, in another terminal:  floe chaos --server {}",
                node.client_addr
            ));
        }
        match &self.last_failover {
            Some(failover) => line(format_args!(
                "\n  last failover: node {} killed, longest wait for an ack {} ms",
                failover.node, failover.unavailable_ms
            )),
            None => line(format_args!("\n  last failover: none yet")),
        }
        line(format_args!(
            "  streets (c) OpenStreetMap contributors, ODbL 1.0; couriers are simulated"
        ));
        text
    }
}
