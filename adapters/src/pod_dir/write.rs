//! From a [`PodDir`] back to `vc.json` and files.

use std::collections::BTreeMap;

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::power::Power;
use serde::Serialize;

use super::source::VC_JSON;
use super::{
    ArgumentSpec, Contents, DecoderSpec, ModuleSpec, OutsideSpec, PartSource, PartSpec, PodDir,
    PurseSpec, RestartSpec,
};
use crate::outside::Asks;
use crate::outside::program::Described;

/// The text of a VC's `vc.json`, fields in the order of the schema.
///
/// What it asks for is written also if that is nothing, where silence means something else: in a fleet.
pub(super) fn vc_json(pod: &PodDir, in_fleet: bool) -> String {
    let says = !pod.grants.is_empty() || in_fleet || pod.fleet.is_some();
    let written = Written {
        name: &pod.name,
        version: pod.version.as_deref(),
        description: pod.description.as_deref(),
        parts: pod.parts.iter().map(WrittenPart::of).collect(),
        accept: pod.accept.as_deref(),
        grants: says.then(|| pod.grants.iter().map(Power::name).collect()),
        contacts: pod
            .contacts
            .iter()
            .map(|(name, to)| (name.as_str(), to.to_string()))
            .collect(),
        purse: WrittenPurse::of(pod.purse),
        goal: pod.goal.as_deref(),
        nested: pod
            .nested
            .iter()
            .map(|(name, nested)| (name.as_str(), format!("{}/", nested.path)))
            .collect(),
        restart: pod.restart.map(WrittenRestart::of),
        durable: pod.durable,
        record: pod.record,
        idle_ms: pod.idle_ms,
        turn_fuel: pod.turn_fuel,
        outside: pod.outside.as_ref().map(WrittenOutside::of),
        fleet: pod.fleet.is_some(),
        front: pod.fleet.as_ref().and_then(|fleet| fleet.front.as_deref()),
    };
    let mut text = serde_json::to_string_pretty(&written)
        .expect("strings, numbers and maps with string keys have a JSON form");
    text.push('\n');
    text
}

/// Adds all files of a pod whose own paths begin with `prefix`.
pub(super) fn files(
    pod: &PodDir,
    in_fleet: bool,
    prefix: &str,
    files: &mut BTreeMap<String, Contents>,
) {
    files.insert(
        format!("{prefix}{VC_JSON}"),
        Contents::Inline(Bytes::from(vc_json(pod, in_fleet))),
    );
    for part in &pod.parts {
        if let PartSource::File { path, contents } = &part.source {
            files.insert(format!("{prefix}{path}"), contents.clone());
        }
        if let PartSource::WebAssembly { module, .. } = &part.source
            && let ModuleSpec::File { path, contents } = module
        {
            files.insert(format!("{prefix}{path}"), contents.clone());
        }
        if let PartSource::WebAssembly { argument, .. } | PartSource::Native { argument, .. } =
            &part.source
            && let Some(ArgumentSpec::File { path, contents }) = argument
        {
            files.insert(format!("{prefix}{path}"), contents.clone());
        }
        if let Some(DecoderSpec::File { path, contents }) = &part.decoder {
            files.insert(format!("{prefix}{path}"), contents.clone());
        }
    }
    for (path, contents) in pod.outside.iter().flat_map(|spec| &spec.files) {
        files.insert(format!("{prefix}{path}"), contents.clone());
    }
    for nested in pod.nested.values() {
        let prefix = format!("{prefix}{}/", nested.path);
        self::files(&nested.pod, pod.fleet.is_some(), &prefix, files);
    }
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<WrittenPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accept: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    contacts: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purse: Option<WrittenPurse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    nested: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart: Option<WrittenRestart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<WrittenOutside<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fleet: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    front: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WrittenOutside<'a> {
    Command(&'a [String]),
    More {
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        command: &'a [String],
        #[serde(skip_serializing_if = "Vec::is_empty")]
        files: Vec<&'a str>,
        #[serde(flatten)]
        asks: &'a Asks,
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        channels: &'a BTreeMap<Channel, Described>,
    },
}

impl<'a> WrittenOutside<'a> {
    fn of(spec: &'a OutsideSpec) -> Self {
        // What the command names comes along by itself.
        let named = |path: &&String| !spec.command.contains(path);
        let files: Vec<_> = spec
            .files
            .keys()
            .filter(named)
            .map(String::as_str)
            .collect();
        let plain = spec.asks.is_nothing()
            && spec.timeout_ms.is_none()
            && spec.channels.is_empty()
            && files.is_empty()
            && !spec.command.is_empty();
        if plain {
            return Self::Command(&spec.command);
        }
        Self::More {
            command: &spec.command,
            files,
            asks: &spec.asks,
            timeout_ms: spec.timeout_ms,
            channels: &spec.channels,
        }
    }
}

#[derive(Default, Serialize)]
struct WrittenPart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    native: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wasm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<WrittenArgument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decoder: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WrittenArgument<'a> {
    Text(&'a str),
    File { file: &'a str },
}

impl<'a> WrittenArgument<'a> {
    fn of(argument: &'a ArgumentSpec) -> Self {
        match argument {
            ArgumentSpec::Text(text) => Self::Text(text),
            ArgumentSpec::File { path, .. } => Self::File { file: path },
        }
    }
}

impl<'a> WrittenPart<'a> {
    fn of(part: &'a PartSpec) -> Self {
        let mut written = match &part.source {
            PartSource::File { path, .. } => Self {
                file: Some(path),
                ..Self::default()
            },
            PartSource::Text(text) => Self {
                text: Some(text),
                ..Self::default()
            },
            PartSource::Native {
                name,
                version,
                argument,
            } => Self {
                native: Some(name),
                version: *version,
                argument: argument.as_ref().map(WrittenArgument::of),
                ..Self::default()
            },
            PartSource::WebAssembly { module, argument } => Self {
                wasm: Some(match module {
                    ModuleSpec::BuiltIn(name) => name,
                    ModuleSpec::File { path, .. } => path,
                }),
                argument: argument.as_ref().map(WrittenArgument::of),
                ..Self::default()
            },
        };
        written.role = part.role.as_deref();
        written.decoder = part.decoder.as_ref().map(|decoder| match decoder {
            DecoderSpec::Native(name) => name.as_str(),
            DecoderSpec::File { path, .. } => path.as_str(),
        });
        written
    }
}

#[derive(Serialize)]
struct WrittenPurse {
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    motes: Option<u64>,
}

impl WrittenPurse {
    fn of(purse: PurseSpec) -> Option<Self> {
        let PurseSpec {
            fuel,
            messages,
            children,
            outside,
            motes,
        } = purse;
        let said = purse != PurseSpec::default();
        said.then_some(Self {
            fuel,
            messages,
            children,
            outside,
            motes,
        })
    }
}

#[derive(Serialize)]
struct WrittenRestart {
    faults_max: u32,
    within_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts_max: Option<u32>,
}

impl WrittenRestart {
    const fn of(
        RestartSpec {
            faults_max,
            within_ms,
            restarts_max,
        }: RestartSpec,
    ) -> Self {
        Self {
            faults_max,
            within_ms,
            restarts_max,
        }
    }
}
