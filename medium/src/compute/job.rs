//! One order: its directory brought here, its command run there, what it made kept as a pod.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::compute::{Allowed, Capture, Compute, ComputeError, Done};
use adapters::pods::{EntryKind, PodName, PodPath, Pods, PodsError, Progress, Source, WalletName};
use adapters::transfer::{ScanOptions, TransferError, fetch_directory, put, scan};
use genesis::refusal::{Code, Refusal};

use super::order::{Made, POD_BYTES_MAX, POD_ENTRIES_MAX, Wanted, answer, refused};
use super::{Key, NAME};
use crate::pod_store::NodePods;

/// An order that is carried out. Blocks.
pub(super) struct Job {
    pub(super) key: Key,
    pub(super) allowed: Vec<String>,
    pub(super) text: String,
    /// Where its directory is while it runs.
    pub(super) folder: PathBuf,
    pub(super) pods: Arc<NodePods>,
    pub(super) compute: Arc<dyn Compute>,
}

/// A transfer ends with the job it is for.
struct Moving<'a>(&'a Capture);

impl Progress for Moving<'_> {
    fn moved(&self, _: u64) {}

    fn stopped(&self) -> bool {
        adapters::compute::Output::stopped(self.0)
    }
}

impl Job {
    /// Carries it out, and says what came of it: an answer, good or bad.
    pub(super) fn run(&self, capture: &Capture) -> String {
        let ran = self.ran(capture);
        // Nothing of it is needed any more; what cannot be removed now is at the next start.
        let _ = std::fs::remove_dir_all(&self.folder);
        match ran {
            Ok((done, made)) => answer(&done, capture, made.as_ref()),
            Err(refusal) => refused(&refusal),
        }
    }

    fn ran(&self, capture: &Capture) -> Result<(Done, Option<Made>), Refusal> {
        let wanted = Wanted::read(&self.text, &self.allowed)?;
        let output: PodPath = format!("/{}", wanted.output.trim_matches('/'))
            .parse()
            .map_err(|error: PodsError| of_pods(&error))?;
        let wallet: WalletName = NAME.parse().map_err(|error: PodsError| of_pods(&error))?;
        let pods = self.pods.wallet(&wallet).map_err(|error| of_pods(&error))?;
        self.fetch(pods.as_ref(), &wanted, capture)?;
        let job = adapters::compute::Job {
            argv: wanted.argv.clone(),
            directory: self.folder.clone(),
            environment: wanted.environment.clone(),
            limits: wanted.limits(),
            allowed: Allowed::default(),
        };
        let done = self
            .compute
            .run(&job, capture)
            .map_err(|error| of_compute(&error))?;
        let made = self.made(&output)?;
        let made = made.map(|made| self.keep(pods.as_ref(), &made, capture));
        Ok((done, made.transpose()?))
    }

    /// Brings the job's directory here.
    fn fetch(&self, pods: &dyn Pods, wanted: &Wanted, capture: &Capture) -> Result<(), Refusal> {
        let found = pods.find(&wanted.pod).map_err(|error| of_pods(&error))?;
        if found.kind != EntryKind::Directory {
            let what = format!(
                "the reference names the file `{}`, not a directory",
                found.name
            );
            return Err(Refusal::new(Code::Malformed, what));
        }
        let from = Source::Reference(wanted.pod.clone());
        let entries = pods
            .walk(&from, &PodPath::root())
            .map_err(|error| of_pods(&error))?;
        let bytes = entries
            .iter()
            .fold(0, |sum: u64, entry| sum.saturating_add(entry.bytes));
        if entries.len() > POD_ENTRIES_MAX || bytes > POD_BYTES_MAX {
            let found = entries.len();
            let what = format!(
                "the pod has {found} files and {bytes} bytes; {POD_ENTRIES_MAX} and {POD_BYTES_MAX} are taken"
            );
            return Err(Refusal::new(Code::TooLarge, what));
        }
        if let Some(parent) = self.folder.parent() {
            std::fs::create_dir_all(parent).map_err(|error| of_files(parent, &error))?;
        }
        // What an order of the same number of another VC may have left.
        let _ = std::fs::remove_dir_all(&self.folder);
        fetch_directory(
            pods,
            &from,
            &PodPath::root(),
            &self.folder,
            &Moving(capture),
        )
        .map(drop)
        .map_err(|error| of_transfer(&error))
    }

    /// Where the job left what it made, if it made anything. A link on the way, which may lead anywhere, is not
    /// followed out of its directory: else other files of this machine would be kept.
    fn made(&self, output: &PodPath) -> Result<Option<PathBuf>, Refusal> {
        let root = std::fs::canonicalize(&self.folder);
        let root = root.map_err(|error| of_files(&self.folder, &error))?;
        let Ok(made) = std::fs::canonicalize(root.join(output.relative())) else {
            return Ok(None);
        };
        if !made.starts_with(&root) {
            let what = format!("`{output}` leads out of the job's directory");
            return Err(Refusal::new(Code::Denied, what));
        }
        Ok(made.is_dir().then_some(made))
    }

    /// Keeps what the job made as a private pod, and shares it by a reference key.
    fn keep(&self, pods: &dyn Pods, made: &Path, capture: &Capture) -> Result<Made, Refusal> {
        let options = ScanOptions {
            entries_max: POD_ENTRIES_MAX,
            bytes_max: POD_BYTES_MAX,
            ..ScanOptions::default()
        };
        let scan = scan(made, &options).map_err(|error| of_transfer(&error))?;
        let (vc, number) = self.key;
        let vc: String = vc
            .to_string()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(16)
            .collect();
        let name: PodName = format!("{vc}-{number}")
            .parse()
            .map_err(|error: PodsError| of_pods(&error))?;
        let failed = |error: PodsError| of_pods(&error);
        // A run that the node did not outlive may have got this far.
        match pods.remove_pod(&name) {
            Ok(()) | Err(PodsError::Missing(_)) => {}
            Err(error) => return Err(of_pods(&error)),
        }
        pods.create(&name, false).map_err(failed)?;
        let mut edit = pods.edit(&name).map_err(failed)?;
        let put = put(edit.as_mut(), &scan, &PodPath::root(), &Moving(capture))
            .map_err(|error| of_transfer(&error))?;
        edit.commit(&format!("order {number}")).map_err(failed)?;
        let reference = pods.share(&name, &PodPath::root()).map_err(failed)?;
        // Nothing is answered that cannot be read back.
        pods.find(&reference).map_err(failed)?;
        Ok(Made {
            reference,
            files: put.files,
            bytes: put.bytes,
        })
    }
}

fn with_hint(code: Code, what: String, hint: Option<String>) -> Refusal {
    let refusal = Refusal::new(code, what);
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

fn of_pods(error: &PodsError) -> Refusal {
    with_hint(Code::Unknown, error.to_string(), error.hint())
}

fn of_transfer(error: &TransferError) -> Refusal {
    with_hint(Code::Io, error.to_string(), error.hint())
}

fn of_compute(error: &ComputeError) -> Refusal {
    let code = match error {
        ComputeError::NoCage { .. } | ComputeError::NotAllowed { .. } => Code::Denied,
        ComputeError::NoProgram { .. } => Code::Unknown,
        ComputeError::Module { .. } => Code::Malformed,
        _ => Code::Io,
    };
    // A hint to trust it is for people, not for whoever ordered it.
    Refusal::new(code, error.to_string())
}

fn of_files(path: &Path, error: &std::io::Error) -> Refusal {
    Refusal::new(Code::Io, format!("{}: {error}", path.display()))
}
