//! The delivery story: couriers on real streets, three groups of readers, a truth to compare.
mod city;
mod courier;
mod groups;
mod position;
pub use city::City;
pub use courier::Courier;
pub use groups::{Audit, Effects};
pub use position::{Phase, Position};
