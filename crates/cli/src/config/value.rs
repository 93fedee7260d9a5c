//! Values of configuration keys: text with a unit in, a checked value out.

use std::time::Duration;

/// What a key holds, and what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Text or nothing.
    OptionalText,
    /// `host:port`.
    Address,
    /// `host:port` or nothing.
    OptionalAddress,
    /// `true` or `false`.
    Bool,
    /// A whole number in this range, both ends included.
    Integer(u64, u64),
    /// A number of bytes with a unit, at least and at most this many.
    Bytes(u64, u64),
    /// A time with a unit, at least and at most this many milliseconds.
    Time(u64, u64),
    /// A list of `NODE_ID@HOST:PORT`.
    Seeds,
    /// A level, or directives as `info,floe_raft=debug`.
    LogFilter,
}

impl Kind {
    /// For the documentation.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::OptionalText => "text or empty".to_owned(),
            Self::Address => "host:port".to_owned(),
            Self::OptionalAddress => "host:port or empty".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Integer(min, max) => format!("number, {min} to {max}"),
            Self::Bytes(min, max) => {
                format!("size, {} to {}", show_bytes(min), show_bytes(max))
            }
            Self::Time(min, max) => format!("time, {} to {}", show_ms(min), show_ms(max)),
            Self::Seeds => "list of NODE_ID@HOST:PORT".to_owned(),
            Self::LogFilter => "error, warn, info, debug, trace or directives".to_owned(),
        }
    }

    /// Checks `text` and reads it.
    pub(crate) fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match self {
            Self::Text if text.is_empty() => Err("must not be empty".to_owned()),
            Self::Text | Self::OptionalText => Ok(Value::Text(text.to_owned())),
            Self::OptionalAddress if text.is_empty() => Ok(Value::Text(String::new())),
            Self::Address | Self::OptionalAddress => {
                check_address(text).map(|()| Value::Text(text.to_owned()))
            }
            Self::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err("expected true or false".to_owned()),
            },
            Self::Integer(min, max) => {
                let number = text
                    .parse()
                    .map_err(|_| "expected a whole number".to_owned())?;
                in_range(number, min, max, |n| n.to_string()).map(Value::Number)
            }
            Self::Bytes(min, max) => {
                in_range(parse_bytes(text)?, min, max, show_bytes).map(Value::Number)
            }
            Self::Time(min, max) => {
                let ms = u64::try_from(parse_duration(text)?.as_millis()).unwrap_or(u64::MAX);
                in_range(ms, min, max, show_ms).map(Value::Number)
            }
            Self::Seeds => parse_seeds(text).map(Value::Seeds),
            Self::LogFilter => match tracing_subscriber::EnvFilter::try_new(text) {
                Ok(_) if !text.is_empty() => Ok(Value::Text(text.to_owned())),
                _ => Err("expected error, warn, info, debug, trace or directives".to_owned()),
            },
        }
    }
}

/// A checked value. Sizes are bytes, times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text, an address or a filter.
    Text(String),
    /// A switch.
    Bool(bool),
    /// A count, bytes or milliseconds.
    Number(u64),
    /// Node ids and peer addresses.
    Seeds(Vec<(u32, String)>),
}

fn in_range(number: u64, min: u64, max: u64, show: fn(u64) -> String) -> Result<u64, String> {
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("must be {} to {}", show(min), show(max)))
    }
}

/// Splits `host:port`; the host may be an IPv6 address in brackets.
pub(crate) fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (host.contains(':') && !bracketed) {
        return None;
    }
    Some((host, port.parse().ok()?))
}

fn check_address(text: &str) -> Result<(), String> {
    match split_address(text) {
        Some(_) => Ok(()),
        None => Err("expected host:port".to_owned()),
    }
}

fn parse_seeds(text: &str) -> Result<Vec<(u32, String)>, String> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let seed = |part: &str| {
        let (id, addr) = part.split_once('@')?;
        let id: u32 = id
            .parse()
            .ok()
            .filter(|&id| id > 0 && i32::try_from(id).is_ok())?;
        check_address(addr).ok()?;
        Some((id, addr.to_owned()))
    };
    parts
        .map(|part| seed(part).ok_or_else(|| format!("'{part}' is not NODE_ID@HOST:PORT")))
        .collect()
}

