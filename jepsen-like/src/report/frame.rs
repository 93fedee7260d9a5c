//! The coordinates that all plots of a page share, their time axis and the bands of faults.

use super::faults::FaultInterval;
use super::text::{escape, put, seconds};

/// Width of a plot; everything scales with the page.
pub(super) const WIDTH: f64 = 1000.0;
/// Room for names on the left and for nothing on the right.
const LEFT: f64 = 112.0;
const RIGHT: f64 = 12.0;
/// Below the plot stands the time.
const AXIS: f64 = 22.0;
/// Marks of the time axis at most.
const TICKS_MAX: f64 = 12.0;

/// One plot's coordinates.
pub(super) struct Frame {
    end_ns: f64,
    /// Height without the axis.
    pub(super) height: f64,
}

impl Frame {
    pub(super) fn new(end_ns: u64, height: f64) -> Self {
        Self {
            end_ns: end_ns.max(1) as f64,
            height,
        }
    }

    /// Where a time stands.
    pub(super) fn x(&self, ns: u64) -> f64 {
        let share = (ns as f64 / self.end_ns).min(1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// Opens the image and draws axis and fault bands.
    pub(super) fn open(&self, out: &mut String, name: &str, faults: &[FaultInterval]) {
        let height = self.height + AXIS;
        put!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n",
            escape(name)
        );
        for fault in faults.iter().filter(|fault| fault.landed) {
            self.bar(
                out,
                "band",
                (fault.from_ns, fault.until_ns),
                (0.0, self.height),
            );
        }
        let end_s = self.end_ns / 1e9;
        let step_s = tick_step(end_s);
        let mut tick_s = 0.0;
        while tick_s <= end_s + step_s * 1e-9 {
            let x = self.x((tick_s * 1e9) as u64);
            let (bottom, text) = (self.height, self.height + 15.0);
            put!(
                out,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{bottom}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{text}\">{} s</text>\n",
                round(tick_s)
            );
            tick_s += step_s;
        }
    }

    pub(super) fn close(out: &mut String) {
        out.push_str("</svg>\n");
    }

    /// A rectangle over a time and from one height down to another, at least visible.
    pub(super) fn bar(
        &self,
        out: &mut String,
        class: &str,
        (from_ns, until_ns): (u64, u64),
        (top, bottom): (f64, f64),
    ) {
        let (x, end) = (self.x(from_ns), self.x(until_ns));
        let (width, height) = ((end - x).max(1.0), bottom - top);
        put!(
            out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"><title>{} to {}</title></rect>\n",
            seconds(from_ns),
            seconds(until_ns)
        );
    }

    /// A name left of the plot.
    pub(super) fn name(out: &mut String, y: f64, name: &str) {
        let x = LEFT - 8.0;
        let short: String = name.chars().take(18).collect();
        let dots = if short == name { "" } else { "…" };
        put!(
            out,
            "<text class=\"name\" x=\"{x}\" y=\"{y:.1}\">{}{dots}</text>\n",
            escape(&short)
        );
    }

    /// A horizontal line with its meaning.
    pub(super) fn rule(out: &mut String, y: f64, name: &str) {
        let end = WIDTH - RIGHT;
        put!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n"
        );
        Self::name(out, y + 4.0, name);
    }
}

/// A step of 1, 2 or 5 times a power of ten that gives few enough marks.
fn tick_step(end_s: f64) -> f64 {
    let mut power = 1e-6;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if end_s / (power * factor) <= TICKS_MAX {
                return power * factor;
            }
        }
        power *= 10.0;
    }
}

/// Without the noise of binary fractions.
fn round(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_few_and_round() {
        assert_eq!(tick_step(30.0), 5.0);
        assert_eq!(tick_step(12.0), 1.0);
        assert_eq!(tick_step(0.0), 1e-6);
        assert_eq!(tick_step(3600.0), 500.0);
    }
}
