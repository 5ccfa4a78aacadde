//! The view on the terminal: drawn in place, at most twenty times a second, and never for more than a fifth of the time.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Printer;
use super::stopwatch::Stopwatch;
use crate::live::Live;
use crate::view::View;

/// The least time between two drawings.
const EVERY: Duration = Duration::from_millis(50);
/// How many times as long as a drawing took nothing is drawn.
const REST: u32 = 4;
/// What hides the cursor, and what shows it.
const HIDE: &str = "\x1b[?25l";
const SHOW: &str = "\x1b[?25h";

/// Whether the cursor is hidden now.
static HIDDEN: AtomicBool = AtomicBool::new(false);

/// A view on the terminal.
#[derive(Debug)]
pub(crate) struct Screen {
    view: View,
    /// How many lines the last frame has.
    lines: usize,
    watch: Stopwatch,
    /// When the next one may be drawn.
    next: Duration,
}

impl Screen {
    /// A view, where there is a terminal to see it on.
    pub(crate) fn on(printer: &Printer) -> Option<Self> {
        if !printer.draws() {
            printer.note("stderr is no terminal that may be drawn on: going on without a view");
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
        let (columns, rows) = size.map_or((80, 24), |size| (size.ws_col, size.ws_row));
        // A terminal of no size does not say how large it is.
        let (columns, rows) = if columns == 0 || rows == 0 {
            (80, 24)
        } else {
            (columns, rows)
        };
        Some(Self {
            view: View::new(columns.into(), rows.into(), printer.err_colour()),
            lines: 0,
            watch: Stopwatch::start(),
            next: Duration::ZERO,
        })
    }

    /// A tick is over; `head` stands above the map. Draws if it is time.
    pub(crate) fn see(&mut self, live: &mut dyn Live, head: &str) {
        self.view.note(&live.observe());
        if self.watch.elapsed() >= self.next {
            self.draw(live, head);
        }
    }

    /// Draws now: the last tick is always seen.
    pub(crate) fn draw(&mut self, live: &mut dyn Live, head: &str) {
        let begun = self.watch.elapsed();
        let frame = self.view.frame(live, head);
        let mut text = String::from(HIDE);
        if self.lines > 0 {
            // If a string cannot be written to, nothing can.
            let _ = write!(text, "\x1b[{}A\r", self.lines);
        }
        for line in &frame {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        // A frame with fewer lines than the one before leaves nothing of that.
        text.push_str("\x1b[J");
        self.lines = frame.len();
        HIDDEN.store(true, Ordering::Relaxed);
        // If nobody sees it nothing is lost.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        let took = self.watch.elapsed().saturating_sub(begun);
        self.next = self.watch.elapsed() + EVERY.max(took * REST);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Shows the cursor again, if it is hidden.
pub(crate) fn restore() {
    if HIDDEN.swap(false, Ordering::Relaxed) {
        let _ = io::stderr().lock().write_all(SHOW.as_bytes());
    }
}
