//! The cluster's metadata on this node: the replicated state, and the way to change it.

mod confirmer;
mod controller;
mod machine;
mod view;

pub(crate) use confirmer::{Confirmer, run as confirm_rounds};
pub(crate) use controller::{Controller, Rejected};
pub(crate) use machine::MetadataMachine;
pub(crate) use view::{MetadataPublisher, MetadataWatch, publisher};
