//! What all tests share: a directory for a job, and a caller that keeps what it prints.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::compute::{
    Allowed, Cage, Compute, ComputeError, Done, End, Job, Launcher, Limits, Local, Output, Stream,
};
use fs_err as fs;
use parking_lot::Mutex;
use tempfile::TempDir;

/// A test: what it shows, and how.
pub(crate) type Test = (&'static str, fn());

/// First argument of the test as a launcher, and as a job.
pub(crate) const AS_LAUNCHER: &str = "as-a-launcher";
pub(crate) const AS_PROBE: &str = "as-a-probe";
/// The test's own program, in a job's directory.
pub(crate) const PROBE: &str = "./probe";

/// A folder that no job may reach, with a job's directory in it.
pub(crate) struct Ring {
    pub(crate) outside: TempDir,
    pub(crate) limits: Limits,
    pub(crate) allowed: Allowed,
    /// Whether jobs have a root of their own, if the system gives them one.
    has_view: bool,
}

/// What came of a job.
pub(crate) struct Ran {
    pub(crate) done: Done,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Keeps what is printed, and stops a job once it printed something, if it is to.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) stdout: Mutex<Vec<u8>>,
    pub(crate) stderr: Mutex<Vec<u8>>,
    stops: bool,
    has_printed: AtomicBool,
}

impl Kept {
    /// One that stops a job once it printed something.
    pub(crate) fn stopping() -> Self {
        Self {
            stops: true,
            ..Self::default()
        }
    }
}

impl Output for Kept {
    fn printed(&self, stream: Stream, bytes: &[u8]) {
        self.has_printed.store(true, Ordering::Relaxed);
        let kept = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        kept.lock().extend_from_slice(bytes);
    }

    fn stopped(&self) -> bool {
        self.stops && self.has_printed.load(Ordering::Relaxed)
    }
}

pub(crate) fn local() -> Local {
    Local::new(Launcher {
        program: std::env::current_exe().unwrap(),
        args: vec![OsString::from(AS_LAUNCHER)],
    })
}

/// Runs a job as it is.
pub(crate) fn run(job: &Job, kept: &Kept) -> Result<Done, ComputeError> {
    local().run(job, kept)
}

impl Ring {
    pub(crate) fn new() -> Self {
        // Not the system's folder for temporary files, which may be another file system: links are tried.
        let outside = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let job = outside.path().join("job");
        fs::create_dir(&job).unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let program = std::env::current_exe().unwrap();
        let probe = job.join("probe");
        if fs::hard_link(&program, &probe).is_err() {
            fs::copy(&program, &probe).unwrap();
        }
        Self {
            outside,
            limits: Limits {
                wall: Duration::from_mins(1),
                memory_bytes: 256 << 20,
                cpu_s: 60,
                file_bytes: 1 << 20,
                processes: 32,
            },
            allowed: Allowed::default(),
            has_view: true,
        }
    }

    /// Two: one whose jobs have a root of their own, and one whose have not, as on systems that give them none.
    pub(crate) fn both() -> [Self; 2] {
        let without = Self {
            has_view: false,
            ..Self::new()
        };
        [Self::new(), without]
    }

    pub(crate) const fn has_view(&self) -> bool {
        self.has_view
    }

    pub(crate) fn local(&self) -> Local {
        if self.has_view {
            local()
        } else {
            local().without_view()
        }
    }

    /// The job's directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.outside.path().join("job")
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.outside.path().join("secret")
    }

    pub(crate) fn job(&self, argv: &[&str]) -> Job {
        Job {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            directory: self.directory(),
            environment: [("GIVEN".to_owned(), "this".to_owned())].into(),
            limits: self.limits,
            allowed: self.allowed.clone(),
        }
    }

    pub(crate) fn run(&self, argv: &[&str]) -> Ran {
        let kept = Kept::default();
        let done = self
            .local()
            .run(&self.job(argv), &kept)
            .unwrap_or_else(|error| panic!("{argv:?}: {error}"));
        let text = |bytes: &Mutex<Vec<u8>>| String::from_utf8_lossy(&bytes.lock()).into_owned();
        Ran {
            done,
            stdout: text(&kept.stdout),
            stderr: text(&kept.stderr),
        }
    }

    /// Runs a probe: see `probe.rs` for what it can be told.
    pub(crate) fn probe(&self, args: &[&str]) -> Ran {
        self.run(&[&[PROBE, AS_PROBE], args].concat())
    }

    /// A probe that succeeds.
    pub(crate) fn can(&self, args: &[&str]) {
        let ran = self.probe(args);
        assert_eq!(
            ran.done.end,
            End::Exit(0),
            "{args:?}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }

    /// A probe that is refused: not one that does not find what it was sent for.
    pub(crate) fn cannot(&self, args: &[&str]) {
        let ran = self.probe(args);
        assert_eq!(ran.done.plan.cage, Cage::Os);
        assert_eq!(
            ran.done.end,
            End::Exit(1),
            "{args:?}: {}{}",
            ran.stdout,
            ran.stderr
        );
        let refused = [
            "PermissionDenied",
            "CrossesDevices",
            "ReadOnlyFilesystem",
            "Unsupported",
            "os error 38",
            // In a root of its own what is outside is not there.
            if self.has_view { "NotFound" } else { "" },
        ];
        let mut refused = refused.iter().filter(|kind| !kind.is_empty());
        assert!(
            refused.any(|kind| ran.stderr.contains(kind)),
            "{args:?}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
