//! Jobs on this machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use fs_err as fs;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::order::{Net, Order, Report, receive, send};
use super::program::{find_command, find_module, is_module, search_path};
use super::supervise::WATCH;
use super::{
    Cage, Compute, ComputeError, Done, End, Job, Limits, OUTPUT_BYTES_MAX, Output, Plan, Stream,
    Yagna, places,
};

/// How often a caller is asked whether the job is to be stopped, in nanoseconds.
const ASK_NS: i64 = 50_000_000;

/// How much of a stream is taken at a time.
const READ_BYTES: usize = 16 * 1024;

/// The program that jobs are started with; it is to call [`confine_child`](super::confine_child).
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// How it knows that it is to. One more argument follows, which it hands over.
    pub args: Vec<OsString>,
}

/// Runs jobs on this machine, each in two processes of its own: one that watches, and the job.
#[derive(Clone, Debug)]
pub struct Local {
    launcher: Launcher,
    programs: Vec<PathBuf>,
    path: Vec<PathBuf>,
    view: bool,
}

impl Local {
    /// Jobs started by this launcher.
    pub const fn new(launcher: Launcher) -> Self {
        Self {
            launcher,
            programs: Vec::new(),
            path: Vec::new(),
            view: true,
        }
    }

    /// Has native commands see the system's root, with all else that confines them. Without this they see a root
    /// of their own, where the system gives out namespaces, and there may change the modes of their files.
    #[must_use]
    pub const fn without_view(mut self) -> Self {
        self.view = false;
        self
    }

    /// Lets native commands read and run what is in further folders: of programs that the system does not have
    /// where it has its own. Commands are looked for in their `bin` first.
    #[must_use]
    pub fn with_programs(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.programs.extend(folders);
        self
    }

    /// Has native commands looked for in these folders, if they are nowhere else: the owner's own search path, say.
    ///
    /// Languages are often installed in a folder of their user. One that is found here may read and run what it was
    /// installed with: `PREFIX`, if it is really (links followed) `PREFIX/bin/NAME` and there is `PREFIX/lib`, and if
    /// neither the user's own files (`HOME`, `HOME/.local`) nor the job's directory are within; else nothing but
    /// its own file. The plan names either. A script in place of a program is passed over: those of version managers
    /// run another program, which this could not know of. Only names are looked for; whoever names a file has to allow
    /// its folder ([`Allowed::programs`](super::Allowed::programs)).
    #[must_use]
    pub fn with_path(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.path.extend(folders);
        self
    }

    pub(super) const fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// What the processes of a job are told, and what its owner is.
    pub(super) fn planned(&self, job: &Job, talks: bool) -> Result<(Order, Plan), ComputeError> {
        let order = self.order(job, talks)?;
        let plan = Plan {
            cage: order.cage,
            may: may(job, &order),
        };
        Ok((order, plan))
    }

    fn order(&self, job: &Job, talks: bool) -> Result<Order, ComputeError> {
        let program = job.argv.first().map(String::as_str).unwrap_or_default();
        if program.is_empty() {
            return Err(ComputeError::NoProgram {
                program: String::new(),
                why: "the command line is empty".to_owned(),
            });
        }
        check_words(job)?;
        let directory = fs::canonicalize(&job.directory).map_err(|error| ComputeError::Io {
            what: "the job's directory".to_owned(),
            error,
        })?;
        let mut programs = self.programs.clone();
        programs.extend(real(&job.allowed.programs)?);
        let (program, cage) = if is_module(program) {
            (find_module(program, &directory)?, Cage::Wasi)
        } else {
            let cage = cage_of_natives(job)?;
            let found = find_command(program, &directory, &programs, &self.path, cage)?;
            programs.extend(found.needs);
            (found.path, cage)
        };
        let yagna = job.allowed.yagna.as_ref().filter(|_| cage != Cage::Wasi);
        let net = net(job, cage, yagna)?;
        let read = if cage == Cage::Os {
            real(&job.allowed.read)?
        } else {
            Vec::new()
        };
        Ok(Order {
            argv: job.argv.clone(),
            program,
            cage,
            environment: environment(job, cage, &directory, &programs, yagna),
            directory,
            limits: job.limits,
            programs: if cage == Cage::Os {
                programs
            } else {
                Vec::new()
            },
            read,
            net,
            view: self.view && cage == Cage::Os,
            talks,
        })
    }
}

