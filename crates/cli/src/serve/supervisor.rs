//! The parent of a node that may be broken on purpose: kills, pauses and restarts it.
//!
//! With `chaos = true` the process that was started is this one and the node is its child. Where
//! it must not matter it does not: signals are passed on, the exit code is the node's, and the
//! node ends with this process, however that ends. What the child asks for comes as lines on its
//! stdout. A pause ends here, so nobody else needs to remember it.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use floe_env::{Env, ProcessSignal, SupervisorRequest, signal_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::Instant;

use super::Signals;
use crate::failure::CommandError;

/// A former node may still be in the middle of a write when this one is started.
const FORMER_LIMIT: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Pauses before a restart that nobody asked for: they double while the node does not last.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// A node that lived this long is not in a restart loop.
const LASTING: Duration = Duration::from_secs(10);
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Runs the node of this command line under supervision until it ends for good.
pub(super) async fn run(data_dir: &Path, env: &Env) -> Result<(), CommandError> {
    tracing::warn!("chaos is on: any client may break this node");
    let mut signals = Signals::install()?;
    tokio::select! {
        () = former_is_gone(data_dir, env) => {}
        () = signals.next() => return Ok(()),
    }
    let mut pause = PAUSE_FIRST;
    loop {
        let begun = Instant::now();
        let after = match Life::begin()?.live(&mut signals).await? {
            End::Stopped => return Ok(()),
            End::Killed { down: Some(down) } => down,
            End::Killed { down: None } | End::Failed => {
                pause = match begun.elapsed() < LASTING {
                    true => (pause * 2).min(PAUSE_LONGEST),
                    false => PAUSE_FIRST,
                };
                pause
            }
        };
        tracing::warn!(?after, "the node ended and is started again");
        tokio::select! {
            () = tokio::time::sleep(after) => {}
            () = signals.next() => return Ok(()),
        }
    }
}

