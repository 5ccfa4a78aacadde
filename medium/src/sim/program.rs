//! `sim run ./dir`: a verb about a crate becomes the verb of that crate's own program.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use genesis::refusal::{Code, Refusal};
use sims::cli::args::Verb;
use sims::folder::Folder;
use sims::models;

use super::cargo::{Crate, around, is_folder};
use crate::client::found;
use crate::verbs::Context;

/// Flags of the medium that a model's program does not know, each with a value.
const FLAGS: [&str; 5] = ["--data", "--api", "--token", "--wallet", "--dfs"];
/// Their short forms.
const SHORT: [&str; 2] = ["-d", "-a"];

/// A crate that a verb is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// Its folder.
    folder: PathBuf,
    /// Whether the folder was named in the place of a model, and is nothing that its program knows.
    is_named: bool,
}

/// The crate that a verb is about; none if it is about what is built in.
pub(crate) fn about(verb: &Verb) -> Option<About> {
    let (model, run) = match verb {
        Verb::Ls(options) => (options.model.as_deref(), None),
        Verb::Run(options) => (options.model.as_deref(), None),
        Verb::Sweep(options) => (options.model.as_deref(), None),
        Verb::Resume(options) => (None, Some(&options.dir)),
        Verb::Fork(options) => (None, Some(&options.dir)),
        Verb::Verify(options) => (None, Some(&options.dir)),
        Verb::Plot(_) => (None, None),
    };
    if let Some(model) = model.filter(|model| is_folder(OsStr::new(model))) {
        return Some(About {
            folder: PathBuf::from(model),
            is_named: true,
        });
    }
    // A run of a model that is not built in: its crate is the one that the run lies in.
    let record = Folder::read(run?).ok()?;
    if models::find(&record.model).is_some() {
        return None;
    }
    Some(About {
        folder: around(run?)?,
        is_named: false,
    })
}

/// Where what is made on the way is, and what can be made again.
///
/// # Errors
/// `malformed` if nothing says where this user's files are.
pub(crate) fn cache(context: Context<'_>) -> Result<PathBuf, Refusal> {
    Ok(found::data_folder(context.global)?.join("cache"))
}

/// Where crates are built.
///
/// # Errors
/// As [`cache`].
pub(crate) fn builds(context: Context<'_>) -> Result<PathBuf, Refusal> {
    Ok(cache(context)?.join("models"))
}

/// Builds a crate, then becomes its program, with the same words: so output, signals and exit code are its own.
///
/// # Errors
/// It does not build, or cannot be started.
pub(crate) fn become_it(context: Context<'_>, about: &About) -> Result<Infallible, Refusal> {
    let model = Crate::at(&about.folder)?;
    let program = model.build(&builds(context)?, context.printer)?;
    let folder = about.is_named.then_some(about.folder.as_os_str());
    let arguments = handed_on(std::env::args_os().skip(1), folder);
    let error = Command::new(&program).args(arguments).exec();
    let what = format!("cannot start `{}`: {error}", program.display());
    Err(Refusal::new(Code::Io, what))
}

/// The words of a command line that are for the model's program: without `sim`, the folder, and what only nodes and
/// pods need.
fn handed_on(words: impl Iterator<Item = OsString>, folder: Option<&OsStr>) -> Vec<OsString> {
    let mut words = words;
    let mut kept = Vec::new();
    let (mut verb, mut model) = (false, false);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if FLAGS.contains(&text.as_str()) || SHORT.contains(&text.as_str()) {
            words.next();
            continue;
        }
        let is_flag = |flag: &&str| {
            text.strip_prefix(flag)
                .is_some_and(|rest| rest.starts_with('='))
        };
        if FLAGS.iter().any(is_flag) || SHORT.iter().any(|flag| text.starts_with(flag)) {
            continue;
        }
        if !verb && text == "sim" {
            verb = true;
        } else if !model && Some(word.as_os_str()) == folder {
            model = true;
        } else {
            kept.push(word);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_model_is_handed_on_and_nothing_else() {
        let check = |line: &str, expected: &str| {
            let words = line.split(' ').map(OsString::from);
            let kept = handed_on(words, Some(OsStr::new("./sim")));
            let kept: Vec<_> = kept.iter().map(|word| word.to_string_lossy()).collect();
            assert_eq!(kept.join(" "), expected, "{line}");
        };
        check("sim run ./sim --seed 42", "run --seed 42");
        check("--json sim run --seed 42 ./sim", "--json run --seed 42");
        check("-d x sim run ./sim --api=y --wallet z -q", "run -q");
        check("--data=sim sim -dx ls ./sim --out ./sim", "ls --out ./sim");
    }
}
