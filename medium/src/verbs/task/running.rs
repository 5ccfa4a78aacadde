//! How a verb runs something: who runs jobs, where runs are kept, what is seen meanwhile, and what Ctrl-C does.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use adapters::compute::{Allowed, Launcher, Local, Stream, Yagna};
use adapters::pods::{Pods, PodsError, Progress, WalletName};
use adapters::task::{Ended, Folders, Outside, RunRecord, StepEnd, StepRecord, TaskError, Watcher};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use medium::clock::SystemClock;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::super::Context;
use super::super::up::Signals;
use crate::bar::size;
use crate::cli::{Allow, Global, Permissions};
use crate::client::found;
use crate::pods::Keeping;
use crate::printer::Printer;
use crate::report::{Said, file_refused};

/// Most lines and pieces of output that wait to be shown; a run waits for its reader.
const SHOWN_LEN_MAX: usize = 256;
/// How often what was fetched is shown on a terminal, in milliseconds.
const SHOW_MS: u64 = 500;
/// The address of a yagna daemon where nothing says another.
const YAGNA_API: &str = "http://127.0.0.1:7465";

/// Where runs are kept.
pub(super) fn runs(context: Context<'_>) -> Result<PathBuf, Refusal> {
    Ok(found::data_folder(context.global)?.join("runs"))
}

/// Where what was fetched, and results that are known, are kept.
pub(super) fn cache(context: Context<'_>) -> Result<PathBuf, Refusal> {
    Ok(found::data_folder(context.global)?.join("cache"))
}

/// A folder for a new run: the name of what is run and the next number.
pub(in crate::verbs) fn folders(context: Context<'_>, name: &str) -> Result<Folders, Refusal> {
    use std::os::unix::fs::DirBuilderExt as _;
    let all = runs(context)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&all)
        .map_err(|error| file_refused("make", &all, &error))?;
    let entries = std::fs::read_dir(&all).map_err(|error| file_refused("read", &all, &error))?;
    let taken = entries.filter_map(|entry| {
        let taken = entry.ok()?.file_name().into_string().ok()?;
        taken
            .strip_prefix(name)?
            .strip_prefix('-')?
            .parse::<u64>()
            .ok()
    });
    let number = taken.max().unwrap_or(0) + 1;
    Ok(Folders {
        run: all.join(format!("{name}-{number}")),
        cache: cache(context)?,
    })
}

/// What the flags allow.
pub(in crate::verbs) fn allowed(permissions: &Permissions) -> Result<Allowed, Refusal> {
    let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let yagna = if permissions.allow.contains(&Allow::Yagna) {
        let key = var("YAGNA_APPKEY").ok_or_else(|| {
            Refusal::new(Code::Malformed, "`--allow yagna` needs the daemon's key")
                .hint("`yagna app-key list` shows it; put it into the variable YAGNA_APPKEY")
        })?;
        Some(Yagna {
            address: var("YAGNA_API_URL").unwrap_or_else(|| YAGNA_API.to_owned()),
            key,
        })
    } else {
        None
    };
    Ok(Allowed {
        yagna,
        trust_native: permissions.trust_native,
        ..Allowed::default()
    })
}

/// Something that a run wants to be seen.
enum Seen {
    Happened(String),
    Printed(Stream, Vec<u8>),
}

