//! What tests of several crates share: generators, deterministic values and a model log.
//!
//! Invariant: no cluster, no clock, no randomness of its own. Generators are proptest strategies;
//! everything else is a pure function of its arguments. `model`, `env` and `record` may use this
//! crate only from their `tests/` folders, where they are not compiled twice.

mod generate;
mod model_log;
mod values;

pub use generate::{
    any_batch, any_compression, any_entry, any_entry_body, any_header, any_record, any_records,
};
pub use model_log::{ModelLog, Place};
pub use values::{batch, batch_of, data_entry, record, value};
