//! Why a pod directory could not be read: [`PodError`].

use std::path::PathBuf;

use genesis::limits;
use genesis::power::UnknownPower;

use super::parse;
use crate::json::{JsonError, Place};

/// Why a pod directory could not be read.
///
/// The text says in one line what is wrong and where; [`PodError::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PodError {
    /// The pod's directory does not exist.
    #[error("there is no directory `{}`", dir.display())]
    NoSuchDirectory {
        /// What was asked for.
        dir: PathBuf,
    },
    /// What should be the pod's directory is something else.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// What was asked for.
        path: PathBuf,
    },
    /// The directory holds no `vc.json`.
    #[error("directory `{dir}` has no `vc.json`")]
    NoVcJson {
        /// The directory, or the nested one.
        dir: String,
    },
    /// The operating system refused.
    #[error("cannot read pod `{pod}`: {cause}")]
    Io {
        /// The directory, or the nested one.
        pod: String,
        /// What it said; names the file.
        cause: std::io::Error,
    },
    /// A `vc.json` is longer than is read.
    #[error("{file} is longer than the {bytes_max} bytes that are read")]
    VcJsonTooLong {
        /// The file.
        file: String,
        /// How many would be read: the bound, or what the bound of the whole pod has left.
        bytes_max: u64,
    },
    /// A `vc.json` is not JSON, or a value in it is not what belongs there.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A field is not there that must be.
    #[error("{place}: the field `{field}` is missing")]
    MissingField {
        /// Where the object is that lacks it.
        place: Place,
        /// Its name.
        field: &'static str,
    },
    /// A field is there that the format does not have.
    #[error("{place}: unknown field `{field}`, the nearest known one is `{nearest}`")]
    UnknownField {
        /// Where.
        place: Place,
        /// Its name, cut short.
        field: Box<str>,
        /// The known field with the most similar name.
        nearest: &'static str,
        /// All known fields of this object.
        known: Box<[&'static str]>,
    },
    /// Something has no valid name.
    #[error("{place}: `{name}` is not a name: {}", name_reason(*bytes))]
    BadName {
        /// Where.
        place: Place,
        /// What was given, cut short.
        name: String,
        /// Its length.
        bytes: usize,
    },
    /// A contact or a nested VC has a name that means something else already.
    #[error("{place}: the name `{name}` is taken: it stands for {meaning}")]
    NameTaken {
        /// Where.
        place: Place,
        /// The name.
        name: String,
        /// What it stands for.
        meaning: &'static str,
    },
    /// A part names no contents, or more than one.
    #[error(
        "{place}: a part has one of `file`, `native`, `text`, `wasm`; this has {}",
        listed(found)
    )]
    PartSources {
        /// Where.
        place: Place,
        /// Which it has.
        found: Vec<&'static str>,
    },
    /// A program outside is described as it cannot be.
    #[error("{place}: {why}")]
    BadProgram {
        /// Where.
        place: Place,
        /// What is wrong.
        why: String,
    },
    /// A fleet is described as it cannot be.
    #[error("{place}: {why}")]
    BadFleet {
        /// Where.
        place: Place,
        /// What is wrong.
        why: String,
    },
    /// A field of a part makes sense only beside another.
    #[error("{place}: `{field}` belongs to a part that has {beside}")]
    Misplaced {
        /// Where.
        place: Place,
        /// The field.
        field: &'static str,
        /// Beside what it makes sense.
        beside: &'static str,
    },
    /// There is no such module.
    #[error(
        "{place}: `{name}` is neither a part that comes with the medium (the nearest is `{nearest}`) nor a file of the pod"
    )]
    NoSuchModule {
        /// Where.
        place: Place,
        /// What was given, cut short.
        name: Box<str>,
        /// The part of the binary with the most similar name.
        nearest: &'static str,
    },
    /// A file or a directory of the pod is not there.
    #[error("{place}: there is no {want} `{path}` in the pod")]
    NoSuchFile {
        /// Where.
        place: Place,
        /// Which of the two.
        want: &'static str,
        /// The path inside the pod.
        path: String,
    },
    /// What should be a file, or a directory, of the pod is something else.
    #[error("{place}: `{path}` is {found}, not {want}")]
    WrongKind {
        /// Where.
        place: Place,
        /// The path inside the pod.
        path: String,
        /// What belongs there.
        want: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A path leads out of the pod, or might on some system.
    #[error("{place}: the path `{path}` {reason}")]
    LeavesPod {
        /// Where.
        place: Place,
        /// The path, cut short.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no such power.
    #[error("{place}: {unknown}")]
    UnknownPower {
        /// Where.
        place: Place,
        /// Which, and which there are.
        unknown: UnknownPower,
    },
    /// A contact leads nowhere.
    #[error("{place}: `{target}` is no contact: {reason}")]
    BadContact {
        /// Where.
        place: Place,
        /// What was given, cut short.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller's check refused a pattern.
    #[error("{place}: not a pattern: {reason}")]
    BadPattern {
        /// Where.
        place: Place,
        /// What the check said.
        reason: String,
    },
    /// VCs nest deeper than bodies may.
    #[error(
        "{place}: this VC would be nested {levels} levels deep, at most {} are possible",
        limits::DEPTH_MAX
    )]
    NestedTooDeep {
        /// Where.
        place: Place,
        /// How deep it would be.
        levels: usize,
    },
    /// A nested VC is, through a symbolic link, one of its own hosts.
    #[error("{place}: `{path}` leads back to a directory that holds this one")]
    NestedCycle {
        /// Where.
        place: Place,
        /// The path inside the pod.
        path: String,
    },
    /// The pod has more VCs than one pod may.
    #[error("{place}: the pod holds more than {vcs_max} VCs in all its levels")]
    TooManyVcs {
        /// Where the first one too many is.
        place: Place,
        /// The bound.
        vcs_max: usize,
    },
}

