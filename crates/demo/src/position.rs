//! The record that a courier sends: one position, as JSON.

use serde::{Deserialize, Serialize};

/// What a courier is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Took an order and rides to the restaurant.
    ToRestaurant,
    /// Waits for the food.
    Waiting,
    /// Rides to the customer.
    ToCustomer,
    /// Handed the order over; said exactly once per order.
    Delivered,
}

/// One position of one courier. Topic `courier.location`, keyed by courier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The courier, from 0.
    pub courier: u32,
    /// Counts the courier's positions from 0 without gaps.
    pub seq: u64,
    /// Second of the story, the minute of which analytics uses.
    pub story_s: u64,
    /// Degrees north, with GPS noise.
    pub lat: f64,
    /// Degrees east, with GPS noise.
    pub lon: f64,
    /// Speed over ground, km/h.
    pub kmh: f64,
    /// Compass heading, degrees.
    pub hdg: u16,
    /// The order, unique over all couriers.
    pub order: u64,
    /// What the courier is doing.
    pub phase: Phase,
    /// Metres of route left to the next stop.
    pub left_m: f64,
}

impl Position {
    /// The record's key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("courier-{}", self.courier)
    }

    /// The record's value.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a position has only numbers and plain names")
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// It is not a position.
    pub fn from_json(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}
