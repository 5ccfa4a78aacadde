//! Recipes: `recipe.json` says how a pod is run, or which pods make up a task and in which order.
//!
//! The format is Sovr's, read unchanged, with additions that its files do not have: `exec` as a list of
//! words, and tasks of named [steps](Step). What a file says beyond that is kept: [`Recipe::to_json`] gives back
//! every key in its place. The additions and everything else are published as a JSON Schema ([`schema`]).
//!
//! Read in this order: [`Recipe`] and its parts, here; [`Finding`] (what is wrong with a file, and where);
//! [`split_words`] and [`Glob`] (the two little languages in it); [`lint`] (all that can be said of a directory before
//! it runs); [`Tree`] (which of its files travel: no secrets);
//! [`unpack`] (archives from strangers); [`persist`], [`import`] and [`Registry`] (recipes as pods).
//!
//! ```
//! use adapters::recipe::{Kind, Recipe};
//!
//! let text = br#"{"name": "hello", "golem": {"exec": "python3 [@]script/hello.py --to 'a b'"}}"#;
//! let recipe = Recipe::parse("recipe.json", text)?;
//! let Kind::Pod(pod) = &recipe.kind else { panic!("a pod") };
//! assert_eq!(pod.exec, ["python3", "[@]script/hello.py", "--to", "a b"]);
//! # Ok::<(), adapters::recipe::RecipeError>(())
//! ```

use std::path::Path;

use crate::json::Document;
use crate::pods::PodPath;

mod archive;
mod bring;
mod error;
mod glob;
mod graph;
mod keep;
mod lint;
mod parse;
mod registry;
mod requestor;
mod schema;
mod steps;
mod tree;
mod words;
mod write;

pub(crate) use self::archive::fresh_file;
pub use self::archive::{Unpacked, unpack};
pub(crate) use self::bring::{Fresh, recipe_of, remove};
pub use self::bring::{Imported, fork, import, into_directory};
pub(crate) use self::error::with_hint;
pub use self::error::{Finding, RecipeError, Severity};
pub use self::glob::Glob;
pub use self::keep::{Persist, Persisted, SharedOutput, persist, share_output};
pub use self::lint::{Linted, lint};
pub(crate) use self::parse::has_extension;
pub use self::registry::{Listed, Registry, Shared};
pub(crate) use self::requestor::LOOKED_AT_BYTES;
pub use self::requestor::{needs_yagna, tree_needs_yagna};
pub use self::schema::schema;
pub use self::tree::{Stays, Tree, Why};
pub(crate) use self::tree::{digest_of_file, is_within};
pub use self::words::split_words;
pub use self::write::{NewPod, NewTask};
pub use crate::json::{Json, Place};

/// What a recipe's file is called.
pub const RECIPE_JSON: &str = "recipe.json";
/// Longest recipe, in bytes: refuse.
pub const RECIPE_BYTES_MAX: u64 = 1024 * 1024;
/// Most steps of a task: refuse.
pub const STEPS_MAX: usize = 1_024;
/// Most items of one fan-out: refuse.
pub const EACH_MAX: usize = 10_000;
/// Most words of a command line, and most arguments of a step: refuse.
pub const WORDS_MAX: usize = 1_024;
/// Longest command line, and longest text of any other field, in bytes: refuse.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most payloads of a pod or a task, and most files of one: refuse.
pub const PAYLOADS_MAX: usize = 1_024;
/// Most attempts after the first: refuse.
pub const RETRIES_MAX: u32 = 100;
/// Longest time a step may be given, in seconds: 30 days; refuse.
pub const TIMEOUT_S_MAX: u64 = 30 * 24 * 3_600;

/// Stands, in a command line, for the directory of the recipe, `/` included.
pub const HERE: &str = "[@]";
/// Stands, in the command line of a step that fans out, for its item.
pub const EACH: &str = "[each]";
/// Where payloads lie that came from elsewhere, in a pod's directory.
pub const EXTERNAL: &str = "payload/external";
/// Where outputs of other steps lie, in a pod's directory: each in the folder of its step.
pub const FROM: &str = "payload/from";
/// Where a pod leaves its results, unless its recipe names another directory.
pub const OUTPUT: &str = "output";

/// A recipe, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What it is called: the name of its pod, too.
    pub name: String,
    /// What it is for, in plain words.
    pub description: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Which version it is; only shown.
    pub version: Option<String>,
    /// Whether its pod is shared when it is persisted.
    pub public: bool,
    /// What it describes.
    pub kind: Kind,
    json: Json,
}

/// What a recipe describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How a pod is run.
    Pod(PodRecipe),
    /// Which pods make up a task.
    Task(TaskRecipe),
}

/// How a pod is run: the object `golem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRecipe {
    /// The command and its arguments, with [`HERE`] where it was written.
    pub exec: Vec<String>,
    /// The directory of its program; only shown.
    pub script: Option<String>,
    /// What it works on.
    pub payload: Payload,
    /// The directory with its results, in the pod.
    pub output: String,
    /// The part of its results that becomes a pod of its own, as a directory in the pod.
    pub share: Option<String>,
    /// The directory of its logs, from `log` or `logs`.
    pub logs: Option<String>,
}

