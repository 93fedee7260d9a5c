//! Kafka clients, unmodified, beside the native ones: a Python program around librdkafka.
//!
//! It says what it is about to do and waits until that stands in the history; it says how that
//! ended, and what it says late only widens the time that an operation took. Invariant: its words
//! are those of a history, so nothing is translated here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use floe_jepsen::live::{Open, Workload};
use floe_jepsen::{Action, Key, Stage};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::doctor::Ability;
use crate::failure::Failure;
use crate::tool;

const PROGRAM: &str = include_str!("kafka/clients.py");
/// Names the Python that has the clients.
const VARIABLE: &str = "FLOE_PYTHON";
/// Where `scripts/test-clients` puts one.
const INSTALLED: &str = "target/clients/python/bin/python";
/// For the clients to end what they are in.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A Python that has librdkafka, if there is one.
pub(crate) async fn python(root: &Path) -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let candidates = [
        named,
        Some(root.join(INSTALLED)),
        Some(PathBuf::from("python3")),
    ];
    for candidate in candidates.into_iter().flatten() {
        let program = candidate.display().to_string();
        let words = [program.as_str(), "-c", "import confluent_kafka"];
        if tool::run_words(&words, "").await.is_ok() {
            return Some(candidate);
        }
    }
    None
}

/// Whether Kafka clients can take part.
pub(crate) async fn ability(root: &Path) -> Ability {
    let found = python(root).await;
    Ability {
        name: "kafka-clients".to_owned(),
        possible: found.is_some(),
        reason: match found {
            Some(_) => None,
            None => Some("no Python that has confluent-kafka".to_owned()),
        },
        remedy: None,
    }
    .with_remedy("scripts/test-clients --install, or FLOE_PYTHON=PATH")
}

/// The clients while they run.
pub(crate) struct KafkaClients {
    process: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    workload: Workload,
}

/// One line that the program says.
#[derive(Deserialize)]
struct Said {
    id: u64,
    who: String,
    #[serde(rename = "type")]
    stage: Stage,
    #[serde(flatten)]
    action: Action,
    #[serde(rename = "err")]
    error: Option<String>,
    #[serde(default)]
    rb: Vec<Key>,
}

impl KafkaClients {
    /// Starts them on the topic of `workload`, in `home`, with errors in `logs`.
    pub(crate) fn start(
        python: &Path,
        home: &Path,
        logs: &Path,
        servers: &str,
        workload: Workload,
    ) -> Result<Self, Failure> {
        let program = home.join("clients.py");
        std::fs::write(&program, PROGRAM).map_err(Failure::of_file(&program))?;
        let log = logs.join("kafka-clients.log");
        let log = std::fs::File::create(&log).map_err(Failure::of_file(log))?;
        let no_tool = |source| Failure::NoTool {
            tool: python.display().to_string(),
            source,
        };
        let mut process = Command::new(python)
            .arg(&program)
            .args([servers, &workload.target.topic, &workload.run])
            .arg(workload.target.partitions().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(no_tool)?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (stdin, stdout) =
            pipes.ok_or_else(|| no_tool(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            process,
            stdin,
            stdout,
            workload,
        })
    }

    /// Writes down what they do, until some time after the workload is to stop.
    pub(crate) async fn run(self) {
        let Self {
            mut process,
            stdin,
            stdout,
            workload,
        } = self;
        let stop = workload.stop.clone();
        let mut scribe = Scribe {
            workload: &workload,
            stdin: Some(stdin),
            processes: BTreeMap::new(),
            open: BTreeMap::new(),
        };
        let mut lines = BufReader::new(stdout).lines();
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line,
                () = stop.cancelled() => break,
            };
            match line {
                Ok(Some(line)) => scribe.take_down(&line).await,
                Ok(None) | Err(_) => {
                    workload
                        .book
                        .trouble("the Kafka clients ended by themselves");
                    return;
                }
            }
        }
        // They take the end of their input as the end of their work.
        scribe.stdin = None;
        let rest = async {
            while let Ok(Some(line)) = lines.next_line().await {
                scribe.take_down(&line).await;
            }
        };
        drop(tokio::time::timeout(STOP_LIMIT, rest).await);
        drop(process.start_kill());
        drop(process.wait().await);
    }
}

/// Turns lines into operations.
struct Scribe<'a> {
    workload: &'a Workload,
    /// Gone when nothing more is to be begun.
    stdin: Option<ChildStdin>,
    /// Processes of the history, by the names the program gives them.
    processes: BTreeMap<String, u64>,
    open: BTreeMap<u64, Open>,
}

impl Scribe<'_> {
    async fn take_down(&mut self, line: &str) {
        let book = &self.workload.book;
        let said: Said = match serde_json::from_str(line) {
            Ok(said) => said,
            Err(error) => {
                book.trouble(format!(
                    "the Kafka clients say what nobody understands: {error}"
                ));
                return;
            }
        };
        if said.stage == Stage::Invoke {
            let process = self.processes.entry(said.who);
            let process = *process.or_insert_with(|| book.new_process());
            self.open.insert(said.id, book.begin(process, said.action));
            if let Some(stdin) = &mut self.stdin {
                drop(stdin.write_all(format!("{}\n", said.id).as_bytes()).await);
            }
            return;
        }
        let Some(open) = self.open.remove(&said.id) else {
            book.trouble(format!(
                "operation {} of the Kafka clients never began",
                said.id
            ));
            return;
        };
        self.count(&said.action);
        book.end_moved(open, said.stage, said.action, said.error, said.rb);
        self.workload.pulse.operation_ended();
    }

    /// Acknowledgements keep a partition alive.
    fn count(&self, action: &Action) {
        let Action::Send(sent) = action else {
            return;
        };
        let now = self.workload.book.elapsed();
        for sent in sent.iter().filter(|sent| sent.offset.is_some()) {
            let partition = sent.key.0.rsplit('/').next();
            if let Some(Ok(partition)) = partition.map(str::parse) {
                self.workload.pulse.acked(partition, now);
            }
        }
    }
}
