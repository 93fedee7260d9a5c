//! The history of a run, written by everybody in it.
//!
//! Invariant: the bytes of the history are the trace of the run. Times are virtual and nothing
//! of the machine gets in, so equal seeds give equal bytes, and their hash proves it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use floe_jepsen::{Action, Header, History, HistoryError, Key, Recorder, Stage, read_history};
use parking_lot::Mutex;

/// Troubles that are kept: one that is true stays true at every look.
const TROUBLES_MAX: usize = 50;

/// The one history; clones write into the same.
#[derive(Clone)]
pub struct Book {
    pages: Arc<Mutex<Pages>>,
}

struct Pages {
    recorder: Recorder<Vec<u8>>,
    next_process: u64,
    /// What the workload cannot express: nodes that stop by themselves, missed deadlines.
    troubles: Vec<String>,
    /// Why the run may show nothing, besides what the checker finds.
    doubts: Vec<String>,
}

/// An operation that has begun.
#[must_use = "an operation ends as ok, fail or info"]
pub struct Open {
    process: u64,
}

impl Book {
    /// An empty history.
    ///
    /// # Errors
    /// Never in memory.
    pub fn open(header: &Header) -> io::Result<Self> {
        let pages = Pages {
            recorder: Recorder::start(Vec::new(), header)?,
            next_process: 1,
            troubles: Vec::new(),
            doubts: Vec::new(),
        };
        Ok(Self {
            pages: Arc::new(Mutex::new(pages)),
        })
    }

    /// A process that nobody was before.
    pub fn new_process(&self) -> u64 {
        let mut pages = self.pages.lock();
        pages.next_process += 1;
        pages.next_process - 1
    }

    /// Begins an operation, now.
    pub fn begin(&self, process: u64, action: Action) -> Open {
        self.begin_at(now(), process, action)
    }

    /// Begins an operation at `at`, for those outside of simulated hosts.
    pub fn begin_at(&self, at: Duration, process: u64, action: Action) -> Open {
        self.write(at, process, Stage::Invoke, action, None, Vec::new());
        Open { process }
    }

    /// Ends an operation, now.
    pub fn end(&self, open: Open, stage: Stage, action: Action, error: Option<String>) {
        self.end_moved(open, stage, action, error, Vec::new());
    }

    /// Ends an operation during which a rebalance moved keys.
    pub fn end_moved(
        &self,
        open: Open,
        stage: Stage,
        action: Action,
        error: Option<String>,
        moved: Vec<Key>,
    ) {
        self.write(now(), open.process, stage, action, error, moved);
    }

    /// Ends an operation at `at`.
    pub fn end_at(&self, at: Duration, open: Open, stage: Stage, action: Action) {
        self.write(at, open.process, stage, action, None, Vec::new());
    }

    /// Notes what no workload can tolerate.
    pub fn trouble(&self, what: String) {
        tracing::error!(what, "trouble");
        let mut pages = self.pages.lock();
        if pages.troubles.len() < TROUBLES_MAX {
            pages.troubles.push(what);
        }
    }

    /// Whether anything was noted.
    pub fn has_trouble(&self) -> bool {
        !self.pages.lock().troubles.is_empty()
    }

    /// Notes why the run may show nothing.
    pub fn doubt(&self, why: String) {
        self.pages.lock().doubts.push(why);
    }

    /// Doubts so far.
    pub fn doubts(&self) -> Vec<String> {
        self.pages.lock().doubts.clone()
    }

    /// Troubles so far.
    pub fn troubles(&self) -> Vec<String> {
        self.pages.lock().troubles.clone()
    }

    /// The history so far, as it would be in a file.
    ///
    /// # Errors
    /// It does not fit its own format.
    pub fn read(&self) -> Result<(Vec<u8>, History), HistoryError> {
        let mut bytes = self.pages.lock().recorder.output().clone();
        if floe_model::mutant!("clock-not-monotone") {
            // The last event is from before the first one.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some(place) = text.rfind("\"t\":") {
                let end = text[place..]
                    .find(',')
                    .map_or(text.len(), |len| place + len);
                bytes = format!("{}\"t\":0{}", &text[..place], &text[end..]).into_bytes();
            }
        }
        let history = read_history(bytes.as_slice())?;
        Ok((bytes, history))
    }

    fn write(
        &self,
        at: Duration,
        process: u64,
        stage: Stage,
        action: Action,
        error: Option<String>,
        moved: Vec<Key>,
    ) {
        let time_ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let mut pages = self.pages.lock();
        pages
            .recorder
            .record(time_ns, process, stage, action, error, moved)
            .expect("memory takes every write");
    }
}

/// Virtual time of the whole simulation, as the calling host sees it.
pub fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}