/// What a pod works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing is said of it.
    None,
    /// A directory of the pod.
    Local(String),
    /// What is fetched from elsewhere, in this order; of two files at one path the later wins.
    External(Vec<External>),
}

/// A payload from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The reference of the pod it is in.
    pub reference: String,
    /// What of it.
    pub wanted: Wanted,
}

/// What is wanted of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What is in an archive: `{"ref": …, "data": "/images.zip"}`; a file that is none, as it is.
    Data(PodPath),
    /// Files as they are: `{"pod": …, "files": ["/a/b.blend"]}`.
    Files(Vec<PodPath>),
}

/// A plan over pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecipe {
    /// Its steps, each once, none before one that it needs.
    pub steps: Vec<Step>,
    /// What every step works on beside its own payload.
    pub payload: Vec<External>,
    /// Whether it is Sovr's list of pods, each given the output of the one before.
    pub linear: bool,
}

/// One step of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is called, once in its task.
    pub name: String,
    /// What is run.
    pub pod: PodAt,
    /// Steps that must have succeeded before: those it names, and those it has inputs from. Sorted.
    pub needs: Vec<String>,
    /// What it is given of other steps' outputs.
    pub inputs: Vec<Input>,
    /// What it is run for, once each.
    pub each: Option<Each>,
    /// Further arguments, behind those of the pod's own command line.
    pub args: Vec<String>,
    /// What it may use; what is not said is what a pod may use that is run by itself.
    pub budget: Budget,
    /// Time from start to end of one attempt, in seconds.
    pub timeout_s: Option<u64>,
    /// How often it is tried again after it failed.
    pub retries: u32,
}

/// Where a step's pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodAt {
    /// What a reference names.
    Reference(String),
    /// A directory, as a path from that of the task's recipe.
    Directory(String),
}

/// What a step is given of another's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Of which step.
    pub from: String,
    /// Which files of its output.
    pub files: Glob,
    /// Where they lie in the pod's directory; none: in the folder of that step in [`FROM`].
    pub to: Option<String>,
}

/// What a step is run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Each {
    /// Each of these.
    Items(Vec<String>),
    /// Each file of another step's output; the file is given to the one that is run for it.
    Files {
        /// Of which step.
        from: String,
        /// Which files.
        files: Glob,
    },
}

/// What one attempt of a step may use; none: what a pod may use that is run by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// CPU time, in seconds.
    pub cpu_s: Option<u64>,
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// The largest file it may write, in bytes.
    pub file_bytes: Option<u64>,
    /// Processes and threads at a time.
    pub processes: Option<u32>,
}

impl Recipe {
    /// Reads a recipe from its text. `file` is what errors call it.
    ///
    /// # Errors
    /// [`RecipeError::Invalid`] has everything that is wrong with it, not only the first thing.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, RecipeError> {
        let (recipe, findings) = Self::examine(file, bytes);
        let errors = |findings: Vec<Finding>| RecipeError::Invalid {
            findings: findings.into_iter().filter(Finding::is_error).collect(),
        };
        match recipe {
            Some(recipe) if !findings.iter().any(Finding::is_error) => Ok(recipe),
            _ => Err(errors(findings)),
        }
    }

    /// Reads the recipe of a directory, or a recipe's own file.
    ///
    /// # Errors
    /// [`RecipeError::Missing`] if there is none, and as [`Recipe::parse`].
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let (file, bytes) = read_bytes(path)?;
        Self::parse(&file, &bytes)
    }

    /// The recipe, if one can be made of the text at all, and everything there is to say of it.
    pub fn examine(file: &str, bytes: &[u8]) -> (Option<Self>, Vec<Finding>) {
        match Document::parse(file, bytes) {
            Ok(document) => {
                let (recipe, mut findings) = parse::recipe(&document.root());
                findings.sort_by(|a, b| a.place.cmp(&b.place));
                (recipe, findings)
            }
            Err(error) => (None, vec![Finding::of_json(&error)]),
        }
    }

    /// It as it was written: every key, known or not, in its place.
    pub const fn json(&self) -> &Json {
        &self.json
    }

    /// Its text, over several lines.
    pub fn to_json(&self) -> String {
        self.json.pretty()
    }
}

/// What a recipe's file is called in messages, and its bytes. `path` is the file or its directory.
fn read_bytes(path: &Path) -> Result<(String, Vec<u8>), RecipeError> {
    use std::io::Read as _;
    let file = if path.is_dir() {
        path.join(RECIPE_JSON)
    } else {
        path.to_owned()
    };
    let shown = file.display().to_string();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => RecipeError::Missing {
            file: shown.clone(),
        },
        _ => RecipeError::io(format!("read `{shown}`"), error),
    };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(&file).map_err(failed)?;
    if !opened.metadata().map_err(failed)?.is_file() {
        return Err(RecipeError::Missing { file: shown });
    }
    opened
        .take(RECIPE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > RECIPE_BYTES_MAX {
        return Err(RecipeError::TooLong { file: shown });
    }
    Ok((shown, bytes))
}
