//! `floe completions SHELL`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments::Cli;
use crate::failure::CommandError;
use crate::output::Stdout;

/// Arguments of `floe completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "floe", &mut script);
    let mut out = Stdout::new();
    out.bytes(&script)?;
    out.flush()
}
