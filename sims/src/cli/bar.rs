//! How far a run is: a bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Printer;

/// A bar, or nothing.
#[derive(Debug)]
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// One for so many steps; `what` stands before it: the model and its seed.
    pub(crate) fn new(printer: &Printer, what: String, steps: u64) -> Self {
        Self(printer.draws().then(|| {
            ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr_with_hz(10))
                .with_style(style())
                .with_prefix(what)
        }))
    }

    /// So many steps are done. `rate` says how fast, and is asked for only when the bar is there.
    pub(crate) fn at(&self, step: u64, rate: impl FnOnce(f64) -> String) {
        if let Some(bar) = &self.0 {
            // Texts are made for every tick and drawn ten times a second: thousands of ticks a second need some mercy.
            if step.is_multiple_of(16) || bar.position() < 16 {
                bar.set_message(rate(bar.elapsed().as_secs_f64()));
            }
            bar.set_position(step);
        }
    }
}

/// Nothing of a bar stays on the screen: what was done is said in words.
impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{prefix} [{bar:24}] {pos}/{len}, {msg}, {elapsed}, {eta} left";
    // A template that cannot be read would be ours to mend: the plain bar shows it.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// How fast, in few letters: `1.8 M agent-steps/s`.
pub(crate) fn rate(count: u64, seconds: f64, of: &str) -> String {
    let rate = if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    };
    let (rate, unit) = match rate {
        rate if rate >= 1e6 => (rate / 1e6, " M"),
        rate if rate >= 1e3 => (rate / 1e3, " k"),
        rate => (rate, ""),
    };
    format!("{rate:.1}{unit} {of}/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        assert_eq!(rate(3_600_000, 2.0, "agent-steps"), "1.8 M agent-steps/s");
        assert_eq!(rate(10, 0.0, "runs"), "0.0 runs/s");
        assert_eq!(rate(3_000, 2.0, "ticks"), "1.5 k ticks/s");
    }

    #[test]
    fn the_template_can_be_read() {
        let bar = ProgressBar::hidden().with_style(style());
        bar.set_position(1);
        assert_eq!(bar.position(), 1);
    }
}
