//! A subscription by regular expression.
//!
//! The engine's time is linear in the name, and a pattern is bounded in length and in the size
//! of its program, so that no pattern can hold a coordinator up. Names of topics are ASCII, and
//! so are classes such as `\w`. As in Kafka the whole name must match.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// Longest pattern, bytes.
const PATTERN_BYTES_MAX: usize = 1024;
/// Largest program of one, bytes.
const PROGRAM_BYTES_MAX: usize = 64 << 10;
/// Deepest nesting of groups.
const NESTING_MAX: u32 = 32;

/// A regular expression of names of topics.
#[derive(Clone)]
pub struct TopicPattern {
    text: String,
    program: Regex,
}

/// Not a regular expression, or a larger one than is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid regular expression, or one that is too large")]
pub struct InvalidPattern;

impl TopicPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is not one, or too large.
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(InvalidPattern);
        }
        // By itself first: in the brackets below a text with unbalanced ones could be valid.
        compile(text)?;
        Ok(Self {
            text: text.to_owned(),
            program: compile(&format!(r"\A(?:{text})\z"))?,
        })
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole name matches.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        self.program.is_match(topic.as_bytes())
    }
}

fn compile(text: &str) -> Result<Regex, InvalidPattern> {
    RegexBuilder::new(text)
        .unicode(false)
        .size_limit(PROGRAM_BYTES_MAX)
        .dfa_size_limit(PROGRAM_BYTES_MAX)
        .nest_limit(NESTING_MAX)
        .build()
        .map_err(|_| InvalidPattern)
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicPattern").field(&self.text).finish()
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TopicPattern {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_whole_name_must_match() {
        let pattern = TopicPattern::new(r"orders-\d+|t.*").unwrap();
        for name in ["orders-1", "orders-42", "t", "trips"] {
            assert!(pattern.matches(name), "{name}");
        }
        for name in ["orders-", "my-orders-1", "orders-1a", "a-t"] {
            assert!(!pattern.matches(name), "{name}");
        }
        assert!(TopicPattern::new("(?i)ORDERS").unwrap().matches("orders"));
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused() {
        let long = "a".repeat(PATTERN_BYTES_MAX + 1);
        let deep = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        for text in [
            "(",
            "a)|(b",
            "[",
            "*",
            r"\p{Greek}",
            "(a{1000}){1000}",
            &long,
            &deep,
        ] {
            assert!(TopicPattern::new(text).is_err(), "{text}");
        }
    }
}
