//! The process that watches a job, and ends all of it.
//!
//! It stands between the caller and the job, and is not confined: it outlives whatever happens to either. Its
//! standard input is a socket to the caller: an order comes in, a report goes out, and when the caller closes
//! it, or dies, the job is ended. All that comes from the job stays its descendant, because orphans are given
//! to it (`PR_SET_CHILD_SUBREAPER`); so when it has no children left, nothing of the job is left.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use fs_err as fs;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpriority_process, getuid, kill_process,
    kill_process_group, pidfd_open, set_child_subreaper, setpriority_process, wait,
};
use rustix::time::{ClockId, clock_gettime};

use super::census::Census;
use super::order::{
    FRAME_BYTES_MAX, Order, Refused, Report, Told, receive, receive_file, send, send_file,
};
use super::{Cage, End, Limits, confine};

/// How often a job is counted.
const TICK: Duration = Duration::from_millis(50);
/// How often one is counted that has more processes than before.
const TICK_MIN: Duration = Duration::from_millis(5);
/// How often one that is talked to, and does nothing, is counted at least: there may be many that wait.
const TICK_MAX: Duration = Duration::from_millis(400);
/// The same where the kernel does not bound the number of processes, because they are the superuser's.
const TICK_MAX_ROOT: Duration = Duration::from_millis(100);
/// How far the process that watches is ahead of those it watches, where it may be.
const AHEAD: i32 = -15;
/// The last argument of the process that watches, and of the one that becomes the job.
pub(super) const WATCH: &str = "watch";
const BECOME: &str = "become";

/// What a child of [`Local`](super::Local) does; `role` is the last argument it was started with.
///
/// The program that [`Launcher`](super::Launcher) names calls it, and does nothing else, before it starts any
/// thread.
pub fn confine_child(role: &str) -> ExitCode {
    match role {
        WATCH => watch(),
        BECOME => confine::become_job(),
        _ => ExitCode::FAILURE,
    }
}

/// Watches one job from its order to its report.
fn watch() -> ExitCode {
    let Ok(control) = rustix::stdio::stdin().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let mut control = UnixStream::from(control);
    let Ok(order) = receive::<Order>(&mut control) else {
        return ExitCode::FAILURE;
    };
    let Ok(talks) = order.talks.then(|| Talks::take(&control)).transpose() else {
        return ExitCode::FAILURE;
    };
    let report = watched(&control, order, talks).unwrap_or_else(Report::Refused);
    // A caller that is gone wants no report.
    let _ = send(&mut control, &report);
    ExitCode::SUCCESS
}

/// Time since some moment of the past: limits are about real time, whatever the caller's clock says.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn watched(
    control: &UnixStream,
    mut order: Order,
    mut talks: Option<Talks>,
) -> Result<Report, Refused> {
    let temporary = Temporary::make(&mut order)?;
    let (job, cause, took, told) = loop {
        let began = now();
        let mut job = Job::start(&order, talks.take())?;
        let ahead = Ahead::get();
        let cause = job.wait(control, &order.limits, began);
        job.end_all();
        drop(ahead);
        let told = job.told(control);
        // Nothing of it ran yet.
        if !matches!(told, Some(Told::Refused(Refused::NoView(_)))) {
            break (job, cause, now().saturating_sub(began), told);
        }
        order.view = false;
        talks = job.talks;
    };
    drop(temporary);
    if let Some(Told::Refused(refused)) = told {
        return Err(refused);
    }
    let (fuel, told) = match told {
        Some(Told::Ended { fuel, end }) => (Some(fuel), end),
        Some(Told::Refused(_) | Told::Begins) | None => (None, None),
    };
    let end = cause
        .or(told)
        .unwrap_or_else(|| ended_by(job.status, &order.limits));
    Ok(Report::Ended { end, took, fuel })
}

/// How a process ended that nobody ended.
fn ended_by(status: Option<WaitStatus>, limits: &Limits) -> End {
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    const SIGXFSZ: i32 = 25;
    let signal = status.and_then(WaitStatus::terminating_signal);
    match (signal, status.and_then(WaitStatus::exit_status)) {
        (Some(SIGXCPU), _) => cpu_limit(limits),
        // One that would not listen was killed a second later.
        (Some(SIGKILL), _) if Census::take().cpu_s >= limits.cpu_s => cpu_limit(limits),
        (Some(SIGXFSZ), _) => {
            End::Limit(format!("a file of more than {} bytes", limits.file_bytes))
        }
        (Some(signal), _) => End::Signal(signal),
        (None, code) => End::Exit(code.unwrap_or(-1)),
    }
}

