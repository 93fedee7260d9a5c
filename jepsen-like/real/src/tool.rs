//! Runs the tools of the machine: `ip`, `nft`, `tc`, `mount` and the like.
//!
//! Invariant: every tool ends within a bound, and dies with the call that waits for it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::failure::Failure;

/// For a tool that has little to do on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs `line`, words apart by blanks. What it printed.
pub(crate) async fn run(line: &str) -> Result<String, Failure> {
    fed(line, "").await
}

/// Runs `line` and gives it `input`.
pub(crate) async fn fed(line: &str, input: &str) -> Result<String, Failure> {
    let words: Vec<&str> = line.split_whitespace().collect();
    run_words(&words, input).await
}

/// Runs a program with arguments of any form.
pub(crate) async fn run_words(words: &[&str], input: &str) -> Result<String, Failure> {
    let line = words.join(" ");
    let tool = words.first().copied().unwrap_or_default();
    let no_tool = |source| Failure::NoTool {
        tool: tool.to_owned(),
        source,
    };
    let mut child = Command::new(tool)
        .args(words.get(1..).unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(no_tool)?;
    let stdin = child.stdin.take();
    let work = async {
        if let Some(mut stdin) = stdin {
            // A tool that reads nothing may be gone already.
            drop(stdin.write_all(input.as_bytes()).await);
        }
        child.wait_with_output().await
    };
    let Ok(ended) = tokio::time::timeout(LIMIT, work).await else {
        return Err(Failure::ToolHangs { line, limit: LIMIT });
    };
    let output = ended.map_err(no_tool)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next_back().unwrap_or("failed").to_owned();
    Err(Failure::ToolFailed { line, said })
}
