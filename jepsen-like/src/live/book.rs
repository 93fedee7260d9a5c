//! The history of a run, written to a file by everybody in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Action, Header, Key, Recorder, Stage};
use floe_env::Env;
use parking_lot::Mutex;

/// The one history; clones write into the same.
#[derive(Clone)]
pub struct Book {
    env: Env,
    begun: Duration,
    next_process: Arc<AtomicU64>,
    pages: Arc<Mutex<Pages>>,
}

/// Written to in place; the lines go to a buffer, now and then to the file.
struct Pages {
    /// Gone when the history is finished.
    recorder: Option<Recorder<BufWriter<File>>>,
    /// The first error of the file: what follows it is not there.
    failure: Option<io::Error>,
    /// What the workload cannot express, each with how often.
    troubles: BTreeMap<String, u64>,
}

/// An operation that has begun.
#[must_use = "an operation ends as ok, fail or info"]
pub struct Open {
    process: u64,
}

impl Book {
    /// An empty history in `file`.
    pub fn open(file: &Path, header: &Header, env: &Env) -> io::Result<Self> {
        let pages = Pages {
            recorder: Some(Recorder::start(
                BufWriter::new(File::create(file)?),
                header,
            )?),
            failure: None,
            troubles: BTreeMap::new(),
        };
        Ok(Self {
            env: env.clone(),
            begun: env.clock.now(),
            next_process: Arc::new(AtomicU64::new(1)),
            pages: Arc::new(Mutex::new(pages)),
        })
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.env.clock.now().saturating_sub(self.begun)
    }

    /// A process that nobody was before.
    pub fn new_process(&self) -> u64 {
        self.next_process.fetch_add(1, Ordering::Relaxed)
    }

    /// Begins an operation, now.
    pub fn begin(&self, process: u64, action: Action) -> Open {
        self.write(process, Stage::Invoke, action, None, Vec::new());
        Open { process }
    }

    /// Ends an operation, now.
    pub fn end(&self, open: Open, stage: Stage, action: Action, error: Option<String>) {
        self.end_moved(open, stage, action, error, Vec::new());
    }

    /// Ends an operation during which a rebalance moved keys.
    #[expect(clippy::needless_pass_by_value, reason = "an operation ends once")]
    pub fn end_moved(
        &self,
        open: Open,
        stage: Stage,
        action: Action,
        error: Option<String>,
        moved: Vec<Key>,
    ) {
        self.write(open.process, stage, action, error, moved);
    }

    /// Notes what must not be, and no operation can say.
    pub fn trouble(&self, what: impl Into<String>) {
        *self.pages.lock().troubles.entry(what.into()).or_default() += 1;
    }

    /// Troubles so far.
    pub fn troubles(&self) -> Vec<String> {
        let pages = self.pages.lock();
        let line = |(what, count): (&String, &u64)| match count {
            1 => what.clone(),
            count => format!("{what} ({count} times)"),
        };
        pages.troubles.iter().map(line).collect()
    }

    /// Ends the history: everything is in the file, and what comes later is left out.
    pub fn finish(&self) -> io::Result<()> {
        let mut pages = self.pages.lock();
        match (pages.failure.take(), pages.recorder.take()) {
            (Some(error), _) => Err(error),
            (None, Some(recorder)) => recorder.finish().map(drop),
            (None, None) => Ok(()),
        }
    }

    fn write(
        &self,
        process: u64,
        stage: Stage,
        action: Action,
        error: Option<String>,
        moved: Vec<Key>,
    ) {
        let mut pages = self.pages.lock();
        let time_ns = u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let Some(recorder) = &mut pages.recorder else {
            return;
        };
        let written = recorder.record(time_ns, process, stage, action, error, moved);
        if let Err(error) = written
            && pages.failure.is_none()
        {
            pages.failure = Some(error);
        }
    }
}
