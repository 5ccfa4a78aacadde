//! What the tests share: a wallet's pods, a home for directories and runs, and somebody who runs commands as they are.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actors::clock::{Clock, VirtualClock};
use adapters::compute::{Cage, Compute, ComputeError, Done, End, Job, Output, Plan, Stream, Yagna};
use adapters::pods::{
    Edit, FileMeta, PodName, PodPath, PodStore, PodStoreOptions, Pods, PodsError, Progress, Quiet,
};
use adapters::recipe::Recipe;
use adapters::task::{
    self, Folders, Options, Outside, RunRecord, StepEnd, TaskError, Watcher, Work,
};
use genesis::time::Time;
use parking_lot::Mutex;
use tempfile::TempDir;

/// The day on which tests begin, in milliseconds since 1970.
const TODAY_MS: u64 = 1_800_000_000_000;

/// Runs commands in their directories, with nothing around them. What they may reach is tested where jobs are confined.
#[derive(Debug, Default)]
pub(crate) struct Bare {
    /// The command lines that were run, each with the step it was run for.
    pub(crate) ran: Mutex<Vec<(String, Vec<String>)>>,
    running: AtomicUsize,
    /// How many were running at once, at most.
    pub(crate) at_once: AtomicUsize,
}

impl Bare {
    /// How often jobs of a step were run; of all steps if it is empty.
    pub(crate) fn count(&self, step: &str) -> usize {
        let ran = self.ran.lock();
        ran.iter()
            .filter(|(of, _)| step.is_empty() || of == step)
            .count()
    }
}

impl Compute for Bare {
    fn plan(&self, job: &Job) -> Result<Plan, ComputeError> {
        if job.argv[0] == "no-such-program" {
            return Err(ComputeError::NoProgram {
                program: job.argv[0].clone(),
                why: "it is not there".to_owned(),
            });
        }
        Ok(Plan {
            cage: Cage::None,
            may: vec!["do whatever it wants".to_owned()],
        })
    }

    fn run(&self, job: &Job, output: &dyn Output) -> Result<Done, ComputeError> {
        let plan = self.plan(job)?;
        let step = job
            .environment
            .get("MEDIUM_STEP")
            .cloned()
            .unwrap_or_default();
        self.ran.lock().push((step, job.argv.clone()));
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once.fetch_max(running, Ordering::SeqCst);
        let done = Command::new(&job.argv[0])
            .args(&job.argv[1..])
            .current_dir(&job.directory)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(&job.environment)
            .output();
        self.running.fetch_sub(1, Ordering::SeqCst);
        let done = done.map_err(|error| ComputeError::Io {
            what: format!("start {:?}", job.argv),
            error,
        })?;
        output.printed(Stream::Stdout, &done.stdout);
        output.printed(Stream::Stderr, &done.stderr);
        Ok(Done {
            plan,
            end: done.status.code().map_or(End::Signal(9), End::Exit),
            took: Duration::ZERO,
            fuel: None,
        })
    }
}

/// Who watches, and stops when asked to.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    pub(crate) said: Mutex<Vec<String>>,
    pub(crate) stop: AtomicBool,
}

