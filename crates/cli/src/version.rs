//! `floe --version`.

use floe_client::PROTOCOL_VERSION;
use floe_journal::DIRECTORY_VERSION;

use crate::failure::CommandError;
use crate::output::Stdout;

/// The release.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that was built; `unknown` outside a git checkout.
pub(crate) const COMMIT: &str = env!("FLOE_COMMIT");

/// Prints release, commit and the numbers of the formats.
pub(crate) fn print() -> Result<(), CommandError> {
    let mut out = Stdout::new();
    out.line(&format!(
        "floe {VERSION} (commit {COMMIT}, disk format {DIRECTORY_VERSION}, wire format \
         {PROTOCOL_VERSION})"
    ))?;
    out.flush()
}
