//! One card for each kind of anomaly and for what makes a run say little.

use super::Page;
use super::rows;
use super::slice::slices;
use super::text::{escape, grouped, put};
use crate::Anomaly;

/// Findings of one kind that are spelled out.
const EXAMPLES_MAX: usize = 3;

/// Why the run may show nothing, and what no history can express.
pub(super) fn doubts(out: &mut String, page: &Page<'_>) {
    if page.report.doubts.is_empty() && page.remarks.is_empty() {
        return;
    }
    out.push_str("<h2>Remarks</h2>\n");
    for remark in page.remarks {
        put!(
            out,
            "<section class=\"card\"><p>{}</p></section>\n",
            escape(remark)
        );
    }
    for doubt in &page.report.doubts {
        let doubt = escape(&doubt.to_string());
        put!(
            out,
            "<section class=\"card doubtful\"><p>{doubt}</p></section>\n"
        );
    }
}

/// What is wrong.
pub(super) fn anomalies(out: &mut String, page: &Page<'_>) {
    out.push_str("<h2>Anomalies</h2>\n");
    let all = &page.report.anomalies;
    if all.is_empty() {
        out.push_str("<p class=\"soft\">None.</p>\n");
        return;
    }
    let shown: Vec<&Anomaly> = all
        .values()
        .flat_map(|findings| findings.examples.iter().take(EXAMPLES_MAX))
        .collect();
    let slices = slices(page.history, &shown);
    let mut shown = shown.into_iter().zip(slices);
    for (kind, findings) in all {
        put!(
            out,
            "<section class=\"card\" id=\"{name}\">\n<h3>{name} \
             <span class=\"count\">× {count}</span></h3>\n<p>{meaning}</p>\n",
            name = kind.name(),
            count = grouped(findings.count),
            meaning = kind.meaning()
        );
        let examples = findings.examples.len().min(EXAMPLES_MAX);
        for (place, (finding, slice)) in shown.by_ref().take(examples).enumerate() {
            if place == 1 {
                out.push_str("<details><summary>more of them</summary>\n");
            }
            example(out, page, finding, &slice);
        }
        if examples > 1 {
            out.push_str("</details>\n");
        }
        out.push_str("</section>\n");
    }
}

/// One finding: its evidence, and the slice of history.
fn example(out: &mut String, page: &Page<'_>, finding: &Anomaly, slice: &[usize]) {
    out.push_str("<p><code>");
    let fields = serde_json::to_value(finding).unwrap_or_default();
    let fields = fields.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(name, _)| *name != "anomaly" && *name != "cycle") {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        put!(out, "{} <b>{}</b>&ensp;", escape(name), escape(&text));
    }
    out.push_str("</code></p>\n");
    rows::cycle(out, finding);
    rows::operations(out, page.history, &finding.subject(), slice);
}
