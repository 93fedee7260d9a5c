//! The city: streets as a graph and the places to eat on it.
//!
//! Built once from the bundled OpenStreetMap extract (`data/ATTRIBUTION.md`). Only the largest
//! connected part is kept, so that every trip has a route.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde::Deserialize;

const STREETS: &str = include_str!("../data/streets.json");
/// Mean radius of the earth, metres.
const EARTH_RADIUS_M: f64 = 6_371_000.0;

/// A place on the map, WGS 84.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
}

impl Point {
    /// Distance over ground in metres; exact enough within a city.
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        let east = (other.lon - self.lon).to_radians() * self.lat.to_radians().cos();
        let north = (other.lat - self.lat).to_radians();
        east.hypot(north) * EARTH_RADIUS_M
    }

    /// The place `fraction` of the way to `other`.
    #[must_use]
    pub fn towards(self, other: Self, fraction: f64) -> Self {
        Self {
            lon: self.lon + (other.lon - self.lon) * fraction,
            lat: self.lat + (other.lat - self.lat) * fraction,
        }
    }

    /// The place this many metres east and north.
    #[must_use]
    pub fn shifted_m(self, east_m: f64, north_m: f64) -> Self {
        let metres_per_degree = EARTH_RADIUS_M.to_radians();
        Self {
            lon: self.lon + east_m / (metres_per_degree * self.lat.to_radians().cos()),
            lat: self.lat + north_m / metres_per_degree,
        }
    }

    /// Compass heading towards `other`, degrees in `0..360`.
    #[must_use]
    pub fn heading_deg(self, other: Self) -> f64 {
        let east = (other.lon - self.lon) * self.lat.to_radians().cos();
        let north = other.lat - self.lat;
        east.atan2(north).to_degrees().rem_euclid(360.0)
    }
}

/// A crossing or bend, as an index into the city.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Corner(u32);

/// Streets and restaurants.
#[derive(Debug)]
pub struct City {
    corners: Vec<Point>,
    streets: Vec<Vec<(Corner, f64)>>,
    restaurants: Vec<Restaurant>,
}

/// A place to eat.
#[derive(Clone, Debug)]
pub struct Restaurant {
    /// Its name on the map.
    pub name: String,
    /// The nearest corner.
    pub corner: Corner,
}

#[derive(Deserialize)]
struct Extract {
    ways: Vec<(String, Option<String>, Vec<[f64; 2]>)>,
    eateries: Vec<(String, f64, f64)>,
}

