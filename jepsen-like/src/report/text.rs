//! Text for people: escaped, and with units.

use std::fmt::Write as _;

/// Appends `text` so that HTML shows it as it is, also inside a quoted attribute.
pub(super) fn escape_into(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are no text, and turn the direction of what follows.
            '\u{0}'..='\u{8}'
            | '\u{b}'
            | '\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

/// `text` as HTML shows it as it is.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(&mut out, text);
    out
}

/// A number with a thin space between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A duration with the unit that fits it.
pub(super) fn duration(ns: u64) -> String {
    let us = ns as f64 / 1e3;
    match ns {
        0 => "0".to_owned(),
        1..1_000_000 => format!("{us:.0} µs"),
        1_000_000..10_000_000 => format!("{:.1} ms", us / 1e3),
        10_000_000..1_000_000_000 => format!("{:.0} ms", us / 1e3),
        1_000_000_000..60_000_000_000 => format!("{:.1} s", us / 1e6),
        _ => format!("{:.1} min", us / 60e6),
    }
}

/// A time of the run, in seconds.
pub(super) fn seconds(ns: u64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}

/// Appends formatted text that is HTML already.
macro_rules! put {
    ($out:expr, $($argument:tt)*) => {
        $crate::report::text::put_formatted($out, format_args!($($argument)*))
    };
}
pub(super) use put;

pub(super) fn put_formatted(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes_into_markup() {
        assert_eq!(
            escape("<script a='1' b=\"2\">&\u{0}\u{202e}"),
            "&lt;script a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(123), "123");
        assert_eq!(duration(999), "1 µs");
        assert_eq!(duration(1_500_000), "1.5 ms");
        assert_eq!(duration(250_000_000), "250 ms");
        assert_eq!(duration(2_500_000_000), "2.5 s");
        assert_eq!(duration(90_000_000_000), "1.5 min");
        assert_eq!(seconds(1_234_567_890), "1.235 s");
    }
}
