//! What the way between two hosts does to messages besides being cut: losses and spikes.
//!
//! A lost segment is sent again by TCP after a timeout that doubles, and what follows it in the
//! stream waits: to the ends a loss is a delay. So both kinds of bad weather make a write late.

use std::time::Duration;

use floe_env::Rng;

use super::Links;

/// TCP's first timeout for an answer; it doubles with every loss in a row.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(200);
/// Losses in a row at most.
const LOSSES_MAX: u32 = 5;

/// What messages of a host may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Segments get lost.
    Losses {
        /// How many of a hundred.
        percent: u32,
    },
    /// Messages take long now and then.
    Spikes {
        /// How many of a hundred.
        percent: u32,
        /// How long at most.
        latency: Duration,
    },
}

impl Weather {
    /// How late the next message is.
    fn delay(self, rng: &Rng) -> Option<Duration> {
        match self {
            Self::Losses { percent } => {
                let is_lost = |_: &u32| rng.chance(f64::from(percent) / 100.0);
                let losses = (0..LOSSES_MAX).take_while(is_lost).count();
                let losses = u32::try_from(losses).unwrap_or(0);
                (losses > 0).then(|| RETRANSMIT_AFTER * (2_u32.pow(losses) - 1))
            }
            Self::Spikes { percent, latency } => {
                let is_late = rng.chance(f64::from(percent) / 100.0);
                is_late.then(|| rng.jitter(latency / 2, latency / 2))
            }
        }
    }
}

/// One direction between two hosts.
#[derive(Clone, Debug)]
pub struct Route {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) links: Links,
    pub(super) rng: Rng,
}

impl Route {
    /// How late the next message is, for the weather at both ends.
    pub(super) fn delay(&self) -> Option<Duration> {
        let weather = self.links.weather_between(&self.from, &self.to);
        let delays = weather.into_iter().flatten();
        delays.filter_map(|weather| weather.delay(&self.rng)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_messages_is_late_and_none_without_bad_weather() {
        let links = Links::default();
        let route = Route {
            from: "a".to_owned(),
            to: "b".to_owned(),
            links: links.clone(),
            rng: Rng::from_seed(1),
        };
        let late = || (0..1_000).filter_map(|_| route.delay()).collect::<Vec<_>>();
        assert!(late().is_empty());
        links.set_weather("b", Some(Weather::Losses { percent: 10 }));
        let lost = late();
        assert!((50..200).contains(&lost.len()), "{}", lost.len());
        assert!(lost.iter().all(|late| *late >= RETRANSMIT_AFTER));
        assert!(lost.iter().any(|late| *late > RETRANSMIT_AFTER));
        links.set_weather("b", None);
        assert!(late().is_empty());
    }
}
