//! The steps of a task: Sovr's list of pods, and named steps.

use std::collections::BTreeMap;

use super::error::Finding;
use super::graph;
use super::parse::{Field, Fields, Sink, directory, looks_like_reference, texts};
use super::{
    Budget, EACH_MAX, EXTERNAL, Each, External, Glob, Input, PodAt, RETRIES_MAX, STEPS_MAX, Step,
    TIMEOUT_S_MAX, TaskRecipe, WORDS_MAX,
};
use crate::json::{Node, clip};

/// The fields of a step.
pub(super) const STEP_FIELDS: &[Field] = &[
    ("name", r#""count""#),
    ("description", r#""Counts one part.""#),
    ("pod", r#""./count""#),
    ("needs", r#"["split"]"#),
    (
        "inputs",
        r#"["split/parts", {"from": "split", "path": "parts/*.txt"}]"#,
    ),
    ("each", r#"["red", "green"]"#),
    ("args", r#"["--of", "[each]"]"#),
    ("budget", r#"{"cpu_s": 60}"#),
    ("timeout_s", "600"),
    ("retries", "2"),
];

/// The fields of an input.
pub(super) const INPUT_FIELDS: &[Field] = &[
    ("from", r#""split""#),
    ("path", r#""parts/*.txt""#),
    ("to", r#""payload/parts""#),
];

/// The fields of a fan-out over files.
pub(super) const EACH_FIELDS: &[Field] = &[("from", r#""split""#), ("path", r#""parts/*.txt""#)];

/// The fields of a budget.
pub(super) const BUDGET_FIELDS: &[Field] = &[
    ("cpu_s", "60"),
    ("memory_bytes", "536870912"),
    ("file_bytes", "1073741824"),
    ("processes", "16"),
];

/// Longest name of a step, in bytes.
pub(super) const STEP_NAME_BYTES_MAX: usize = 64;

/// A task.
pub(super) fn task(
    steps: Option<&Node<'_>>,
    list: Option<&Node<'_>>,
    payload: Vec<External>,
    sink: &mut Sink,
) -> Option<TaskRecipe> {
    let (node, linear, steps) = match (steps, list) {
        (Some(node), _) => (node, false, named(node, sink)?),
        (None, Some(node)) => (node, true, linear_list(node, sink)?),
        (None, None) => return None,
    };
    let (steps, places): (Vec<_>, BTreeMap<_, _>) = steps
        .into_iter()
        .map(|(step, node)| {
            let name = step.name.clone();
            (step, (name, node))
        })
        .unzip();
    if steps.is_empty() {
        sink.push(Finding::error(
            "no-steps",
            node.place(),
            "a task has at least one step",
            "for example: \"steps\": {\"count\": {\"pod\": \"./count\"}}",
        ));
        return None;
    }
    let at = |name: &str| places.get(name).map(Node::place).unwrap_or_default();
    Some(TaskRecipe {
        steps: graph::ordered(steps, &at, sink)?,
        payload,
        linear,
    })
}

/// Sovr's list: one pod after the other, each given all of the output of the one before.
fn linear_list<'a>(node: &Node<'a>, sink: &mut Sink) -> Option<Vec<(Step, Node<'a>)>> {
    let items = sink.take(node.list(STEPS_MAX))?;
    let width = items.len().to_string().len();
    let name = |index: usize| format!("pod-{:0width$}", index + 1);
    let mut steps = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(pod) = pod_at(item, sink) else {
            continue;
        };
        let before = index.checked_sub(1).map(name);
        let step = Step {
            name: name(index),
            pod,
            needs: before.clone().into_iter().collect(),
            inputs: before
                .into_iter()
                .map(|from| Input {
                    from,
                    files: Glob::all(),
                    to: Some(EXTERNAL.to_owned()),
                })
                .collect(),
            each: None,
            args: Vec::new(),
            budget: Budget::default(),
            timeout_s: None,
            retries: 0,
        };
        steps.push((step, item.clone()));
    }
    (steps.len() == items.len()).then_some(steps)
}

/// Named steps: an object whose keys are the names, or a list of steps with names.
fn named<'a>(node: &Node<'a>, sink: &mut Sink) -> Option<Vec<(Step, Node<'a>)>> {
    let mut all: Vec<(String, Node<'a>, Node<'a>)> = Vec::new();
    if node.is_object() {
        for entry in sink.take(node.object(STEPS_MAX))? {
            all.push((entry.key, entry.key_node, entry.value));
        }
    } else {
        for item in sink.take(node.list(STEPS_MAX))? {
            let named = sink.take(item.object(STEPS_MAX))?;
            let Some(name) = named.into_iter().find(|entry| entry.key == "name") else {
                sink.push(Finding::error(
                    "missing-field",
                    item.place(),
                    "the field `name` is missing: steps in a list have one",
                    "add it, for example: \"name\": \"count\"",
                ));
                continue;
            };
            let text = sink.take(name.value.string())?;
            all.push((text, name.value, item));
        }
    }
    let count = all.len();
    let mut steps: Vec<(Step, Node<'a>)> = Vec::with_capacity(count);
    for (name, at, value) in all {
        if let Some(why) = not_a_step_name(&name) {
            sink.push(Finding::error(
                "bad-name",
                at.place(),
                format!("`{}` is not the name of a step: {why}", clip(&name)),
                "1 to 64 of a-z A-Z 0-9 `-` `_`, for example `count-words`",
            ));
            continue;
        }
        if steps.iter().any(|(step, _)| step.name == name) {
            sink.push(Finding::error(
                "repeated",
                at.place(),
                format!("a second step `{name}`"),
                "give one of the two another name",
            ));
            continue;
        }
        steps.extend(step(name, &value, sink).map(|step| (step, at)));
    }
    (!sink.has_errors()).then_some(steps)
}

/// Why a text cannot be the name of a step, which is a folder's, too.
fn not_a_step_name(name: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > STEP_NAME_BYTES_MAX {
        Some("it is longer than 64 bytes")
    } else if !name.bytes().all(plain) {
        Some("it has other characters")
    } else {
        None
    }
}

fn step(name: String, node: &Node<'_>, sink: &mut Sink) -> Option<Step> {
    let mut fields = Fields::of(node, STEP_FIELDS, sink)?;
    fields.take("name");
    fields.text("description", sink);
    let pod = fields
        .need("pod", sink)
        .and_then(|node| pod_at(&node, sink));
    let mut needs = match fields.take("needs") {
        Some(node) if node.is_string() => sink.take(node.string()).into_iter().collect(),
        Some(node) => texts(&node, STEPS_MAX, sink)?,
        None => Vec::new(),
    };
    let inputs = match fields.take("inputs") {
        Some(node) if node.is_string() || node.is_object() => {
            input(&node, sink).into_iter().collect()
        }
        Some(node) => {
            let items = sink.take(node.list(STEPS_MAX))?;
            items.iter().filter_map(|item| input(item, sink)).collect()
        }
        None => Vec::new(),
    };
    let each = fields.take("each").and_then(|node| each(&node, sink));
    let args = fields
        .take("args")
        .map_or(Some(Vec::new()), |node| texts(&node, WORDS_MAX, sink))?;
    if args.iter().any(|arg| arg.contains('\0')) {
        sink.push(Finding::error(
            "bad-word",
            fields.place(),
            "an argument has a NUL in it",
            "take it out",
        ));
    }
    let budget = fields
        .take("budget")
        .map_or(Some(Budget::default()), |node| budget(&node, sink));
    let timeout_s = fields.whole("timeout_s", TIMEOUT_S_MAX, sink);
    let retries = fields
        .whole("retries", RETRIES_MAX.into(), sink)
        .unwrap_or(0);
    needs.extend(inputs.iter().map(|input: &Input| input.from.clone()));
    if let Some(Each::Files { from, .. }) = &each {
        needs.push(from.clone());
    }
    needs.sort();
    needs.dedup();
    Some(Step {
        name,
        pod: pod?,
        needs,
        inputs,
        each,
        args,
        budget: budget?,
        timeout_s,
        retries: u32::try_from(retries).unwrap_or(RETRIES_MAX),
    })
}

/// A reference, or a directory beside the recipe.
fn pod_at(node: &Node<'_>, sink: &mut Sink) -> Option<PodAt> {
    let text = sink.take(node.string())?;
    if looks_like_reference(&text) {
        return Some(PodAt::Reference(text));
    }
    if text.contains('/') && !text.starts_with('/') {
        return directory(node, sink).map(PodAt::Directory);
    }
    sink.push(Finding::error(
        "bad-reference",
        node.place(),
        format!(
            "`{}` names no pod: it has neither 64 or 128 hexadecimal digits nor a `/`",
            clip(&text)
        ),
        "a reference that `medium pod share` printed, or a directory as `./count`",
    ));
    None
}

/// `"split"`, `"split/parts"`, or `{"from": "split", "path": "parts", "to": "payload/parts"}`.
fn input(node: &Node<'_>, sink: &mut Sink) -> Option<Input> {
    if node.is_string() {
        let text = sink.take(node.string())?;
        let (from, files) = match text.split_once('/') {
            Some((from, path)) => (from, glob(node, path, sink)?),
            None => (text.as_str(), Glob::all()),
        };
        return Some(Input {
            from: from.to_owned(),
            files,
            to: None,
        });
    }
    let mut fields = Fields::of(node, INPUT_FIELDS, sink)?;
    let (from, files) = files_of_step(&mut fields, sink)?;
    let to = match fields.take("to") {
        Some(node) => {
            let to = directory(&node, sink)?;
            if to != "payload" && !to.starts_with("payload/") {
                sink.push(Finding::error(
                    "bad-path",
                    node.place(),
                    format!("inputs lie in `payload`, not in `{}`", clip(&to)),
                    "for example: \"payload/parts\"",
                ));
                return None;
            }
            Some(to)
        }
        None => None,
    };
    Some(Input { from, files, to })
}

/// A list of items, or the files of another step's output.
fn each(node: &Node<'_>, sink: &mut Sink) -> Option<Each> {
    if !node.is_object() {
        let items = texts(node, EACH_MAX, sink)?;
        if items.iter().any(|item| item.contains('\0')) {
            sink.push(Finding::error(
                "bad-word",
                node.place(),
                "an item has a NUL in it",
                "take it out",
            ));
            return None;
        }
        return Some(Each::Items(items));
    }
    let mut fields = Fields::of(node, EACH_FIELDS, sink)?;
    let (from, files) = files_of_step(&mut fields, sink)?;
    Some(Each::Files { from, files })
}

/// `from` and `path`: which step, and which files of its output; all of them, if no path is said.
fn files_of_step(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<(String, Glob)> {
    let from = fields.need("from", sink)?;
    let from = sink.take(from.string())?;
    let files = match fields.take("path") {
        Some(node) => {
            let text = sink.take(node.string())?;
            glob(&node, &text, sink)?
        }
        None => Glob::all(),
    };
    Some((from, files))
}

fn glob(node: &Node<'_>, text: &str, sink: &mut Sink) -> Option<Glob> {
    match Glob::new(text) {
        Ok(glob) => Some(glob),
        Err(why) => {
            sink.push(Finding::error(
                "bad-path",
                node.place(),
                format!("`{}` names no files: {why}", clip(text)),
                "for example: \"parts/*.txt\"",
            ));
            None
        }
    }
}

fn budget(node: &Node<'_>, sink: &mut Sink) -> Option<Budget> {
    let mut fields = Fields::of(node, BUDGET_FIELDS, sink)?;
    Some(Budget {
        cpu_s: fields.whole("cpu_s", TIMEOUT_S_MAX, sink),
        memory_bytes: fields.whole("memory_bytes", i64::MAX.unsigned_abs(), sink),
        file_bytes: fields.whole("file_bytes", i64::MAX.unsigned_abs(), sink),
        processes: fields
            .whole("processes", u32::MAX.into(), sink)
            .and_then(|count| u32::try_from(count).ok()),
    })
}
