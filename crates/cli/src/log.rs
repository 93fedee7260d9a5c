//! `floe log`: looks into the data directory of a stopped node.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use floe_journal::offline::{Found, Offline, OfflineGroup};
use floe_journal::{GroupKind, OpenError};
use floe_model::RaftGroupId;
use floe_record::{Entry, EntryKind};
use serde::Serialize;

use crate::arguments::{OutputArgs, OutputForm};
use crate::failure::{CommandError, ExitStatus};
use crate::output::Stdout;
use crate::serve::real_env;

/// Subcommands of `floe log`.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Print the entries of the log
    Dump(DumpArgs),
    /// Check every checksum and every link between files; changes nothing
    Verify(DirArgs),
    /// Cut damaged groups to what can be read. Only for the last replica: others are replaced
    /// from their peers
    Repair(RepairArgs),
}

/// Arguments of `floe log repair`.
#[derive(Args, Debug)]
pub(crate) struct RepairArgs {
    /// The data directory
    dir: PathBuf,
    /// Agree to lose every record behind the damage
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe log verify`.
#[derive(Args, Debug)]
pub(crate) struct DirArgs {
    /// The data directory
    dir: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `floe log dump`.
#[derive(Args, Debug)]
pub(crate) struct DumpArgs {
    /// The data directory
    dir: PathBuf,
    /// Only this Raft group
    #[arg(long, value_name = "ID")]
    group: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct EntryRow {
    group: u64,
    term: u64,
    index: u64,
    kind: &'static str,
    base_offset: i64,
    records: u64,
    size_bytes: usize,
    appended_at_ms: i64,
    file: Option<String>,
    position: Option<u64>,
}

#[derive(Serialize)]
struct VerifyDocument {
    node_id: u32,
    cluster_id: Option<String>,
    damaged: usize,
    groups: Vec<GroupRow>,
}

#[derive(Serialize)]
struct GroupRow {
    group: u64,
    kind: &'static str,
    entries: u64,
    records: u64,
    file_bytes: u64,
    damage: Option<String>,
    damaged_file: Option<String>,
}

#[derive(Serialize)]
struct RepairRow {
    group: u64,
    damage: String,
    from_index: u64,
    repaired: bool,
}

/// Runs `floe log`. Reading is blocking work on files, and nothing else runs meanwhile.
pub(crate) async fn run(command: LogCommand) -> Result<(), CommandError> {
    match command {
        LogCommand::Dump(args) => dump(&args),
        LogCommand::Verify(args) => verify(&args),
        LogCommand::Repair(args) => repair(&args).await,
    }
}

async fn repair(args: &RepairArgs) -> Result<(), CommandError> {
    let dir = args.dir.display();
    if !args.accept_loss {
        return Err(
            CommandError::usage("a repair loses every record behind the damage")
                .at("a replica with healthy peers is replaced from them and needs none")
                .next(format!(
                    "then, to accept the loss:  floe log repair {dir} --accept-loss"
                )),
        );
    }
    // Refuses a directory that is missing or in use before anything is written.
    drop(open(&args.dir)?);
    let given_up = floe_journal::repair::repair(&args.dir, &real_env()?).await;
    let given_up = given_up.map_err(|error| CommandError::failed(error.to_string()))?;
    let rows: Vec<_> = given_up
        .iter()
        .map(|of_group| RepairRow {
            group: of_group.group.0,
            damage: of_group.damage.to_string(),
            from_index: of_group.from_index.0,
            repaired: !of_group.is_beyond_repair,
        })
        .collect();
    if rows.is_empty() {
        eprintln!("nothing in {dir} is damaged");
    }
    let header = ["GROUP", "LOST FROM INDEX", "REPAIRED", "DAMAGE"];
    Stdout::new().rows(args.output.output, &rows, &header, |row| {
        vec![
            row.group.to_string(),
            row.from_index.to_string(),
            if row.repaired { "yes" } else { "no" }.to_owned(),
            row.damage.clone(),
        ]
    })?;
    match rows.iter().filter(|row| !row.repaired).count() {
        0 => Ok(()),
        left => Err(CommandError::failed(format!(
            "{left} groups are beyond repair"
        ))),
    }
}

fn open(dir: &Path) -> Result<Offline, CommandError> {
    Offline::open(real_env()?.vfs, dir).map_err(|error| explain(&error, dir))
}

fn explain(error: &OpenError, dir: &Path) -> CommandError {
    let dir = dir.display();
    match error {
        OpenError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            CommandError::new(
                ExitStatus::NotFound,
                format!("{dir} holds no data of a node"),
            )
            .at("it is the storage.data_dir of a node")
            .next("see yours:  floe config show")
        }
        OpenError::InUse { .. } => {
            CommandError::failed(error.to_string()).at("stop the node that has it open")
        }
        _ => CommandError::failed(error.to_string()),
    }
}

fn dump(args: &DumpArgs) -> Result<(), CommandError> {
    let offline = open(&args.dir)?;
    let groups = match args.group.map(RaftGroupId) {
        None => offline.groups(),
        Some(group) if offline.groups().contains(&group) => vec![group],
        Some(group) => {
            let what = format!("group {group} is not in {}", args.dir.display());
            return Err(CommandError::new(ExitStatus::NotFound, what).next(format!(
                "all groups:  floe log verify {}",
                args.dir.display()
            )));
        }
    };
    let mut printer = DumpPrinter {
        form: args.output.output,
        out: Stdout::new(),
        rows: 0,
        failure: None,
    };
    printer.begin()?;
    for id in groups {
        let read = offline.read_group(id, &mut |entry, found| printer.take(id, entry, found));
        let group = read.map_err(|error| explain(&error, &args.dir))?;
        if let Some(failure) = printer.failure.take() {
            return Err(failure);
        }
        if let Some((path, damage)) = group.and_then(|group| group.damage) {
            eprintln!("group {id} is damaged: {}: {damage}", path.display());
        }
    }
    printer.end()
}

/// Entries on stdout as they are read: a log can be larger than memory.
struct DumpPrinter {
    form: OutputForm,
    out: Stdout,
    rows: u64,
    failure: Option<CommandError>,
}

impl DumpPrinter {
    fn begin(&mut self) -> Result<(), CommandError> {
        match self.form {
            OutputForm::Json => self.out.bytes(b"["),
            OutputForm::Table => self
                .out
                .line("GROUP  TERM  INDEX  KIND  BASE OFFSET  RECORDS  BYTES  WHERE"),
        }
    }

    fn take(&mut self, id: RaftGroupId, entry: &Entry, found: &Found) -> ControlFlow<()> {
        match self.print(&EntryRow::new(id, entry, found)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                self.failure = Some(failure);
                ControlFlow::Break(())
            }
        }
    }

    fn print(&mut self, row: &EntryRow) -> Result<(), CommandError> {
        self.rows += 1;
        match self.form {
            OutputForm::Json => {
                let comma: &[u8] = if self.rows > 1 { b"," } else { b"" };
                self.out.bytes(comma)?;
                self.out.json(row)
            }
            OutputForm::Table => {
                let place = match (&row.file, row.position) {
                    (Some(file), Some(position)) => format!("{file}:{position}"),
                    _ => "journal".to_owned(),
                };
                self.out.line(&format!(
                    "{}  {}  {}  {}  {}  {}  {}  {place}",
                    row.group,
                    row.term,
                    row.index,
                    row.kind,
                    row.base_offset,
                    row.records,
                    row.size_bytes
                ))
            }
        }
    }

    fn end(mut self) -> Result<(), CommandError> {
        if self.form == OutputForm::Json {
            self.out.line("]")?;
        }
        self.out.flush()
    }
}

impl EntryRow {
    fn new(group: RaftGroupId, entry: &Entry, found: &Found) -> Self {
        let (file, position) = match found {
            Found::Segment(path, position) => (Some(path.display().to_string()), Some(*position)),
            Found::Journal => (None, None),
        };
        Self {
            group: group.0,
            term: entry.term.0,
            index: entry.index.0,
            kind: match entry.kind() {
                EntryKind::Blank => "blank",
                EntryKind::Membership => "membership",
                EntryKind::Data => "data",
                EntryKind::Control => "control",
            },
            base_offset: entry.base_offset.0,
            records: entry.offset_count(),
            size_bytes: entry.encoded_len(),
            appended_at_ms: entry.appended_at_ms,
            file,
            position,
        }
    }
}

fn verify(args: &DirArgs) -> Result<(), CommandError> {
    let offline = open(&args.dir)?;
    let ids = offline.groups();
    let bar = crate::progress::bar("groups", Some(ids.len() as u64));
    let mut groups = Vec::new();
    for id in ids {
        let read = offline.read_group(id, &mut |_, _| ControlFlow::Continue(()));
        let read = read.map_err(|error| explain(&error, &args.dir))?;
        groups.extend(read.map(GroupRow::new));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let identity = offline.identity();
    let document = VerifyDocument {
        node_id: identity.node_id.0,
        cluster_id: identity.cluster_id.map(|id| id.to_string()),
        damaged: groups.iter().filter(|group| group.damage.is_some()).count(),
        groups,
    };
    let mut out = Stdout::new();
    match args.output.output {
        OutputForm::Json => out.json(&document)?,
        OutputForm::Table => {
            let rows = document.groups.iter().map(GroupRow::cells);
            out.table(
                &["GROUP", "KIND", "ENTRIES", "RECORDS", "BYTES", "DAMAGE"],
                rows,
            )?;
        }
    }
    out.flush()?;
    match document.damaged {
        0 => Ok(()),
        damaged => Err(
            CommandError::failed(format!("{damaged} groups are damaged"))
                .at("replicas on other nodes replace them when the node runs"),
        ),
    }
}

impl GroupRow {
    fn new(group: OfflineGroup) -> Self {
        let (file, damage) = group.damage.unzip();
        Self {
            group: group.id.0,
            kind: match group.kind {
                GroupKind::Data => "data",
                GroupKind::State => "state",
            },
            entries: group.entries,
            records: group.records,
            file_bytes: group.file_bytes,
            damage: damage.map(|damage| damage.to_string()),
            damaged_file: file.map(|file| file.display().to_string()),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.group.to_string(),
            self.kind.to_owned(),
            self.entries.to_string(),
            self.records.to_string(),
            self.file_bytes.to_string(),
            self.damage.clone().unwrap_or_else(|| "none".to_owned()),
        ]
    }
}
