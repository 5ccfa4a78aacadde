//! How a part is named on the command line, wherever one is: one function for all verbs.

use std::path::Path;

use actors::behaviour::Behaviour;
use adapters::outside::Outside;
use adapters::parts;
use adapters::pod_dir::{Contents, PodDir};
use bytes::Bytes;
use data_encoding::BASE64;
use genesis::limits::{CONTENTS_INLINE_MAX, MODULE_TRUSTED_BYTES_MAX};
use genesis::refusal::{Code, Refusal};
use medium::spawn::program_of;
use serde_json::{Map, Value, json};

use crate::cli::PartAbout;
use crate::client::Client;
use crate::report::file_refused;

/// The part that runs Lisp.
const LISP: &str = "lisp";
/// What a turn of a Lisp program may take unless told otherwise, as in the pod `lisp`: an interpreted
/// program needs some thousand times what it would take compiled.
pub(super) const LISP_TURN_FUEL: u64 = 200_000_000;

/// Whether what is named is a Lisp program, or the part that runs one.
pub(super) fn is_lisp(what: &str) -> bool {
    [LISP, "lisp-large"].contains(&what) || FileKind::of(Path::new(what)) == FileKind::Lisp
}

/// What the name of a file says of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A module, or the text of one.
    Module,
    /// A Lisp program.
    Lisp,
    /// Something else.
    Other,
}

impl FileKind {
    /// By its ending.
    pub(super) fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("wat" | "wasm") => Self::Module,
            Some("scm") => Self::Lisp,
            _ => Self::Other,
        }
    }
}

/// What a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named<'a> {
    Message,
    Directory(&'a Path),
    File(&'a Path, FileKind),
    BuiltIn,
    Native,
}

/// In this order: a message, a file that is there, a part that comes with the medium, a native behaviour.
fn named(part: &str) -> Result<Named<'_>, Refusal> {
    let path = Path::new(part);
    let kind = FileKind::of(path);
    if part.starts_with("msg:") {
        Ok(Named::Message)
    } else if path.is_dir() {
        Ok(Named::Directory(path))
    } else if path.is_file() {
        Ok(Named::File(path, kind))
    } else if part.contains('/') || kind != FileKind::Other {
        let what = format!("there is no file `{part}`");
        Err(Refusal::new(Code::Unknown, what)
            .who(part)
            .hint("check the path"))
    } else if parts::part(part).is_some() {
        Ok(Named::BuiltIn)
    } else {
        Ok(Named::Native)
    }
}

/// A part as the API takes it; a module in a file is given to the node first.
pub(super) async fn described(
    client: &Client,
    part: &str,
    about: &PartAbout,
) -> Result<Value, Refusal> {
    let named = named(part)?;
    check_about(part, named, about)?;
    match named {
        Named::Message => Ok(json!({ "message": part })),
        Named::Directory(path) => program(path),
        Named::File(path, FileKind::Other) => {
            let bytes = small_file(path)?;
            let mut described = json!({ "base64": BASE64.encode(&bytes) });
            if let Some(decoder) = about.decoder {
                described["decoder"] = decoder.to_string().into();
            }
            Ok(described)
        }
        Named::File(path, FileKind::Lisp) => lisp(path),
        Named::File(path, FileKind::Module) => wasm(&brought(client, path).await?, about),
        Named::BuiltIn => wasm(part, about),
        Named::Native => {
            let argument = about.argument.as_deref().unwrap_or_default();
            Ok(json!({ "native": part, "argument": argument }))
        }
    }
}

/// The program outside that a pod directory describes, as the part that speaks for it.
fn program(path: &Path) -> Result<Value, Refusal> {
    let shown = path.display().to_string();
    let pod = PodDir::read(path).map_err(|error| {
        Refusal::new(Code::Malformed, error.to_string())
            .who(&shown)
            .hint(error.hint())
    })?;
    let Some(spec) = pod.outside else {
        let what = format!("`{shown}` is a pod directory, and speaks for no program outside");
        return Err(Refusal::new(Code::Malformed, what).who(&shown).hint(
            "name the file of the part; a directory is a part where its `vc.json` says `outside`",
        ));
    };
    let program = program_of(&pod.name, spec, |path, contents| match contents {
        Contents::Inline(bytes) => Ok(bytes),
        Contents::OnDisk { path: file, .. } => {
            std::fs::read(&file).map(Bytes::from).map_err(|error| {
                Refusal::new(Code::Io, format!("{}: {error}", file.display())).who(path)
            })
        }
    })?;
    let argument = String::from_utf8_lossy(&program.to_argument()).into_owned();
    Ok(json!({ "native": Outside::NAME, "argument": argument }))
}

/// Sandboxed code and its argument, as the API takes it.
fn wasm(module: &str, about: &PartAbout) -> Result<Value, Refusal> {
    let mut described = Map::new();
    described.insert("wasm".to_owned(), module.into());
    if let Some(text) = &about.argument {
        described.insert("argument".to_owned(), text.as_str().into());
    }
    if let Some(path) = &about.argument_file {
        let bytes = small_file(path)?;
        described.insert("base64_argument".to_owned(), BASE64.encode(&bytes).into());
    }
    Ok(Value::Object(described))
}

/// A Lisp program: the part that runs it, and the program as its argument.
fn lisp(path: &Path) -> Result<Value, Refusal> {
    let program = small_file(path)?;
    Ok(json!({ "wasm": LISP, "base64_argument": BASE64.encode(&program) }))
}

