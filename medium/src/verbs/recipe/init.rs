//! `recipe init`: by flags, or by asking whoever sits at a terminal.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use adapters::recipe::{External, NewPod, NewTask, RECIPE_JSON, Recipe, Wanted};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::super::Context;
use crate::cli::Init;
use crate::report::file_refused;

/// What a pod is called, and does, if nobody says otherwise.
const EXEC_DEFAULT: &str = "sh [@]script/run.sh";
/// The script that goes with it.
const SCRIPT_DEFAULT: &str = "# Reads what is in payload, and leaves what it makes in output.\ncat payload/* > output/result.txt\n";

/// Writes a folder with a recipe.
pub(super) fn init(context: Context<'_>, options: Init) -> Result<()> {
    let asks = options.name.is_none() && io::stdin().is_terminal() && !context.printer.is_json();
    let recipe = if asks {
        ask(context, options)?
    } else {
        from_flags(options)?
    };
    let files = write(&recipe)?;
    let printer = context.printer;
    if printer.is_json() {
        return printer.json(&json!({ "folder": recipe.name, "files": files }));
    }
    printer.note(&format!(
        "`medium recipe lint {0}` looks at it, `medium {1} run {0}` runs it",
        recipe.name,
        match recipe.kind {
            adapters::recipe::Kind::Pod(_) => "recipe",
            adapters::recipe::Kind::Task(_) => "task",
        }
    ));
    printer.text(&recipe.name)
}

fn from_flags(options: Init) -> Result<Recipe> {
    let Init {
        name,
        exec,
        pod,
        payload,
        description,
        author,
        version,
        public,
    } = options;
    let name = name.ok_or_else(|| {
        Refusal::new(Code::Malformed, "a recipe needs a name")
            .hint("`medium recipe init NAME`; on a terminal, without a name, it asks")
    })?;
    let description = description.unwrap_or_default();
    let author = author.unwrap_or_default();
    if !pod.is_empty() {
        let task = NewTask {
            name,
            description,
            author,
            version,
            public,
            pods: pod,
        };
        return Ok(task.recipe()?);
    }
    let payload = payload.iter().map(|text| external(text));
    let pod = NewPod {
        name,
        description,
        author,
        version,
        public,
        exec: exec.unwrap_or_else(|| EXEC_DEFAULT.to_owned()),
        payload: payload.collect::<Result<_>>()?,
    };
    Ok(pod.recipe()?)
}

/// `REF:/path.zip`, with the case it was written in.
fn external(text: &str) -> Result<External> {
    let (reference, path) = text.split_once(':').ok_or_else(|| {
        Refusal::new(Code::Malformed, format!("`{text}` names no payload"))
            .hint("it looks like REF:/images.zip")
    })?;
    Ok(External {
        reference: reference.to_owned(),
        wanted: Wanted::Data(path.parse()?),
    })
}

/// Asks for what the flags do not say; an empty answer takes what stands in brackets.
fn ask(context: Context<'_>, options: Init) -> Result<Recipe> {
    let ask = |question: &str, default: &str| -> Result<String> {
        let shown = match default {
            "" => question.to_owned(),
            default => format!("{question} [{default}]"),
        };
        let line = context
            .printer
            .ask(&format!("{shown}:"))
            .ok_or_else(|| Refusal::new(Code::Cancelled, "nothing was written"))?;
        let answer = line.trim();
        Ok(if answer.is_empty() { default } else { answer }.to_owned())
    };
    let is_task = ask("a pod, or a task of pods", "pod")? == "task";
    let name = ask("what it is called", "")?;
    let mut flags = Init {
        description: Some(ask(
            "what it is for",
            options.description.as_deref().unwrap_or_default(),
        )?),
        author: Some(ask(
            "who made it",
            options.author.as_deref().unwrap_or_default(),
        )?),
        version: ask("which version it is", &options.version)?,
        public: ask("is it shared when it is persisted, yes or no", "no")? == "yes",
        name: Some(name),
        ..options
    };
    if is_task {
        loop {
            let pod = ask(
                "a pod: a reference, or a directory as ./count; nothing ends",
                "",
            )?;
            if pod.is_empty() {
                break;
            }
            flags.pod.push(pod);
        }
        if flags.pod.is_empty() {
            return Err(Refusal::new(Code::Malformed, "a task has at least one pod").into());
        }
    } else {
        flags.exec = Some(ask("its command line; [@] is its directory", EXEC_DEFAULT)?);
        loop {
            let reference = ask("a payload to fetch: a reference; nothing ends", "")?;
            if reference.is_empty() {
                break;
            }
            let path = ask("the archive in it", "/payload.zip")?;
            flags.payload.push(format!("{reference}:{path}"));
        }
    }
    from_flags(flags)
}

/// Writes the folder; the files in it.
fn write(recipe: &Recipe) -> Result<Vec<String>, Refusal> {
    let folder = Path::new(&recipe.name);
    fs::create_dir(folder).map_err(|error| file_refused("make", folder, &error))?;
    let mut files = Vec::new();
    let mut write = |path: &str, text: &str| {
        let file = folder.join(path);
        files.push(path.to_owned());
        fs::write(&file, text).map_err(|error| file_refused("write", &file, &error))
    };
    write(RECIPE_JSON, &recipe.to_json())?;
    if let adapters::recipe::Kind::Pod(pod) = &recipe.kind {
        for inner in ["script", "payload", "output", "logs"] {
            let inner = folder.join(inner);
            fs::create_dir(&inner).map_err(|error| file_refused("make", &inner, &error))?;
        }
        if pod.exec.join(" ") == EXEC_DEFAULT {
            write("script/run.sh", SCRIPT_DEFAULT)?;
            write("payload/text.txt", "Hello, World!\n")?;
        }
    }
    Ok(files)
}
