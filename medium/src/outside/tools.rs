//! What a language model is offered as tools: the contacts of the VC that speaks for it, as they are described.

use std::collections::BTreeMap;

use actors::runtime::Runtime;
use adapters::outside::call::ToolCall;
use adapters::outside::llm::Tool;
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::refusal::Refusal;
use serde_json::{Value, json};

use super::Programs;

/// Most tools that are offered; further ones are left out, and the log says so.
const OFFERS_MAX: usize = 64;
/// Most bytes of what is said of them: as [`OFFERS_MAX`].
const OFFERS_BYTES_MAX: usize = 64 * 1024;
/// Contacts that are looked at for each call of the model: no others are offered.
const LOOKED_AT_MAX: usize = 256;
/// Longest name of a function, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A tool that is offered: a channel of a contact.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    name: String,
    to: String,
    channel: Option<String>,
    description: String,
    parameters: Option<Value>,
}

impl Offer {
    fn new(
        to: &str,
        channel: Option<String>,
        description: String,
        parameters: Option<Value>,
    ) -> Self {
        let channel = channel.filter(|channel| channel != Channel::MAIN.as_str());
        let name = match &channel {
            None => to.to_owned(),
            Some(channel) => format!("{to}__{channel}"),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let plain = |c: char| if is_plain(c) { c } else { '_' };
        Self {
            name: name.chars().map(plain).take(NAME_BYTES_MAX).collect(),
            to: to.to_owned(),
            channel,
            description,
            parameters,
        }
    }

    /// As `/chat/completions` takes it.
    pub(super) fn to_json(&self) -> Value {
        let text = || {
            json!({
                "type": "object",
                "properties": { "text": { "type": "string" } },
                "required": ["text"],
            })
        };
        json!({
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters.clone().unwrap_or_else(text),
            },
        })
    }
}

/// The tools of a VC, and how many there were more.
///
/// # Errors
/// [`Refusal`]: the VC is unknown.
pub(super) async fn of(
    runtime: &Runtime,
    vc: VcId,
    described: &BTreeMap<String, Tool>,
) -> Result<(Vec<Offer>, usize), Refusal> {
    let portrait = runtime.show(vc).await?;
    let mut all: Vec<Offer> = Vec::new();
    let named = portrait
        .contacts
        .into_iter()
        .filter_map(|contact| Some((contact.name?, contact.id)));
    for (name, id) in named.take(LOOKED_AT_MAX) {
        match described.get(&name) {
            Some(tool) => {
                let Tool {
                    channel,
                    description,
                    parameters,
                } = tool.clone();
                all.push(Offer::new(&name, channel, description, parameters));
            }
            // One that is gone is no tool.
            None => all.extend(of_contact(runtime, &name, id).await.unwrap_or_default()),
        }
    }
    Ok(bounded(all))
}

/// What a contact says of itself.
async fn of_contact(runtime: &Runtime, name: &str, id: VcId) -> Result<Vec<Offer>, Refusal> {
    let program = Programs::program_of(runtime, id).await?;
    let channels = program.map(|program| program.channels).unwrap_or_default();
    if !channels.is_empty() {
        let offer = |(channel, described): (Channel, adapters::outside::program::Described)| {
            let channel = Some(channel.to_string());
            Offer::new(name, channel, described.description, described.parameters)
        };
        return Ok(channels.into_iter().map(offer).collect());
    }
    let description = runtime.show(id).await?.description;
    let offer = description.map(|description| Offer::new(name, None, description, None));
    Ok(offer.into_iter().collect())
}

/// As many as may be offered, each under a name of its own.
fn bounded(all: Vec<Offer>) -> (Vec<Offer>, usize) {
    let count = all.len();
    let mut offers: Vec<Offer> = Vec::new();
    let mut bytes = 0;
    for offer in all {
        bytes += offer.to_json().to_string().len();
        let is_new = offers.iter().all(|other| other.name != offer.name);
        if offers.len() < OFFERS_MAX && bytes <= OFFERS_BYTES_MAX && is_new {
            offers.push(offer);
        }
    }
    let left_out = count - offers.len();
    (offers, left_out)
}

/// Says of the tools a model calls which contacts it means.
pub(super) fn mean(calls: &mut [ToolCall], offers: &[Offer]) {
    for call in calls {
        if let Some(offer) = offers.iter().find(|offer| offer.name == call.name) {
            call.to = Some(offer.to.clone());
            call.channel.clone_from(&offer.channel);
            call.as_json = offer.parameters.is_some();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(to: &str, channel: &str) -> Offer {
        Offer::new(to, Some(channel.to_owned()), "It helps.".to_owned(), None)
    }

    #[test]
    fn names_are_such_as_models_take() {
        assert_eq!(offer("bob", "main").name, "bob");
        assert_eq!(offer("bob", "mem/read").name, "bob__mem_read");
        assert_eq!(offer(&"b".repeat(64), "a").name.len(), NAME_BYTES_MAX);
    }

    #[test]
    fn a_call_means_the_contact_of_that_name_only() {
        let offers = [offer("bob", "main"), offer("bob", "mem/read")];
        let call = |name: &str| ToolCall {
            name: name.to_owned(),
            to: None,
            ..ToolCall::default()
        };
        let mut calls = [call("bob__mem_read"), call("alice")];
        mean(&mut calls, &offers);
        assert_eq!(calls[0].to.as_deref(), Some("bob"));
        assert_eq!(calls[0].channel.as_deref(), Some("mem/read"));
        assert_eq!(calls[1].to, None);
    }

    #[test]
    fn there_are_only_so_many() {
        let all = (0..100).map(|n| offer(&format!("c{n}"), "main"));
        let (offers, left_out) = bounded(all.collect());
        assert_eq!((offers.len(), left_out), (OFFERS_MAX, 100 - OFFERS_MAX));
        let twins = vec![offer("a", "b/c"), offer("a", "b-c"), offer("a", "b_c")];
        assert_eq!(bounded(twins).0.len(), 2);
    }
}
