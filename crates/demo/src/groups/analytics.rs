//! What the planners see: couriers and speed per tile of the city and minute of the story.

use std::collections::{BTreeMap, BTreeSet};

use crate::Position;

/// Tiles per degree; one is about 55 m wide and 110 m high in Helsinki.
const TILES_PER_DEGREE: f64 = 1000.0;

/// Couriers and speed per tile and minute.
#[derive(Debug, Default)]
pub(crate) struct Analytics {
    cells: BTreeMap<(u64, Tile), Cell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tile {
    north: i64,
    east: i64,
}

/// Speeds are summed in tenths of km/h: whole numbers add up in any order.
#[derive(Debug, Default, PartialEq)]
struct Cell {
    couriers: BTreeSet<u32>,
    samples: u64,
    speed_sum_tenths: i64,
}

impl Analytics {
    /// Takes one position.
    pub(crate) fn on(&mut self, position: &Position) {
        let tile = Tile {
            north: tile_of(position.lat),
            east: tile_of(position.lon),
        };
        let cell = self.cells.entry((position.story_s / 60, tile)).or_default();
        cell.couriers.insert(position.courier);
        cell.samples += 1;
        cell.speed_sum_tenths += whole(position.kmh * 10.0);
    }

    /// Cells filled.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.cells.len() as u64
    }

    /// Cells other than in `truth`.
    #[must_use]
    pub(crate) fn wrong(&self, truth: &Self) -> u64 {
        super::differences(&self.cells, &truth.cells)
    }
}

fn tile_of(degrees: f64) -> i64 {
    whole((degrees * TILES_PER_DEGREE).floor())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "degrees and speeds are small"
)]
fn whole(value: f64) -> i64 {
    value.round() as i64
}
