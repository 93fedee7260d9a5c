//! Backslash escapes in separators and formats: `\n`, `\t`, `\xNN` and `\\`.

use std::iter::Peekable;
use std::str::Chars;

/// Reads what follows a backslash that is already consumed.
pub(crate) fn escaped_byte(rest: &mut Peekable<Chars<'_>>) -> Result<u8, String> {
    match rest.next() {
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digit = |c: Option<char>| c.and_then(|c| c.to_digit(16));
            let (high, low) = (digit(rest.next()), digit(rest.next()));
            let (Some(high), Some(low)) = (high, low) else {
                return Err("\\x needs two hexadecimal digits".to_owned());
            };
            Ok(u8::try_from(high * 16 + low).expect("two hexadecimal digits fit a byte"))
        }
        Some(other) => Err(format!(
            "unknown escape \\{other}; known are \\n, \\t, \\xNN and \\\\"
        )),
        None => Err("a backslash at the end; write \\\\ for one".to_owned()),
    }
}

/// The bytes that `text` stands for.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\\' {
            bytes.push(escaped_byte(&mut rest)?);
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes_and_unknown_ones_are_refused() {
        assert_eq!(
            unescape("a\\tb\\x00\\xfF\\\\"),
            Ok(b"a\tb\x00\xff\\".to_vec())
        );
        assert_eq!(unescape("ä"), Ok("ä".as_bytes().to_vec()));
        for bad in ["\\q", "\\x1", "\\xzz", "\\"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }
}