impl PodError {
    /// What to do about it, in one line.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchDirectory { .. } => {
                "check the path; a pod is a directory with a `vc.json` in it".to_owned()
            }
            Self::NotADirectory { .. } => {
                "name the directory that holds `vc.json`, not a file in it".to_owned()
            }
            Self::NoVcJson { .. } => {
                r#"create `vc.json` there; the least one is {"name": "my-vc"}"#.to_owned()
            }
            Self::Io { .. } => "check who may read it, and where symbolic links lead".to_owned(),
            Self::VcJsonTooLong { .. } => {
                "move long texts into files of their own: {\"file\": \"story.txt\"}".to_owned()
            }
            Self::Json(JsonError::WrongType { place, .. } | JsonError::TooLarge { place, .. }) => {
                format!("for example: {}", parse::example(&place.field))
            }
            Self::Json(JsonError::TooLong { .. }) => {
                "shorten it; a long text can be a part of its own: {\"file\": \"story.txt\"}"
                    .to_owned()
            }
            Self::Json(JsonError::TooMany { .. }) | Self::TooManyVcs { .. } => {
                "split the pod: some of it can be a VC that is spawned by itself".to_owned()
            }
            Self::Json(error) => error.hint().to_owned(),
            Self::MissingField { field, .. } => {
                format!("add it, for example: {}", parse::example(field))
            }
            Self::UnknownField { known, .. } => {
                format!(
                    "correct or remove it; the fields here are {}",
                    known.join(", ")
                )
            }
            Self::BadName { name, .. } => format!("for example: `{}`", similar_name(name)),
            Self::NameTaken { .. } => "choose another name".to_owned(),
            Self::PartSources { .. } => {
                r#"for example: {"wasm": "main.wasm"}, {"native": "echo"}, {"text": "Hello"} or {"file": "story.txt"}"#
                    .to_owned()
            }
            Self::BadProgram { .. } => {
                r#"for example: "outside": ["python3", "agent.py"]"#.to_owned()
            }
            Self::BadFleet { .. } => {
                r#"for example: {"name": "shop", "fleet": true, "front": "clerk", "nested": {"clerk": "clerk/"}}"#
                    .to_owned()
            }
            Self::Misplaced { field, beside, .. } => format!("remove `{field}`, or add {beside}"),
            Self::NoSuchModule { .. } => {
                "correct the name, or put the module there: {\"wasm\": \"main.wasm\"} or {\"wasm\": \"main.wat\"}"
                    .to_owned()
            }
            Self::NoSuchFile { .. } => {
                "create it, or correct the path; paths begin at the directory of this `vc.json`"
                    .to_owned()
            }
            Self::WrongKind { .. } => {
                "`vc.json` and what `file`, `wasm` and `decoder` name are files, what `nested` names are directories".to_owned()
            }
            Self::LeavesPod { .. } => {
                "copy what is needed into the pod and write its path as `lib/main.wasm`".to_owned()
            }
            Self::UnknownPower { .. } => {
                "correct it, or remove it; what is not granted is denied"
                    .to_owned()
            }
            Self::BadContact { .. } => {
                "write a VC's name, its address `vc:…`, `host`, or `../name` for a sibling"
                    .to_owned()
            }
            Self::BadPattern { .. } => {
                "correct it, or leave the field out to accept everything".to_owned()
            }
            Self::NestedTooDeep { .. } => {
                "let some of the inner VCs be siblings instead".to_owned()
            }
            Self::NestedCycle { .. } => {
                "remove the symbolic link; a VC that makes copies of itself has the power `fork`"
                    .to_owned()
            }
        }
    }

    /// Where in the pod it is, if it is in some file.
    pub const fn place(&self) -> Option<&Place> {
        match self {
            Self::NoSuchDirectory { .. }
            | Self::NotADirectory { .. }
            | Self::NoVcJson { .. }
            | Self::Io { .. }
            | Self::VcJsonTooLong { .. } => None,
            Self::Json(error) => Some(error.place()),
            Self::MissingField { place, .. }
            | Self::UnknownField { place, .. }
            | Self::BadName { place, .. }
            | Self::NameTaken { place, .. }
            | Self::PartSources { place, .. }
            | Self::BadProgram { place, .. }
            | Self::BadFleet { place, .. }
            | Self::Misplaced { place, .. }
            | Self::NoSuchModule { place, .. }
            | Self::NoSuchFile { place, .. }
            | Self::WrongKind { place, .. }
            | Self::LeavesPod { place, .. }
            | Self::UnknownPower { place, .. }
            | Self::BadContact { place, .. }
            | Self::BadPattern { place, .. }
            | Self::NestedTooDeep { place, .. }
            | Self::NestedCycle { place, .. }
            | Self::TooManyVcs { place, .. } => Some(place),
        }
    }
}

fn name_reason(bytes: usize) -> String {
    if bytes > limits::NAME_BYTES_MAX {
        format!(
            "{bytes} bytes, at most {} are possible",
            limits::NAME_BYTES_MAX
        )
    } else {
        "it has words of a-z 0-9 with single `-` or `_` between them".to_owned()
    }
}

/// The name that is most like what was given.
fn similar_name(given: &str) -> String {
    let lower = given.to_ascii_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        "word-count2".to_owned()
    } else {
        words.join("-")
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(" and ")
    }
}
