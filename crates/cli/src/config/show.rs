//! `floe config show`: every key, its value, and where the value is from.

use clap::Args;
use serde::Serialize;

use super::{SettingArgs, load};
use crate::arguments::OutputArgs;
use crate::failure::CommandError;
use crate::output::Stdout;

/// Arguments of `floe config show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    settings: SettingArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: String,
    source: String,
}

/// Runs `floe config show`.
pub(crate) fn run(args: &ShowArgs) -> Result<(), CommandError> {
    let settings = load(&args.settings)?;
    let rows: Vec<_> = settings
        .iter()
        .map(|(key, setting)| Row {
            key: key.path,
            value: setting.text.clone(),
            source: setting.source.to_string(),
        })
        .collect();
    let mut out = Stdout::new();
    out.rows(
        args.output.output,
        &rows,
        &["KEY", "VALUE", "SOURCE"],
        |row| vec![row.key.to_owned(), row.value.clone(), row.source.clone()],
    )
}