fn cpu_limit(limits: &Limits) -> End {
    End::Limit(format!("{} s of CPU time", limits.cpu_s))
}

/// What is kept of a job that is talked to, until it begins: then it is told, and the input is the job's alone.
struct Talks(OwnedFd);

impl Talks {
    /// Takes its standard input, which follows the order.
    fn take(control: &UnixStream) -> io::Result<Self> {
        receive_file(control).map(Self)
    }

    /// It begins; a caller that is gone need not know.
    fn begin(self, mut control: &UnixStream) {
        drop(self);
        let _ = send(&mut control, &Report::Begins);
    }
}

/// A job that runs.
struct Job {
    /// Its first process, which leads the group of all.
    leader: Pid,
    /// Readable when the first process has ended.
    has_ended: OwnedFd,
    status: Option<WaitStatus>,
    /// What the first process says before it becomes the job.
    says: Option<UnixStream>,
    said: Vec<u8>,
    /// Of one that is talked to, until it begins.
    talks: Option<Talks>,
}

impl Job {
    fn start(order: &Order, talks: Option<Talks>) -> Result<Self, Refused> {
        let failed = |error: io::Error| Refused::io("the job's process", error);
        // Whoever loses their parent becomes a child of this process, and nobody is missed at the end.
        set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|error| failed(error.into()))?;
        let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
        args.pop();
        let child = Command::new("/proc/self/exe")
            .args(args)
            .arg(BECOME)
            .env_clear()
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(failed)?;
        let leader = Pid::from_child(&child);
        let has_ended =
            pidfd_open(leader, PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
        // One that died early is noticed below.
        let _ = send(&mut ours, order);
        if let Some(Talks(input)) = &talks {
            let _ = send_file(&ours, input.as_fd());
        }
        Ok(Self {
            leader,
            has_ended,
            status: None,
            says: Some(ours),
            said: Vec::new(),
            talks,
        })
    }

    /// Waits for its first process to end by itself; else says what it is to be ended for.
    fn wait(&mut self, control: &UnixStream, limits: &Limits, began: Duration) -> Option<End> {
        let is_talked_to = self.talks.is_some();
        let mut counted = began;
        let tick_max = if getuid().is_root() {
            TICK_MAX_ROOT
        } else {
            TICK_MAX
        };
        let mut pause = TICK;
        let mut census = Census::default();
        loop {
            let is_told = self.sleep(control, pause);
            self.reap();
            if self.status.is_some() {
                return None;
            }
            if is_told {
                return Some(End::Stopped);
            }
            let now = now();
            if now.saturating_sub(began) > limits.wall {
                return Some(End::Limit(format!("{} s", limits.wall.as_secs_f64())));
            }
            if now.saturating_sub(counted) >= pause {
                counted = now;
                let now = Census::take_beyond(limits.processes.into());
                let before = std::mem::replace(&mut census, now);
                if let Some(limit) = beyond(limits, &census) {
                    return Some(limit);
                }
                pause = if census.tasks > before.tasks {
                    TICK_MIN
                } else if is_talked_to && census.is_as_busy_as(&before) {
                    tick_max.min(2 * pause.max(TICK))
                } else {
                    TICK
                };
            }
        }
    }

