//! Who connects to whom: seen from the network, which no host can fool.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The connections that hosts open, by direction. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Dials {
    directions: Arc<Mutex<BTreeMap<(String, String), Direction>>>,
}

/// What one host did to reach another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Direction {
    /// Attempts so far.
    attempts: u64,
    /// Attempts under way and connections that are open.
    open: u32,
}

impl Dials {
    /// An attempt begins; it or its connection lasts as long as what is returned.
    pub(super) fn begin(&self, from: &str, to: &str) -> Dialling {
        let direction = (from.to_owned(), to.to_owned());
        let mut directions = self.directions.lock();
        let dials = directions.entry(direction.clone()).or_default();
        dials.attempts += 1;
        dials.open += 1;
        drop(directions);
        let dials = self.clone();
        Dialling { dials, direction }
    }

    /// How often `from` has tried to reach `to`, and whether it is trying or connected now.
    pub fn between(&self, from: &str, to: &str) -> (u64, bool) {
        let direction = (from.to_owned(), to.to_owned());
        let directions = self.directions.lock();
        let dials = directions.get(&direction).copied().unwrap_or_default();
        (dials.attempts, dials.open > 0)
    }
}

/// An attempt to connect, then the connection.
#[derive(Debug)]
pub struct Dialling {
    dials: Dials,
    direction: (String, String),
}

impl Drop for Dialling {
    fn drop(&mut self) {
        let mut directions = self.dials.directions.lock();
        if let Some(dials) = directions.get_mut(&self.direction) {
            dials.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_is_open_until_its_last_connection_is_dropped() {
        let dials = Dials::default();
        assert_eq!(dials.between("a", "b"), (0, false));
        let first = dials.begin("a", "b");
        let second = dials.begin("a", "b");
        drop(first);
        assert_eq!(dials.between("a", "b"), (2, true));
        assert_eq!(dials.between("b", "a"), (0, false));
        drop(second);
        assert_eq!(dials.between("a", "b"), (2, false));
    }
}
