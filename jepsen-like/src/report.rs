//! A run for people: one HTML file that needs nothing else, and the same as JSON.
//!
//! Invariant: nothing of the history gets into the page but through `escape`, and the page loads
//! nothing from anywhere.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::availability::writes;
use crate::{History, Report};

mod cards;
mod faults;
mod frame;
mod plots;
mod rows;
mod series;
mod slice;
mod text;

pub use faults::{FaultInterval, OperationCounts, fault_intervals};
pub(crate) use plots::OUTAGE_NS;

use series::Series;
use text::{duration, escape, grouped, put};

const STYLE: &str = include_str!("report/style.css");

/// A fault that was asked for and not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The kind of fault.
    pub fault: String,
    /// Why not.
    pub reason: String,
}

/// All that a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What was tested.
    pub title: &'a str,
    /// What happened; its fault operations are the bands in the plots.
    pub history: &'a History,
    /// What it showed.
    pub report: &'a Report,
    /// What happened that no history can express. Any makes the verdict invalid.
    pub remarks: &'a [String],
    /// Faults not done.
    pub skipped: &'a [Skipped],
}

/// The page as data.
#[derive(Clone, Debug, Serialize)]
pub struct Results<'a> {
    /// What was tested.
    pub title: &'a str,
    /// Where all randomness of the run came from.
    pub seed: u64,
    /// Version of what was tested.
    pub version: &'a str,
    /// The workload.
    pub workload: &'a str,
    /// How long it took, ns.
    pub length_ns: u64,
    /// What the check says.
    #[serde(flatten)]
    pub report: &'a Report,
    /// Faults that landed or did not, with their times.
    pub fault_intervals: Vec<FaultInterval>,
    /// The kinds of operations in numbers.
    pub kinds: BTreeMap<&'static str, OperationCounts>,
    /// What no history can express.
    pub remarks: &'a [String],
    /// Faults not done.
    pub skipped: &'a [Skipped],
}