impl Progress for Listener {
    fn moved(&self, _: u64) {}

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

impl Watcher for Listener {
    fn happened(&self, what: &str) {
        self.said.lock().push(what.to_owned());
    }
}

/// A home with a wallet's pods in it.
pub(crate) struct World {
    pub(crate) home: TempDir,
    pub(crate) pods: Arc<dyn Pods>,
    pub(crate) compute: Bare,
    pub(crate) listener: Listener,
    pub(crate) clock: VirtualClock,
    pub(crate) options: Options,
    /// How often the pods were opened.
    pub(crate) opened: AtomicUsize,
}

impl World {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let clock = VirtualClock::default();
        clock.advance_to(Time(TODAY_MS));
        let theirs = VirtualClock::default();
        theirs.advance_to(Time(TODAY_MS));
        let options = PodStoreOptions {
            clock: Arc::new(theirs),
            random: || Ok([7; 32]),
        };
        let store = PodStore::open(&home.path().join("data"), options).unwrap();
        Self {
            pods: store.wallet(&"ana".parse().unwrap()).unwrap(),
            home,
            compute: Bare::default(),
            listener: Listener::default(),
            clock,
            options: Options {
                workers: 3,
                ..Options::default()
            },
            opened: AtomicUsize::new(0),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Writes files below a directory of the home; those that begin with `#!` are programs.
    pub(crate) fn write(&self, directory: &str, files: &[(&str, &str)]) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = self.path(directory);
        fs::create_dir_all(&directory).unwrap();
        for (path, text) in files {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            if text.starts_with("#!") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        directory
    }

    /// A directory with a pod that runs a shell script.
    pub(crate) fn shell_pod(&self, directory: &str, script: &str) -> PathBuf {
        let name = directory.rsplit('/').next().unwrap();
        let recipe = serde_json::json!({
            "name": name,
            "golem": {"exec": ["sh", "[@]script/run.sh"], "script": "script", "payload": "payload", "output": "output"}
        });
        self.write(
            directory,
            &[
                ("recipe.json", &recipe.to_string()),
                ("script/run.sh", script),
            ],
        )
    }

    /// A directory with a task.
    pub(crate) fn task(&self, directory: &str, recipe: &serde_json::Value) -> PathBuf {
        self.write(directory, &[("recipe.json", &recipe.to_string())])
    }

    pub(crate) fn folders(&self, run: &str) -> Folders {
        fs::create_dir_all(self.path("runs")).unwrap();
        Folders {
            run: self.path("runs").join(run),
            cache: self.path("cache"),
        }
    }

    pub(crate) fn work(directory: &Path) -> Work {
        Work::new(
            Recipe::read(directory).unwrap(),
            directory.to_owned(),
            false,
        )
    }

    /// Does something with everything that is outside of a run.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&Outside<'_>) -> T) -> T {
        let open = || {
            self.opened.fetch_add(1, Ordering::SeqCst);
            Ok(Arc::clone(&self.pods))
        };
        act(&Outside {
            pods: &open,
            compute: &self.compute,
            clock: &self.clock,
            watcher: &self.listener,
        })
    }

    pub(crate) fn try_run(&self, directory: &Path, run: &str) -> Result<RunRecord, TaskError> {
        let work = Self::work(directory);
        self.with(|outside| task::run(&work, &self.options, &self.folders(run), outside))
    }

    pub(crate) fn run(&self, directory: &Path, run: &str) -> RunRecord {
        self.try_run(directory, run)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn resume(&self, run: &str) -> RunRecord {
        self.with(|outside| task::resume(&self.options, &self.folders(run), outside))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes a pod of the wallet with these files and shares it; its reference.
    pub(crate) fn shared(&self, pod: &str, files: &[(&str, &[u8])]) -> String {
        let name: PodName = pod.parse().unwrap();
        self.pods.create(&name, false).unwrap();
        put(self.pods.as_ref(), &name, files);
        self.pods.share(&name, &PodPath::root()).unwrap()
    }

    /// Lets every step be a requestor.
    pub(crate) fn allow_yagna(&mut self) {
        self.options.allowed.yagna = Some(Yagna {
            address: "http://127.0.0.1:7465".to_owned(),
            key: "0123456789".to_owned(),
        });
    }
}

/// Writes files into a pod, as one snapshot.
pub(crate) fn put(pods: &dyn Pods, name: &PodName, files: &[(&str, &[u8])]) {
    let mut edit: Box<dyn Edit> = pods.edit(name).unwrap();
    for (path, bytes) in files {
        let path: PodPath = path.parse().unwrap();
        edit.write(&path, &FileMeta::default(), &mut &**bytes, &Quiet)
            .unwrap();
    }
    edit.commit("test").unwrap();
}

/// What a file of a pod of the wallet holds.
pub(crate) fn get(
    pods: &dyn Pods,
    from: &adapters::pods::Source,
    path: &str,
) -> Result<String, PodsError> {
    let mut bytes = Vec::new();
    pods.read(from, &path.parse()?, None, &mut bytes, &Quiet)?;
    Ok(String::from_utf8(bytes).unwrap())
}

/// A `.zip` with these files.
pub(crate) fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(*path, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// How every step of a run ended, by its name.
pub(crate) fn ends(record: &RunRecord) -> BTreeMap<String, &'static str> {
    let word = |end: &StepEnd| match end {
        StepEnd::Succeeded => "succeeded",
        StepEnd::Failed { .. } => "failed",
        StepEnd::Refused { .. } => "refused",
        StepEnd::Skipped { .. } => "skipped",
        StepEnd::Stopped => "stopped",
    };
    let steps = record.steps.iter();
    steps.map(|step| (step.job(), word(&step.end))).collect()
}

/// What a step left in a file of its output.
pub(crate) fn left(record: &RunRecord, job: &str, path: &str) -> String {
    let step = record.steps.iter().find(|step| step.job() == job).unwrap();
    let output = step
        .output
        .as_ref()
        .unwrap_or_else(|| panic!("{job}: {:?}", step.end));
    fs::read_to_string(output.path.join(path)).unwrap()
}
