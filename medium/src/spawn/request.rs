//! A request for a VC, as it is written in JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use data_encoding::BASE64;
use genesis::purse::Coin;
use serde::{Deserialize, Serialize};

use crate::outside::{Granted, ProgramView};
use crate::parts::WasmPart;

/// A request for a VC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpawnRequest {
    /// What it is made from.
    pub pod: Source,
    /// What its owner calls it; else what its pod does, if nobody has that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Powers it is given beside the harmless ones it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// What it may spend, coin by coin, instead of what its pod says.
    /// Null is *without end*, as in what is shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub purse: BTreeMap<Coin, Option<u64>>,
    /// Whether it shall end with the node, even if the node has a data folder.
    #[serde(default)]
    pub volatile: bool,
    /// How many messages its journal keeps, instead of what its pod says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u32>,
    /// Fuel that one of its turns may take, instead of what its pod says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_fuel: Option<u64>,
    /// Whether it has an actor of its own instead of a cell.
    #[serde(default)]
    pub own_actor: bool,
    /// VCs that may reshape it beside owner and host, by id or name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reshapers: Vec<String>,
    /// Whom it may send to beside the contacts of its pod, by what it shall call them: id or name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contacts: BTreeMap<String, String>,
    /// What the programs outside that it speaks for are granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Granted>,
    /// The digest that its program must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

impl SpawnRequest {
    /// A request with nothing said that need not be.
    pub const fn new(pod: Source) -> Self {
        Self {
            pod,
            name: None,
            grants: Vec::new(),
            purse: BTreeMap::new(),
            volatile: false,
            record: None,
            turn_fuel: None,
            own_actor: false,
            reshapers: Vec::new(),
            contacts: BTreeMap::new(),
            outside: None,
            expect: None,
        }
    }
}

/// What a VC is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSource", into = "RawSource")]
pub enum Source {
    /// A pod directory on the node's machine, by its absolute path.
    Path(PathBuf),
    /// A pod in the binary, by its name.
    Embedded(String),
    /// A literal: it becomes a VC that says it.
    Text(String),
    /// A frozen VC in a file of [`genesis::export`], which goes on under its own id.
    Image(Bytes),
    /// A message that the node has seen: a part in it, a frozen VC, or a literal.
    Message(String),
    /// A pod, by its [place](crate::dormitory): a frozen VC that goes on, or a pod directory.
    Reference {
        /// Where.
        place: String,
        /// Whether a frozen VC goes on as a fork, under an id of its own.
        fork: bool,
    },
    /// A native behaviour.
    Native {
        /// Its name.
        name: String,
        /// Its version; none for the newest.
        version: Option<u32>,
        /// Its argument.
        argument: String,
    },
    /// Sandboxed code, as the only part.
    WebAssembly {
        /// Which, and what it begins with.
        part: WasmPart,
        /// What the VC is called, if nobody has that name and its owner says nothing else.
        name: Option<String>,
    },
}

/// A [`Source`] as it is written: an object with one of these, and what belongs to `native` and `wasm`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedded: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fork: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    native: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wasm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64_argument: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl TryFrom<RawSource> for Source {
    type Error = String;

    fn try_from(raw: RawSource) -> Result<Self, String> {
        let RawSource {
            path,
            embedded,
            text,
            image,
            message,
            reference,
            fork,
            native,
            version,
            argument,
            wasm,
            base64_argument,
            name,
        } = raw;
        if reference.is_none() && fork {
            return Err("`fork` belongs to `reference`".to_owned());
        }
        if native.is_none() && version.is_some() {
            return Err("`version` belongs to `native`".to_owned());
        }
        if wasm.is_none() && (base64_argument.is_some() || name.is_some()) {
            return Err("`base64_argument` and `name` belong to `wasm`".to_owned());
        }
        if native.is_none() && wasm.is_none() && argument.is_some() {
            return Err("`argument` belongs to `native` or `wasm`".to_owned());
        }
        let image = image.map(|image| {
            BASE64
                .decode(image.as_bytes())
                .map_err(|error| format!("`image` is not base64: {error}"))
        });
        let image = image.transpose()?.map(Bytes::from);
        let wasm = wasm
            .map(|module| {
                let part = WasmPart::new(module, argument.clone(), base64_argument.as_deref())?;
                Ok::<_, String>(Self::WebAssembly { part, name })
            })
            .transpose()?;
        let native = native.map(|name| {
            let argument = argument.unwrap_or_default();
            Self::Native {
                name,
                version,
                argument,
            }
        });
        let named = [
            path.map(Self::Path),
            embedded.map(Self::Embedded),
            text.map(Self::Text),
            image.map(Self::Image),
            message.map(Self::Message),
            reference.map(|place| Self::Reference { place, fork }),
            native,
            wasm,
        ];
        let mut named = named.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(source), None) => Ok(source),
            _ => Err(
                "`pod` has exactly one of `path`, `embedded`, `text`, `image`, `message`, `reference`, `native`, `wasm`"
                    .to_owned(),
            ),
        }
    }
}

impl From<Source> for RawSource {
    fn from(source: Source) -> Self {
        let raw = Self::default();
        match source {
            Source::Path(path) => Self {
                path: Some(path),
                ..raw
            },
            Source::Embedded(name) => Self {
                embedded: Some(name),
                ..raw
            },
            Source::Text(text) => Self {
                text: Some(text),
                ..raw
            },
            Source::Image(bytes) => Self {
                image: Some(BASE64.encode(&bytes)),
                ..raw
            },
            Source::Message(id) => Self {
                message: Some(id),
                ..raw
            },
            Source::Reference { place, fork } => Self {
                reference: Some(place),
                fork,
                ..raw
            },
            Source::Native {
                name,
                version,
                argument,
            } => Self {
                native: Some(name),
                version,
                argument: Some(argument),
                ..raw
            },
            Source::WebAssembly { part, name } => Self {
                wasm: Some(part.module),
                base64_argument: (!part.argument.is_empty()).then(|| BASE64.encode(&part.argument)),
                name,
                ..raw
            },
        }
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// The new VC: `vc:…`.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// The name of its pod or image, if another VC has it: then this one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_taken: Option<String>,
    /// Powers that it, or a VC in its body, asks for and was not given.
    pub withheld: Vec<String>,
    /// The programs outside that it and those in its body speak for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramView>,
}
