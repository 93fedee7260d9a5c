//! What the customer's map shows: the last position and the time of arrival per order.

use std::collections::BTreeMap;

use crate::{Phase, Position};

/// Metres a second that an arrival time is reckoned with.
const RECKONED_SPEED: f64 = 5.0;

/// Last position and ETA per order.
#[derive(Debug, Default)]
pub(crate) struct CustomerUi {
    orders: BTreeMap<u64, Shown>,
}

#[derive(Debug, PartialEq)]
struct Shown {
    seq: u64,
    lat: f64,
    lon: f64,
    phase: Phase,
    eta_s: Option<f64>,
}

impl CustomerUi {
    /// Takes one position.
    pub(crate) fn on(&mut self, position: &Position) {
        let on_the_way = position.phase == Phase::ToCustomer;
        let shown = Shown {
            seq: position.seq,
            lat: position.lat,
            lon: position.lon,
            phase: position.phase,
            eta_s: on_the_way.then(|| (position.left_m / RECKONED_SPEED).ceil()),
        };
        self.orders.insert(position.order, shown);
    }

    /// Orders shown.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.orders.len() as u64
    }

    /// Orders shown otherwise than in `truth`.
    #[must_use]
    pub(crate) fn wrong(&self, truth: &Self) -> u64 {
        super::differences(&self.orders, &truth.orders)
    }
}
