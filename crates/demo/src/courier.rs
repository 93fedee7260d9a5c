//! One simulated courier: takes orders, rides the streets, waits, delivers.
//!
//! A pure function of (seed, courier): each step is one second of the story and gives one
//! position. Movement is made up; only the streets are real.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::city::{City, Corner, Point};
use crate::position::{Phase, Position};

/// Typical speed of a bicycle courier, km/h.
const SPEED_KMH: f64 = 18.0;
/// Longest wait at a restaurant, seconds.
const WAIT_S_MAX: u64 = 240;
const WAIT_S_MIN: u64 = 30;
/// Largest GPS error in either direction, metres.
const GPS_NOISE_M: f64 = 4.0;
/// Seconds of riding and waiting skipped at the start, so that couriers begin in all phases.
const HEAD_START_S_MAX: u64 = 900;

/// A courier on the road.
#[derive(Debug)]
pub struct Courier {
    id: u32,
    rng: StdRng,
    seq: u64,
    story_s: u64,
    orders: u64,
    at: Corner,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Riding {
        phase: Phase,
        to: Corner,
        route: Vec<Point>,
        leg: usize,
        done_m: f64,
        left_m: f64,
    },
    Waiting {
        left_s: u64,
        customer: Corner,
    },
    /// The hand-over takes one second.
    HandingOver,
}

impl Courier {
    /// Courier `id` of the fleet with `seed`, already somewhere in a delivery.
    #[must_use]
    pub fn new(city: &City, seed: u64, id: u32) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ (u64::from(id) << 32 | 0x5eed));
        let at = city.corner(rng.random());
        let mut courier = Self {
            id,
            rng,
            seq: 0,
            story_s: 0,
            orders: 0,
            at,
            stage: Stage::HandingOver,
        };
        courier.take_order(city);
        let head_start_s = courier.rng.random_range(0..HEAD_START_S_MAX);
        for _ in 0..head_start_s {
            let (_, _, _, phase, _) = courier.advance(city);
            courier.finish(city, phase);
        }
        courier
    }

    /// One second later: where the courier is now.
    pub fn step(&mut self, city: &City) -> Position {
        let (point, hdg, kmh, phase, left_m) = self.advance(city);
        let noisy = point.shifted_m(
            self.rng.random_range(-GPS_NOISE_M..GPS_NOISE_M),
            self.rng.random_range(-GPS_NOISE_M..GPS_NOISE_M),
        );
        let position = Position {
            courier: self.id,
            seq: self.seq,
            story_s: self.story_s,
            lat: rounded(noisy.lat, 1e6),
            lon: rounded(noisy.lon, 1e6),
            kmh: rounded(kmh, 10.0),
            hdg,
            order: u64::from(self.id) << 32 | self.orders,
            phase,
            left_m: rounded(left_m, 10.0),
        };
        self.seq += 1;
        self.story_s += 1;
        self.finish(city, phase);
        position
    }

    fn finish(&mut self, city: &City, phase: Phase) {
        if phase == Phase::Delivered {
            self.take_order(city);
        }
    }

    fn advance(&mut self, city: &City) -> (Point, u16, f64, Phase, f64) {
        match &mut self.stage {
            Stage::Riding {
                phase,
                to,
                route,
                leg,
                done_m,
                left_m,
            } => {
                let kmh = SPEED_KMH * self.rng.random_range(0.8..1.2);
                let (point, hdg) = ride(route, leg, done_m, kmh / 3.6);
                *left_m = (*left_m - kmh / 3.6).max(0.0);
                let (phase, left_m, arrived) = (*phase, *left_m, *leg + 1 >= route.len());
                if arrived {
                    self.at = *to;
                    self.arrive(city, phase);
                }
                (point, hdg, kmh, phase, if arrived { 0.0 } else { left_m })
            }
            Stage::Waiting { left_s, customer } => {
                *left_s -= 1;
                let (over, customer) = (*left_s == 0, *customer);
                if over {
                    self.ride_to(city, customer, Phase::ToCustomer);
                }
                (city.point(self.at), 0, 0.0, Phase::Waiting, 0.0)
            }
            Stage::HandingOver => (city.point(self.at), 0, 0.0, Phase::Delivered, 0.0),
        }
    }

    fn arrive(&mut self, city: &City, phase: Phase) {
        self.stage = match phase {
            Phase::ToRestaurant => Stage::Waiting {
                left_s: self.rng.random_range(WAIT_S_MIN..=WAIT_S_MAX),
                customer: city.corner(self.rng.random()),
            },
            Phase::Waiting | Phase::ToCustomer | Phase::Delivered => Stage::HandingOver,
        };
    }

    fn take_order(&mut self, city: &City) {
        self.orders += 1;
        let restaurants = city.restaurants();
        let restaurant = &restaurants[self.rng.random_range(0..restaurants.len())];
        self.ride_to(city, restaurant.corner, Phase::ToRestaurant);
    }

    fn ride_to(&mut self, city: &City, to: Corner, phase: Phase) {
        let route = city.route(self.at, to);
        let left_m = route.windows(2).map(|leg| leg[0].distance_m(leg[1])).sum();
        self.stage = Stage::Riding {
            phase,
            to,
            route,
            leg: 0,
            done_m: 0.0,
            left_m,
        };
    }
}

