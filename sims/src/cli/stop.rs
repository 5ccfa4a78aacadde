//! What the first Ctrl-C does: it asks the run to stop after the tick that is under way. The second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use genesis::refusal::{Code, Refusal};
use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody asked to stop. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

// Relaxed: the flag is only looked at, and nothing else is published by it.
impl Stop {
    /// From now on Ctrl-C and SIGTERM ask for an end instead of being one.
    ///
    /// # Errors
    /// The system's, if signals cannot be awaited.
    pub(crate) fn on_signals() -> Result<Self, Refusal> {
        let cannot = |error: std::io::Error| {
            Refusal::new(Code::Io, format!("cannot await signals: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
        let runtime = runtime.map_err(cannot)?;
        let caught = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
            )
        };
        let (mut interrupt, mut terminate) = (caught.0.map_err(cannot)?, caught.1.map_err(cannot)?);
        let stop = Self::default();
        let given = stop.clone();
        let wait = move || {
            runtime.block_on(async {
                let mut next = async || {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                };
                next().await;
                given.0.store(true, Ordering::Relaxed);
                next().await;
            });
            // Who signals twice wants no more waiting.
            super::screen::restore();
            std::process::exit(1)
        };
        // It has no end of its own: it waits as long as the process lives.
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait)
            .map_err(cannot)?;
        Ok(stop)
    }

    /// Whether it was given.
    pub(crate) fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
