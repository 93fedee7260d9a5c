//! Stdout: data only, as a table for people or as JSON for programs.

use std::io::{self, BufWriter, Write as _};

use comfy_table::{ContentArrangement, Table, TableStyle};
use serde::Serialize;

use crate::arguments::OutputForm;
use crate::failure::CommandError;

/// Buffered stdout. Nothing is written after a failure; the failure ends the command.
pub(crate) struct Stdout {
    buffer: BufWriter<io::Stdout>,
}

impl Stdout {
    /// The process's stdout.
    pub(crate) fn new() -> Self {
        Self {
            buffer: BufWriter::with_capacity(64 << 10, io::stdout()),
        }
    }

    /// Writes bytes; they may wait in the buffer.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        Ok(self.buffer.write_all(bytes)?)
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), CommandError> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Passes everything on to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), CommandError> {
        Ok(self.buffer.flush()?)
    }

    /// Writes one value as a JSON line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string(value).expect("output rows have string keys");
        self.line(&text)
    }

    /// Writes rows in the chosen form and flushes. The table and the JSON show the same rows.
    pub(crate) fn rows<R: Serialize>(
        &mut self,
        form: OutputForm,
        rows: &[R],
        header: &[&str],
        cells: impl Fn(&R) -> Vec<String>,
    ) -> Result<(), CommandError> {
        match form {
            OutputForm::Json => self.json(&rows)?,
            OutputForm::Table => self.table(header, rows.iter().map(cells))?,
        }
        self.flush()
    }

    /// Writes one document in the chosen form and flushes.
    pub(crate) fn document<D: Serialize>(
        &mut self,
        form: OutputForm,
        document: &D,
        lines: impl FnOnce(&D) -> Vec<(&'static str, String)>,
    ) -> Result<(), CommandError> {
        match form {
            OutputForm::Json => self.json(document)?,
            OutputForm::Table => {
                let lines = lines(document);
                let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                for (name, value) in lines {
                    self.line(format!("{name:width$}  {value}").trim_end())?;
                }
            }
        }
        self.flush()
    }

    /// Writes a table without borders: columns can be cut and counted by other tools.
    pub(crate) fn table(
        &mut self,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<(), CommandError> {
        let mut table = Table::new();
        table.load_style(TableStyle::new());
        // Nothing is ever cut or wrapped: a value that is not shown in full misleads.
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.to_vec());
        table.add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            self.line(line.trim_end())?;
        }
        Ok(())
    }
}
