//! Places in a log as people write them: `start`, `end`, `1234`, `@2026-11-24T05:00:00Z`,
//! `@1764000000000` or `@-10m`.

use std::str::FromStr;

use jiff::Timestamp;

use crate::config::value::parse_duration;

/// A place in every partition that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first record that is still there.
    Start,
    /// Behind the last record.
    End,
    /// This offset.
    Offset(i64),
    /// The first record with this timestamp, ms since the epoch, or a later one.
    Time(i64),
    /// The first record not older than this many milliseconds.
    Ago(i64),
}

impl Place {
    /// Turns "ago" into a time.
    pub(crate) fn at(self, now_ms: i64) -> Self {
        match self {
            Self::Ago(ago_ms) => Self::Time(now_ms.saturating_sub(ago_ms)),
            fixed => fixed,
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "start" => return Ok(Self::Start),
            "end" => return Ok(Self::End),
            _ => {}
        }
        if let Some(time) = text.strip_prefix('@') {
            return parse_time(time);
        }
        match text.parse() {
            Ok(offset) if offset >= 0 => Ok(Self::Offset(offset)),
            _ => Err("expected start, end, an offset, or @ and a time".to_owned()),
        }
    }
}

fn parse_time(text: &str) -> Result<Place, String> {
    if let Some(ago) = text.strip_prefix('-') {
        let ago = parse_duration(ago)?;
        return Ok(Place::Ago(
            i64::try_from(ago.as_millis()).unwrap_or(i64::MAX),
        ));
    }
    if let Ok(epoch_ms) = text.parse() {
        return Ok(Place::Time(epoch_ms));
    }
    let time: Timestamp = text.parse().map_err(|_| {
        "expected a time: epoch milliseconds, RFC 3339 such as 2026-11-24T05:00:00Z, or -10m"
            .to_owned()
    })?;
    Ok(Place::Time(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_in_every_form() {
        let place = |text: &str| text.parse::<Place>();
        assert_eq!(place("start"), Ok(Place::Start));
        assert_eq!(place("end"), Ok(Place::End));
        assert_eq!(place("42"), Ok(Place::Offset(42)));
        assert_eq!(place("@1764000000000"), Ok(Place::Time(1_764_000_000_000)));
        assert_eq!(place("@1970-01-01T00:00:01.5Z"), Ok(Place::Time(1500)));
        assert_eq!(place("@1970-01-01T02:00:00+02:00"), Ok(Place::Time(0)));
        assert_eq!(place("@-10m"), Ok(Place::Ago(600_000)));
        assert_eq!(
            place("@-10m").map(|p| p.at(700_000)),
            Ok(Place::Time(100_000))
        );
        for bad in ["", "-1", "begin", "@", "@yesterday", "@-10", "1.5"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
