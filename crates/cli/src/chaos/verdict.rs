//! From a history to a verdict: checks it, writes the page, says it, and leaves with its code.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Duration;

use floe_client::ErrorKind;
use floe_jepsen::live::Workload;
use floe_jepsen::report::{Page, Skipped};
use floe_jepsen::{AnomalyKind, Doubt, Report, Verdict, judge, read_history};
use serde::Serialize;

use super::ChaosArgs;
use super::fault::FaultKind;
use super::run::cannot_write;
use crate::failure::{CommandError, ExitStatus};
use crate::output::Stdout;

const HISTORY: &str = "history.jsonl";
const PAGE: &str = "report.html";
/// Longer than the sessions of the members.
const GROUP_LIMIT: Duration = Duration::from_secs(10);
const GROUP_PAUSE: Duration = Duration::from_millis(200);

/// What a run leaves.
pub(super) struct Evidence<'a> {
    pub(super) workload: &'a Workload,
    pub(super) landed: &'a BTreeMap<FaultKind, u64>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) seed: u64,
}

/// What is printed.
#[derive(Serialize)]
struct Document {
    verdict: Verdict,
    operations: u64,
    acked: u64,
    lost: u64,
    faults: BTreeMap<FaultKind, u64>,
    skipped: Vec<Skipped>,
    report: String,
    history: String,
    anomalies: BTreeMap<AnomalyKind, u64>,
    doubts: Vec<Doubt>,
    troubles: Vec<String>,
    unavailable_ms_max: u64,
    seed: u64,
}

/// Where the history of a run is written.
pub(super) fn history_file(args: &ChaosArgs) -> PathBuf {
    args.report.join(HISTORY)
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
    let mut checked = judge(&history);
    let troubles = evidence.workload.book.troubles();
    if !troubles.is_empty() {
        checked.verdict = Verdict::Invalid;
    }
    let document = document(args, evidence, &checked, troubles);
    let html = Page {
        title: &format!("floe chaos on topic {}", evidence.workload.target.topic),
        history: &history,
        report: &checked,
        remarks: &document.troubles,
        skipped: &document.skipped,
    }
    .html();
    let page = args.report.join(PAGE);
    std::fs::write(&page, html).map_err(|error| cannot_write(&page, &error))?;
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
    checked: &Report,
    troubles: Vec<String>,
) -> Document {
    let mut skipped = evidence.skipped.clone();
    for (kind, count) in evidence.landed {
        let is_named = skipped.iter().any(|line| line.fault == kind.name());
        if *count == 0 && !is_named {
            skipped.push(Skipped {
                fault: kind.name().to_owned(),
                reason: "none landed in the time there was".to_owned(),
            });
        }
    }
    let gap = evidence.workload.pulse.longest_gap();
    Document {
        verdict: checked.verdict,
        operations: checked.operations,
        acked: checked.sent_ok,
        lost: checked.lost,
        faults: evidence.landed.clone(),
        skipped,
        report: args.report.join(PAGE).display().to_string(),
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
    let doubts: Vec<_> = document.doubts.iter().map(Doubt::to_string).collect();
    doubts.join("; ")
}

fn print(args: &ChaosArgs, document: &Document) -> Result<(), CommandError> {
    let mut out = Stdout::new();
    out.document(args.output.output, document, |document| {
        let faults: Vec<_> = document
            .faults
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let mut lines = vec![
            ("verdict", document.verdict.name().to_owned()),
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
        for Skipped { fault, reason } in &document.skipped {
            lines.push(("skipped", format!("{fault}: {reason}")));
        }
        for trouble in &document.troubles {
            lines.push(("trouble", trouble.clone()));
        }
        for (kind, count) in &document.anomalies {
            lines.push(("anomaly", format!("{count} {kind:?}")));
        }
        lines.push(("report", document.report.clone()));
        lines.push(("history", document.history.clone()));
        lines.push(("seed", document.seed.to_string()));
        lines
    })
}
