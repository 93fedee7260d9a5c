//! One file per API. Each has `handle`, which turns a request into its response and does not
//! fail: what goes wrong is an error code in the response.

pub(crate) mod api_versions;
pub(crate) mod metadata;
