//! Lines of stdin, as bytes, read on a thread of their own and handed over in bounded chunks.

use std::io::{self, BufRead as _, BufReader, Read};

use bytes::Bytes;
use floe_env::Env;
use floe_model::limits::BATCH_BYTES_MAX;
use tokio::sync::mpsc;

use crate::failure::CommandError;

/// Lines that wait at most, in chunks of what one read of stdin gave.
const CHUNKS_MAX: usize = 16;
/// Lines of one chunk at most.
const CHUNK_LINES_MAX: usize = 1024;
/// Bytes of one chunk at most, but for its last line.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Lines in order, without their newline. An error is the last item.
pub(super) type Lines = mpsc::Receiver<Result<Vec<Bytes>, CommandError>>;

/// Starts reading. The thread ends with stdin or when the receiver is gone.
pub(super) fn read_stdin(env: &Env) -> Lines {
    let (sender, lines) = mpsc::channel(CHUNKS_MAX);
    let spawn = env.spawn.clone();
    drop(env.spawn.task(async move {
        let reading = spawn.blocking(move || {
            let mut reader = LineReader::new(io::stdin().lock());
            while let Some(chunk) = reader.next_chunk() {
                let is_last = chunk.is_err();
                if sender.blocking_send(chunk).is_err() || is_last {
                    break;
                }
            }
        });
        // Only a runtime that shuts down refuses the work, and then nobody reads the lines.
        drop(reading.await);
    }));
    lines
}

struct LineReader<R> {
    input: BufReader<R>,
    lines_read: u64,
    /// Found behind lines that go first.
    fault: Option<CommandError>,
}

impl<R: Read> LineReader<R> {
    fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(CHUNK_BYTES_MAX, input),
            lines_read: 0,
            fault: None,
        }
    }

    /// The next line; `None` at the end. A last line without a newline is a line.
    fn next_line(&mut self) -> Result<Option<Bytes>, CommandError> {
        let mut line = Vec::new();
        let limit = BATCH_BYTES_MAX as u64 + 1;
        let read = (&mut self.input).take(limit).read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => self.lines_read += 1,
            Err(error) => return Err(CommandError::failed(format!("cannot read stdin: {error}"))),
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() as u64 == limit {
            let what = format!(
                "line {} is longer than {BATCH_BYTES_MAX} bytes",
                self.lines_read
            );
            return Err(CommandError::usage(what).at("nothing after it was sent"));
        }
        Ok(Some(Bytes::from(line)))
    }

    /// At least one line, and what is there without waiting; `None` at the end.
    fn next_chunk(&mut self) -> Option<Result<Vec<Bytes>, CommandError>> {
        if let Some(fault) = self.fault.take() {
            return Some(Err(fault));
        }
        let mut chunk = Vec::new();
        let mut size_bytes = 0;
        loop {
            match self.next_line() {
                Ok(Some(line)) => {
                    size_bytes += line.len();
                    chunk.push(line);
                }
                Ok(None) => break,
                Err(fault) if chunk.is_empty() => return Some(Err(fault)),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
            let is_full = chunk.len() >= CHUNK_LINES_MAX || size_bytes >= CHUNK_BYTES_MAX;
            if is_full || !self.input.buffer().contains(&b'\n') {
                break;
            }
        }
        (!chunk.is_empty()).then_some(Ok(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_lines(input: &[u8]) -> Result<Vec<Bytes>, CommandError> {
        let mut reader = LineReader::new(input);
        let mut lines = Vec::new();
        while let Some(chunk) = reader.next_chunk() {
            lines.extend(chunk?);
        }
        Ok(lines)
    }

    #[test]
    fn every_line_is_a_record_of_bytes() {
        let lines = all_lines(b"a\n\n\xff\0b\r\nlast").unwrap();
        assert_eq!(lines, [&b"a"[..], b"", b"\xff\0b\r", b"last"]);
        assert!(all_lines(b"").unwrap().is_empty());
        assert_eq!(all_lines(b"\n").unwrap(), [&b""[..]]);
        let many = "x\n".repeat(CHUNK_LINES_MAX * 2 + 1);
        assert_eq!(
            all_lines(many.as_bytes()).unwrap().len(),
            CHUNK_LINES_MAX * 2 + 1
        );
    }

    #[test]
    fn a_line_above_the_limit_is_refused_after_the_lines_before_it() {
        let mut input = b"good\n".to_vec();
        input.resize(input.len() + BATCH_BYTES_MAX + 1, b'x');
        let mut reader = LineReader::new(&input[..]);
        assert_eq!(reader.next_chunk().unwrap().unwrap(), [&b"good"[..]]);
        let fault = reader.next_chunk().unwrap().unwrap_err().message().unwrap();
        assert!(fault.contains("line 2"), "{fault}");
        input.truncate(5 + BATCH_BYTES_MAX);
        assert_eq!(all_lines(&input).unwrap().len(), 2);
    }
}
