//! Changes of a body: parts that are tried, taken out, taken in and replaced.

use axum::Json as Answered;
use axum::extract::State;
use bytes::Bytes;
use data_encoding::BASE64;
use genesis::id::{MessageId, VcId};
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::{Code, Refusal};
use serde::Deserialize;

use actors::behaviour::Behaviour;
use actors::birth::{CodeBirth, PartBirth};
use actors::runtime::Runtime;
use actors::view::{Consent, Reshaped, Stripped, Trial};

use adapters::outside::{Outside, Program};

use super::Api;
use super::extract::{Json, Vc, message_id};
use super::failure::{Answer, malformed};
use crate::outside::Granted;
use crate::parts::WasmPart;
use crate::spawn::program;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StripRequest {
    occurrence: u64,
}

/// Takes a part out of a body and broadcasts it as a message.
pub(super) async fn strip(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(StripRequest { occurrence }): Json<StripRequest>,
) -> Answer<Answered<Stripped>> {
    Ok(Answered(api.runtime().strip(id, occurrence).await?))
}

/// A part as it is written: one of `native`, `wasm`, `base64`, `message`, and what belongs to it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PartRequest {
    native: Option<String>,
    version: Option<u32>,
    argument: Option<String>,
    wasm: Option<String>,
    base64_argument: Option<String>,
    base64: Option<String>,
    decoder: Option<String>,
    message: Option<String>,
    /// What a program outside is granted, instead of what it was.
    outside: Option<Granted>,
    /// The digest that a program must have.
    expect: Option<String>,
}

/// A program that comes into a body: what it is granted from then on.
struct Cleared(Option<Granted>);

impl PartRequest {
    /// Looks at a program that would come into a body: whether it may have what it asks for.
    async fn clear(&mut self, api: &Api, id: VcId) -> Result<Option<Cleared>, Refusal> {
        let (granted, expect) = (self.outside.take(), self.expect.take());
        if self.native.as_deref() != Some(Outside::NAME) {
            if granted.is_some() || expect.is_some() {
                return Err(malformed(
                    "`outside` and `expect` belong to the part `outside`",
                ));
            }
            return Ok(None);
        }
        let argument = self.argument.as_deref().unwrap_or_default();
        let program = Program::read(argument.as_bytes())
            .map_err(|error| malformed(format!("`argument`: {error}")))?;
        let name = api.runtime().show(id).await?.summary.name;
        let name = name.unwrap_or_else(|| id.to_string());
        program::is_expected(&name, &[program.digest()], expect.as_deref())?;
        let has = match &granted {
            Some(granted) => granted.clone(),
            None => api.programs().granted(id)?,
        };
        api.programs().plan(&name, &program, &has)?;
        Ok(Some(Cleared(granted)))
    }

    pub(super) async fn part(
        self,
        role: Option<String>,
        runtime: &Runtime,
    ) -> Result<Part, Refusal> {
        let Self {
            native,
            version,
            argument,
            wasm,
            base64_argument,
            base64,
            decoder,
            message,
            ..
        } = self;
        if native.is_none() && version.is_some() {
            return Err(malformed("`version` belongs to `native`"));
        }
        if native.is_none() && wasm.is_none() && argument.is_some() {
            return Err(malformed("`argument` belongs to `native` or `wasm`"));
        }
        if wasm.is_none() && base64_argument.is_some() {
            return Err(malformed("`base64_argument` belongs to `wasm`"));
        }
        if base64.is_none() && decoder.is_some() {
            return Err(malformed("`decoder` belongs to `base64`"));
        }
        let code = match (native, wasm, base64, message) {
            (Some(name), None, None, None) => CodeBirth::Native {
                name,
                version,
                argument: argument.unwrap_or_default().into(),
            },
            (None, Some(module), None, None) => {
                let part = WasmPart::new(module, argument, base64_argument.as_deref());
                part.map_err(malformed)?.code(runtime).await?
            }
            (None, None, Some(text), None) => {
                let decoder = decoder.map(|text| text.parse()).transpose();
                let decoder = decoder.map_err(|error| malformed(format!("`decoder`: {error}")))?;
                let contents = contents(&text)?;
                CodeBirth::Data { contents, decoder }
            }
            (None, None, None, Some(message)) => return Ok(Part::Stripped(message_id(&message)?)),
            _ => {
                return Err(malformed(
                    "`part` has exactly one of `native`, `wasm`, `base64`, `message`",
                ));
            }
        };
        Ok(Part::New(PartBirth { role, code }))
    }
}

