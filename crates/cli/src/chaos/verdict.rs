//! From a history to a verdict: checks it, writes the page, says it, and leaves with its code.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Duration;

use floe_client::ErrorKind;
use floe_jepsen::{AnomalyKind, Doubt, History, Report, Verdict, check, read_history};
use serde::Serialize;

use super::ChaosArgs;
use super::fault::FaultKind;
use super::report;
use super::run::cannot_write;
use super::workload::Workload;
use crate::failure::{CommandError, ExitStatus};
use crate::output::Stdout;

/// Longer than the sessions of the members.
const GROUP_LIMIT: Duration = Duration::from_secs(10);
const GROUP_PAUSE: Duration = Duration::from_millis(200);

/// What a run leaves.
pub(super) struct Evidence<'a> {
    pub(super) workload: &'a Workload,
    pub(super) landed: &'a BTreeMap<FaultKind, u64>,
    pub(super) skipped: Vec<String>,
    pub(super) seed: u64,
}

/// What is printed.
#[derive(Serialize)]
pub(super) struct Document {
    pub(super) verdict: Verdict,
    pub(super) operations: u64,
    pub(super) acked: u64,
    pub(super) lost: u64,
    pub(super) faults: BTreeMap<FaultKind, u64>,
    pub(super) skipped: Vec<String>,
    pub(super) report: String,
    pub(super) history: String,
    pub(super) anomalies: BTreeMap<AnomalyKind, u64>,
    pub(super) doubts: Vec<Doubt>,
    pub(super) troubles: Vec<String>,
    pub(super) unavailable_ms_max: u64,
    pub(super) seed: u64,
}

/// Where the history of a run is written.
pub(super) fn history_file(args: &ChaosArgs) -> PathBuf {
    args.report.join("history.jsonl")
}

/// Judges what was written down. Success is a valid run.
pub(super) async fn conclude(
    args: &ChaosArgs,
    evidence: &Evidence<'_>,
) -> Result<(), CommandError> {
    let path = history_file(args);
    let finished = evidence.workload.book.finish();
    finished.map_err(|error| cannot_write(&path, &error))?;
    let history = File::open(&path).map_err(|error| cannot_write(&path, &error))?;
    let history = read_history(BufReader::new(history)).map_err(|error| {
        CommandError::new(
            ExitStatus::Partial,
            format!("the history cannot be judged: {error}"),
        )
        .at(path.display().to_string())
    })?;
    let checked = check(&history);
    let document = document(args, evidence, &history, &checked);
    let page = args.report.join("report.html");
    std::fs::write(&page, report::page(&document, &history, &checked))
        .map_err(|error| cannot_write(&page, &error))?;
    if document.verdict == Verdict::Invalid && evidence.workload.target.is_scratch {
        let topic = &evidence.workload.target.topic;
        anstream::eprintln!("topic '{topic}' is left as it is, to be looked at");
    } else {
        clean_up(evidence.workload).await;
    }
    print(args, &document)?;
    match document.verdict {
        Verdict::Valid => Ok(()),
        Verdict::Invalid => Err(
            CommandError::failed("the cluster did what it must never do")
                .at(format!("{} acknowledged records are lost", document.lost))
                .next(format!("see what and when:  {}", document.report)),
        ),
        Verdict::Unknown => Err(CommandError::new(
            ExitStatus::Partial,
            "nothing wrong was found, but the run could not show much",
        )
        .at(doubts(&document))
        .next(format!("see why:  {}", document.report))),
    }
}

/// Removes what the run has made. What cannot be removed is named.
pub(super) async fn clean_up(workload: &Workload) {
    let admin = workload.client.admin();
    let group = workload.group();
    let deadline = workload.book.elapsed() + GROUP_LIMIT;
    loop {
        match admin.delete_group(group.as_str()).await {
            // A member that could not say goodbye is one until its session ends.
            Err(error)
                if error.kind() == ErrorKind::GroupNotEmpty
                    && workload.book.elapsed() < deadline =>
            {
                tokio::time::sleep(GROUP_PAUSE).await;
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                anstream::eprintln!("group '{group}' is left behind: {error}");
                break;
            }
            Ok(()) | Err(_) => break,
        }
    }
    let topic = &workload.target.topic;
    if workload.target.is_scratch
        && let Err(error) = admin.delete_topic(topic.as_str()).await
    {
        anstream::eprintln!("topic '{topic}' is left behind: {error}");
    }
}

fn document(
    args: &ChaosArgs,
    evidence: &Evidence<'_>,
    history: &History,
    checked: &Report,
) -> Document {
    let workload = evidence.workload;
    let troubles = workload.book.troubles();
    let verdict = match (checked.verdict, troubles.is_empty()) {
        (verdict, true) => verdict,
        (_, false) => Verdict::Invalid,
    };
    let mut skipped = evidence.skipped.clone();
    for (kind, count) in evidence.landed {
        let is_named = skipped.iter().any(|line| line.starts_with(kind.name()));
        if *count == 0 && !is_named {
            skipped.push(format!("{kind}: none landed in the time there was"));
        }
    }
    let count = |kind: AnomalyKind| checked.anomalies.get(&kind).map_or(0, |found| found.count);
    let lost = count(AnomalyKind::LostWrite).max(count(AnomalyKind::Unseen));
    let is_client = |operation: &&floe_jepsen::Operation| {
        !matches!(operation.action, floe_jepsen::Action::Fault { .. })
    };
    let gap = workload.pulse.longest_gap();
    Document {
        verdict,
        operations: history.operations.iter().filter(is_client).count() as u64,
        acked: checked.sent_ok,
        lost,
        faults: evidence.landed.clone(),
        skipped,
        report: args.report.join("report.html").display().to_string(),
        history: history_file(args).display().to_string(),
        anomalies: checked
            .anomalies
            .iter()
            .map(|(kind, found)| (*kind, found.count))
            .collect(),
        doubts: checked.doubts.clone(),
        troubles,
        unavailable_ms_max: u64::try_from(gap.as_millis()).unwrap_or(u64::MAX),
        seed: evidence.seed,
    }
}

fn doubts(document: &Document) -> String {
    document
        .doubts
        .iter()
        .map(|doubt| format!("{doubt:?}"))
        .collect::<Vec<_>>()
        .join("; ")
}

fn print(args: &ChaosArgs, document: &Document) -> Result<(), CommandError> {
    let verdict = match document.verdict {
        Verdict::Valid => "valid",
        Verdict::Invalid => "invalid",
        Verdict::Unknown => "unknown",
    };
    let mut out = Stdout::new();
    out.document(args.output.output, document, |document| {
        let faults: Vec<_> = document
            .faults
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let mut lines = vec![
            ("verdict", verdict.to_owned()),
            ("operations", document.operations.to_string()),
            ("acknowledged", document.acked.to_string()),
            ("lost", document.lost.to_string()),
            ("faults", faults.join(", ")),
            (
                "unavailable",
                format!(
                    "{} ms at most, on one partition",
                    document.unavailable_ms_max
                ),
            ),
        ];
        let mut more = |name, values: &[String]| {
            lines.extend(values.iter().map(|value| (name, value.clone())));
        };
        more("skipped", &document.skipped);
        more("trouble", &document.troubles);
        for (kind, count) in &document.anomalies {
            lines.push(("anomaly", format!("{count} {kind:?}")));
        }
        lines.push(("report", document.report.clone()));
        lines.push(("history", document.history.clone()));
        lines.push(("seed", document.seed.to_string()));
        lines
    })
}