/// What a VC of one part is made of, for a file with code or a part that comes with the medium; nothing if
/// the text names something else.
pub(super) async fn spawnable(
    client: &Client,
    what: &str,
    about: &PartAbout,
) -> Result<Option<Value>, Refusal> {
    let named = match named(what) {
        Ok(named @ (Named::File(_, FileKind::Module | FileKind::Lisp) | Named::BuiltIn)) => named,
        Err(refusal) if FileKind::of(Path::new(what)) != FileKind::Other => return Err(refusal),
        _ => return Ok(None),
    };
    let mut pod = described(client, what, about).await?;
    let stem = match named {
        Named::File(path, _) => path.file_stem().and_then(|stem| stem.to_str()),
        _ => Some(what),
    };
    // A file may be called what no VC can be.
    if let Some(stem) = stem.filter(|stem| medium::name::given(stem).is_ok()) {
        pod["name"] = stem.into();
    }
    Ok(Some(pod))
}

/// Gives a module to the node; its digest.
async fn brought(client: &Client, path: &Path) -> Result<String, Refusal> {
    let bytes = read_within(path, MODULE_TRUSTED_BYTES_MAX, "a module")?;
    let shown = path.display().to_string();
    let module = client.bring(bytes).await;
    let module = module.map_err(|refusal| match refusal.code {
        Code::Malformed | Code::TooLarge => parts::in_file(&shown, refusal),
        _ => refusal,
    })?;
    Ok(module.digest)
}

fn small_file(path: &Path) -> Result<Bytes, Refusal> {
    read_within(path, CONTENTS_INLINE_MAX, "a part or an argument").map_err(|refusal| match refusal
        .code
    {
        Code::TooLarge => refusal.hint("a part that is data may be longer in a pod: {\"file\": …}"),
        _ => refusal,
    })
}

fn read_within(path: &Path, bytes_max: usize, what: &str) -> Result<Bytes, Refusal> {
    let refused = |error: std::io::Error| file_refused("read", path, &error);
    let size = path.metadata().map_err(refused)?.len();
    if size > bytes_max as u64 {
        let what = format!(
            "{what} has at most {bytes_max} bytes here, `{}` has {size}",
            path.display()
        );
        return Err(Refusal::new(Code::TooLarge, what).who(path.display()));
    }
    std::fs::read(path).map(Bytes::from).map_err(refused)
}

/// Whether the flags fit what is named.
fn check_about(part: &str, named: Named<'_>, about: &PartAbout) -> Result<(), Refusal> {
    let is_code = matches!(named, Named::File(_, FileKind::Module) | Named::BuiltIn);
    let is_data = matches!(named, Named::File(_, FileKind::Other));
    let misplaced = [
        (
            about.decoder.is_some() && !is_data,
            "--decoder",
            "a file that is no code",
        ),
        (
            about.argument.is_some() && !is_code && named != Named::Native,
            "--argument",
            "a native behaviour or sandboxed code",
        ),
        (
            about.argument_file.is_some() && !is_code,
            "--argument-file",
            "sandboxed code",
        ),
    ];
    match misplaced.into_iter().find(|(wrong, ..)| *wrong) {
        None => Ok(()),
        Some((_, flag, of)) => {
            let what = format!("`{flag}` describes {of}, which `{part}` is not");
            Err(Refusal::new(Code::Malformed, what).hint(format!("leave `{flag}` out")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_message_a_file_a_built_in_or_a_native() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path.to_str().unwrap().to_owned()
        };
        let of_file = |name: &str| match named(&at(name)) {
            Ok(Named::File(_, kind)) => Some(kind),
            _ => None,
        };
        assert_eq!(named("say"), Ok(Named::Native));
        assert_eq!(named("limb-v1"), Ok(Named::BuiltIn));
        assert_eq!(named("msg:a"), Ok(Named::Message));
        assert_eq!(of_file("notes"), Some(FileKind::Other));
        assert_eq!(of_file("limb.wat"), Some(FileKind::Module));
        assert_eq!(of_file("limb.wasm"), Some(FileKind::Module));
        assert_eq!(of_file("agent.scm"), Some(FileKind::Lisp));
        for missing in ["./no-such-file", "no-such.wat", "no-such.scm"] {
            assert_eq!(named(missing).unwrap_err().code, Code::Unknown, "{missing}");
        }
    }

    #[test]
    fn a_flag_that_describes_something_else_is_refused() {
        let about = |argument: bool, file: bool, decoder: bool| PartAbout {
            argument: argument.then(|| "x".to_owned()),
            argument_file: file.then(|| "x".into()),
            decoder: decoder.then(|| genesis::id::Digest::of(b"x")),
        };
        let check = |named, about| check_about("it", named, &about).is_ok();
        assert!(check(Named::Native, about(true, false, false)));
        assert!(check(Named::BuiltIn, about(false, true, false)));
        assert!(!check(Named::Native, about(false, true, false)));
        assert!(!check(Named::Message, about(true, false, false)));
        assert!(!check(Named::BuiltIn, about(false, false, true)));
    }

    /// No native behaviour is hidden behind a part of the same name.
    #[test]
    fn parts_and_natives_have_different_names() {
        for kind in actors::runtime::Runtime::natives().iter() {
            assert!(parts::part(kind.name).is_none(), "{}", kind.name);
        }
    }
}
