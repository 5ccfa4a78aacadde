//! Work done by a few threads, its results taken in the order of the work.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Most threads of one splitter or joiner. Each has two buffers of half a MiB under way and fills a third
/// with chunks for the store, so that even this many stay below 64 MiB.
pub(super) const THREADS_MAX: usize = 32;
/// How many jobs each thread has, the one it is at included.
const JOBS_PER_THREAD: usize = 2;

/// What gives out work and takes results back.
pub(super) trait Driver<Job, Done, Error> {
    /// The next job, or `None` behind the last.
    fn next(&mut self) -> Result<Option<Job>, Error>;

    /// Takes the result of the oldest job whose result was not taken yet.
    fn done(&mut self, done: Done) -> Result<(), Error>;
}

/// Does all of a driver's work with a worker per thread; with one thread, on this one.
///
/// At most [`JOBS_PER_THREAD`] jobs per thread are under way, so a driver with slow work waits. The first
/// error ends it.
pub(super) fn in_order<Job: Send, Done: Send, Error, Worker: FnMut(Job) -> Done>(
    threads: usize,
    worker: impl Fn() -> Worker + Sync,
    driver: &mut impl Driver<Job, Done, Error>,
) -> Result<(), Error> {
    let threads = threads.min(THREADS_MAX);
    if threads <= 1 {
        let mut work = worker();
        while let Some(job) = driver.next()? {
            driver.done(work(job))?;
        }
        return Ok(());
    }
    thread::scope(|scope| {
        // Job n goes to thread n modulo their count, so results are in order without being sorted.
        // Both channels hold all that a thread can have under way: neither end ever waits in `send`.
        let lanes: Vec<(SyncSender<Job>, Receiver<Done>)> = (0..threads)
            .map(|_| {
                let (job_sender, jobs) = sync_channel(JOBS_PER_THREAD);
                let (done_sender, results) = sync_channel(JOBS_PER_THREAD);
                let worker = &worker;
                scope.spawn(move || {
                    let mut work = worker();
                    for job in jobs {
                        if done_sender.send(work(job)).is_err() {
                            break; // the driver has failed
                        }
                    }
                });
                (job_sender, results)
            })
            .collect();
        let (mut given, mut taken, mut all_given) = (0, 0, false);
        loop {
            while !all_given && given - taken < threads * JOBS_PER_THREAD {
                match driver.next()? {
                    Some(job) => {
                        if lanes[given % threads].0.send(job).is_err() {
                            return Ok(()); // the thread has panicked, and so will the scope
                        }
                        given += 1;
                    }
                    None => all_given = true,
                }
            }
            if taken == given {
                return Ok(());
            }
            match lanes[taken % threads].1.recv() {
                Ok(done) => driver.done(done)?,
                Err(_) => return Ok(()), // as above
            }
            taken += 1;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers {
        next: u32,
        end: u32,
        fail_at: u32,
        seen: Vec<u32>,
    }

    impl Driver<u32, u32, String> for Numbers {
        fn next(&mut self) -> Result<Option<u32>, String> {
            if self.next == self.end {
                return Ok(None);
            }
            self.next += 1;
            Ok(Some(self.next - 1))
        }

        fn done(&mut self, done: u32) -> Result<(), String> {
            if done == self.fail_at * 2 {
                return Err("asked to".to_owned());
            }
            self.seen.push(done);
            Ok(())
        }
    }

    fn run(threads: usize, end: u32, fail_at: u32) -> (Result<(), String>, Vec<u32>) {
        let mut numbers = Numbers {
            next: 0,
            end,
            fail_at,
            seen: Vec::new(),
        };
        let result = in_order(threads, || |job| job * 2, &mut numbers);
        (result, numbers.seen)
    }

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        for threads in [0, 1, 2, 3, 7] {
            for end in [0, 1, 2, 5, 100] {
                let (result, seen) = run(threads, end, u32::MAX / 2);
                assert_eq!(result, Ok(()));
                assert!(
                    seen.iter().copied().eq((0..end).map(|job| job * 2)),
                    "{threads}, {end}"
                );
            }
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        for threads in [1, 3] {
            let (result, seen) = run(threads, 100, 10);
            assert_eq!(result, Err("asked to".to_owned()));
            assert_eq!(seen.len(), 10);
        }
    }
}