const BYTE_UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads `512 MiB`, `64KiB`, `1 GB` or a plain number of bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let unit = BYTE_UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let (Ok(number), Some(&(_, factor))) = (number.parse::<u64>(), unit) else {
        return Err("expected a size such as 512 MiB or 64 KiB".to_owned());
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| "the size is too large".to_owned())
}

const TIME_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads `250ms`, `30s`, `10m`, `1h` or `7d`. A number without a unit is refused.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let unit = TIME_UNITS.iter().find(|(name, _)| *name == unit);
    let (Ok(number), Some(&(_, factor))) = (number.parse::<u64>(), unit) else {
        return Err("expected a time such as 250ms, 30s, 10m, 1h or 7d".to_owned());
    };
    number
        .checked_mul(factor)
        .map(Duration::from_millis)
        .ok_or_else(|| "the time is too long".to_owned())
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// The largest unit that gives a whole number.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let binary = BYTE_UNITS[2..6].iter().rev();
    let unit = binary
        .filter(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
        .max_by_key(|u| u.1);
    match unit {
        Some((name, factor)) => format!("{} {name}", bytes / factor),
        None => format!("{bytes} B"),
    }
}

/// The largest unit that gives a whole number.
pub(crate) fn show_ms(ms: u64) -> String {
    let units = TIME_UNITS.iter().rev();
    let mut fitting = units.filter(|(_, factor)| ms > 0 && ms.is_multiple_of(*factor));
    match fitting.next() {
        Some((name, factor)) => format!("{}{name}", ms / factor),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_need_units_and_round_trip() {
        assert_eq!(parse_bytes("512 MiB"), Ok(512 << 20));
        assert_eq!(parse_bytes("64kib"), Ok(64 << 10));
        assert_eq!(parse_bytes("7"), Ok(7));
        assert_eq!(parse_bytes("2 GB"), Ok(2_000_000_000));
        for bad in ["", "MiB", "1.5 MiB", "-1", "12 parsecs", "99999999999 TiB"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("7 d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["", "10", "ms", "1.5s", "10 minutes"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        for bytes in [0, 1, 1000, 1024, 512 << 20, 3 << 40] {
            assert_eq!(parse_bytes(&show_bytes(bytes)), Ok(bytes));
        }
        for ms in [0, 1, 1500, 30_000, 86_400_000] {
            let shown = parse_duration(&show_ms(ms)).map(|time| time.as_millis());
            assert_eq!(shown, Ok(u128::from(ms)));
        }
    }

    #[test]
    fn values_outside_their_range_or_form_are_refused() {
        assert_eq!(Kind::Integer(1, 5).parse("5"), Ok(Value::Number(5)));
        assert_eq!(
            Kind::Integer(1, 5).parse("6"),
            Err("must be 1 to 5".to_owned())
        );
        assert_eq!(
            Kind::Time(10, 1000).parse("2s"),
            Err("must be 10ms to 1s".to_owned())
        );
        for good in ["127.0.0.1:0", "[::1]:9192", "host:1"] {
            assert!(Kind::Address.parse(good).is_ok(), "{good}");
        }
        for bad in ["", "host", ":1", "::1:9192", "host:99999", "host:"] {
            assert!(Kind::Address.parse(bad).is_err(), "{bad}");
        }
        let seeds = Kind::Seeds.parse("1@a:1, 2@b:2");
        let expected = vec![(1, "a:1".to_owned()), (2, "b:2".to_owned())];
        assert_eq!(seeds, Ok(Value::Seeds(expected)));
        for bad in ["a:1", "0@a:1", "1@a", "x@a:1"] {
            assert!(Kind::Seeds.parse(bad).is_err(), "{bad}");
        }
        assert!(Kind::LogFilter.parse("info,floe_raft=debug").is_ok());
        assert!(Kind::LogFilter.parse("loud=maybe=x").is_err());
    }
}
