//! Generated pages of the documentation: `docs/cli.md` and `docs/configuration.md`.

use clap::{Command, CommandFactory as _, Subcommand};

use crate::arguments::Cli;
use crate::config;
use crate::failure::CommandError;
use crate::output::Stdout;

/// Subcommands of the hidden `floe reference`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReferenceCommand {
    /// docs/cli.md
    Cli,
    /// docs/configuration.md
    Config,
}

const INTRODUCTION: &str = "\
# Command line

<!-- Generated: floe reference cli > docs/cli.md -->

One binary, `floe`. stdout carries data only; with `-o json` it is exactly one JSON document, or one
per line for `produce` and `consume`. Everything else goes to stderr. Errors say what, where, and the
next command to type. A broken pipe is a success.

| exit code | meaning |
|---|---|
| 0 | ok |
| 1 | failed |
| 2 | wrong usage or input |
| 3 | not found |
| 4 | unavailable or timed out |
| 5 | partial, or the outcome is unknown |
";

/// Prints a page.
pub(crate) fn run(command: &ReferenceCommand) -> Result<(), CommandError> {
    let page = match command {
        ReferenceCommand::Cli => cli_page(),
        ReferenceCommand::Config => config::page::page(),
    };
    let mut out = Stdout::new();
    out.bytes(page.as_bytes())?;
    out.flush()
}

fn cli_page() -> String {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut page = INTRODUCTION.to_owned();
    add_command(&mut page, &mut root, "floe");
    page
}

fn add_command(page: &mut String, command: &mut Command, path: &str) {
    let help = command.render_long_help().to_string();
    page.push_str(&format!("\n## {path}\n\n```text\n"));
    for line in help.trim_end().lines() {
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page.push_str("```\n");
    let names: Vec<_> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        let sub = command
            .find_subcommand_mut(&name)
            .expect("the name is listed");
        add_command(page, sub, &format!("{path} {name}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(name: &str, page: &str) {
        let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page,
            "docs/{name} is out of date; write it again: floe reference {} > docs/{name}",
            if name == "cli.md" { "cli" } else { "config" }
        );
    }

    #[test]
    fn the_pages_in_docs_are_what_the_code_says() {
        compare("cli.md", &cli_page());
        compare("configuration.md", &config::page::page());
    }

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }
}
