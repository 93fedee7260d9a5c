//! The generated parts of `docs/kafka-compatibility.md` are what the broker advertises and checks.
//!
//! `FLOE_WRITE_PAGE=1 cargo test -p floe-kafka --test compatibility_page` writes them anew.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/kafka-compatibility.md")
}

/// The page with `table` between the marks of `part`.
fn with(page: &str, part: &str, table: &str) -> String {
    let begin = format!("<!-- generated: {part} -->\n");
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{begin}{table}<!-- end -->{after}")
}

#[test]
fn the_page_says_what_is_served_and_accepted() {
    let written = std::fs::read_to_string(page()).unwrap();
    let fresh = with(&written, "apis", &floe_kafka::api_table());
    let fresh = with(&fresh, "settings", &floe_broker::api::settings_table());
    if std::env::var_os("FLOE_WRITE_PAGE").is_some() {
        std::fs::write(page(), &fresh).unwrap();
        return;
    }
    assert!(
        written == fresh,
        "docs/kafka-compatibility.md is stale; write it with FLOE_WRITE_PAGE=1 cargo test \
         -p floe-kafka --test compatibility_page"
    );
}
