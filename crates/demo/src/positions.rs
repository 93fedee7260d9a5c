//! The fleet's positions in the order of sending, for whoever wants to send them elsewhere.
//!
//! Invariant: the same options give the same positions as a run of the story sends.

use crate::{City, Courier, DemoOptions, Position};

/// Positions without end, a second of the story after the other, each courier in turn.
pub struct Positions {
    city: City,
    fleet: Vec<Courier>,
    next: usize,
}

impl Positions {
    /// Every courier of the fleet at its start.
    ///
    /// # Panics
    /// Never: the bundled streets are tested.
    #[must_use]
    pub fn new(options: &DemoOptions) -> Self {
        let city = City::helsinki().expect("the bundled extract is tested");
        let courier = |id| Courier::new(&city, options.seed, id);
        Self {
            fleet: (0..options.couriers).map(courier).collect(),
            city,
            next: 0,
        }
    }
}

impl Iterator for Positions {
    type Item = Position;

    /// `None` only without couriers.
    fn next(&mut self) -> Option<Position> {
        let couriers = self.fleet.len();
        let courier = self.fleet.get_mut(self.next)?;
        self.next = (self.next + 1) % couriers;
        Some(courier.step(&self.city))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn couriers_take_turns_and_count_their_own_positions() {
        let options = DemoOptions {
            couriers: 3,
            ..DemoOptions::default()
        };
        let turns = Positions::new(&options).take(7);
        let seen: Vec<_> = turns
            .map(|position| (position.courier, position.seq))
            .collect();
        assert_eq!(
            seen,
            [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2)]
        );
    }

    #[test]
    fn nobody_rides_without_couriers() {
        let options = DemoOptions {
            couriers: 0,
            ..DemoOptions::default()
        };
        assert_eq!(Positions::new(&options).next(), None);
    }
}
