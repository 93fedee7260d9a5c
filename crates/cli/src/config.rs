//! Configuration of a node: flag > environment > file > default, read once at the start.
//!
//! [`keys::KEYS`] is the one table of keys. Parsing, `docs/configuration.md`, `floe config show`
//! and `floe serve --check` all follow it; [`node`] turns the result into a `NodeConfig`.

mod file;
pub(crate) mod keys;
mod layers;
pub(crate) mod node;
pub(crate) mod page;
mod show;
pub(crate) mod value;

use clap::{Args, Subcommand};

pub(crate) use layers::{Settings, load};

use crate::failure::CommandError;

/// Where settings come from. Shared by every command that reads a configuration.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SettingArgs {
    /// Configuration file (TOML)
    #[arg(
        short = 'c',
        long,
        env = "FLOE_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) config: Option<std::path::PathBuf>,
    /// Set one key, above the environment and the file; can be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The same as --set storage.data_dir=DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
}

/// Subcommands of `floe config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every key with its value and where the value comes from
    Show(show::ShowArgs),
}

/// Runs `floe config`.
pub(crate) fn run(command: ConfigCommand) -> Result<(), CommandError> {
    match command {
        ConfigCommand::Show(args) => show::run(&args),
    }
}
