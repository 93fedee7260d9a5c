//! The plots: what was broken, how much was done, how fast, and what could not be written.

use std::collections::BTreeMap;

use super::faults::FaultInterval;
use super::frame::Frame;
use super::series::Series;
use super::text::{duration, escape, grouped, put};
use crate::Key;
use crate::availability::Writes;

/// Height of one lane.
const LANE: f64 = 20.0;
/// Height of a plot with values.
const CHART: f64 = 170.0;
/// Logs shown; the worst come first.
const KEYS_MAX: usize = 24;
/// Shorter times without an answer are no outage, ns.
pub(crate) const OUTAGE_NS: u64 = 250_000_000;

/// One lane for each kind of fault.
pub(super) fn faults(out: &mut String, end_ns: u64, faults: &[FaultInterval]) {
    let mut lanes: BTreeMap<&str, Vec<&FaultInterval>> = BTreeMap::new();
    for fault in faults {
        lanes.entry(&fault.kind).or_default().push(fault);
    }
    let frame = Frame::new(end_ns, LANE * lanes.len() as f64);
    frame.open(out, "Faults", &[]);
    for (lane, (kind, faults)) in lanes.into_iter().enumerate() {
        let top = LANE * lane as f64;
        Frame::name(out, top + 14.0, kind);
        for fault in faults {
            let class = if fault.landed { "fault" } else { "missed" };
            put!(out, "<g><title>{}</title>", escape(&fault.target));
            let bounds = (top + 3.0, top + LANE - 3.0);
            frame.bar(out, class, (fault.from_ns, fault.until_ns), bounds);
            out.push_str("</g>\n");
        }
    }
    Frame::close(out);
}

/// Operations that ended, per second and by outcome.
pub(super) fn rate(out: &mut String, end_ns: u64, series: &Series, faults: &[FaultInterval]) {
    let all = |place: usize| {
        let bucket = &series.buckets[place];
        bucket.ok + bucket.info + bucket.fail
    };
    let highest = (0..series.buckets.len()).map(all).max().unwrap_or(0).max(1);
    let per_second = |count: u64| (count as f64 * 1e9 / series.step_ns as f64).round() as u64;
    let frame = Frame::new(end_ns, CHART);
    let y = |count: u64| CHART - (CHART - 14.0) * count as f64 / highest as f64;
    frame.open(out, "Operations per second", faults);
    for share in [highest, highest / 2] {
        Frame::rule(out, y(share), &format!("{}/s", grouped(per_second(share))));
    }
    for (place, bucket) in series.buckets.iter().enumerate() {
        let start_ns = series.step_ns * place as u64;
        let span = (start_ns, start_ns + series.step_ns);
        let mut below = 0;
        for (class, count) in [
            ("ok", bucket.ok),
            ("info", bucket.info),
            ("fail", bucket.fail),
        ] {
            if count > 0 {
                frame.bar(out, class, span, (y(below + count), y(below)));
                below += count;
            }
        }
    }
    Frame::close(out);
}

/// How long successful writes took, on a logarithmic scale.
pub(super) fn latency(out: &mut String, end_ns: u64, series: &Series, faults: &[FaultInterval]) {
    let all = || series.buckets.iter().filter_map(|bucket| bucket.latency_ns);
    let lowest = all().map(|latency| latency[0]).min().unwrap_or(1).max(1);
    let highest = all()
        .map(|latency| latency[2])
        .max()
        .unwrap_or(1)
        .max(lowest);
    // Whole powers of ten around everything.
    let (low, high) = (
        (lowest as f64).log10().floor(),
        (highest as f64).log10().floor() + 1.0,
    );
    let frame = Frame::new(end_ns, CHART);
    let y = |ns: u64| CHART - (CHART - 8.0) * ((ns.max(1) as f64).log10() - low) / (high - low);
    frame.open(out, "Latency of writes", faults);
    for power in low as i32..=high as i32 {
        let ns = 10_f64.powi(power) as u64;
        Frame::rule(out, y(ns), &duration(ns));
    }
    for (class, which) in [("max", 2), ("p99", 1), ("p50", 0)] {
        line(out, class, series, which, |place, ns| {
            (frame.x(series.middle_ns(place)), y(ns))
        });
    }
    Frame::close(out);
}

/// One line; it breaks where nothing was done.
fn line(
    out: &mut String,
    class: &str,
    series: &Series,
    which: usize,
    point: impl Fn(usize, u64) -> (f64, f64),
) {
    put!(out, "<path class=\"line {class}\" d=\"");
    let mut is_open = false;
    for (place, bucket) in series.buckets.iter().enumerate() {
        if let Some(latency) = bucket.latency_ns {
            let (x, y) = point(place, latency[which]);
            let step = if is_open { 'L' } else { 'M' };
            // A lone point is drawn too: the line ends are round.
            put!(out, "{step}{x:.1} {y:.1}h.01");
        }
        is_open = bucket.latency_ns.is_some();
    }
    out.push_str("\"/>\n");
}

/// One strip per log with the times at which it could not be written. Returns how many logs
/// are not shown.
pub(super) fn availability(
    out: &mut String,
    end_ns: u64,
    writes: &BTreeMap<Key, Writes>,
    faults: &[FaultInterval],
) -> usize {
    let down_ns = |writes: &Writes| -> u64 {
        let lengths = writes.windows.iter().map(|window| window.length_ns(end_ns));
        lengths.filter(|length| *length >= OUTAGE_NS).sum()
    };
    let mut worst: Vec<_> = writes
        .iter()
        .map(|(key, writes)| (std::cmp::Reverse(down_ns(writes)), key, writes))
        .collect();
    worst.sort_by_key(|(down, key, _)| (*down, *key));
    let hidden = worst.len().saturating_sub(KEYS_MAX);
    worst.truncate(KEYS_MAX);
    let frame = Frame::new(end_ns, LANE * worst.len() as f64);
    frame.open(out, "Availability", faults);
    for (lane, (_, key, writes)) in worst.into_iter().enumerate() {
        let (top, bottom) = (LANE * lane as f64 + 3.0, LANE * (lane + 1) as f64 - 3.0);
        Frame::name(out, top + 11.0, &key.0);
        frame.bar(out, "up", (0, end_ns), (top, bottom));
        for window in &writes.windows {
            if window.length_ns(end_ns) >= OUTAGE_NS {
                let span = (window.from_ns, window.until_ns.unwrap_or(end_ns));
                frame.bar(out, "down", span, (top, bottom));
            }
        }
    }
    Frame::close(out);
    hidden
}
