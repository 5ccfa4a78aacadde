//! Where VCs sleep in pods, and how they come back: by the place that `persist` gave.
//!
//! A place is a reference key or a reference, and behind an `@` who keeps it, if that is not the node's own
//! store: `REFERENCE`, `REFERENCE@bee:http://127.0.0.1:1633`.

use std::fmt;
use std::sync::Arc;

use actors::beds::Dormitory;
use adapters::pod_dir::PodDir;
use adapters::pods::{PodPath, Pods, Quiet, Source, WalletName};
use adapters::transfer::fetch_directory;
use adapters::vc_pod;
use genesis::image::Image;
use genesis::refusal::{Code, Refusal};

use crate::pod_store::NodePods;

/// Most files of a pod directory that is spawned from a reference: refuse.
const FILES_MAX: usize = 4_096;
/// Most bytes of one: refuse.
const BYTES_MAX: u64 = 1 << 30;

/// The pods that a node reads VCs from.
#[derive(Clone)]
pub struct PodBeds {
    pods: Arc<NodePods>,
}

impl fmt::Debug for PodBeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodBeds").finish_non_exhaustive()
    }
}

/// What is at a place.
#[derive(Debug)]
pub enum Sleeper {
    /// A frozen VC.
    Frozen(Box<Image>),
    /// A pod directory: a VC that is not born yet.
    Directory(Box<PodDir>),
}

impl PodBeds {
    /// Those of a node.
    pub const fn new(pods: Arc<NodePods>) -> Self {
        Self { pods }
    }

    /// Who keeps a place, and what is to be read there. Blocks.
    fn open(&self, place: &str) -> Result<(Arc<dyn Pods>, Source), Refusal> {
        let (reference, keeper) = match place.split_once('@') {
            Some((reference, keeper)) => (reference, Some(keeper)),
            None => (place, None),
        };
        let pods = match keeper {
            None => self.pods.wallet(&WalletName::default()),
            Some(keeper) => self.pods.elsewhere(keeper),
        };
        let source = Source::Reference(reference.to_owned());
        Ok((pods.map_err(|error| error.refusal())?, source))
    }

    /// Who the VC is that sleeps at a place; none, if it holds no frozen VC. What is said is not verified. Blocks.
    ///
    /// # Errors
    /// [`Refusal`]: the place cannot be reached.
    pub fn who(&self, place: &str) -> Result<Option<vc_pod::About>, Refusal> {
        let (pods, source) = self.open(place)?;
        vc_pod::about(pods.as_ref(), &source).map_err(|error| error.refusal())
    }

    /// What is at a place, whole and verified. Blocks.
    ///
    /// # Errors
    /// [`Refusal`]: nothing is there, or neither a frozen VC nor a pod directory.
    pub fn look(&self, place: &str) -> Result<Sleeper, Refusal> {
        let (pods, source) = self.open(place)?;
        let about = vc_pod::about(pods.as_ref(), &source).map_err(|error| error.refusal())?;
        if about.is_some() {
            let image = vc_pod::read(pods.as_ref(), &source).map_err(|error| error.refusal())?;
            return Ok(Sleeper::Frozen(Box::new(image)));
        }
        let found = pods
            .walk(&source, &PodPath::root())
            .map_err(|error| error.refusal())?;
        let has = |path: &str| found.iter().any(|entry| entry.path == path);
        if !has("/vc.json") {
            let refusal = Refusal::new(Code::Malformed, format!("`{place}` holds no VC"));
            return Err(if has("/recipe.json") {
                refusal.hint(format!(
                    "it holds a recipe: `medium recipe run {place}` runs it"
                ))
            } else {
                refusal.hint(
                    "`medium persist VC` makes a pod of a VC; a pod directory has a `vc.json`",
                )
            });
        }
        let bytes: u64 = found.iter().map(|entry| entry.bytes).sum();
        if found.len() > FILES_MAX || bytes > BYTES_MAX {
            let what = format!(
                "`{place}` has {} files of {bytes} bytes, at most {FILES_MAX} of {BYTES_MAX} bytes are read",
                found.len()
            );
            return Err(Refusal::new(Code::TooLarge, what));
        }
        let passing = tempfile::tempdir().map_err(|error| {
            Refusal::new(Code::Io, format!("a folder could not be made: {error}"))
        })?;
        let folder = passing.path().join("pod");
        fetch_directory(pods.as_ref(), &source, &PodPath::root(), &folder, &Quiet)
            .map_err(|error| Refusal::new(Code::Io, error.to_string()).who(place))?;
        let pod = PodDir::read(&folder)
            .map_err(|error| Refusal::new(Code::Malformed, error.to_string()).who(place))?;
        Ok(Sleeper::Directory(Box::new(pod)))
    }
}

impl Dormitory for PodBeds {
    fn fetch(&self, place: &str) -> Result<Image, Refusal> {
        let (pods, source) = self.open(place)?;
        vc_pod::read(pods.as_ref(), &source).map_err(|error| error.refusal().who(place))
    }
}

/// Whether a text names a place: it begins with a reference.
pub fn is_place(text: &str) -> bool {
    let reference = text.split('@').next().unwrap_or_default();
    matches!(reference.len(), 64 | 128) && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}
