//! Progress of long work, on stderr and only on a terminal.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar towards `total`, or a counter without one.
pub(crate) fn bar(what: &str, total: Option<u64>) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(5)
    } else {
        ProgressDrawTarget::hidden()
    };
    let template = match total {
        Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} ({per_sec}, {eta} left)",
        None => "{msg} {spinner} {human_pos} ({per_sec}, {elapsed})",
    };
    let style = ProgressStyle::with_template(template).expect("the templates are fixed");
    let bar = ProgressBar::with_draw_target(total, target).with_style(style);
    bar.set_message(what.to_owned());
    bar
}
