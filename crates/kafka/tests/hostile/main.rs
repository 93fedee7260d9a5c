//! Hundreds of requests that no client sends, through sockets to a whole node: each gets a typed error or loses
//! its connection, and a client beside them notices nothing. A process of its own, so that its memory
//! is that of these requests.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod bystander;
mod damaged;
mod out_of_range;
#[path = "../gateway/server.rs"]
mod server;

/// One after the other: the memory of the process is measured.
#[tokio::test]
async fn hostile_requests_get_a_typed_error_or_lose_their_connection_and_nobody_notices() {
    damaged::cut_and_forged_requests_of_every_version().await;
    out_of_range::values_out_of_range().await;
}
