//! What the VCs that speak for somebody outside have in common: messages whose contents are JSON.

use actors::behaviour::Fault;
use actors::letter::Letter;
use serde::Serialize;

/// A fact about a message whose contents are a JSON value: its metadata has `type`: `json`.
pub(super) const TYPE: &str = "type";
pub(super) const JSON: &str = "json";

/// Whether a message says that its contents are a JSON value.
pub(super) fn says_json(letter: &Letter) -> bool {
    let extra = letter.extra.as_deref();
    let kind = extra.and_then(|extra| extra.metadata.get(TYPE));
    kind.is_some_and(|kind| kind.as_ref() == JSON.as_bytes())
}

/// A value as JSON.
pub(super) fn written(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::malformed(error.to_string()))
}
