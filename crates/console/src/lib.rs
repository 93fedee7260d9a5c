//! What a node says over HTTP: `/livez`, `/readyz` and `/metrics`.
//!
//! Invariant: no business logic; every answer is the broker's own words. Connections are bounded
//! in number, in header size and in time, and none outlives the [`Console`].

mod answer;
mod server;

pub use server::Console;