impl<'a> Page<'a> {
    /// The same as data.
    #[must_use]
    pub fn results(&self) -> Results<'a> {
        let header = &self.history.header;
        Results {
            title: self.title,
            seed: header.seed,
            version: &header.version,
            workload: &header.plan.workload,
            length_ns: self.history.end_ns(),
            report: self.report,
            fault_intervals: fault_intervals(self.history),
            kinds: faults::counts(self.history),
            remarks: self.remarks,
            skipped: self.skipped,
        }
    }

    /// The whole file.
    #[must_use]
    pub fn html(&self) -> String {
        let mut out = String::new();
        let title = escape(self.title);
        put!(
            &mut out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
        );
        self.head(&mut out, &title);
        self.facts(&mut out);
        self.plots(&mut out);
        cards::doubts(&mut out, self);
        cards::anomalies(&mut out, self);
        self.tables(&mut out);
        self.foot(&mut out);
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }

    fn head(&self, out: &mut String, title: &str) {
        let verdict = self.report.verdict.name();
        let sentence = match self.report.verdict {
            crate::Verdict::Valid => "Nothing wrong was found, in a run that could have shown it.",
            crate::Verdict::Invalid => "The cluster did what it must never do.",
            crate::Verdict::Unknown => "Nothing wrong was found, but the run could not show much.",
        };
        put!(
            out,
            "<header>\n<h1>{title}</h1>\n<span class=\"verdict {verdict}\">{verdict}</span>\n\
             </header>\n<p class=\"soft\">{sentence}</p>\n"
        );
    }

    fn facts(&self, out: &mut String) {
        let report = self.report;
        let longest_ms = report.downtime.values().map(|down| down.longest_ms).max();
        let anomalies: u64 = report.anomalies.values().map(|found| found.count).sum();
        let facts = [
            (duration(self.history.end_ns()), "length of the run"),
            (grouped(report.operations), "operations"),
            (grouped(report.sent_ok), "records acknowledged"),
            (grouped(report.lost), "of them lost"),
            (grouped(report.polled_ok), "records read"),
            (grouped(report.faults_landed), "faults landed"),
            (grouped(anomalies), "anomalies"),
            (
                duration(longest_ms.unwrap_or(0).saturating_mul(1_000_000)),
                "longest time a log could not be written",
            ),
        ];
        out.push_str("<section class=\"facts\">\n");
        for (number, name) in facts {
            put!(
                out,
                "<div class=\"fact\"><b>{number}</b><span>{name}</span></div>\n"
            );
        }
        out.push_str("</section>\n");
    }

    fn plots(&self, out: &mut String) {
        let end_ns = self.history.end_ns();
        let faults = fault_intervals(self.history);
        let series = Series::of(self.history);
        let band = if faults.is_empty() {
            ""
        } else {
            "<span class=\"key\"><i class=\"band\"></i>a fault</span>"
        };
        if !faults.is_empty() {
            out.push_str("<figure>\n<figcaption>Faults</figcaption>\n");
            plots::faults(out, end_ns, &faults);
            out.push_str("</figure>\n");
        }
        put!(
            out,
            "<figure>\n<figcaption>Operations per second\
             <span class=\"key\"><i class=\"ok\"></i>ok</span>\
             <span class=\"key\"><i class=\"info\"></i>unknown</span>\
             <span class=\"key\"><i class=\"fail\"></i>failed</span>{band}</figcaption>\n"
        );
        plots::rate(out, end_ns, &series, &faults);
        put!(
            out,
            "</figure>\n<figure>\n<figcaption>Latency of writes\
             <span class=\"key\"><i class=\"p50\"></i>half</span>\
             <span class=\"key\"><i class=\"p99\"></i>99 %</span>\
             <span class=\"key\"><i class=\"max\"></i>slowest</span>{band}</figcaption>\n"
        );
        plots::latency(out, end_ns, &series, &faults);
        put!(
            out,
            "</figure>\n<figure>\n<figcaption>Availability for writes\
             <span class=\"key\"><i class=\"down\"></i>nobody was served</span>{band}\
             </figcaption>\n"
        );
        let writes = writes(&self.history.operations);
        let hidden = plots::availability(out, end_ns, &writes, &faults);
        if hidden > 0 {
            put!(
                out,
                "<p class=\"soft\">{hidden} more logs were no worse.</p>\n"
            );
        }
        out.push_str("</figure>\n");
    }

    fn tables(&self, out: &mut String) {
        out.push_str(
            "<h2>Operations</h2>\n<div class=\"table\"><table>\n<tr><th>kind</th>\
             <th class=\"number\">ok</th><th class=\"number\">failed</th>\
             <th class=\"number\">unknown</th><th class=\"number\">half within</th>\
             <th class=\"number\">99 % within</th><th class=\"number\">slowest</th></tr>\n",
        );
        for (kind, counts) in faults::counts(self.history) {
            put!(out, "<tr><td>{kind}</td>");
            for count in [counts.ok, counts.fail, counts.info] {
                put!(out, "<td class=\"number\">{}</td>", grouped(count));
            }
            for latency_ns in [
                counts.latency_p50_ns,
                counts.latency_p99_ns,
                counts.latency_max_ns,
            ] {
                put!(out, "<td class=\"number\">{}</td>", duration(latency_ns));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</table></div>\n");
        self.observations(out);
        if !self.skipped.is_empty() {
            out.push_str("<h2>Faults not done</h2>\n<div class=\"table\"><table>\n");
            for skipped in self.skipped {
                let (fault, reason) = (escape(&skipped.fault), escape(&skipped.reason));
                put!(
                    out,
                    "<tr><th>{fault}</th><td class=\"wide\">{reason}</td></tr>\n"
                );
            }
            out.push_str("</table></div>\n");
        }
    }

    fn observations(&self, out: &mut String) {
        let seen = &self.report.observations;
        let ms = |ms: u64| duration(ms.saturating_mul(1_000_000));
        let rows = [
            (
                "oldest record not yet returned by a poll",
                ms(seen.realtime_lag_max_ms),
            ),
            ("the same in 99 % of polls", ms(seen.realtime_lag_p99_ms)),
            (
                "records that a member consumed again",
                grouped(seen.consumed_again),
            ),
            (
                "most often one member consumed one record",
                grouped(seen.consume_count_max),
            ),
            (
                "writes of others between those of one send",
                grouped(seen.internal_send_skips),
            ),
            (
                "skips of members after a rebalance",
                grouped(seen.subscribed_poll_skips),
            ),
            (
                "returns of members after a rebalance",
                grouped(seen.subscribed_nonmonotonic_polls),
            ),
        ];
        out.push_str("<h2>Allowed, and worth knowing</h2>\n<div class=\"table\"><table>\n");
        for (name, number) in rows {
            put!(
                out,
                "<tr><td>{name}</td><td class=\"number\">{number}</td></tr>\n"
            );
        }
        out.push_str("</table></div>\n");
    }

    fn foot(&self, out: &mut String) {
        let header = &self.history.header;
        put!(
            out,
            "<footer>Workload {}, version {}, seed {}, history schema {}.</footer>\n",
            escape(&header.plan.workload),
            escape(&header.version),
            header.seed,
            header.schema
        );
    }
}

#[cfg(test)]
mod tests;
