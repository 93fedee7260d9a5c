//! Tasks, blocking calls and I/O threads.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::{Gate, IoMachine, IoWake, Rng, SimVfs, Step};

/// Starts concurrent work. In the simulator blocking work runs inline in virtual time.
#[derive(Clone, Debug)]
pub struct Spawn {
    mode: Mode,
}

#[derive(Clone, Debug)]
enum Mode {
    Real,
    Sim {
        rng: Rng,
        io_latency: Duration,
        disk: Option<SimVfs>,
        gate: Gate,
    },
}

/// A running [`IoMachine`]; join it after its machine was told to finish.
#[derive(Debug)]
pub struct IoThread {
    finished: JoinHandle<()>,
}

impl IoThread {
    /// Waits until the machine is done and dropped.
    pub async fn join(self) {
        // The driver neither panics nor is aborted while its node runs; when it is, it is over.
        drop(self.finished.await);
    }
}

impl Spawn {
    /// Real threads and tasks.
    #[must_use]
    pub fn real() -> Self {
        Self { mode: Mode::Real }
    }

    /// Every I/O step takes a random virtual time of up to twice `io_latency`.
    #[must_use]
    pub fn sim(rng: Rng, io_latency: Duration) -> Self {
        Self {
            mode: Mode::Sim {
                rng,
                io_latency,
                disk: None,
                gate: Gate::default(),
            },
        }
    }

    /// Lets the steps of I/O machines settle what earlier steps wrote to `disk`, as the contract
    /// of [`IoMachine`] says. No effect on real threads.
    #[must_use]
    pub fn with_disk(mut self, written: SimVfs) -> Self {
        if let Mode::Sim { disk, .. } = &mut self.mode {
            *disk = Some(written);
        }
        self
    }

    /// Lets everything that is started from now on run only while `gate` is open. No effect on
    /// real threads.
    #[must_use]
    pub fn with_gate(mut self, held_by: Gate) -> Self {
        if let Mode::Sim { gate, .. } = &mut self.mode {
            *gate = held_by;
        }
        self
    }

    /// Starts a task on the current runtime.
    pub fn task<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.mode {
            Mode::Real => tokio::spawn(future),
            Mode::Sim { gate, .. } => tokio::spawn(gate.clone().hold(future)),
        }
    }

    /// Runs blocking file work off the async threads.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn blocking<T, F>(&self, work: F) -> io::Result<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match &self.mode {
            Mode::Real => tokio::task::spawn_blocking(work)
                .await
                .map_err(io::Error::other),
            Mode::Sim {
                rng,
                io_latency,
                disk,
                gate,
            } => {
                let stall = disk.as_ref().map_or(Duration::ZERO, SimVfs::stall);
                let io_latency = *io_latency + stall;
                tokio::time::sleep(rng.jitter(Duration::ZERO, io_latency * 2)).await;
                gate.pass().await;
                let outcome = work();
                disk.iter().for_each(SimVfs::settle);
                Ok(outcome)
            }
        }
    }

    /// Drives `machine` until it is done: on a thread called `name`, or in virtual time.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn io_thread(
        &self,
        name: &str,
        wake: IoWake,
        mut machine: impl IoMachine,
    ) -> io::Result<IoThread> {
        let finished = match &self.mode {
            Mode::Real => {
                let (done, finished) = tokio::sync::oneshot::channel();
                std::thread::Builder::new()
                    .name(name.to_owned())
                    .spawn(move || {
                        drive_blocking(&wake, &mut machine);
                        drop(machine);
                        // Nobody waiting is fine: the thread is over either way.
                        let _unwatched: Result<(), ()> = done.send(());
                    })?;
                tokio::spawn(async move { drop(finished.await) })
            }
            Mode::Sim {
                rng,
                io_latency,
                disk,
                gate,
            } => {
                let (rng, io_latency, disk) = (rng.fork(), *io_latency, disk.clone());
                let gate = gate.clone();
                tokio::spawn(async move {
                    loop {
                        let stall = disk.as_ref().map_or(Duration::ZERO, SimVfs::stall);
                        let io_latency = io_latency + stall;
                        tokio::time::sleep(rng.jitter(Duration::ZERO, io_latency * 2)).await;
                        gate.pass().await;
                        disk.iter().for_each(SimVfs::settle);
                        match machine.step() {
                            Step::Again => {}
                            Step::Idle => wake.wait(None).await,
                            Step::IdleFor(limit) => wake.wait(Some(limit)).await,
                            Step::Done => break,
                        }
                    }
                })
            }
        };
        Ok(IoThread { finished })
    }
}

fn drive_blocking(wake: &IoWake, machine: &mut impl IoMachine) {
    loop {
        match machine.step() {
            Step::Again => {}
            Step::Idle => wake.wait_blocking(None),
            Step::IdleFor(limit) => wake.wait_blocking(Some(limit)),
            Step::Done => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Countdown(u32);

    impl IoMachine for Countdown {
        fn step(&mut self) -> Step {
            self.0 -= 1;
            if self.0 == 0 {
                Step::Done
            } else {
                Step::IdleFor(Duration::from_millis(1))
            }
        }
    }

    #[tokio::test]
    async fn a_machine_runs_to_its_end_in_both_modes() {
        let sim = Spawn::sim(Rng::from_seed(1), Duration::from_micros(10));
        for spawn in [Spawn::real(), sim] {
            let thread = spawn.io_thread("count", IoWake::default(), Countdown(5));
            thread.expect("threads can be started").join().await;
        }
    }
}
