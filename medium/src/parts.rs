//! Sandboxed code as requests name it: a part that comes with the medium, or a module that the node has.

use actors::birth::CodeBirth;
use actors::runtime::Runtime;
use adapters::parts;
use bytes::Bytes;
use data_encoding::BASE64;
use genesis::id::Digest;
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::{Code, Refusal};

/// Longest name in a refusal, in characters.
const SHOWN_CHARS_MAX: usize = 64;

/// Sandboxed code, and what it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasmPart {
    /// The name of a part that comes with the medium, or the digest of a module that the node has.
    pub module: String,
    /// What it begins with.
    pub argument: Bytes,
}

impl WasmPart {
    /// One as a request has it: the argument is a text, or bytes in base64.
    ///
    /// # Errors
    /// What is wrong with the argument.
    pub(crate) fn new(
        module: String,
        text: Option<String>,
        base64: Option<&str>,
    ) -> Result<Self, String> {
        let argument = match (text, base64) {
            (Some(_), Some(_)) => {
                return Err("`argument` and `base64_argument` exclude one another".to_owned());
            }
            (text, None) => text.unwrap_or_default().into(),
            (None, Some(base64)) => Bytes::from(
                BASE64
                    .decode(base64.as_bytes())
                    .map_err(|error| format!("`base64_argument` is not base64: {error}"))?,
            ),
        };
        if argument.len() > CONTENTS_INLINE_MAX {
            return Err(format!(
                "an argument has at most {CONTENTS_INLINE_MAX} bytes, this one has {}",
                argument.len()
            ));
        }
        Ok(Self { module, argument })
    }

    /// What a body is to be made of; the module is here from now on.
    ///
    /// # Errors
    /// [`Code::Unknown`] if there is no such part.
    pub(crate) async fn code(self, runtime: &Runtime) -> Result<CodeBirth, Refusal> {
        Ok(CodeBirth::WebAssembly {
            module: module(runtime, &self.module).await?,
            argument: self.argument,
        })
    }
}

/// The module that a text names.
async fn module(runtime: &Runtime, named: &str) -> Result<Digest, Refusal> {
    if let Some(part) = parts::part(named) {
        return Ok(runtime.bring(part.module()?).await?.digest);
    }
    named.parse().map_err(|_| {
        let shown: String = named.chars().take(SHOWN_CHARS_MAX).collect();
        let nearest = parts::nearest(named).unwrap_or_default();
        let what = format!(
            "`{shown}` is neither a part that comes with the medium (the nearest is `{nearest}`) \
             nor the digest of a module"
        );
        Refusal::new(Code::Unknown, what)
            .who(&shown)
            .hint("`POST /v1/modules` takes a module and answers its digest")
    })
}