/// Waits until nobody holds the data directory. Whoever holds it for longer is no former node
/// of ours; the node will say so.
async fn former_is_gone(data_dir: &Path, env: &Env) {
    let deadline = Instant::now() + FORMER_LIMIT;
    let is_held = || {
        let lock = env.vfs.lock(data_dir);
        lock.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    while is_held() && Instant::now() < deadline {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// How one life of the node ended.
enum End {
    /// As it should.
    Stopped,
    /// By SIGKILL; if it had asked for that, it is started again after this time.
    Killed { down: Option<Duration> },
    /// By itself, over a disk that was broken on purpose.
    Failed,
}

/// The node from one start to its end.
struct Life {
    process: Child,
    requests: Lines<BufReader<ChildStdout>>,
    hears: bool,
    resume_at: Option<Instant>,
    asked: Asked,
}

/// What was asked of the node, or by it, in one life.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// To be killed and started again after this time.
    down: Option<Duration>,
    /// To be started again if it stops by itself.
    may_fail: bool,
    /// To stop.
    stop: bool,
}

impl Life {
    /// Starts the same program with the same arguments. It dies with the thread that starts it,
    /// which is the first of this process.
    fn begin() -> Result<Self, CommandError> {
        let cannot = |error| CommandError::failed(format!("cannot start the node: {error}"));
        let mut arguments = std::env::args_os();
        // Not by name: the file may have been replaced since this process began.
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        let mut process = command
            .args(arguments)
            .arg("--supervised-by")
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        let stdout = process.stdout.take();
        let stdout = stdout.ok_or_else(|| cannot(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            process,
            requests: BufReader::new(stdout).lines(),
            hears: true,
            resume_at: None,
            asked: Asked::default(),
        })
    }

    async fn live(mut self, signals: &mut Signals) -> Result<End, CommandError> {
        loop {
            let resume = async {
                match self.resume_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = self.process.wait() => {
                    let status = ended.map_err(|error| {
                        CommandError::failed(format!("cannot wait for the node: {error}"))
                    })?;
                    return judge(status, self.asked);
                }
                line = self.requests.next_line(), if self.hears => match line {
                    Ok(Some(line)) => self.obey(&line),
                    Ok(None) | Err(_) => self.hears = false,
                },
                () = resume => self.resume(),
                () = signals.next() => {
                    if self.asked.stop {
                        // Dropping the child kills it.
                        return Err(CommandError::failed("stopped at once by a second signal"));
                    }
                    self.asked.stop = true;
                    self.resume();
                    self.signal(ProcessSignal::Terminate);
                }
            }
        }
    }

    fn obey(&mut self, line: &str) {
        if self.asked.stop {
            return;
        }
        match SupervisorRequest::parse(line) {
            Some(SupervisorRequest::Kill { down }) => {
                self.asked.down = Some(down);
                if let Err(error) = self.process.start_kill() {
                    tracing::warn!(%error, "the node is not killed");
                }
            }
            Some(SupervisorRequest::Pause { length }) => {
                self.resume_at = Some(Instant::now() + length);
                self.signal(ProcessSignal::Stop);
            }
            Some(SupervisorRequest::MayFail) => self.asked.may_fail = true,
            None => tracing::warn!(line, "the node asks for what nobody knows"),
        }
    }

    fn resume(&mut self) {
        if self.resume_at.take().is_some() {
            self.signal(ProcessSignal::Continue);
        }
    }

    fn signal(&self, signal: ProcessSignal) {
        // No id: the node has ended, which the next wait tells.
        let sent = self.process.id().map(|id| signal_process(id, signal));
        if let Some(Err(error)) = sent {
            tracing::warn!(%error, ?signal, "the node is not signalled");
        }
    }
}

/// What the end of the process means.
fn judge(status: ExitStatus, asked: Asked) -> Result<End, CommandError> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(End::Stopped),
        (Some(_), _) if asked.may_fail && !asked.stop => Ok(End::Failed),
        // The node has said why.
        (Some(code), _) => Err(CommandError::silent(code)),
        (None, Some(SIGKILL)) if !asked.stop => Ok(End::Killed { down: asked.down }),
        // It had not begun to listen for the signal that was passed on.
        (None, Some(SIGTERM)) if asked.stop => Ok(End::Stopped),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            let what = format!("the node was ended by signal {signal}");
            Err(CommandError::failed(what)
                .at("what was acknowledged is on disk; the next start recovers it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGABRT: i32 = 6;

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn only_a_kill_or_a_broken_disk_leads_to_another_start() {
        let asked = Asked::default();
        let down = Some(Duration::from_secs(1));
        let killed = ExitStatus::from_raw(SIGKILL);
        assert!(matches!(
            judge(killed, asked),
            Ok(End::Killed { down: None })
        ));
        let asked_to_die = Asked { down, ..asked };
        assert!(matches!(
            judge(killed, asked_to_die),
            Ok(End::Killed { down: Some(_) })
        ));
        let may_fail = Asked {
            may_fail: true,
            ..asked
        };
        assert!(matches!(judge(exited(1), may_fail), Ok(End::Failed)));
        for (status, asked) in [
            (exited(1), asked),
            (exited(2), asked),
            // A panic is a bug and must be seen.
            (ExitStatus::from_raw(SIGABRT), may_fail),
            (
                killed,
                Asked {
                    stop: true,
                    ..asked
                },
            ),
            (
                exited(1),
                Asked {
                    stop: true,
                    ..may_fail
                },
            ),
        ] {
            assert!(judge(status, asked).is_err(), "{status:?} {asked:?}");
        }
    }

    #[test]
    fn a_node_that_stops_as_asked_has_stopped() {
        let stop = Asked {
            stop: true,
            ..Asked::default()
        };
        assert!(matches!(judge(exited(0), stop), Ok(End::Stopped)));
        assert!(matches!(
            judge(ExitStatus::from_raw(SIGTERM), stop),
            Ok(End::Stopped)
        ));
        assert!(matches!(
            judge(exited(0), Asked::default()),
            Ok(End::Stopped)
        ));
    }
}
