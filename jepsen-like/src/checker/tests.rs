//! Hand-made histories: for each anomaly some that have it and near misses that do not.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::story::*;
use crate::{Action, Stage};

mod doubts;
mod groups;
mod logs;
mod order;
