//! The live view of a run on stderr: redrawn in place on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use floe_jepsen::live::Glance;

/// Between two lines where there is no terminal and nothing new is being done.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Screen {
    terminal: bool,
    lines: usize,
    /// When it was last drawn or written, and how many records were acknowledged then.
    last: Option<(Duration, u64)>,
    /// What was being done then.
    doing: String,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            lines: 0,
            last: None,
            doing: String::new(),
        }
    }

    /// Shows `glance`, taken at `elapsed`, where there is something to show.
    pub(super) fn show(&mut self, elapsed: Duration, glance: &Glance) {
        let (at, acked) = self.last.unwrap_or_default();
        let passed = elapsed.saturating_sub(at);
        let is_news = glance.doing != self.doing;
        if !self.terminal && !is_news && self.last.is_some() && passed < LINE_INTERVAL {
            return;
        }
        let rate = rate(glance.acked.saturating_sub(acked), passed);
        self.last = Some((elapsed, glance.acked));
        self.doing.clone_from(&glance.doing);
        if !self.terminal {
            anstream::eprintln!("{}", line(elapsed, glance));
            return;
        }
        if self.lines > 0 {
            anstream::eprint!("\x1b[{}A\x1b[J", self.lines);
        }
        let text = picture(elapsed, glance, rate);
        anstream::eprint!("{text}");
        self.lines = text.lines().count();
    }
}

fn line(elapsed: Duration, glance: &Glance) -> String {
    format!(
        "{:>6.1} s  {}  ({} acknowledged, {} faults, longest gap {} ms)",
        elapsed.as_secs_f64(),
        glance.doing,
        glance.acked,
        glance.landed,
        glance.longest_gap.as_millis()
    )
}

fn picture(elapsed: Duration, glance: &Glance, rate: f64) -> String {
    format!(
        "floe chaos  {:>6.1} s\n  now           {}\n  acknowledged  {} ({rate:.0}/s)\n  \
         operations    {}\n  faults        {}\n  longest gap   {} ms without an acknowledgement \
         on a partition\n",
        elapsed.as_secs_f64(),
        glance.doing,
        glance.acked,
        glance.operations,
        glance.landed,
        glance.longest_gap.as_millis()
    )
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: u64, passed: Duration) -> f64 {
    match passed.as_secs_f64() {
        0.0 => 0.0,
        seconds => count as f64 / seconds,
    }
}
