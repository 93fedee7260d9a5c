//! The page of a run.

use floe_jepsen::{History, Report};

use super::verdict::Document;

/// The page.
pub(super) fn page(document: &Document, _history: &History, checked: &Report) -> String {
    let document = serde_json::to_string_pretty(document).unwrap_or_default();
    let checked = serde_json::to_string_pretty(checked).unwrap_or_default();
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!DOCTYPE html>\n<meta charset=\"utf-8\"><title>floe chaos</title>\n<pre>{}</pre>\n\
         <pre>{}</pre>\n",
        escape(&document),
        escape(&checked)
    )
}
