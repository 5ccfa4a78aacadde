//! How far something is: a bar on a terminal, a line every few seconds elsewhere, nothing with `--json` or
//! `--quiet`. Also what the first Ctrl-C does: it asks the work to stop where it can go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use adapters::pods::Progress;
use genesis::refusal::{Code, Refusal};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Interval, MissedTickBehavior};

use crate::printer::Printer;
use crate::verbs::up::Signals;

/// How often a bar is drawn, in milliseconds.
const DRAW_MS: u64 = 100;
/// How often a line is printed where there is no terminal, in milliseconds.
const LINE_MS: u64 = 5_000;
/// After how many drawings a bar is shown: what is over at once needs none.
const DRAWS_UNSEEN: u64 = 3;
/// The total while it is not known.
const UNKNOWN: u64 = u64::MAX;

/// How many bytes a transfer has moved, of how many, and whether it is to stop. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Bar(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What is done, in one word: `put`, `get`.
    did: &'static str,
    moved: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

// All of it relaxed: the numbers are only shown, and the flag is only looked at.
impl Bar {
    /// One that stands at nothing; `did` says what is done, in one word.
    pub(crate) fn new(did: &'static str) -> Self {
        Self(Arc::new(Shared {
            did,
            moved: AtomicU64::new(0),
            total: AtomicU64::new(UNKNOWN),
            stopped: AtomicBool::new(false),
        }))
    }

    /// Says how many bytes there will be.
    pub(crate) fn expect(&self, bytes: u64) {
        self.0.total.store(bytes, Ordering::Relaxed);
    }

    /// Asks the work to stop where it can go on.
    pub(crate) fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    fn moved_so_far(&self) -> u64 {
        self.0.moved.load(Ordering::Relaxed)
    }

    fn total(&self) -> Option<u64> {
        Some(self.0.total.load(Ordering::Relaxed)).filter(|&total| total != UNKNOWN)
    }
}

impl Progress for Bar {
    fn moved(&self, bytes: u64) {
        self.0.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }
}

/// Waits for work that moves a bar, and shows how far it is. The first signal asks the work to stop where it
/// can go on, the second ends the waiting at once.
///
/// # Errors
/// `cancelled` after a second signal; `io` if signals cannot be awaited.
pub(crate) async fn watch<T>(
    printer: &Printer,
    bar: &Bar,
    work: impl Future<Output = T>,
) -> Result<T, Refusal> {
    let mut signals = Signals::new()?;
    let mut shown = Shown::new(printer, bar);
    let mut asked = false;
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased; // what is done is not stopped
            done = &mut work => return Ok(done),
            () = signals.next() => {
                if asked {
                    return Err(Refusal::new(Code::Cancelled, "ended at once by a second signal")
                        .hint("the same command begins again; nothing was left half done"));
                }
                asked = true;
                bar.stop();
                shown.note("stopping where it can go on; a second signal ends at once");
            }
            () = shown.pause() => shown.show(),
        }
    }
}

/// What is seen of a bar.
struct Shown<'a> {
    printer: &'a Printer,
    bar: &'a Bar,
    drawn: Option<ProgressBar>,
    every_ms: u64,
    ticks: Interval,
    count: u64,
}

impl<'a> Shown<'a> {
    fn new(printer: &'a Printer, bar: &'a Bar) -> Self {
        let drawn = printer.draws().then(|| {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
                .with_style(style(false))
        });
        let every_ms = if drawn.is_some() { DRAW_MS } else { LINE_MS };
        let mut ticks = tokio::time::interval(Duration::from_millis(every_ms));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once, when there is nothing to say yet.
        ticks.reset();
        Self {
            printer,
            bar,
            drawn,
            every_ms,
            ticks,
            count: 0,
        }
    }

    /// Waits until it is time to say something. Cancel-safe.
    async fn pause(&mut self) {
        self.ticks.tick().await;
    }

    fn note(&self, text: &str) {
        match &self.drawn {
            Some(drawn) => drawn.suspend(|| self.printer.note(text)),
            None => self.printer.note(text),
        }
    }

    fn show(&mut self) {
        self.count += 1;
        let (moved, total) = (self.bar.moved_so_far(), self.bar.total());
        let Some(drawn) = &self.drawn else {
            let line = line(self.bar.0.did, moved, total, self.count * self.every_ms);
            return self.printer.far(&line);
        };
        if self.count < DRAWS_UNSEEN {
            return;
        }
        if drawn.length() != total
            && let Some(total) = total
        {
            drawn.set_length(total);
            drawn.set_style(style(true));
        }
        drawn.set_message(self.bar.0.did);
        drawn.set_position(moved);
    }
}

/// Nothing of a bar stays on the screen: what was done is said in words.
impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if let Some(drawn) = &self.drawn {
            drawn.finish_and_clear();
        }
    }
}

fn style(known: bool) -> ProgressStyle {
    let template = if known {
        "{msg} [{bar:24}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
    } else {
        "{msg} {binary_bytes}, {elapsed}, {binary_bytes_per_sec}"
    };
    // A template that cannot be read would be ours to mend: the plain bar shows it.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// `sent 3.1 MiB of 8.0 MiB, 2 s, 1.5 MiB/s, 4 s left`
pub(crate) fn line(did: &str, done: u64, total: Option<u64>, elapsed_ms: u64) -> String {
    let rate = done.saturating_mul(1_000) / elapsed_ms.max(1);
    let of = total.map_or_else(String::new, |total| format!(" of {}", mib(total)));
    let left = match total.map(|total| total.saturating_sub(done)) {
        Some(0) => ", being stored".to_owned(),
        Some(left) if rate > 0 => format!(", {} s left", left.div_ceil(rate)),
        _ => String::new(),
    };
    format!(
        "{did} {}{of}, {} s, {}/s{left}",
        mib(done),
        elapsed_ms / 1_000,
        mib(rate)
    )
}

fn mib(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20)
}

/// How much something is, for a person: `17 B`, `3.4 KiB`, `1.0 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    while unit + 1 < UNITS.len() && bytes >> (10 * (unit + 2)) > 0 {
        unit += 1;
    }
    let below = bytes >> (10 * unit);
    format!(
        "{}.{} {}",
        below >> 10,
        ((below % 1024) * 10) >> 10,
        UNITS[unit]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_how_long_it_takes() {
        let of = |done: u64, total| line("sent", done << 20, total, 2_000);
        let total = Some(1000 << 20);
        assert_eq!(
            of(100, total),
            "sent 100.0 MiB of 1000.0 MiB, 2 s, 50.0 MiB/s, 18 s left"
        );
        assert_eq!(of(100, None), "sent 100.0 MiB, 2 s, 50.0 MiB/s");
        assert_eq!(of(0, total), "sent 0.0 MiB of 1000.0 MiB, 2 s, 0.0 MiB/s");
        assert!(of(1000, total).ends_with("being stored"));
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3_500, "3.4 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn templates_can_be_read() {
        for known in [false, true] {
            let bar = ProgressBar::hidden().with_style(style(known));
            bar.set_position(1);
            assert_eq!(bar.position(), 1);
        }
    }

    #[test]
    fn whoever_asks_to_stop_is_heard_by_every_clone() {
        let bar = Bar::new("put");
        let clone = bar.clone();
        clone.moved(3);
        assert!(!bar.stopped());
        clone.stop();
        assert!(bar.stopped());
        assert_eq!((bar.moved_so_far(), bar.total()), (3, None));
        bar.expect(7);
        assert_eq!(clone.total(), Some(7));
    }
}
