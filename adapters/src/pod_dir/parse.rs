//! From `vc.json` to a [`PodDir`]: which fields there are, and what each may hold.

mod outside;

use std::collections::{BTreeMap, BTreeSet};

use genesis::limits;
use genesis::power::{Grants, Power, UnknownPower};

use super::error::PodError;
use super::fleet;
use super::source::{Budget, Source};
use super::{
    ArgumentSpec, ContactSpec, DESCRIPTION_BYTES_MAX, DecoderSpec, HOST, ModuleSpec, NestedSpec,
    PATH_BYTES_MAX, PartSource, PartSpec, PatternCheck, PodDir, PurseSpec, RestartSpec, VCS_MAX,
    is_name,
};
use crate::json::{Document, Entry, JsonError, Node, clip};
use crate::parts;
#[cfg(test)]
pub(super) use outside::CHANNEL_FIELDS;
pub(super) use outside::OUTSIDE_FIELDS;

/// A field of an object, with an example of it.
pub(super) type Field = (&'static str, &'static str);

/// The fields of a VC. The schema has the same, which a test checks.
pub(super) const VC_FIELDS: &[Field] = &[
    ("$schema", r#""vc.schema.json""#),
    ("name", r#""word-count""#),
    ("version", r#""1.0""#),
    ("description", r#""Counts the words of what it is sent.""#),
    ("parts", r#"[{"file": "main.wasm"}]"#),
    ("accept", r#""bytes <= 4096""#),
    ("grants", r#"["send", "emit"]"#),
    ("contacts", r#"{"printer": "line-printer"}"#),
    ("purse", r#"{"fuel": 1000000000, "messages": 1000}"#),
    ("goal", r#""tests.pass >= 1""#),
    ("nested", r#"{"parser": "parser/"}"#),
    ("restart", r#"{"faults_max": 3, "within_ms": 60000}"#),
    ("durable", "true"),
    ("record", "1000"),
    ("idle_ms", "60000"),
    ("turn_fuel", "5000000"),
    ("outside", r#"["python3", "agent.py"]"#),
    ("fleet", "true"),
    ("front", r#""parser""#),
];

/// The fields of a part.
pub(super) const PART_FIELDS: &[Field] = &[
    ("file", r#""main.wasm""#),
    ("native", r#""say""#),
    ("text", r#""Hello, World!""#),
    ("wasm", r#""limb-v1""#),
    ("version", "1"),
    ("argument", r#""Hello, World!""#),
    ("role", r#""judge""#),
    ("decoder", r#""decoders/csv.wasm""#),
];

/// The fields of an argument that is a file.
pub(super) const ARGUMENT_FIELDS: &[Field] = &[("file", r#""game.ch8""#)];

/// The fields of a purse.
pub(super) const PURSE_FIELDS: &[Field] = &[
    ("fuel", "1000000000"),
    ("messages", "1000"),
    ("children", "10"),
    ("outside", "5"),
    ("motes", "250"),
];

/// The fields of a restart rule; the first two must be there.
pub(super) const RESTART_FIELDS: &[Field] = &[
    ("faults_max", "3"),
    ("within_ms", "60000"),
    ("restarts_max", "3"),
];

/// An example of the field at a path: of `parts[1].file`, `"file": "main.wasm"`.
pub(super) fn example(path: &str) -> String {
    let mut steps = path
        .split('.')
        .map(|step| step.split('[').next().unwrap_or_default());
    let first = steps.next().unwrap_or_default();
    let inner = match first {
        "parts" => PART_FIELDS,
        "purse" => PURSE_FIELDS,
        "restart" => RESTART_FIELDS,
        "outside" => OUTSIDE_FIELDS,
        _ => &[],
    };
    let find = |fields: &'static [Field], name: &str| {
        fields.iter().find(|(field, _)| *field == name).copied()
    };
    let known = steps
        .next()
        .and_then(|step| find(inner, step))
        .or_else(|| find(VC_FIELDS, first))
        .or_else(|| find(RESTART_FIELDS, first));
    match known {
        Some((field, example)) => format!("\"{field}\": {example}"),
        None => r#"{"name": "word-count", "parts": [{"file": "main.wasm"}]}"#.to_owned(),
    }
}

/// Reads a pod with all its levels.
pub(super) fn pod(source: &Source<'_>, check: PatternCheck<'_>) -> Result<PodDir, PodError> {
    Reader {
        check,
        budget: Budget::full(),
        vcs: 1,
    }
    .vc(source, 0, None, None)
}

/// What is the same for all levels of a pod.
struct Reader<'a> {
    check: PatternCheck<'a>,
    budget: Budget,
    vcs: usize,
}

impl Reader<'_> {
    /// Reads a VC that is nested so many levels deep, beside these siblings if it has a host.
    fn vc(
        &mut self,
        source: &Source<'_>,
        level: usize,
        siblings: Option<&BTreeSet<String>>,
        host: Option<&PodDir>,
    ) -> Result<PodDir, PodError> {
        let bytes = source.vc_json(&mut self.budget)?;
        let file = source.vc_json_shown();
        let root = Document::parse(&file, &bytes)?.root();
        let mut fields = Fields::of(&root, VC_FIELDS)?;

        let mut pod = PodDir::new(name(&fields.need("name")?)?);
        if let Some(node) = fields.take("$schema") {
            node.string_within(PATH_BYTES_MAX)?;
        }
        pod.version = text(&mut fields, "version", limits::NAME_BYTES_MAX)?;
        pod.description = text(&mut fields, "description", DESCRIPTION_BYTES_MAX)?;
        pod.accept = self.pattern(&mut fields, "accept")?;
        pod.goal = self.pattern(&mut fields, "goal")?;
        let asks = fields
            .take("grants")
            .map(|node| grants(&node))
            .transpose()?;
        pod.grants = asks.unwrap_or(Grants::NONE);
        pod.purse = fields
            .take("purse")
            .map_or(Ok(PurseSpec::default()), |node| purse(&node))?;
        pod.restart = fields
            .take("restart")
            .map(|node| restart(&node))
            .transpose()?;
        pod.durable = fields.take("durable").map(|node| node.flag()).transpose()?;
        pod.record = fields
            .take("record")
            .map(|node| node.whole_within(limits::JOURNAL_LEN_MAX))
            .transpose()?;
        pod.idle_ms = whole(&mut fields, "idle_ms")?;
        pod.turn_fuel = fields
            .take("turn_fuel")
            .map(|node| at_most(&node, limits::TURN_FUEL_GRANT_MAX))
            .transpose()?;

        pod.outside = fields
            .take("outside")
            .map(|node| self.outside(&node, source))
            .transpose()?;

        let parts = match fields.take("parts") {
            Some(node) => node.list(limits::PARTS_MAX)?,
            None => Vec::new(),
        };
        let nested = match fields.take("nested") {
            Some(node) => parts_of_host(&node, parts.len())?,
            None => Vec::new(),
        };
        let contacts_node = fields.take("contacts");
        pod.parts = parts
            .iter()
            .map(|node| self.part(node, source))
            .collect::<Result<Vec<_>, _>>()?;
        let inner_names: BTreeSet<_> = nested.iter().map(local_name).collect::<Result<_, _>>()?;
        pod.fleet = fleet::read(&mut fields, &pod, parts.len(), &inner_names)?;
        if let Some(node) = contacts_node {
            pod.contacts = contacts(&node, &inner_names, siblings)?;
        }
        if let Some(host) = host.filter(|host| host.fleet.is_some()) {
            let names = siblings.into_iter().flatten().chain(&inner_names);
            fleet::joined(&mut pod, asks.is_some(), host, &names.collect());
        }
        for entry in &nested {
            let inner = self.nested(entry, source, level + 1, &inner_names, &pod)?;
            pod.nested.insert(entry.key.clone(), inner);
        }
        if pod.fleet.is_some() && asks.is_none() && pod.grants == Grants::NONE {
            pod.grants = fleet::asked_in(&pod.nested);
        }
        Ok(pod)
    }

    fn nested(
        &mut self,
        entry: &Entry<'_>,
        source: &Source<'_>,
        level: usize,
        siblings: &BTreeSet<String>,
        host: &PodDir,
    ) -> Result<NestedSpec, PodError> {
        let text = entry.value.string()?;
        let path = text.strip_suffix('/').unwrap_or(&text);
        let at = || entry.value.place();
        if level > limits::DEPTH_MAX {
            return Err(PodError::NestedTooDeep {
                place: at(),
                levels: level,
            });
        }
        if self.vcs >= VCS_MAX {
            return Err(PodError::TooManyVcs {
                place: at(),
                vcs_max: VCS_MAX,
            });
        }
        self.vcs += 1;
        let inner = source.nested(&at, path)?;
        Ok(NestedSpec {
            path: path.to_owned(),
            pod: self.vc(&inner, level, Some(siblings), Some(host))?,
        })
    }

    fn part(&mut self, node: &Node<'_>, source: &Source<'_>) -> Result<PartSpec, PodError> {
        let mut fields = Fields::of(node, PART_FIELDS)?;
        let (version, argument) = (fields.take("version"), fields.take("argument"));
        let role = fields.take("role").map(|node| name(&node)).transpose()?;
        let decoder = fields
            .take("decoder")
            .map(|node| self.decoder(&node, source))
            .transpose()?;
        let found: Vec<_> = ["file", "native", "text", "wasm"]
            .into_iter()
            .filter_map(|kind| Some((kind, fields.take(kind)?)))
            .collect();
        let [(kind, value)] = found.as_slice() else {
            let found = found.iter().map(|(kind, _)| *kind).collect();
            return Err(PodError::PartSources {
                place: node.place(),
                found,
            });
        };
        let part = |source| PartSpec {
            source,
            role,
            decoder,
        };
        if *kind == "native" {
            return Ok(part(PartSource::Native {
                name: name(value)?,
                version: version
                    .map(|node| node.whole_within(u32::MAX))
                    .transpose()?,
                argument: argument
                    .map(|node| self.argument(&node, source))
                    .transpose()?,
            }));
        }
        if let Some(node) = &version {
            return Err(PodError::Misplaced {
                place: node.place(),
                field: "version",
                beside: "`native`",
            });
        }
        if *kind == "wasm" {
            return Ok(part(PartSource::WebAssembly {
                module: self.module(value, source)?,
                argument: argument
                    .map(|node| self.argument(&node, source))
                    .transpose()?,
            }));
        }
        if let Some(node) = &argument {
            return Err(PodError::Misplaced {
                place: node.place(),
                field: "argument",
                beside: "`native` or `wasm`",
            });
        }
        if *kind == "text" {
            let text = value.string_within(limits::CONTENTS_INLINE_MAX)?;
            return Ok(part(PartSource::Text(text)));
        }
        let path = value.string()?;
        let contents = source.contents(&|| value.place(), &path, &mut self.budget)?;
        Ok(part(PartSource::File { path, contents }))
    }

    /// A module: a name without `.` and `/` is one of the binary's, unless only a file has it.
    fn module(&mut self, node: &Node<'_>, source: &Source<'_>) -> Result<ModuleSpec, PodError> {
        let text = node.string()?;
        if parts::part(&text).is_some() {
            return Ok(ModuleSpec::BuiltIn(text));
        }
        match source.contents(&|| node.place(), &text, &mut self.budget) {
            Ok(contents) => Ok(ModuleSpec::File {
                path: text,
                contents,
            }),
            Err(PodError::NoSuchFile { place, .. }) => Err(PodError::NoSuchModule {
                place,
                nearest: parts::nearest(&text).unwrap_or_default(),
                name: clip(&text).into(),
            }),
            Err(error) => Err(error),
        }
    }

    /// What code begins with: a text, or `{"file": …}`.
    fn argument(&mut self, node: &Node<'_>, source: &Source<'_>) -> Result<ArgumentSpec, PodError> {
        if !node.is_object() {
            let text = node.string_within(limits::CONTENTS_INLINE_MAX)?;
            return Ok(ArgumentSpec::Text(text));
        }
        let mut fields = Fields::of(node, ARGUMENT_FIELDS)?;
        let file = fields.need("file")?;
        let path = file.string()?;
        let contents = source.contents(&|| file.place(), &path, &mut self.budget)?;
        if contents.len() > limits::CONTENTS_INLINE_MAX as u64 {
            return Err(JsonError::TooLong {
                place: file.place(),
                bytes: usize::try_from(contents.len()).unwrap_or(usize::MAX),
                bytes_max: limits::CONTENTS_INLINE_MAX,
            }
            .into());
        }
        Ok(ArgumentSpec::File { path, contents })
    }

    fn decoder(&mut self, node: &Node<'_>, source: &Source<'_>) -> Result<DecoderSpec, PodError> {
        let text = node.string()?;
        if !text.contains(['.', '/']) {
            return name(node).map(DecoderSpec::Native);
        }
        let contents = source.contents(&|| node.place(), &text, &mut self.budget)?;
        Ok(DecoderSpec::File {
            path: text,
            contents,
        })
    }

    fn pattern(
        &self,
        fields: &mut Fields<'_>,
        field: &'static str,
    ) -> Result<Option<String>, PodError> {
        let Some(node) = fields.take(field) else {
            return Ok(None);
        };
        let text = node.string_within(limits::PATTERN_TEXT_MAX)?;
        (self.check)(&text).map_err(|reason| PodError::BadPattern {
            place: node.place(),
            reason,
        })?;
        Ok(Some(text))
    }
}

/// The fields of an object, all of them known, until they are taken.
pub(super) struct Fields<'a> {
    object: Node<'a>,
    values: BTreeMap<String, Node<'a>>,
}

impl<'a> Fields<'a> {
    fn of(object: &Node<'a>, known: &[Field]) -> Result<Self, PodError> {
        let mut values = BTreeMap::new();
        for Entry {
            key,
            key_node,
            value,
        } in object.object(limits::PARTS_MAX)?
        {
            if !known.iter().any(|(field, _)| *field == key) {
                let known: Box<[_]> = known.iter().map(|(field, _)| *field).collect();
                let nearest = nearest(&key, &known);
                return Err(PodError::UnknownField {
                    place: key_node.place(),
                    field: clip(&key).into(),
                    nearest,
                    known,
                });
            }
            values.insert(key, value);
        }
        Ok(Self {
            object: object.clone(),
            values,
        })
    }

    pub(super) fn take(&mut self, field: &str) -> Option<Node<'a>> {
        self.values.remove(field)
    }

    fn need(&mut self, field: &'static str) -> Result<Node<'a>, PodError> {
        let missing = || PodError::MissingField {
            place: self.object.place(),
            field,
        };
        self.values.remove(field).ok_or_else(missing)
    }
}

fn text(
    fields: &mut Fields<'_>,
    field: &str,
    bytes_max: usize,
) -> Result<Option<String>, PodError> {
    let read = fields.take(field).map(|node| node.string_within(bytes_max));
    Ok(read.transpose()?)
}

fn whole(fields: &mut Fields<'_>, field: &str) -> Result<Option<u64>, PodError> {
    Ok(fields.take(field).map(|node| node.whole()).transpose()?)
}

fn list<'a>(fields: &mut Fields<'a>, field: &str) -> Result<Vec<Node<'a>>, PodError> {
    let node = fields.take(field);
    Ok(node.map_or(Ok(Vec::new()), |node| node.list(limits::PARTS_MAX))?)
}

/// A whole number with a bound.
fn at_most(node: &Node<'_>, max: u64) -> Result<u64, PodError> {
    let value = node.whole()?;
    if value > max {
        return Err(JsonError::TooLarge {
            place: node.place(),
            value,
            max,
        }
        .into());
    }
    Ok(value)
}

pub(super) fn name(node: &Node<'_>) -> Result<String, PodError> {
    let name = node.string()?;
    if is_name(&name) {
        return Ok(name);
    }
    Err(PodError::BadName {
        place: node.place(),
        bytes: name.len(),
        name: clip(&name),
    })
}

/// The entries of `nested`. Nested VCs are parts too: both together have one bound.
fn parts_of_host<'a>(node: &Node<'a>, parts: usize) -> Result<Vec<Entry<'a>>, PodError> {
    let nested = node.object(limits::PARTS_MAX)?;
    let count = parts + nested.len();
    if count > limits::PARTS_MAX {
        let what = "parts and nested VCs";
        let place = node.place();
        return Err(JsonError::TooMany {
            place,
            what,
            count,
            count_max: limits::PARTS_MAX,
        }
        .into());
    }
    Ok(nested)
}

/// The name of a contact or of a nested VC, which is the key of its entry.
fn local_name(entry: &Entry<'_>) -> Result<String, PodError> {
    let name = name(&entry.key_node)?;
    if name == HOST {
        let (place, meaning) = (entry.key_node.place(), "whoever hosts this VC");
        return Err(PodError::NameTaken {
            place,
            name,
            meaning,
        });
    }
    Ok(name)
}

fn grants(node: &Node<'_>) -> Result<Grants, PodError> {
    let mut grants = Grants::NONE;
    // No more than there are would do, but then one too many is better called a repetition.
    for node in node.list(limits::PARTS_MAX)? {
        let power: Power =
            node.string()?
                .parse()
                .map_err(|UnknownPower { name }| PodError::UnknownPower {
                    place: node.place(),
                    unknown: UnknownPower { name: clip(&name) },
                })?;
        if grants.has(power) {
            return Err(JsonError::Repeated {
                place: node.place(),
            }
            .into());
        }
        grants = grants.with(power);
    }
    Ok(grants)
}

fn contacts(
    node: &Node<'_>,
    inner_names: &BTreeSet<String>,
    siblings: Option<&BTreeSet<String>>,
) -> Result<BTreeMap<String, ContactSpec>, PodError> {
    let mut contacts = BTreeMap::new();
    for entry in node.object(limits::CONTACTS_MAX)? {
        let name = local_name(&entry)?;
        if inner_names.contains(&name) {
            let meaning = "a VC nested in this one";
            return Err(PodError::NameTaken {
                place: entry.key_node.place(),
                name,
                meaning,
            });
        }
        let target = entry.value.string()?;
        let bad = |reason: String| PodError::BadContact {
            place: entry.value.place(),
            target: clip(&target),
            reason: clip(&reason),
        };
        let contact: ContactSpec = target.parse().map_err(bad)?;
        if let (ContactSpec::Sibling(sibling), Some(siblings)) = (&contact, siblings)
            && !siblings.contains(sibling)
        {
            return Err(bad(format!("its host has no nested VC `{sibling}`")));
        }
        contacts.insert(name, contact);
    }
    Ok(contacts)
}

fn purse(node: &Node<'_>) -> Result<PurseSpec, PodError> {
    let mut fields = Fields::of(node, PURSE_FIELDS)?;
    Ok(PurseSpec {
        fuel: whole(&mut fields, "fuel")?,
        messages: whole(&mut fields, "messages")?,
        children: whole(&mut fields, "children")?,
        outside: whole(&mut fields, "outside")?,
        motes: whole(&mut fields, "motes")?,
    })
}

fn restart(node: &Node<'_>) -> Result<RestartSpec, PodError> {
    let mut fields = Fields::of(node, RESTART_FIELDS)?;
    Ok(RestartSpec {
        faults_max: fields.need("faults_max")?.whole_within(u32::MAX)?,
        within_ms: fields.need("within_ms")?.whole()?,
        restarts_max: fields
            .take("restarts_max")
            .map(|node| node.whole_within(u32::MAX))
            .transpose()?,
    })
}

/// The known field that takes the fewest edits to reach.
fn nearest(field: &str, known: &[&'static str]) -> &'static str {
    let given: Vec<char> = field.chars().take(32).collect();
    known
        .iter()
        .copied()
        .min_by_key(|known| edits(&given, known))
        .unwrap_or_default()
}

/// Levenshtein's distance: how many characters to insert, remove or replace.
pub(crate) fn edits(given: &[char], known: &str) -> usize {
    let mut row: Vec<usize> = (0..=given.len()).collect();
    for (line, wanted) in known.chars().enumerate() {
        let mut next = vec![line + 1];
        let mut left = line + 1;
        for (above, c) in row.windows(2).zip(given) {
            let [diagonal, above] = above else { continue };
            left = (diagonal + usize::from(*c != wanted))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