impl Compute for Local {
    fn plan(&self, job: &Job) -> Result<Plan, ComputeError> {
        self.planned(job, false).map(|(_, plan)| plan)
    }

    fn run(&self, job: &Job, output: &dyn Output) -> Result<Done, ComputeError> {
        let (order, plan) = self.planned(job, false)?;
        let mut running = Running::start(&self.launcher, &order)?;
        let (report, flooded) = running.follow(output)?;
        let program = job.argv.first().map(String::as_str).unwrap_or_default();
        match report {
            Report::Begins => unreachable!("only who is talked to says that"),
            Report::Refused(refused) => Err(refused.into_error(program)),
            Report::Ended { end, took, fuel } => Ok(Done {
                plan,
                end: flooded.unwrap_or(end),
                took,
                fuel,
            }),
        }
    }
}

/// No word of a command line or an environment can hold a NUL, nor a variable's name a `=`.
fn check_words(job: &Job) -> Result<(), ComputeError> {
    let bad_name = |name: &String| name.is_empty() || name.contains(['=', '\0']);
    let words = job.argv.iter().chain(job.environment.values());
    let mut words = words.filter(|word| word.contains('\0'));
    let bad = words
        .next()
        .or_else(|| job.environment.keys().find(|name| bad_name(name)));
    let Some(bad) = bad else { return Ok(()) };
    Err(ComputeError::Io {
        what: "the job's command line and environment".to_owned(),
        error: io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{bad:?} cannot be a word of it"),
        ),
    })
}

/// What a job may reach by sockets.
fn net(job: &Job, cage: Cage, yagna: Option<&Yagna>) -> Result<Net, ComputeError> {
    let mut ports: Vec<u16> = yagna.map(port_of).transpose()?.into_iter().collect();
    if cage == Cage::Wasi {
        return Ok(Net::None);
    }
    if job.allowed.network {
        return Ok(Net::All);
    }
    ports.extend(&job.allowed.tcp);
    ports.sort_unstable();
    ports.dedup();
    Ok(if ports.is_empty() {
        Net::None
    } else {
        Net::Ports(ports)
    })
}

/// Where folders really are: confining follows no links.
fn real(folders: &[PathBuf]) -> Result<Vec<PathBuf>, ComputeError> {
    let real = |folder: &PathBuf| {
        let path = fs::canonicalize(folder)?;
        if path == Path::new("/") {
            let what = format!(
                "{} is all files of this machine; allow less",
                folder.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(path)
    };
    let all = folders.iter().map(real);
    all.collect::<io::Result<_>>()
        .map_err(|error| ComputeError::Io {
            what: "a folder that it is allowed to read".to_owned(),
            error,
        })
}

/// What confines a native command.
fn cage_of_natives(job: &Job) -> Result<Cage, ComputeError> {
    if job.allowed.trust_native {
        return Ok(Cage::None);
    }
    places::available().map_err(|why| ComputeError::NoCage { why })?;
    Ok(Cage::Os)
}

/// All variables of a job: those it was given, over those that any command needs.
fn environment(
    job: &Job,
    cage: Cage,
    directory: &Path,
    programs: &[PathBuf],
    yagna: Option<&Yagna>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if cage != Cage::Wasi {
        let path = match cage {
            Cage::None => std::env::var_os("PATH"),
            Cage::Wasi | Cage::Os => std::env::join_paths(search_path(programs)).ok(),
        };
        let path = path.unwrap_or_default().to_string_lossy().into_owned();
        all.insert("PATH".to_owned(), path);
        all.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        all.insert("HOME".to_owned(), directory.display().to_string());
    }
    if let Some(yagna) = yagna {
        all.insert("YAGNA_API_URL".to_owned(), yagna.address.clone());
        all.insert("YAGNA_APPKEY".to_owned(), yagna.key.clone());
    }
    all.extend(job.environment.clone());
    all
}

/// The port of a daemon's address.
fn port_of(yagna: &Yagna) -> Result<u16, ComputeError> {
    let address = yagna.address.as_str();
    let rest = address.strip_prefix("http://");
    let (rest, usual) = match (rest, address.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80),
        (None, Some(rest)) => (rest, 443),
        (None, None) => (address, 0),
    };
    let host = rest.split('/').next().unwrap_or_default();
    let port = match host.rsplit_once(':') {
        Some((_, port)) if !port.contains(']') => port.parse().ok(),
        _ => Some(usual),
    };
    port.filter(|port| *port != 0)
        .ok_or_else(|| ComputeError::Io {
            what: "the address of yagna".to_owned(),
            error: io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{address:?} is not of the form http://HOST:PORT"),
            ),
        })
}

