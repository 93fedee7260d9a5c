//! Debug output as a set of `path = value` lines, so that two implementations of a message can be
//! compared field by field, by name.
//!
//! Names of types and newtypes vanish, and so do the places for unknown tagged fields. Null and
//! empty values are the same here: where a version lacks a field the implementations differ in
//! which they choose, and where it has the field the bytes tell them apart.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::iter::Peekable;

/// The lines of a value.
pub(super) fn flat(value: &impl Debug) -> BTreeSet<String> {
    let text = format!("{value:?}");
    let mut parser = Parser {
        tokens: tokens(&text).into_iter().peekable(),
        lines: BTreeSet::new(),
    };
    parser.value("");
    assert_eq!(parser.tokens.next(), None, "whole value read: {text}");
    parser.lines
}

/// Words, literals with their quotes, and single punctuation characters.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        let mut token = String::from(first);
        if first == '"' || (first == 'b' && rest.peek() == Some(&'"')) {
            if first == 'b' {
                token.extend(rest.next());
            }
            while let Some(next) = rest.next() {
                token.push(next);
                match next {
                    '\\' => token.extend(rest.next()),
                    '"' => break,
                    _ => {}
                }
            }
        } else if is_word(first) {
            while let Some(next) = rest.next_if(|next| is_word(*next)) {
                token.push(next);
            }
            if token.len() == 36 && token.matches('-').count() == 4 {
                token.retain(|c| c != '-');
            }
        } else if first.is_whitespace() || first == ',' {
            continue;
        }
        tokens.push(token);
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '#'
}

struct Parser<I: Iterator<Item = String>> {
    tokens: Peekable<I>,
    lines: BTreeSet<String>,
}

impl<I: Iterator<Item = String>> Parser<I> {
    fn accept(&mut self, token: &str) -> bool {
        self.tokens.next_if(|next| next == token).is_some()
    }

    fn value(&mut self, path: &str) {
        if self.accept("[") {
            for index in 0.. {
                if self.accept("]") {
                    return;
                }
                self.value(&format!("{path}[{index}]"));
            }
        }
        if self.accept("{") {
            return self.fields(path);
        }
        let word = self.tokens.next().expect("a value");
        if self.accept("(") {
            self.value(path);
            assert!(self.accept(")"), "{word} is a newtype");
        } else if self.accept("{") {
            self.fields(path);
        } else if word != "None" && word != "\"\"" && word != "b\"\"" {
            self.lines.insert(format!("{path} = {word}"));
        }
    }

    fn fields(&mut self, path: &str) {
        while !self.accept("}") {
            let name = self.tokens.next().expect("a field");
            assert!(self.accept(":"), "a value for {name}");
            self.value(&format!("{path}.{name}"));
        }
    }
}
