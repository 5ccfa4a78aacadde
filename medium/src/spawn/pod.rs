//! How a pod directory becomes a birth.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use actors::behaviour::{Behaviour, Natives};
use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::runtime::Runtime;
use adapters::fleet::Fleet;
use adapters::outside::{Outside, Program};
use adapters::parts;
use adapters::pod_dir::{
    ArgumentSpec, ContactSpec, Contents, DecoderSpec, FleetSpec, JsonError, ModuleSpec,
    OutsideSpec, PartSource, PartSpec, PodDir, PodError, PurseSpec, embedded, embedded_pod,
};
use bytes::Bytes;
use genesis::id::{Digest, VcId};
use genesis::image::Restart;
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::pattern::Pattern;
use genesis::power::{Grants, Power};
use genesis::purse::Purse;
use genesis::refusal::{Code, Refusal};

use super::{Gate, NO_JOURNAL, Policy, blocking, literal_code};

/// Most bytes of parts that one pod brings into memory, all levels together: refuse.
pub const PARTS_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Reads the pod in a directory, its patterns checked.
pub(super) async fn read_pod(dir: PathBuf) -> Result<PodDir, Refusal> {
    if !dir.is_absolute() {
        return Err(Refusal::new(
            Code::Malformed,
            format!("{} is not absolute", dir.display()),
        )
        .hint("the node has a working directory of its own: give the whole path"));
    }
    let check = |text: &str| match text.parse::<Pattern>() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    blocking(move || PodDir::read_with(&dir, &check).map_err(|error| of_pod(&dir, &error))).await
}

/// Reads a pod that comes with the program.
pub(super) fn open_embedded(name: &str) -> Result<PodDir, Refusal> {
    let pod = embedded_pod(name).ok_or_else(|| {
        let names: Vec<_> = embedded().iter().map(|pod| pod.name).collect();
        Refusal::new(
            Code::Unknown,
            format!("there is no pod `{name}` in the program"),
        )
        .who(name)
        .hint(format!(
            "there are {}; a directory is given by its path",
            names.join(", ")
        ))
    })?;
    pod.open().map_err(|error| of_pod(Path::new(name), &error))
}

/// The birth that a pod directory describes, with the contacts and powers it may have here.
pub(super) async fn lift_pod(
    runtime: &Runtime,
    policy: Policy,
    pod: PodDir,
    gate: &mut Gate,
) -> Result<Birth, Refusal> {
    let mut names = BTreeSet::new();
    contacts_to_resolve(&pod, &mut names);
    let mut contacts = BTreeMap::new();
    for name in names {
        let id = runtime.resolve(&name).await?;
        contacts.insert(name, id);
    }
    let mut lift = Lift {
        natives: Runtime::natives(),
        contacts,
        gate: *gate,
        bytes_left: PARTS_BYTES_MAX.min(policy.contents_bytes_max),
        bytes_max: PARTS_BYTES_MAX.min(policy.contents_bytes_max),
        modules: BTreeMap::new(),
    };
    let (birth, lift) = blocking(move || {
        let birth = lift.birth(pod, &BTreeSet::new(), None)?;
        Ok((birth, lift))
    })
    .await?;
    gate.withheld = lift.gate.withheld;
    // Compiled one after the other, and each once: what is wrong with one is said with its file.
    for (file, module) in lift.modules.into_values() {
        let brought = runtime.bring(module).await;
        brought.map_err(|refusal| parts::in_file(&file, refusal))?;
    }
    Ok(birth)
}

fn contacts_to_resolve(pod: &PodDir, names: &mut BTreeSet<String>) {
    for contact in pod.contacts.values() {
        if let ContactSpec::Named(_) | ContactSpec::Address(_) = contact
            && plain_id(contact).is_none()
        {
            names.insert(contact.to_string());
        }
    }
    pod.nested
        .values()
        .for_each(|nested| contacts_to_resolve(&nested.pod, names));
}

/// The VC of a contact that is an id already: it need not live here.
fn plain_id(contact: &ContactSpec) -> Option<VcId> {
    match contact {
        ContactSpec::Address(address) if address.path.is_empty() => Some(address.id),
        _ => None,
    }
}

/// A pod on its way to a birth.
struct Lift {
    natives: Natives,
    contacts: BTreeMap<String, VcId>,
    gate: Gate,
    bytes_left: u64,
    bytes_max: u64,
    /// The modules of its parts, and in which file each is.
    modules: BTreeMap<Digest, (String, Bytes)>,
}