/// What a job may do, in plain words.
fn may(job: &Job, order: &Order) -> Vec<String> {
    let directory = order.directory.display();
    let mut may = match order.cage {
        Cage::Wasi => vec![
            format!("runs in WebAssembly and sees {directory} as `/pod` and `.`: reads and writes there, nowhere else"),
            format!(
                "has no network, starts no processes, reads {}",
                if order.talks { "what is sent to it" } else { "no input" }
            ),
        ],
        Cage::Os => vec![
            format!("reads, writes and runs files in {directory}"),
            "reads and runs the system's programs and libraries (/usr, /bin, /lib, parts of /etc); of other files it \
             sees at most that they exist"
                .to_owned(),
            may_reach(job, &order.net),
            "signals, traces and changes no process but its own".to_owned(),
        ],
        Cage::None => {
            let mut may = vec![format!(
                "does in {directory}, and everywhere else, whatever you may do: it is trusted, not confined"
            )];
            if let Some(yagna) = &job.allowed.yagna {
                may.push(format!("is given the key of yagna at {}", yagna.address));
            }
            may
        }
    };
    for folder in &order.programs {
        may.push(format!("reads and runs what is in {}", folder.display()));
    }
    for folder in &order.read {
        may.push(format!("reads what is in {}", folder.display()));
    }
    let mut names: Vec<_> = order.environment.keys().map(String::as_str).collect();
    if order.cage != Cage::Wasi {
        names.push("TMPDIR");
    }
    may.push(if names.is_empty() {
        "is given no environment variables".to_owned()
    } else {
        let names = names.join(", ");
        format!("is given the environment variables {names}, no others")
    });
    may.push(may_use(order));
    may
}

/// What a confined command may reach by sockets, in plain words.
fn may_reach(job: &Job, net: &Net) -> String {
    let yagna = job.allowed.yagna.as_ref();
    let yagna = yagna.map(|yagna| format!(", for yagna at {}, with its key", yagna.address));
    let yagna = yagna.unwrap_or_default();
    match net {
        Net::None => "has no network and no sockets to other programs".to_owned(),
        Net::Ports(ports) => {
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            let word = if ports.len() == 1 { "port" } else { "ports" };
            let ports = ports.join(", ");
            format!(
                "connects over TCP to {word} {ports}{yagna}; the system cannot tell hosts apart here"
            )
        }
        Net::All => format!(
            "has the network: connects and listens over TCP and UDP, on this machine and beyond{yagna}"
        ),
    }
}

/// What a job may use, in plain words.
fn may_use(order: &Order) -> String {
    let limits = &order.limits;
    let mut bounds = Vec::new();
    if limits.cpu_s != Limits::CPU_S_ENDLESS {
        bounds.push(format!("{} s of CPU time", limits.cpu_s));
    }
    bounds.push(format!("{} bytes of memory", limits.memory_bytes));
    if limits.wall != Duration::MAX {
        bounds.push(format!("{} s from start to end", limits.wall.as_secs_f64()));
    }
    bounds.push(format!("{} bytes for each file", limits.file_bytes));
    let tasks = if order.cage == Cage::Wasi {
        1
    } else {
        limits.processes
    };
    let bounds = bounds.join(", ");
    if order.talks {
        return format!("uses at most {bounds} and {tasks} processes and threads");
    }
    format!(
        "uses at most {bounds}, {tasks} processes and threads, and prints at most {OUTPUT_BYTES_MAX} bytes"
    )
}