/// Moves `step_m` along `route` from `done_m` into leg `leg`; the last leg ends at the end.
fn ride(route: &[Point], leg: &mut usize, done_m: &mut f64, step_m: f64) -> (Point, u16) {
    *done_m += step_m;
    while *leg + 1 < route.len() {
        let length_m = route[*leg].distance_m(route[*leg + 1]);
        if *done_m < length_m {
            let point = route[*leg].towards(route[*leg + 1], *done_m / length_m);
            return (point, degrees(route[*leg].heading_deg(route[*leg + 1])));
        }
        *done_m -= length_m;
        *leg += 1;
    }
    (route[route.len() - 1], 0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "in 0..360"
)]
fn degrees(heading: f64) -> u16 {
    heading as u16
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_ride_the_same_way() {
        let city = City::helsinki().expect("bundled data is sound");
        let ride = |seed| {
            let mut courier = Courier::new(&city, seed, 3);
            (0..300).map(|_| courier.step(&city)).collect::<Vec<_>>()
        };
        assert_eq!(ride(42), ride(42));
        assert_ne!(ride(42), ride(43));
    }

    #[test]
    fn positions_count_without_gaps_and_orders_end_exactly_once() {
        let city = City::helsinki().expect("bundled data is sound");
        for id in 0..20 {
            let mut courier = Courier::new(&city, 7, id);
            let mut last: Option<Position> = None;
            for seq in 0..3_000 {
                let now = courier.step(&city);
                assert_eq!((now.seq, now.story_s), (seq, seq));
                if let Some(last) = last {
                    let ended = last.phase == Phase::Delivered;
                    assert_eq!(
                        now.order != last.order,
                        ended,
                        "an order ends when delivered"
                    );
                    assert!(!ended || now.phase == Phase::ToRestaurant);
                    let moved = Point {
                        lon: last.lon,
                        lat: last.lat,
                    }
                    .distance_m(Point {
                        lon: now.lon,
                        lat: now.lat,
                    });
                    assert!(moved < 25.0, "moved {moved} m in a second");
                }
                last = Some(now);
            }
        }
    }

    #[test]
    fn any_half_minute_of_a_fleet_sees_all_phases() {
        let city = City::helsinki().expect("bundled data is sound");
        let mut fleet: Vec<Courier> = (0..300).map(|id| Courier::new(&city, 1, id)).collect();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..30 {
            seen.extend(fleet.iter_mut().map(|courier| courier.step(&city).phase));
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
    }
}
