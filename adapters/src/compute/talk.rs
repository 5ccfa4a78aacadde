//! A confined process that one can talk to: the same two processes as a job's, with pipes to and from them.
//!
//! [`Local::talk`] starts it, and comes back once it runs. What it says stays in the pipe until somebody reads it, so
//! how long a line may be, and how many there are, is the reader's to bound; [`Limits::lasting`](super::Limits::lasting)
//! are limits without an end. Whoever holds the [`Leash`] holds all of its processes: they end when it is dropped,
//! and when the process that holds it is gone, however that came about.

use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::local::{Local, Running};
use super::order::{Report, send_file};
use super::{ComputeError, Done, Job, Plan};

/// A confined process that runs, and its standard streams.
#[derive(Debug)]
pub struct Talk {
    /// How it runs, and what it may do.
    pub plan: Plan,
    /// What it reads. It is at its end once this is closed.
    pub stdin: OwnedFd,
    /// What it prints; at its end once all of its processes have ended, and not before.
    pub stdout: OwnedFd,
    /// Where it complains.
    pub stderr: OwnedFd,
    /// What holds it.
    pub leash: Leash,
}

/// Holds all processes of a [`Talk`]: dropping it ends them, and waits until none is left (some milliseconds).
#[derive(Debug)]
pub struct Leash {
    running: Running,
    stopper: Stopper,
    plan: Plan,
    program: String,
}

/// Ends a [`Talk`] from elsewhere than where it is waited for.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<UnixStream>);

impl Local {
    /// Starts a process that reads what one writes to it and prints its answers, confined like a job.
    ///
    /// Comes back once it runs: some milliseconds, in which the thread waits. The folder
    /// [`directory`](Job::directory) is its own; see [`Allowed`](super::Allowed) for all else that it may be given.
    ///
    /// # Errors
    /// [`ComputeError`]: it was not started.
    pub fn talk(&self, job: &Job) -> Result<Talk, ComputeError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error| ComputeError::Io { what, error }
        };
        let (order, plan) = self.planned(job, true)?;
        let program = job.argv.first().cloned().unwrap_or_default();
        let (theirs, stdin) = std::io::pipe().map_err(failed("a pipe to the program"))?;
        let mut running = Running::start(self.launcher(), &order)?;
        send_file(running.control(), theirs.as_fd()).map_err(failed(
            "the launcher does not take the program's standard input",
        ))?;
        drop(theirs);
        match running.report()? {
            Report::Begins => {}
            Report::Refused(refused) => return Err(refused.into_error(&program)),
            Report::Ended { end, .. } => {
                return Err(failed("the program was not started")(
                    std::io::Error::other(format!("it ended before it began: {end:?}")),
                ));
            }
        }
        let stopper = running.control().try_clone();
        let stopper = stopper.map_err(failed("a handle of the program"))?;
        let (Some(stdout), Some(stderr)) = (running.stdout.take(), running.stderr.take()) else {
            unreachable!("both were made pipes, and nobody took them")
        };
        Ok(Talk {
            plan: plan.clone(),
            stdin: stdin.into(),
            stdout: stdout.into(),
            stderr: stderr.into(),
            leash: Leash {
                running,
                stopper: Stopper(Arc::new(stopper)),
                plan,
                program,
            },
        })
    }

    /// How it would start a process to talk to, or why it would not; starts nothing and touches nothing.
    ///
    /// # Errors
    /// [`ComputeError`].
    pub fn plan_talk(&self, job: &Job) -> Result<Plan, ComputeError> {
        self.planned(job, true).map(|(_, plan)| plan)
    }
}

impl Leash {
    /// Has all of its processes ended; [`wait`](Self::wait) then says [`End::Stopped`](super::End::Stopped), if it
    /// had not ended before.
    pub fn kill(&self) {
        self.stopper.stop();
    }

    /// A handle that ends it as well, for whoever does not wait.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until it has ended, all of its processes, and says how.
    ///
    /// Blocks the thread. Once its standard output is at its end it has ended, and this comes back at once. A
    /// program that fills its output while nobody reads does not end by itself.
    ///
    /// # Errors
    /// [`ComputeError`]: whoever watched it is gone without a report, or it was a module that was refused after all.
    pub fn wait(mut self) -> Result<Done, ComputeError> {
        loop {
            match self.running.report()? {
                Report::Begins => {}
                Report::Refused(refused) => return Err(refused.into_error(&self.program)),
                Report::Ended { end, took, fuel } => {
                    return Ok(Done {
                        plan: self.plan.clone(),
                        end,
                        took,
                        fuel,
                    });
                }
            }
        }
    }
}

impl Stopper {
    /// Has all of its processes ended; nothing happens if they have.
    pub fn stop(&self) {
        // The watching process understands; the report still comes back.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}
