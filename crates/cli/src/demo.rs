//! `floe demo`: hands its arguments to the delivery story.

use std::ffi::OsString;

use clap::Args;

use crate::failure::CommandError;

/// Arguments of `floe demo`, read by the demo itself.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// See floe demo --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs) -> Result<(), CommandError> {
    drop(args);
    Err(CommandError::failed("the demo is not part of this build"))
}
