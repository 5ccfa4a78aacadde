//! From `recipe.json` to a [`Recipe`]: which fields there are, and what each may hold.
//!
//! Reading goes on after an error, so that a recipe's findings are all of them.

use std::collections::BTreeMap;

use super::error::{Finding, Severity};
use super::{
    EXTERNAL, External, Kind, OUTPUT, PAYLOADS_MAX, Payload, PodRecipe, Recipe, TEXT_BYTES_MAX,
    WORDS_MAX, Wanted, is_within, split_words, steps, words,
};
use crate::json::{Entry, JsonError, Node, Place, clip};
use crate::pods::{PodName, PodPath};

/// A field of an object, with an example of it.
pub(super) type Field = (&'static str, &'static str);

/// Most fields of one object, unknown ones included: refuse.
const FIELDS_MAX: usize = 1_024;

/// The fields of a recipe.
pub(super) const RECIPE_FIELDS: &[Field] = &[
    ("$schema", r#""recipe.schema.json""#),
    ("name", r#""word-count""#),
    ("description", r#""Counts the words of a text.""#),
    ("author", r#""ana""#),
    ("version", r#""1.0""#),
    ("public", "false"),
    ("golem", r#"{"exec": "cat [@]payload/a.txt"}"#),
    ("pods", r#"["./first", "./second"]"#),
    ("steps", r#"{"count": {"pod": "./count"}}"#),
    (
        "payload",
        r#"[{"ref": "64 hexadecimal digits", "data": "/books.zip"}]"#,
    ),
];

/// The fields of `golem`.
pub(super) const POD_FIELDS: &[Field] = &[
    ("exec", r#""python3 [@]script/count.py""#),
    ("script", r#""script""#),
    ("payload", r#""payload""#),
    ("output", r#""output""#),
    ("log", r#""logs""#),
    ("logs", r#""logs""#),
];

/// The fields of a payload from elsewhere.
pub(super) const PAYLOAD_FIELDS: &[Field] = &[
    ("ref", r#""64 hexadecimal digits""#),
    ("data", r#""/books.zip""#),
    ("pod", r#""64 hexadecimal digits""#),
    ("files", r#"["/a/b.blend"]"#),
];

/// The fields of an output that becomes a pod of its own.
pub(super) const OUTPUT_FIELDS: &[Field] = &[("share", r#""output/final""#)];

/// What the pods of shared outputs are called: this and the recipe's name.
pub(super) const OUTPUT_POD: &str = "output-";

/// Reads a recipe as far as it goes.
pub(super) fn recipe(root: &Node<'_>) -> (Option<Recipe>, Vec<Finding>) {
    let mut sink = Sink::default();
    let recipe = read(root, &mut sink);
    (recipe, sink.findings)
}

fn read(root: &Node<'_>, sink: &mut Sink) -> Option<Recipe> {
    let json = sink.take(root.json())?;
    let mut fields = Fields::of(root, RECIPE_FIELDS, sink)?;
    let name = name(&mut fields, sink);
    let description = fields.text("description", sink);
    let author = fields.text("author", sink);
    let version = fields.text("version", sink);
    let public = fields.flag("public", sink).unwrap_or(false);
    fields.text("$schema", sink);

    // As Sovr decides: what is there and not empty, `golem` before `pods`.
    let golem = fields.take("golem").filter(|node| !node.is_null());
    let list = fields.take("pods").filter(|node| !node.is_null());
    let steps = fields.take("steps").filter(|node| !node.is_null());
    let shared = fields.take("payload");
    let kinds = [("golem", &golem), ("steps", &steps), ("pods", &list)];
    let given: Vec<_> = kinds
        .iter()
        .filter_map(|(key, node)| node.as_ref().map(|node| (*key, node)))
        .collect();
    for (key, node) in given.iter().skip(1) {
        sink.push(Finding::warning(
            "not-read",
            node.place(),
            format!("`{key}` is not read: this recipe has `{}`", given[0].0),
            "keep one of the two",
        ));
    }
    let kind = match (golem, steps, list) {
        (Some(golem), ..) => {
            if let Some(node) = &shared {
                sink.push(Finding::warning(
                    "not-read",
                    node.place(),
                    "`payload` is not read here: that of a pod stands in `golem`",
                    "move it into `golem`",
                ));
            }
            pod(&golem, sink).map(Kind::Pod)
        }
        (None, steps, list) if steps.is_some() || list.is_some() => {
            let payload = shared.map_or(Vec::new(), |node| externals(&node, sink));
            steps::task(steps.as_ref(), list.as_ref(), payload, sink).map(Kind::Task)
        }
        _ => {
            sink.push(Finding::error(
                "no-kind",
                root.place(),
                "no valid recipe for a pod or a task: it has neither `golem`, nor `steps`, nor `pods`",
                format!("add one of them, for example: \"golem\": {}", RECIPE_FIELDS[6].1),
            ));
            None
        }
    };
    if let (Some(name), Some(Kind::Pod(PodRecipe { share: Some(_), .. }))) = (&name, &kind)
        && OUTPUT_POD.len() + name.len() > PodName::LEN_MAX
    {
        sink.push(Finding::error(
            "bad-name",
            root.place(),
            format!(
                "`{OUTPUT_POD}{name}`, the pod of its output, would have over {} bytes",
                PodName::LEN_MAX
            ),
            "shorten `name`",
        ));
    }
    Some(Recipe {
        name: name?,
        description,
        author,
        version,
        public,
        kind: kind?,
        json,
    })
}

/// The name, which is a pod's and a folder's.
fn name(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<String> {
    let node = fields.need("name", sink)?;
    let name = sink.take(node.string())?;
    match name.parse::<PodName>() {
        Ok(_) => Some(name),
        Err(error) => {
            sink.push(Finding::error(
                "bad-name",
                node.place(),
                error.to_string(),
                "1 to 64 bytes without `/` and control characters, for example `word-count`",
            ));
            None
        }
    }
}

/// The object `golem`.
fn pod(golem: &Node<'_>, sink: &mut Sink) -> Option<PodRecipe> {
    let mut fields = Fields::of(golem, POD_FIELDS, sink)?;
    let exec = fields.need("exec", sink).and_then(|node| exec(&node, sink));
    let script = fields.text("script", sink);
    let payload = match fields.take("payload") {
        None => Some(Payload::None),
        Some(node) if node.is_string() => directory(&node, sink).map(|path| match path.as_str() {
            EXTERNAL => Payload::None,
            _ => Payload::Local(path),
        }),
        Some(node) => Some(Payload::External(externals(&node, sink))),
    };
    let (output, share) = match fields.take("output") {
        None => (Some(OUTPUT.to_owned()), None),
        Some(node) if node.is_string() => (directory(&node, sink), None),
        Some(node) => {
            let share = Fields::of(&node, OUTPUT_FIELDS, sink)
                .and_then(|mut fields| fields.need("share", sink))
                .and_then(|node| directory(&node, sink));
            // What is shared of somewhere else is the output.
            let output = share.as_deref().filter(|share| !is_within(share, OUTPUT));
            (Some(output.unwrap_or(OUTPUT).to_owned()), share)
        }
    };
    let logs = fields.text("logs", sink);
    let log = fields.text("log", sink);
    Some(PodRecipe {
        exec: exec?,
        script,
        payload: payload?,
        output: output?,
        share,
        logs: logs.or(log),
    })
}

/// A command line: a text that is split, or a list of words.
fn exec(node: &Node<'_>, sink: &mut Sink) -> Option<Vec<String>> {
    let words = if node.is_string() {
        let line = sink.take(node.string_within(TEXT_BYTES_MAX))?;
        if let Some(what) = words::needs_a_shell(&line) {
            sink.push(Finding::warning(
                "no-shell",
                node.place(),
                format!("`{what}` means nothing here: no shell reads this line"),
                "put it into quotes, or let a script do it",
            ));
        }
        match split_words(&line) {
            Ok(words) => words,
            Err(why) => {
                sink.push(Finding::error(
                    "bad-quotes",
                    node.place(),
                    why,
                    "close it; or write the words as a list: [\"cat\", \"a b\"]",
                ));
                return None;
            }
        }
    } else {
        texts(node, WORDS_MAX, sink)?
    };
    if words.len() > WORDS_MAX {
        sink.push(Finding::error(
            "too-much",
            node.place(),
            format!("{} words, at most {WORDS_MAX} are possible", words.len()),
            "move some of them into a file",
        ));
        return None;
    }
    if words.first().is_none_or(String::is_empty) {
        sink.push(Finding::error(
            "no-program",
            node.place(),
            "it names no program",
            format!("for example: \"exec\": {}", POD_FIELDS[0].1),
        ));
        return None;
    }
    if let Some(word) = words.iter().find(|word| word.contains('\0')) {
        sink.push(Finding::error(
            "bad-word",
            node.place(),
            format!("`{}` has a NUL in it", clip(word)),
            "take it out",
        ));
        return None;
    }
    Some(words)
}

/// A list of texts.
pub(super) fn texts(node: &Node<'_>, count_max: usize, sink: &mut Sink) -> Option<Vec<String>> {
    let items = sink.take(node.list(count_max))?;
    let texts = items.iter().map(|item| item.string_within(TEXT_BYTES_MAX));
    sink.take(texts.collect::<Result<Vec<_>, _>>())
}

/// A directory in the pod, without a `/` at its ends.
pub(super) fn directory(node: &Node<'_>, sink: &mut Sink) -> Option<String> {
    let text = sink.take(node.string())?;
    let path = path(node, &text, sink)?;
    if path.is_root() {
        sink.push(Finding::error(
            "bad-path",
            node.place(),
            format!("`{}` is the pod itself, not a directory in it", clip(&text)),
            "for example: \"output\"",
        ));
        return None;
    }
    Some(path.relative().to_owned())
}

/// A path in a pod.
pub(super) fn path(node: &Node<'_>, text: &str, sink: &mut Sink) -> Option<PodPath> {
    let plain = text.strip_prefix("./").unwrap_or(text);
    match plain.parse::<PodPath>() {
        Ok(path) => Some(path),
        Err(error) => {
            sink.push(Finding::error(
                "bad-path",
                node.place(),
                error.to_string(),
                "write it as `a/b.txt`, from the root of the pod",
            ));
            None
        }
    }
}

/// Payloads from elsewhere: one or a list of them, of either form.
pub(super) fn externals(node: &Node<'_>, sink: &mut Sink) -> Vec<External> {
    if node.is_object() {
        return external(node, sink).into_iter().collect();
    }
    let Some(items) = sink.take(node.list(PAYLOADS_MAX)) else {
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| external(item, sink))
        .collect()
}

/// `{"ref": …, "data": …}` or `{"pod": …, "files": […]}`.
fn external(node: &Node<'_>, sink: &mut Sink) -> Option<External> {
    let mut fields = Fields::of(node, PAYLOAD_FIELDS, sink)?;
    let (reference, files) = match (fields.take("ref"), fields.take("pod")) {
        (Some(reference), None) => (reference, false),
        (None, Some(pod)) => (pod, true),
        (reference, _) => {
            let what = if reference.is_some() {
                "both"
            } else {
                "neither"
            };
            sink.push(Finding::error(
                "bad-payload",
                node.place(),
                format!("a payload has `ref` and `data`, or `pod` and `files`; this has {what} of `ref` and `pod`"),
                "for example: {\"ref\": \"64 hexadecimal digits\", \"data\": \"/books.zip\"}",
            ));
            return None;
        }
    };
    let reference = is_reference(&reference, sink);
    let wanted = if files {
        let node = fields.need("files", sink)?;
        let items = sink.take(node.list(PAYLOADS_MAX))?;
        let paths = items.iter().map(|item| {
            let text = sink.take(item.string())?;
            path(item, &text, sink)
        });
        Wanted::Files(paths.collect::<Option<_>>()?)
    } else {
        let node = fields.need("data", sink)?;
        let text = sink.take(node.string())?;
        let path = path(&node, &text, sink)?;
        if !has_extension(path.as_str(), "zip") {
            sink.push(Finding::warning(
                "not-an-archive",
                node.place(),
                format!(
                    "`{}` is not named as a `.zip`: it is given to the pod as it is",
                    clip(&text)
                ),
                "nothing is to be done if that is meant",
            ));
        }
        Wanted::Data(path)
    };
    Some(External {
        reference: reference?,
        wanted,
    })
}

/// Whether a path ends so, in whatever case.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    std::path::Path::new(path)
        .extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// A reference: 64 or 128 hexadecimal digits, in whatever case.
fn is_reference(node: &Node<'_>, sink: &mut Sink) -> Option<String> {
    let text = sink.take(node.string())?;
    if looks_like_reference(&text) {
        return Some(text);
    }
    sink.push(Finding::error(
        "bad-reference",
        node.place(),
        format!(
            "`{}` is no reference: it has {} characters",
            clip(&text),
            text.chars().count()
        ),
        "a reference has 64 or 128 hexadecimal digits; `medium pod share` prints one",
    ));
    None
}

/// Whether a text has the form of a reference.
pub(super) fn looks_like_reference(text: &str) -> bool {
    matches!(text.len(), 64 | 128) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Findings, as they come.
#[derive(Default)]
pub(super) struct Sink {
    pub(super) findings: Vec<Finding>,
}

impl Sink {
    /// One more.
    pub(super) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// What was read, or one more finding.
    pub(super) fn take<T>(&mut self, read: Result<T, JsonError>) -> Option<T> {
        read.map_err(|error| self.push(Finding::of_json(&error)))
            .ok()
    }

    /// Whether there is an error among them.
    pub(super) fn has_errors(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }
}

/// The fields of an object until they are taken. Unknown ones are kept in the recipe, and said.
pub(super) struct Fields<'a> {
    object: Node<'a>,
    values: BTreeMap<String, Node<'a>>,
    known: &'static [Field],
}

impl<'a> Fields<'a> {
    pub(super) fn of(object: &Node<'a>, known: &'static [Field], sink: &mut Sink) -> Option<Self> {
        let mut values = BTreeMap::new();
        for Entry {
            key,
            key_node,
            value,
        } in sink.take(object.object(FIELDS_MAX))?
        {
            if known.iter().any(|(field, _)| *field == key) {
                values.insert(key, value);
            } else {
                let names: Vec<_> = known.iter().map(|(field, _)| *field).collect();
                sink.push(Finding::warning(
                    "unknown-key",
                    key_node.place(),
                    format!(
                        "`{}` is not known here; it is kept, and means nothing",
                        clip(&key)
                    ),
                    format!("known are {}", names.join(", ")),
                ));
            }
        }
        Some(Self {
            object: object.clone(),
            values,
            known,
        })
    }

    pub(super) fn take(&mut self, field: &str) -> Option<Node<'a>> {
        self.values.remove(field)
    }

    pub(super) fn need(&mut self, field: &'static str, sink: &mut Sink) -> Option<Node<'a>> {
        let node = self.take(field);
        if node.is_none() {
            let example = self.known.iter().find(|(known, _)| *known == field);
            sink.push(Finding::error(
                "missing-field",
                self.object.place(),
                format!("the field `{field}` is missing"),
                format!(
                    "add it, for example: \"{field}\": {}",
                    example.map_or("…", |(_, text)| text)
                ),
            ));
        }
        node
    }

    pub(super) fn text(&mut self, field: &str, sink: &mut Sink) -> Option<String> {
        let node = self.take(field).filter(|node| !node.is_null())?;
        sink.take(node.string_within(TEXT_BYTES_MAX))
    }

    pub(super) fn flag(&mut self, field: &str, sink: &mut Sink) -> Option<bool> {
        let node = self.take(field).filter(|node| !node.is_null())?;
        sink.take(node.flag())
    }

    /// A whole number from 1 (or 0) to a bound.
    pub(super) fn whole(&mut self, field: &str, max: u64, sink: &mut Sink) -> Option<u64> {
        let node = self.take(field).filter(|node| !node.is_null())?;
        let value = sink.take(node.whole())?;
        if value > max {
            sink.take::<u64>(Err(JsonError::TooLarge {
                place: node.place(),
                value,
                max,
            }));
            return None;
        }
        Some(value)
    }

    /// Where the object is.
    pub(super) fn place(&self) -> Place {
        self.object.place()
    }
}
