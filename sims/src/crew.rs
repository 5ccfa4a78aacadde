//! The threads that run rows: there before they are needed, used only where it pays.

use std::fmt;
use std::sync::Arc;

use crate::code::Engine;
use rayon::ThreadPool;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};

/// From how many rows on a phase is shared among threads: below it, waking them costs more than they take off.
pub const ROWS_TO_SHARE: usize = 4_096;
/// Into how many pieces a phase is cut for each thread, so that an uneven piece does not keep the others waiting.
const PIECES_PER_THREAD: usize = 4;

/// Threads of a world. What they do never depends on how many they are.
pub struct Crew {
    threads: usize,
    pool: Option<ThreadPool>,
    engine: Option<Arc<dyn Engine>>,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crew({})", self.threads)
    }
}

impl Crew {
    /// The caller's thread alone.
    pub const fn alone() -> Self {
        Self {
            threads: 1,
            pool: None,
            engine: None,
        }
    }

    /// So many threads; 1 or fewer is the caller's alone.
    ///
    /// # Errors
    /// The system's, if it has no threads to give.
    pub fn of(threads: usize) -> std::io::Result<Self> {
        if threads <= 1 {
            return Ok(Self::alone());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|n| format!("world-{n}"))
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            threads,
            pool: Some(pool),
            engine: None,
        })
    }

    /// The same with somebody who can run code from outside.
    #[must_use]
    pub fn with_engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    pub(crate) const fn engine(&self) -> Option<&Arc<dyn Engine>> {
        self.engine.as_ref()
    }

    /// How many threads there are.
    pub const fn threads(&self) -> usize {
        self.threads
    }

    /// Into how many pieces so many rows are best cut.
    pub(crate) fn pieces(&self, rows: usize) -> usize {
        if self.pool.is_none() || rows < ROWS_TO_SHARE {
            1
        } else {
            (self.threads * PIECES_PER_THREAD).min(rows / (ROWS_TO_SHARE / PIECES_PER_THREAD))
        }
    }

    /// Does all pieces of work; the results are in the order of the pieces.
    pub(crate) fn run<W: Send, R: Send>(
        &self,
        mut work: Vec<W>,
        run: impl Fn(W) -> R + Send + Sync,
    ) -> Vec<R> {
        match &self.pool {
            Some(pool) if work.len() > 1 => {
                pool.install(|| work.into_par_iter().with_max_len(1).map(run).collect())
            }
            _ => work.drain(..).map(run).collect(),
        }
    }
}
