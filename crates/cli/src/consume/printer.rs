//! Records on stdout, by format or as JSON lines.

use floe_client::Message;
use serde::Serialize;

use super::ConsumeArgs;
use super::format::{Format, View};
use crate::arguments::OutputForm;
use crate::failure::CommandError;
use crate::output::Stdout;

/// Prints records.
pub(super) struct Printer {
    form: OutputForm,
    format: Format,
    null: Vec<u8>,
    line: Vec<u8>,
    out: Stdout,
}

/// A record as JSON. Bytes that are no UTF-8 stand as hexadecimal text in the `_hex` fields.
#[derive(Serialize)]
struct Row<'a> {
    topic: &'a str,
    partition: u32,
    offset: i64,
    timestamp_ms: i64,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    headers: Vec<HeaderRow<'a>>,
}

#[derive(Serialize)]
struct HeaderRow<'a> {
    key: String,
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
}

impl Printer {
    pub(super) fn new(args: &ConsumeArgs) -> Self {
        Self {
            form: args.output.output,
            format: args.format.clone(),
            null: args.null.as_bytes().to_vec(),
            line: Vec::new(),
            out: Stdout::new(),
        }
    }

    /// Prints one; it may wait in a buffer until [`Printer::flush`].
    pub(super) fn print(&mut self, message: &Message) -> Result<(), CommandError> {
        match self.form {
            OutputForm::Json => self.out.json(&Row::new(message)),
            OutputForm::Table => {
                let headers: Vec<_> = message
                    .headers
                    .iter()
                    .map(|h| (&h.key[..], h.value.as_deref()))
                    .collect();
                let view = View {
                    topic: message.topic.as_str(),
                    partition: message.partition.0,
                    offset: message.offset.0,
                    timestamp_ms: message.timestamp_ms,
                    key: message.key.as_deref(),
                    value: message.value.as_deref(),
                    headers: &headers,
                };
                self.line.clear();
                self.format.write(view, &self.null, &mut self.line);
                self.out.bytes(&self.line)
            }
        }
    }

    /// Hands everything over to the reader of stdout.
    pub(super) fn flush(&mut self) -> Result<(), CommandError> {
        self.out.flush()
    }
}

impl<'a> Row<'a> {
    fn new(message: &'a Message) -> Self {
        let (key, key_hex) = text_or_hex(message.key.as_deref());
        let (value, value_hex) = text_or_hex(message.value.as_deref());
        let headers = message.headers.iter().map(|header| {
            let (value, value_hex) = text_or_hex(header.value.as_deref());
            HeaderRow {
                key: String::from_utf8_lossy(&header.key).into_owned(),
                value,
                value_hex,
            }
        });
        Self {
            topic: message.topic.as_str(),
            partition: message.partition.0,
            offset: message.offset.0,
            timestamp_ms: message.timestamp_ms,
            key,
            key_hex,
            value,
            value_hex,
            headers: headers.collect(),
        }
    }
}

fn text_or_hex(bytes: Option<&[u8]>) -> (Option<&str>, Option<String>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(text), None),
        Some((bytes, Err(_))) => (None, Some(floe_model::to_hex(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_shown_as_hexadecimal() {
        assert_eq!(text_or_hex(None), (None, None));
        assert_eq!(text_or_hex(Some(b"")), (Some(""), None));
        assert_eq!(
            text_or_hex(Some(b"\xff\x01")),
            (None, Some("ff01".to_owned()))
        );
    }
}
