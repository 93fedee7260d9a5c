//! The gateway of a whole node in this process, driven by raw frames: rules of versions, hostile
//! bytes, records in and out.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod hostile;
mod metadata;
mod pipeline;
mod producers;
mod reading;
mod server;
mod versions;
mod writing;
