//! The three groups that read `courier.location` independently of each other.
//!
//! Each is a pure state machine over positions. What a group should have come to is computed by
//! feeding the final log to a fresh instance of the same machine, so the comparison covers the
//! way from producer to reader, not the arithmetic.

mod analytics;
mod audit;
mod customer_ui;
mod notifications;

pub(crate) use analytics::Analytics;
pub(crate) use audit::Audit;
pub(crate) use customer_ui::CustomerUi;
pub(crate) use notifications::Notifications;

use crate::Position;

/// What a group makes of positions.
#[derive(Debug)]
pub(crate) enum Effects {
    /// Last position and ETA per order.
    CustomerUi(CustomerUi),
    /// Couriers and speed per tile and minute.
    Analytics(Analytics),
    /// Messages to customers.
    Notifications(Notifications),
}

impl Effects {
    /// One of each, empty, with the names of their consumer groups.
    #[must_use]
    pub(crate) fn all() -> [(&'static str, Self); 3] {
        [
            ("customer-ui", Self::CustomerUi(CustomerUi::default())),
            ("analytics", Self::Analytics(Analytics::default())),
            (
                "notifications",
                Self::Notifications(Notifications::default()),
            ),
        ]
    }

    /// Takes one position; each courier's come in order and once.
    pub(crate) fn on(&mut self, position: &Position) {
        match self {
            Self::CustomerUi(ui) => ui.on(position),
            Self::Analytics(analytics) => analytics.on(position),
            Self::Notifications(notifications) => notifications.on(position),
        }
    }

    /// How many effects there are.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::CustomerUi(ui) => ui.count(),
            Self::Analytics(analytics) => analytics.count(),
            Self::Notifications(notifications) => notifications.count(),
        }
    }

    /// How many effects are missing, extra or other than in `truth`, which is of the same kind.
    #[must_use]
    pub(crate) fn wrong(&self, truth: &Self) -> u64 {
        match (self, truth) {
            (Self::CustomerUi(ui), Self::CustomerUi(truth)) => ui.wrong(truth),
            (Self::Analytics(analytics), Self::Analytics(truth)) => analytics.wrong(truth),
            (Self::Notifications(sent), Self::Notifications(truth)) => sent.wrong(truth),
            _ => u64::MAX,
        }
    }
}

/// Entries that only one of two maps has, or that differ.
fn differences<K: Ord, V: PartialEq>(
    a: &std::collections::BTreeMap<K, V>,
    b: &std::collections::BTreeMap<K, V>,
) -> u64 {
    let missing_or_other = b
        .iter()
        .filter(|(key, value)| a.get(key) != Some(value))
        .count();
    let extra = a.keys().filter(|key| !b.contains_key(key)).count();
    (missing_or_other + extra) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{City, Courier, Phase};

    fn ride(seconds: usize) -> Vec<Position> {
        let city = City::helsinki().expect("bundled data is sound");
        let mut fleet: Vec<Courier> = (0..40).map(|id| Courier::new(&city, 5, id)).collect();
        (0..seconds)
            .flat_map(|_| fleet.iter_mut().map(|c| c.step(&city)).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn each_delivery_is_notified_once_and_each_approach_at_most_once() {
        let positions = ride(600);
        let deliveries = positions
            .iter()
            .filter(|p| p.phase == Phase::Delivered)
            .count() as u64;
        let mut sent = Notifications::default();
        positions.iter().for_each(|position| sent.on(position));
        assert!(deliveries > 10);
        assert!(sent.count() >= deliveries && sent.count() <= deliveries * 2 + 40);
    }

    #[test]
    fn a_lost_position_shows_as_a_wrong_effect_in_some_group() {
        let positions = ride(120);
        for skipped in [0, 17, positions.len() - 1] {
            let mut wrong = 0;
            for ((_, mut got), (_, mut truth)) in Effects::all().into_iter().zip(Effects::all()) {
                for (place, position) in positions.iter().enumerate() {
                    truth.on(position);
                    if place != skipped {
                        got.on(position);
                    }
                }
                assert_eq!(truth.wrong(&truth), 0);
                wrong += got.wrong(&truth);
            }
            assert!(wrong > 0, "position {skipped}");
        }
    }
}
