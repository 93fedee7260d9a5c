//! The messages, described once for all their versions, by family.
//!
//! Fields have the names of Kafka's published schema, whose guide says what each means; ids and
//! error codes have types. Each field's documentation states the versions that carry it.

mod api_versions;
mod cluster;
mod committed_offsets;
mod configs;
mod consumer_group;
mod fetch;
mod groups;
mod leader_hint;
mod membership;
mod offsets;
mod placement;
mod produce;
mod producers;
mod topics;

pub use api_versions::*;
pub use cluster::*;
pub use committed_offsets::*;
pub use configs::*;
pub use consumer_group::*;
pub use fetch::*;
pub use groups::*;
pub use leader_hint::*;
pub use membership::*;
pub use offsets::*;
pub use placement::*;
pub use produce::*;
pub use producers::*;
pub use topics::*;
