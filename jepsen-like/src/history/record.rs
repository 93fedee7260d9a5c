//! Writes a history as it happens.

use std::io::{self, Write};

use super::{Action, Event, Header, Key, Stage};

/// Numbers events and writes each as a line. One task owns it; the others send it what they did.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    next_index: u64,
    time_ns: u64,
}

impl<W: Write> Recorder<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// What `out` says.
    pub fn start(mut out: W, header: &Header) -> io::Result<Self> {
        write_line(&mut out, header)?;
        Ok(Self {
            out,
            next_index: 0,
            time_ns: 0,
        })
    }

    /// Writes one event. A time before the last event's is raised to it, since events of several
    /// threads may arrive a little late.
    ///
    /// # Errors
    /// What the output says.
    pub fn record(
        &mut self,
        time_ns: u64,
        process: u64,
        stage: Stage,
        action: Action,
        error: Option<String>,
        rebalanced: Vec<Key>,
    ) -> io::Result<()> {
        self.time_ns = self.time_ns.max(time_ns);
        let (index, time_ns) = (self.next_index, self.time_ns);
        self.next_index += 1;
        let event = Event {
            index,
            time_ns,
            process,
            stage,
            action,
            error,
            rebalanced,
        };
        write_line(&mut self.out, &event)
    }

    /// Where the history goes.
    pub fn output(&self) -> &W {
        &self.out
    }

    /// Ends the history.
    ///
    /// # Errors
    /// What the output says to the flush.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn write_line<W: Write>(out: &mut W, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