/// Hands on what happens, and stops the run when it is asked to.
struct Watching {
    seen: mpsc::Sender<Seen>,
    moved: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Progress for Watching {
    fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

impl Watcher for Watching {
    fn happened(&self, what: &str) {
        // Nobody listens any more once a second signal has ended the waiting.
        let _ = self.seen.blocking_send(Seen::Happened(what.to_owned()));
    }

    fn printed(&self, _: &str, stream: Stream, bytes: &[u8]) {
        let _ = self
            .seen
            .blocking_send(Seen::Printed(stream, bytes.to_vec()));
    }
}

/// Does something with everything that is outside of a run, and shows what happens until it has ended. The first signal
/// asks it to stop where it can go on, the second ends the waiting.
///
/// # Errors
/// What the run says; `cancelled` after a second signal.
pub(in crate::verbs) async fn run_to_its_end<T: Send + 'static>(
    context: Context<'_>,
    act: impl FnOnce(&Outside<'_>) -> Result<T, TaskError> + Send + 'static,
) -> Result<T> {
    let (seen, mut shown) = mpsc::channel(SHOWN_LEN_MAX);
    let moved = Arc::new(AtomicU64::new(0));
    let stopped = Arc::new(AtomicBool::new(false));
    let watching = Watching {
        seen,
        moved: Arc::clone(&moved),
        stopped: Arc::clone(&stopped),
    };
    let lazy = LazyPods {
        executor: Handle::current(),
        global: context.global.clone(),
        opened: Mutex::new(None),
    };
    let program = std::env::current_exe()?;
    let mut work = tokio::task::spawn_blocking(move || {
        let launcher = Launcher {
            program,
            args: vec![OsString::from("confine")],
        };
        let compute = Local::new(launcher);
        let clock = SystemClock::default();
        let open = || lazy.open();
        let done = act(&Outside {
            pods: &open,
            compute: &compute,
            clock: &clock,
            watcher: &watching,
        });
        let bought = lazy
            .opened
            .lock()
            .as_ref()
            .map(|pods| pods.bought_unasked());
        (done, bought.unwrap_or_default())
    });
    let printer = context.printer;
    let mut signals = Signals::new()?;
    let mut tick = tokio::time::interval(Duration::from_millis(SHOW_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = 0;
    loop {
        tokio::select! {
            biased;
            () = signals.next() => {
                if stopped.swap(true, Ordering::Relaxed) {
                    return Err(Refusal::new(Code::Cancelled, "ended at once by a second signal")
                        .hint("`medium task resume` goes on with what had ended")
                        .into());
                }
                printer.note("stopping; a second signal ends at once");
            }
            one = shown.recv() => match one {
                Some(one) => show(printer, &one)?,
                None => break,
            },
            _ = tick.tick() => {
                let bytes = moved.load(Ordering::Relaxed);
                if bytes != last {
                    last = bytes;
                    printer.progress(&format!("{} moved", size(bytes)));
                }
            }
        }
    }
    let (done, bought) = (&mut work).await?;
    for batch in bought {
        printer.note(&format!(
            "bought stamps for {} motes, because the wallet had none: `medium pod stamp ls`",
            batch.motes
        ));
    }
    Ok(done?)
}

/// Shows something; what jobs print is data, unless the data is JSON.
fn show(printer: &Printer, seen: &Seen) -> Result<()> {
    match seen {
        Seen::Happened(what) => printer.note(what),
        Seen::Printed(Stream::Stdout, bytes) if !printer.is_json() => printer.bytes(bytes)?,
        Seen::Printed(Stream::Stderr, bytes) if !printer.is_json() => {
            printer.aside(bytes);
        }
        Seen::Printed(..) => {}
    }
    Ok(())
}

/// The pods of the wallet that the flags name, opened when the first reference is met.
struct LazyPods {
    executor: Handle,
    global: Global,
    opened: Mutex<Option<Arc<dyn Pods>>>,
}

impl LazyPods {
    fn open(&self) -> Result<Arc<dyn Pods>, PodsError> {
        let mut opened = self.opened.lock();
        if let Some(pods) = &*opened {
            return Ok(Arc::clone(pods));
        }
        let wallet = match &self.global.wallet {
            Some(name) => name.parse()?,
            None => WalletName::default(),
        };
        let pods = self.executor.block_on(async {
            let keeping = Keeping::of(&self.global).await?;
            keeping.pods(wallet).await
        })?;
        *opened = Some(Arc::clone(&pods));
        Ok(pods)
    }
}

/// Says how a run ended; one that failed or was stopped is an error that was said.
pub(in crate::verbs) fn said(context: Context<'_>, record: &RunRecord, is_pod: bool) -> Result<()> {
    let printer = context.printer;
    if printer.is_json() {
        printer.json(record)?;
    } else if !is_pod {
        let rows: Vec<Vec<String>> = record.steps.iter().map(row).collect();
        printer.table(&["STEP", "ENDED", "TRIED", "MS", "OUTPUT"], &rows)?;
    }
    let name = record
        .folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    match record.ended_as {
        Ended::Succeeded => {
            if let [only] = record.steps.as_slice()
                && let Some(output) = &only.output
                && is_pod
                && !printer.is_json()
            {
                printer.note(&format!("output: {}", output.path.display()));
                if let Some(reference) = &output.reference {
                    printer.note(&format!("shared by the reference {reference}"));
                }
            }
            printer.note(&format!("the run is kept in {}", record.folder.display()));
            Ok(())
        }
        Ended::Stopped => {
            let what = format!("the run `{name}` was stopped");
            let hint = format!("`medium task resume {name}` goes on with what had ended");
            refuse(printer, &Refusal::new(Code::Cancelled, what).hint(hint))
        }
        Ended::Failed => {
            let failed = record.first_failure();
            let (what, hint) = failed.map_or_else(
                || (format!("the run `{name}` failed"), None),
                |step| why(step, &name),
            );
            let hint = hint.unwrap_or_else(|| {
                let folder = failed.map_or(".", |step| step.folder.as_str());
                format!(
                    "`{}` has what it printed; `medium task resume {name}` tries it again",
                    record.folder.join(folder).join("log").display()
                )
            });
            refuse(printer, &Refusal::new(Code::Fault, what).hint(hint))
        }
    }
}

/// The record was printed already, so with JSON only the error is left to say.
fn refuse(printer: &Printer, refusal: &Refusal) -> Result<()> {
    printer.error(refusal);
    Err(Said.into())
}

/// Why a step failed, and what helps if that is known.
fn why(step: &StepRecord, run: &str) -> (String, Option<String>) {
    let job = step.job();
    match &step.end {
        StepEnd::Refused { what, hint } => (
            format!("`{job}` of `{run}` cannot be run: {what}"),
            hint.clone(),
        ),
        end => (format!("`{job}` of `{run}` {}", ended(end)), None),
    }
}

fn row(step: &StepRecord) -> Vec<String> {
    let output = match &step.output {
        Some(output) => match &output.reference {
            Some(reference) => reference.clone(),
            None => format!("{} files, {}", output.files, size(output.bytes)),
        },
        None => String::new(),
    };
    let end = if step.known {
        "was known".to_owned()
    } else {
        ended(&step.end)
    };
    vec![
        step.job(),
        end,
        step.attempts.to_string(),
        step.ended.saturating_sub(step.began).to_string(),
        output,
    ]
}

/// How a step ended, in a few words.
fn ended(end: &StepEnd) -> String {
    use adapters::compute::End;
    match end {
        StepEnd::Succeeded => "succeeded".to_owned(),
        StepEnd::Failed { how } => match how {
            End::Exit(code) => format!("failed: exit code {code}"),
            End::Signal(number) => format!("failed: signal {number}"),
            End::Limit(which) => format!("failed: {which}"),
            End::Trap(why) => format!("failed: {why}"),
            End::Stopped => "stopped".to_owned(),
        },
        StepEnd::Refused { .. } => "refused".to_owned(),
        StepEnd::Skipped { because } => format!("skipped: {because}"),
        StepEnd::Stopped => "stopped".to_owned(),
    }
}