/// A part that is to be taken in.
pub(super) enum Part {
    New(PartBirth),
    /// One that another VC stripped: it comes as it was, with its role.
    Stripped(MessageId),
}

fn contents(text: &str) -> Result<Bytes, Refusal> {
    let bytes = BASE64
        .decode(text.as_bytes())
        .map_err(|error| malformed(format!("`base64` is not base64: {error}")))?;
    if bytes.len() > CONTENTS_INLINE_MAX {
        let what = format!(
            "a part has at most {CONTENTS_INLINE_MAX} bytes here, this one has {}",
            bytes.len()
        );
        return Err(Refusal::new(Code::TooLarge, what)
            .hint("spawn a pod with the file in it, and strip the part from there"));
    }
    Ok(bytes.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TryRequest {
    part: PartRequest,
    occurrence: Option<u64>,
    role: Option<String>,
    replay: Option<u32>,
}

/// Finds out what a part is worth to a body, which is not touched.
pub(super) async fn attempt(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(mut request): Json<TryRequest>,
) -> Answer<Answered<Trial>> {
    request.part.clear(&api, id).await?;
    let Part::New(part) = request.part.part(request.role, api.runtime()).await? else {
        return Err(
            malformed("a stripped part is tried when it is internalized")
                .hint("internalize it: if it is refused, it stays where it is")
                .into(),
        );
    };
    let trial = api
        .runtime()
        .try_part(id, request.occurrence, part, request.replay);
    Ok(Answered(trial.await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InternalizeRequest {
    part: PartRequest,
    #[serde(default)]
    r#override: bool,
    replay: Option<u32>,
    role: Option<String>,
}

/// On whose word a part comes in.
fn consent(by_override: bool, replay: Option<u32>) -> Result<Consent, Refusal> {
    match (by_override, replay) {
        (true, Some(_)) => Err(malformed("`override` and `replay` exclude one another")),
        (true, None) => Ok(Consent::Override),
        (false, Some(last)) => Ok(Consent::Replay(last)),
        (false, None) => Ok(Consent::Judge),
    }
}

/// Takes a part into a body, after its test.
pub(super) async fn internalize(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(mut request): Json<InternalizeRequest>,
) -> Answer<Answered<Reshaped>> {
    let cleared = request.part.clear(&api, id).await?;
    let consent = consent(request.r#override, request.replay)?;
    let named = request.role.is_some();
    let done = match request.part.part(request.role, api.runtime()).await? {
        Part::New(part) => api.runtime().internalize(id, part, consent).await?,
        Part::Stripped(_) if named => {
            return Err(malformed("a stripped part comes as it was: no `role`").into());
        }
        Part::Stripped(message) => api.runtime().adopt(id, message, consent).await?,
    };
    begin(&api, id, cleared)?;
    Ok(Answered(done))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpgradeRequest {
    occurrence: Option<u64>,
    part: PartRequest,
    #[serde(default)]
    r#override: bool,
    replay: Option<u32>,
    role: Option<String>,
}

/// Replaces a part of a body, keeping its state; on any failure the old one stays.
pub(super) async fn upgrade(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(mut request): Json<UpgradeRequest>,
) -> Answer<Answered<Reshaped>> {
    let cleared = request.part.clear(&api, id).await?;
    let Part::New(part) = request.part.part(request.role, api.runtime()).await? else {
        return Err(malformed("a stripped part cannot replace another")
            .hint("internalize it, and strip the old one")
            .into());
    };
    let consent = consent(request.r#override, request.replay)?;
    let upgraded = api.runtime().upgrade(id, request.occurrence, part, consent);
    let upgraded = upgraded.await?;
    begin(&api, id, cleared)?;
    Ok(Answered(upgraded))
}

/// Starts the program that has come into a body.
fn begin(api: &Api, id: VcId, cleared: Option<Cleared>) -> Result<(), Refusal> {
    if let Some(Cleared(granted)) = cleared {
        if let Some(granted) = granted {
            api.programs().grant(id, &granted)?;
        }
        api.programs().restart(id);
    }
    Ok(())
}
