//! Hand-made histories: for each anomaly some that have it and near misses that do not.
#![allow(clippy::unwrap_used)]

use floe_model::Offset;

use super::*;
use crate::story::*;
use crate::{Action, Batch, Identity, Key, Place, Replica, Sent, Stage, Step, Value, Watermarks};

mod bounds;
mod cluster;
mod cycles;
mod doubts;
mod groups;
mod liveness;
mod logs;
mod order;
mod producers;