/// The bundled extract could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the bundled street extract is damaged")]
pub struct DamagedExtract(#[from] serde_json::Error);

impl City {
    /// Central Helsinki.
    ///
    /// # Errors
    /// The bundled extract is damaged.
    pub fn helsinki() -> Result<Self, DamagedExtract> {
        let extract: Extract = serde_json::from_str(STREETS)?;
        let mut city = Self {
            corners: Vec::new(),
            streets: Vec::new(),
            restaurants: Vec::new(),
        };
        let mut known: BTreeMap<(u64, u64), Corner> = BTreeMap::new();
        for (_, _, points) in &extract.ways {
            let mut last: Option<Corner> = None;
            for &[lon, lat] in points {
                let corner = *known
                    .entry((lon.to_bits(), lat.to_bits()))
                    .or_insert_with(|| city.add_corner(Point { lon, lat }));
                if let Some(last) = last.filter(|&last| last != corner) {
                    city.connect(last, corner);
                }
                last = Some(corner);
            }
        }
        city.keep_largest_part();
        for (name, lon, lat) in extract.eateries {
            let corner = city.nearest(Point { lon, lat });
            city.restaurants.push(Restaurant { name, corner });
        }
        Ok(city)
    }

    /// Number of corners; corners count from 0.
    #[must_use]
    pub fn corner_count(&self) -> usize {
        self.corners.len()
    }

    /// The corner at place `index` modulo their number.
    #[must_use]
    pub fn corner(&self, index: u64) -> Corner {
        let count = self.corners.len() as u64;
        Corner(u32::try_from(index % count).expect("there are fewer corners than 2^32"))
    }

    /// Where a corner is.
    #[must_use]
    pub fn point(&self, corner: Corner) -> Point {
        self.corners[corner.0 as usize]
    }

    /// All places to eat.
    #[must_use]
    pub fn restaurants(&self) -> &[Restaurant] {
        &self.restaurants
    }

    /// The shortest way as points, both ends included.
    #[must_use]
    pub fn route(&self, from: Corner, to: Corner) -> Vec<Point> {
        let mut before: Vec<Option<Corner>> = vec![None; self.corners.len()];
        let mut best_mm = vec![u64::MAX; self.corners.len()];
        let mut open = BinaryHeap::from([Reverse((0_u64, from))]);
        best_mm[from.0 as usize] = 0;
        while let Some(Reverse((distance_mm, corner))) = open.pop() {
            if corner == to {
                break;
            }
            if distance_mm > best_mm[corner.0 as usize] {
                continue;
            }
            for &(next, length_m) in &self.streets[corner.0 as usize] {
                let through_mm = distance_mm + millimetres(length_m);
                if through_mm < best_mm[next.0 as usize] {
                    best_mm[next.0 as usize] = through_mm;
                    before[next.0 as usize] = Some(corner);
                    open.push(Reverse((through_mm, next)));
                }
            }
        }
        let mut route = vec![self.point(to)];
        let mut corner = to;
        while let Some(previous) = before[corner.0 as usize] {
            route.push(self.point(previous));
            corner = previous;
        }
        route.reverse();
        route
    }

    fn add_corner(&mut self, point: Point) -> Corner {
        let corner = Corner(u32::try_from(self.corners.len()).expect("a city has few corners"));
        self.corners.push(point);
        self.streets.push(Vec::new());
        corner
    }

    fn connect(&mut self, a: Corner, b: Corner) {
        let length_m = self.point(a).distance_m(self.point(b));
        self.streets[a.0 as usize].push((b, length_m));
        self.streets[b.0 as usize].push((a, length_m));
    }

    fn nearest(&self, point: Point) -> Corner {
        let nearest = (0..self.corners.len()).min_by(|&a, &b| {
            self.corners[a]
                .distance_m(point)
                .total_cmp(&self.corners[b].distance_m(point))
        });
        self.corner(nearest.unwrap_or_default() as u64)
    }

    fn keep_largest_part(&mut self) {
        let mut part = vec![usize::MAX; self.corners.len()];
        let mut sizes = Vec::new();
        for start in 0..self.corners.len() {
            if part[start] != usize::MAX {
                continue;
            }
            let mut open = vec![start];
            let mut size = 0;
            part[start] = sizes.len();
            while let Some(corner) = open.pop() {
                size += 1;
                for (next, _) in &self.streets[corner] {
                    if part[next.0 as usize] == usize::MAX {
                        part[next.0 as usize] = sizes.len();
                        open.push(next.0 as usize);
                    }
                }
            }
            sizes.push(size);
        }
        let largest = (0..sizes.len()).max_by_key(|&id| (sizes[id], Reverse(id)));
        let mut renamed = vec![None; self.corners.len()];
        let mut kept = Self {
            corners: Vec::new(),
            streets: Vec::new(),
            restaurants: Vec::new(),
        };
        for corner in 0..self.corners.len() {
            if Some(part[corner]) == largest {
                renamed[corner] = Some(kept.add_corner(self.corners[corner]));
            }
        }
        for (corner, streets) in self.streets.iter().enumerate() {
            let Some(from) = renamed[corner] else {
                continue;
            };
            for &(to, length_m) in streets {
                if let Some(to) = renamed[to.0 as usize] {
                    kept.streets[from.0 as usize].push((to, length_m));
                }
            }
        }
        *self = kept;
    }
}

/// Whole millimetres order routes without the traps of comparing floats.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths in a city"
)]
fn millimetres(length_m: f64) -> u64 {
    (length_m * 1000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extract_has_its_known_size_and_every_trip_has_a_route() {
        let city = City::helsinki().expect("bundled data is sound");
        assert_eq!(city.restaurants().len(), 350);
        assert!(city.corner_count() > 2_500, "{}", city.corner_count());
        for step in 0..40 {
            let (from, to) = (city.corner(step * 977), city.corner(step * 1_861 + 5));
            let route = city.route(from, to);
            assert_eq!(route.first(), Some(&city.point(from)));
            assert_eq!(route.last(), Some(&city.point(to)));
            let length_m: f64 = route.windows(2).map(|leg| leg[0].distance_m(leg[1])).sum();
            assert!(
                length_m < 6_000.0 && length_m >= city.point(from).distance_m(city.point(to)) - 1.0
            );
        }
    }

    #[test]
    fn shifts_and_distances_agree() {
        let point = Point {
            lon: 24.94,
            lat: 60.17,
        };
        let moved = point.shifted_m(30.0, -40.0);
        assert!((point.distance_m(moved) - 50.0).abs() < 0.1);
        assert!((point.heading_deg(point.shifted_m(10.0, 0.0)) - 90.0).abs() < 0.1);
    }
}