    /// Sleeps until something happens, so long at most; says whether the caller wants the end.
    fn sleep(&mut self, control: &UnixStream, pause: Duration) -> bool {
        let mut events = vec![
            PollFd::new(control, PollFlags::IN),
            PollFd::new(&self.has_ended, PollFlags::IN),
        ];
        if let Some(says) = &self.says {
            events.push(PollFd::new(says, PollFlags::IN));
        }
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(pause.subsec_nanos()),
        };
        // An interrupted sleep is a short one.
        let _ = poll(&mut events, Some(&pause));
        let is_ready = |at: usize| {
            events
                .get(at)
                .is_some_and(|event| !event.revents().is_empty())
        };
        let (is_told, says) = (is_ready(0), is_ready(2));
        drop(events);
        if says {
            self.hear(control);
        }
        // The caller has nothing to say after its order: it closes the socket, or is gone.
        is_told
    }

    /// Takes what the first process says. It says nothing, and stops saying it, when it becomes a command.
    fn hear(&mut self, control: &UnixStream) {
        let Some(says) = &mut self.says else { return };
        let mut bytes = [0; 4096];
        match says.read(&mut bytes) {
            Ok(read) if read > 0 && self.said.len() < FRAME_BYTES_MAX => {
                self.said.extend_from_slice(&bytes[..read]);
            }
            _ => self.says = None,
        }
        let mut rest = self.said.as_slice();
        let begins = matches!(receive(&mut rest), Ok(Told::Begins));
        if begins {
            self.said = rest.to_vec();
        }
        if (begins || self.says.is_none() && self.said.is_empty())
            && let Some(talks) = self.talks.take()
        {
            talks.begin(control);
        }
    }

    /// What it said, once it is gone.
    fn told(&mut self, control: &UnixStream) -> Option<Told> {
        while self.says.is_some() {
            self.hear(control);
        }
        receive(&mut self.said.as_slice()).ok()
    }

    /// Takes note of all who ended; says whether any are left.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.leader => self.status = Some(status),
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Ends all that is left of it, and waits until nothing is.
    fn end_all(&mut self) {
        // A confined job cannot leave its group, and a group is ended at once: nobody forks away. A trusted
        // one may have left it; each round finds who is left, until there is nobody.
        let _ = kill_process_group(self.leader, Signal::KILL);
        while self.reap() {
            for member in Census::take().members {
                let _ = kill_process(member, Signal::KILL);
            }
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: 1_000_000,
            };
            let _ = poll(&mut [], Some(&pause));
        }
    }
}

/// The limit that a job is beyond, all of its processes together.
fn beyond(limits: &Limits, census: &Census) -> Option<End> {
    if census.tasks > u64::from(limits.processes) {
        return Some(End::Limit(format!(
            "{} processes and threads, of {}",
            census.tasks, limits.processes
        )));
    }
    if census.cpu_s >= limits.cpu_s {
        return Some(cpu_limit(limits));
    }
    if census.memory_bytes > limits.memory_bytes {
        let bytes = census.shared_memory_bytes();
        if bytes > limits.memory_bytes {
            let max = limits.memory_bytes;
            return Some(End::Limit(format!("{bytes} bytes of memory, of {max}")));
        }
    }
    None
}

/// Runs before those it watches, as long as this lives: of a thousand that fork and one that counts, each would else get
/// the same share of the machine. Only the superuser may, whose processes are the ones that nothing else bounds.
struct Ahead {
    before: i32,
}

impl Ahead {
    fn get() -> Option<Self> {
        let before = getpriority_process(None).ok()?;
        setpriority_process(None, before.min(AHEAD)).ok()?;
        Some(Self { before })
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // To go back is everybody's right.
        let _ = setpriority_process(None, self.before);
    }
}

/// A folder for temporary files, in the job's directory, for as long as it runs.
struct Temporary(Option<PathBuf>);

impl Temporary {
    /// Names it in the job's environment. A module has none.
    fn make(order: &mut Order) -> Result<Self, Refused> {
        const NAME: &str = "TMPDIR";
        const TRIES: u32 = 100;
        if order.cage == Cage::Wasi || order.environment.contains_key(NAME) {
            return Ok(Self(None));
        }
        for at in 0..TRIES {
            let path = order.directory.join(format!(".tmp-{at}"));
            match fs::create_dir(&path) {
                Ok(()) => {
                    order
                        .environment
                        .insert(NAME.to_owned(), path.display().to_string());
                    return Ok(Self(Some(path)));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Refused::io("a folder for temporary files", error)),
            }
        }
        let folder = Path::new(&order.directory).display();
        Err(Refused::Io(format!(
            "{folder} has {TRIES} folders `.tmp-…` already; remove them"
        )))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Follows no links. What cannot be removed is the owner's to see.
            let _ = fs::remove_dir_all(path);
        }
    }
}