impl Lift {
    fn birth(
        &mut self,
        pod: PodDir,
        siblings: &BTreeSet<String>,
        fleet: Option<Grants>,
    ) -> Result<Birth, Refusal> {
        let contacts = self.contacts_of(&pod, siblings)?;
        let mut grants = self.gate.grant(pod.grants);
        if let Some(bound) = fleet {
            grants = grants.narrow(bound);
            self.gate.withheld = self.gate.withheld.union(pod.grants.without(grants));
        }
        let bound = pod.fleet.is_some().then_some(grants.union(self.gate.named));
        if let Some(bound) = bound {
            // It passes messages on, and says who its members are, whatever they may do.
            grants = bound.with(Power::Send).with(Power::Emit);
        }
        let inner: BTreeSet<String> = pod.nested.keys().cloned().collect();
        let mut parts = Vec::with_capacity(pod.parts.len() + pod.nested.len());
        for part in pod.parts {
            parts.push(self.part(&pod.name, part)?);
        }
        if let Some(spec) = pod.outside {
            parts.push(self.outside(&pod.name, spec)?);
        }
        if let Some(FleetSpec { front }) = pod.fleet {
            let members = inner.iter().cloned().collect();
            parts.push(native(Fleet::NAME, Fleet { front, members }.to_argument()));
        }
        for (role, nested) in pod.nested {
            let nested = self.birth(nested.pod, &inner, bound)?;
            parts.push(PartBirth {
                role: Some(role),
                code: CodeBirth::Computer(Box::new(nested)),
            });
        }
        let restart = pod
            .restart
            .map_or_else(Restart::default, |restart| Restart {
                faults_max: restart.faults_max,
                within_ms: restart.within_ms,
                restarts_max: restart
                    .restarts_max
                    .unwrap_or(Restart::default().restarts_max),
            });
        Ok(Birth {
            turn_fuel: pod.turn_fuel.unwrap_or_default(),
            name: Some(pod.name),
            description: pod.description,
            parts,
            grants,
            purse: purse_of(pod.purse),
            contacts,
            reshapers: Vec::new(),
            accept: pod.accept,
            goal: pod.goal,
            durable: false, // decided for all of them when all are known
            restart,
            record: match pod.record {
                Some(0) => NO_JOURNAL,
                record => record.unwrap_or_default(),
            },
            idle_ms: pod.idle_ms.unwrap_or_default(),
            own_actor: false,
        })
    }

    /// The contacts that can be known before the birth; a VC has its host without being told.
    fn contacts_of(
        &self,
        pod: &PodDir,
        siblings: &BTreeSet<String>,
    ) -> Result<Vec<(Option<String>, VcId)>, Refusal> {
        let mut contacts = Vec::with_capacity(pod.contacts.len());
        for (name, contact) in &pod.contacts {
            let id = match contact {
                ContactSpec::Host => continue,
                // Siblings know each other by the names that their host gives them.
                ContactSpec::Sibling(sibling) if sibling == name && siblings.contains(sibling) => {
                    continue;
                }
                ContactSpec::Sibling(sibling) => {
                    let what = format!(
                        "contact `{name}` of `{}`: no VC beside it is called `{sibling}`, or not by \
                         this name",
                        pod.name
                    );
                    return Err(Refusal::new(Code::Malformed, what).who(&pod.name).hint(
                        "a sibling keeps the name it has in `nested` of its host: write \
                         {\"parser\": \"../parser\"}",
                    ));
                }
                _ => plain_id(contact).or_else(|| self.contacts.get(&contact.to_string()).copied()),
            };
            let id = id.ok_or_else(|| {
                Refusal::new(Code::Internal, format!("contact `{name}` was not resolved"))
            })?;
            contacts.push((Some(name.clone()), id));
        }
        Ok(contacts)
    }

    fn part(&mut self, pod: &str, part: PartSpec) -> Result<PartBirth, Refusal> {
        let PartSpec {
            source,
            role,
            decoder,
        } = part;
        let code = match source {
            PartSource::File { path, contents } => {
                let contents = self.take(&path, contents)?;
                let decoder = decoder.map(|decoder| self.decoder(decoder)).transpose()?;
                return Ok(PartBirth {
                    role,
                    code: CodeBirth::Data { contents, decoder },
                });
            }
            PartSource::Native {
                name,
                version,
                argument,
            } => CodeBirth::Native {
                name,
                version,
                argument: self.argument(argument)?,
            },
            PartSource::Text(text) => literal_code(text),
            PartSource::WebAssembly { module, argument } => {
                let (file, module) = match module {
                    ModuleSpec::BuiltIn(name) => {
                        let part = parts::part(&name).ok_or_else(|| {
                            let what = format!("there is no part `{name}` in the program");
                            Refusal::new(Code::Unknown, what).who(&name)
                        })?;
                        (name, part.module()?)
                    }
                    ModuleSpec::File { path, contents } => {
                        let bytes = self.take(&path, contents)?;
                        let module = parts::module_of(&bytes)
                            .map_err(|refusal| parts::in_file(&path, refusal))?;
                        (path, module)
                    }
                };
                let argument = self.argument(argument)?;
                let digest = Digest::of(&module);
                self.modules.insert(digest, (file, module));
                CodeBirth::WebAssembly {
                    module: digest,
                    argument,
                }
            }
        };
        if decoder.is_some() {
            let what = format!("a part of `{pod}` has code of its own and a `decoder`");
            return Err(Refusal::new(Code::Malformed, what)
                .who(pod)
                .hint("only parts with `file` are read by a decoder; remove it"));
        }
        Ok(PartBirth { role, code })
    }

