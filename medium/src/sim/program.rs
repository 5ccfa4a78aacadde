//! `sim run ./dir`: a verb about a crate becomes the verb of that crate's own program.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use genesis::refusal::{Code, Refusal};
use sims::cli::args::Verb;

use super::cargo::{Crate, is_folder};
use crate::client::found;
use crate::verbs::Context;

/// Flags of the medium that a model's program does not know, each with a value.
const FLAGS: [&str; 5] = ["--data", "--api", "--token", "--wallet", "--dfs"];
/// Their short forms.
const SHORT: [&str; 2] = ["-d", "-a"];

/// The folder of the crate that a verb is about; none if it is about what is built in.
pub(crate) fn folder(verb: &Verb) -> Option<PathBuf> {
    let model = match verb {
        Verb::Ls(options) => options.model.as_deref(),
        Verb::Run(options) => options.model.as_deref(),
        Verb::Sweep(options) => options.model.as_deref(),
        // They are about a folder of data, which says of which model it is.
        Verb::Resume(_) | Verb::Fork(_) | Verb::Verify(_) | Verb::Plot(_) => None,
    }?;
    is_folder(OsStr::new(model)).then(|| PathBuf::from(model))
}

/// Where crates are built.
///
/// # Errors
/// `malformed` if nothing says where this user's files are.
pub(crate) fn builds(context: Context<'_>) -> Result<PathBuf, Refusal> {
    Ok(found::data_folder(context.global)?
        .join("cache")
        .join("models"))
}

/// Builds a crate, then becomes its program, with the same words: so output, signals and exit code are its own.
///
/// # Errors
/// It does not build, or cannot be started.
pub(crate) fn become_it(context: Context<'_>, folder: &Path) -> Result<Infallible, Refusal> {
    let model = Crate::at(folder)?;
    let program = model.build(&builds(context)?, context.printer)?;
    let arguments = handed_on(std::env::args_os().skip(1), folder.as_os_str());
    let error = Command::new(&program).args(arguments).exec();
    let what = format!("cannot start `{}`: {error}", program.display());
    Err(Refusal::new(Code::Io, what))
}

/// The words of a command line that are for the model's program: without `sim`, the folder, and what only nodes and
/// pods need.
fn handed_on(words: impl Iterator<Item = OsString>, folder: &OsStr) -> Vec<OsString> {
    let mut words = words;
    let mut kept = Vec::new();
    let (mut verb, mut model) = (false, false);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if FLAGS.contains(&text.as_ref()) || SHORT.contains(&text.as_ref()) {
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
        } else if !model && word == folder {
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
            let kept = handed_on(words, OsStr::new("./sim"));
            let kept: Vec<_> = kept.iter().map(|word| word.to_string_lossy()).collect();
            assert_eq!(kept.join(" "), expected, "{line}");
        };
        check("sim run ./sim --seed 42", "run --seed 42");
        check("--json sim run --seed 42 ./sim", "--json run --seed 42");
        check("-d x sim run ./sim --api=y --wallet z -q", "run -q");
        check("--data=sim sim -dx ls ./sim --out ./sim", "ls --out ./sim");
    }
}
