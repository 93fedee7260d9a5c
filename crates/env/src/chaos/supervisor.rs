//! What a node asks of the process that watches over it, and how that process acts.
//!
//! A node cannot kill itself and come back, nor stop and wake itself: its parent can. Requests
//! are lines on the node's stdout, which the parent reads. Invariant: a node ends with its
//! parent, however that ends, so that nobody is left who holds its files and ports.

use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

/// A request of a node to its supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SupervisorRequest {
    /// Kill me (SIGKILL) and start me again after this time.
    Kill {
        /// Time without a process.
        down: Duration,
    },
    /// Stop me (SIGSTOP) and let me go on after this time.
    Pause {
        /// Time stopped.
        length: Duration,
    },
    /// My disk is being broken: if I stop by myself, start me again.
    MayFail,
}

impl SupervisorRequest {
    /// Reads a line of a node; none when it is no request.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let verb = words.next()?;
        let time = words.next().and_then(|word| word.parse().ok());
        let time = time.map(Duration::from_millis);
        match verb {
            "kill" => Some(Self::Kill { down: time? }),
            "pause" => Some(Self::Pause { length: time? }),
            "may-fail" => Some(Self::MayFail),
            _ => None,
        }
    }
}

impl fmt::Display for SupervisorRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { down } => write!(f, "kill {}", down.as_millis()),
            Self::Pause { length } => write!(f, "pause {}", length.as_millis()),
            Self::MayFail => f.write_str("may-fail"),
        }
    }
}

/// The supervisor of this process.
#[derive(Debug)]
pub struct Supervisor {
    _attached: (),
}

impl Supervisor {
    /// Ties this process to its parent `process_id`: it is killed when that one ends.
    ///
    /// # Errors
    /// The parent is another process, so it has ended already.
    pub fn attach(process_id: u32) -> io::Result<Self> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Asked after the signal is set: a parent that ended before is found here.
        let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
        if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(process_id) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        Ok(Self { _attached: () })
    }

    /// Passes a request on.
    ///
    /// # Errors
    /// The supervisor does not read.
    pub fn ask(&self, request: SupervisorRequest) -> io::Result<()> {
        let mut line = io::stdout().lock();
        writeln!(line, "{request}")?;
        line.flush()
    }
}

/// A signal for another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessSignal {
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
    /// SIGTERM.
    Terminate,
}

/// Sends a signal.
///
/// # Errors
/// There is no such process, or it is not ours.
pub fn signal_process(process_id: u32, signal: ProcessSignal) -> io::Result<()> {
    let raw = i32::try_from(process_id).ok();
    let pid = raw.and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let signal = match signal {
        ProcessSignal::Stop => Signal::STOP,
        ProcessSignal::Continue => Signal::CONT,
        ProcessSignal::Terminate => Signal::TERM,
    };
    Ok(kill_process(pid, signal)?)
}
