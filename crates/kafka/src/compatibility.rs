//! The table of `docs/kafka-compatibility.md`, generated from what is advertised.

use crate::dispatch::SERVED;

/// One row per API that is served: its key, its name and the versions advertised.
#[must_use]
pub fn api_table() -> String {
    let mut table = "| key | API | versions |\n|---|---|---|\n".to_owned();
    for api in SERVED {
        let versions = api.versions();
        let row = format!(
            "| {} | {:?} | {}-{} |\n",
            api.number(),
            api,
            versions.advertised_min,
            versions.max
        );
        table.push_str(&row);
    }
    table
}
