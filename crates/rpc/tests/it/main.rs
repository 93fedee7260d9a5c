//! Connections over loopback: calls, links, and what hostile peers can do.
#![allow(clippy::unwrap_used)]

mod clients;
mod hostile;
mod links;
mod streams;
mod support;