    fn argument(&mut self, argument: Option<ArgumentSpec>) -> Result<Bytes, Refusal> {
        match argument {
            None => Ok(Bytes::new()),
            Some(ArgumentSpec::Text(text)) => Ok(text.into()),
            Some(ArgumentSpec::File { path, contents }) => self.take(&path, contents),
        }
    }

    /// The part that speaks for a program, with all its files.
    fn outside(&mut self, pod: &str, spec: OutsideSpec) -> Result<PartBirth, Refusal> {
        let program = program_of(pod, spec, |path, contents| self.take(path, contents))?;
        Ok(native(Outside::NAME, program.to_argument()))
    }

    fn decoder(&mut self, decoder: DecoderSpec) -> Result<Digest, Refusal> {
        match decoder {
            DecoderSpec::File { path, contents } => {
                self.take(&path, contents).map(|bytes| Digest::of(&bytes))
            }
            DecoderSpec::Native(name) => self
                .natives
                .get(&name, None)
                .map(|kind| kind.digest())
                .ok_or_else(|| {
                    let known: Vec<_> = self.natives.iter().map(|kind| kind.name).collect();
                    Refusal::new(
                        Code::Unknown,
                        format!("there is no native behaviour `{name}`"),
                    )
                    .who(&name)
                    .hint(format!("there are {}", known.join(", ")))
                }),
        }
    }

    /// The bytes of a file, as long as there is room for them.
    fn take(&mut self, path: &str, contents: Contents) -> Result<Bytes, Refusal> {
        let len = contents.len();
        let Some(left) = self.bytes_left.checked_sub(len) else {
            let what = format!(
                "the files of this pod have more than {} bytes: `{path}` alone has {len}",
                self.bytes_max
            );
            return Err(Refusal::new(Code::TooLarge, what).who(path).hint(format!(
                "parts are held in memory; send what is longer than {CONTENTS_INLINE_MAX} bytes in pieces"
            )));
        };
        self.bytes_left = left;
        let (file, len) = match contents {
            Contents::Inline(bytes) => return Ok(bytes),
            Contents::OnDisk { path, len } => (path, len),
        };
        let mut bytes = Vec::new();
        std::fs::File::open(&file)
            .and_then(|opened| opened.take(len + 1).read_to_end(&mut bytes))
            .map_err(|error| {
                Refusal::new(Code::Io, format!("cannot read {}: {error}", file.display())).who(path)
            })?;
        if bytes.len() as u64 != len {
            let what = format!(
                "{} had {len} bytes, and changed while it was read",
                file.display()
            );
            return Err(Refusal::new(Code::Conflict, what)
                .who(path)
                .hint("try again"));
        }
        Ok(bytes.into())
    }
}

/// A part that is a native behaviour.
fn native(name: &str, argument: Vec<u8>) -> PartBirth {
    PartBirth {
        role: None,
        code: CodeBirth::Native {
            name: name.to_owned(),
            version: None,
            argument: argument.into(),
        },
    }
}

/// The program that a pod directory describes.
///
/// # Errors
/// [`Refusal`]: a file is no text or cannot be read, or the program is none.
pub fn program_of(
    pod: &str,
    spec: OutsideSpec,
    mut read: impl FnMut(&str, Contents) -> Result<Bytes, Refusal>,
) -> Result<Program, Refusal> {
    let wrong = |what: String| Refusal::new(Code::Malformed, what).who(pod);
    let mut program = Program {
        command: spec.command,
        files: BTreeMap::new(),
        asks: spec.asks,
        timeout_ms: spec.timeout_ms,
        channels: spec.channels,
    };
    for (path, contents) in spec.files {
        let bytes = read(&path, contents)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            wrong(format!("`{path}` is not text")).hint(
                "let the program make it, or read it from a folder that it is granted with `--read`",
            )
        })?;
        program.files.insert(path, text.to_owned());
    }
    program.check().map_err(|error| wrong(error.to_string()))?;
    Ok(program)
}

fn purse_of(spec: PurseSpec) -> Purse {
    let endless = Purse::ENDLESS;
    Purse {
        fuel: spec.fuel.unwrap_or(endless.fuel),
        messages: spec.messages.unwrap_or(endless.messages),
        children: spec.children.unwrap_or(endless.children),
        outside: spec.outside.unwrap_or(endless.outside),
        motes: spec.motes.unwrap_or(endless.motes),
    }
}

/// What is wrong with a pod, as everyone else says it.
fn of_pod(path: &Path, error: &PodError) -> Refusal {
    let code = match error {
        PodError::Io { .. } => Code::Io,
        PodError::VcJsonTooLong { .. }
        | PodError::Json(JsonError::TooLong { .. } | JsonError::TooMany { .. })
        | PodError::TooManyVcs { .. } => Code::TooLarge,
        _ => Code::Malformed,
    };
    Refusal::new(code, error.to_string())
        .who(path.display())
        .hint(error.hint())
}
