//! The `--format` of `floe consume`.

use std::str::FromStr;

use crate::escape::escaped_byte;

/// What a record looks like on stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    Value,
    Headers,
}

/// A record as the format sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Topic name.
    pub(crate) topic: &'a str,
    /// Partition index.
    pub(crate) partition: u32,
    /// Offset.
    pub(crate) offset: i64,
    /// Milliseconds since the epoch.
    pub(crate) timestamp_ms: i64,
    /// Key.
    pub(crate) key: Option<&'a [u8]>,
    /// Value.
    pub(crate) value: Option<&'a [u8]>,
    /// Headers in order.
    pub(crate) headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let piece = match c {
                '\\' => {
                    literal.push(escaped_byte(&mut rest)?);
                    continue;
                }
                '%' => match rest.next() {
                    Some('%') => {
                        literal.push(b'%');
                        continue;
                    }
                    Some('t') => Piece::Topic,
                    Some('p') => Piece::Partition,
                    Some('o') => Piece::Offset,
                    Some('T') => Piece::Timestamp,
                    Some('k') => Piece::Key,
                    Some('v') => Piece::Value,
                    Some('h') => Piece::Headers,
                    Some(other) => {
                        return Err(format!(
                            "unknown %{other}; known are %t %p %o %T %k %v %h and %%"
                        ));
                    }
                    None => return Err("a % at the end; write %% for one".to_owned()),
                },
                plain => {
                    literal.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces })
    }
}

impl Format {
    /// Appends a record; `null` stands for a missing key or value.
    pub(crate) fn write(&self, record: View<'_>, null: &[u8], out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Topic => out.extend_from_slice(record.topic.as_bytes()),
                Piece::Partition => out.extend_from_slice(record.partition.to_string().as_bytes()),
                Piece::Offset => out.extend_from_slice(record.offset.to_string().as_bytes()),
                Piece::Timestamp => {
                    out.extend_from_slice(record.timestamp_ms.to_string().as_bytes());
                }
                Piece::Key => out.extend_from_slice(record.key.unwrap_or(null)),
                Piece::Value => out.extend_from_slice(record.value.unwrap_or(null)),
                Piece::Headers => {
                    for (place, (key, value)) in record.headers.iter().enumerate() {
                        if place > 0 {
                            out.push(b',');
                        }
                        out.extend_from_slice(key);
                        out.push(b'=');
                        out.extend_from_slice(value.unwrap_or(null));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &str, key: Option<&[u8]>, null: &str) -> Vec<u8> {
        let headers: &[(&[u8], Option<&[u8]>)] = &[(b"a", Some(b"1")), (b"b", None)];
        let record = View {
            topic: "orders",
            partition: 3,
            offset: 42,
            timestamp_ms: 1500,
            key,
            value: Some(b"v\xff"),
            headers,
        };
        let mut out = Vec::new();
        let format: Format = format.parse().unwrap();
        format.write(record, null.as_bytes(), &mut out);
        out
    }

    #[test]
    fn every_piece_is_printed_as_bytes() {
        let all = "%t %p %o %T %k=%v [%h] 100%%\\n\\t\\x00";
        let expected = b"orders 3 42 1500 k=v\xff [a=1,b=NULL] 100%\n\t\0";
        assert_eq!(shown(all, Some(b"k"), "NULL"), expected);
        assert_eq!(shown("%k|", None, "NULL"), b"NULL|");
        assert_eq!(shown("%k|", None, ""), b"|");
        assert_eq!(shown("%k|", Some(b""), "NULL"), b"|");
    }

    #[test]
    fn a_format_that_cannot_be_meant_is_refused() {
        for bad in ["%z", "%", "\\q", "\\x0"] {
            assert!(bad.parse::<Format>().is_err(), "{bad}");
        }
    }
}