/// A job that runs, seen from the caller.
#[derive(Debug)]
pub(super) struct Running {
    watcher: Child,
    control: UnixStream,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Running {
    pub(super) fn start(launcher: &Launcher, order: &Order) -> Result<Self, ComputeError> {
        let failed = |error: io::Error| ComputeError::Io {
            what: format!("the launcher {} does not start", launcher.program.display()),
            error,
        };
        let (mut control, theirs) = UnixStream::pair().map_err(failed)?;
        let mut watcher = Command::new(&launcher.program)
            .args(&launcher.args)
            .arg(WATCH)
            .env_clear()
            // Keys pressed on a terminal are the caller's to understand.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (stdout, stderr) = (watcher.stdout.take(), watcher.stderr.take());
        let running = Self {
            watcher,
            control: control.try_clone().map_err(failed)?,
            stdout,
            stderr,
        };
        send(&mut control, order).map_err(failed)?;
        Ok(running)
    }

    /// The socket to the process that watches.
    pub(super) const fn control(&self) -> &UnixStream {
        &self.control
    }

    /// Waits for what the watching process says next.
    pub(super) fn report(&mut self) -> Result<Report, ComputeError> {
        receive(&mut self.control).map_err(|error| ComputeError::Io {
            what: "the process that watches the job ended without a report".to_owned(),
            error,
        })
    }

    /// Hands on what it prints until it ends; says how, and which limit of the caller's ended it.
    fn follow(&mut self, output: &dyn Output) -> Result<(Report, Option<End>), ComputeError> {
        let mut printed = 0;
        let mut flooded = None;
        let mut is_stopped = false;
        while self.stdout.is_some() || self.stderr.is_some() {
            let (stdout, stderr) = self.ready();
            if stdout {
                read(&mut self.stdout, Stream::Stdout, &mut printed, output);
            }
            if stderr {
                read(&mut self.stderr, Stream::Stderr, &mut printed, output);
            }
            if printed > OUTPUT_BYTES_MAX && flooded.is_none() {
                flooded = Some(End::Limit(format!("{OUTPUT_BYTES_MAX} bytes of output")));
            }
            if !is_stopped && (flooded.is_some() || output.stopped()) {
                is_stopped = true;
                // The watching process understands; the report still comes back.
                let _ = self.control.shutdown(Shutdown::Write);
            }
        }
        Ok((self.report()?, flooded))
    }

    /// Waits until a stream has something, or it is time to ask the caller.
    fn ready(&self) -> (bool, bool) {
        let stdout = self.stdout.as_ref().map(AsFd::as_fd);
        let stderr = self.stderr.as_ref().map(AsFd::as_fd);
        let streams = stdout.iter().chain(&stderr);
        let mut events: Vec<_> = streams
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: ASK_NS,
        };
        let _ = poll(&mut events, Some(&pause));
        let mut ready = events.iter().map(|event| !event.revents().is_empty());
        let mut next = |is_open: bool| is_open && ready.next().unwrap_or(false);
        (next(stdout.is_some()), next(stderr.is_some()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ends the job, if it still runs, and waits for the watching process, so that nothing is left.
        let _ = self.control.shutdown(Shutdown::Both);
        let _ = self.watcher.wait();
    }
}

/// Hands on what is there of one stream; one that is at its end is closed.
fn read(from: &mut Option<impl Read>, stream: Stream, printed: &mut u64, output: &dyn Output) {
    let mut bytes = [0; READ_BYTES];
    let Some(reader) = from else { return };
    match reader.read(&mut bytes) {
        Ok(read) if read > 0 => {
            // What is beyond the bound is thrown away until the job has ended.
            let room =
                usize::try_from(OUTPUT_BYTES_MAX.saturating_sub(*printed)).unwrap_or(usize::MAX);
            let taken = &bytes[..read.min(room)];
            if !taken.is_empty() {
                output.printed(stream, taken);
            }
            *printed += read as u64;
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        _ => *from = None,
    }
}
