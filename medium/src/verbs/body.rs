//! `strip`, `internalize`, `upgrade`, `give`: what changes bodies, and whose a VC is.

use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::{Map, Value, json};

use super::Context;
use super::part::described;
use crate::cli::{Give, Internalize, PartOptions, Strip, Upgrade};

/// Takes a part out; prints the message it became.
pub(crate) async fn strip(context: Context<'_>, options: &Strip) -> Result<()> {
    let body = json!({ "occurrence": options.occurrence });
    ask(context, &options.vc, "strip", &body, "message").await
}

/// Gives a whole VC to another; prints the id it has there.
pub(crate) async fn give(context: Context<'_>, options: &Give) -> Result<()> {
    let body = json!({ "to": options.to, "move": options.moved });
    ask(context, &options.vc, "give", &body, "id").await
}

/// Takes a part in; prints its occurrence.
pub(crate) async fn internalize(context: Context<'_>, options: &Internalize) -> Result<()> {
    let Internalize {
        vc,
        part,
        role,
        options,
    } = options;
    let body = body(context, part, role.as_deref(), options).await?;
    ask(
        context,
        vc,
        "internalize",
        &Value::Object(body),
        "occurrence",
    )
    .await
}

/// Replaces a part; prints its occurrence.
pub(crate) async fn upgrade(context: Context<'_>, options: &Upgrade) -> Result<()> {
    let (occurrence, part) = match options.part.as_slice() {
        [occurrence, part] => (Some(number(occurrence)?), part),
        [part, ..] => (None, part),
        [] => return Err(Refusal::new(Code::Malformed, "no part was named").into()),
    };
    let mut body = body(context, part, options.role.as_deref(), &options.options).await?;
    if let Some(occurrence) = occurrence {
        body.insert("occurrence".to_owned(), occurrence.into());
    }
    ask(
        context,
        &options.vc,
        "upgrade",
        &Value::Object(body),
        "occurrence",
    )
    .await
}

/// A part, and on whose word it comes in.
async fn body(
    context: Context<'_>,
    part: &str,
    role: Option<&str>,
    options: &PartOptions,
) -> Result<Map<String, Value>> {
    let mut body = Map::new();
    let mut part = described(&context.client()?, part, &options.about).await?;
    if let Some(part) = part.as_object_mut() {
        super::spawn::outside(&options.outside, part)?;
    }
    body.insert("part".to_owned(), part);
    if let Some(role) = role {
        body.insert("role".to_owned(), role.into());
    }
    if let Some(last) = options.replay {
        body.insert("replay".to_owned(), last.into());
    }
    if options.by_override {
        body.insert("override".to_owned(), true.into());
    }
    Ok(body)
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| {
        Refusal::new(
            Code::Malformed,
            format!("`{text}` is not the number of a part"),
        )
        .hint("`medium show VC` shows the parts and their numbers")
    })
}

async fn ask(context: Context<'_>, vc: &str, verb: &str, body: &Value, field: &str) -> Result<()> {
    let answer: Value = context
        .client()?
        .post(&["v1", "vcs", vc, verb], body)
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&answer);
    }
    if let Some(fuel) = answer["fuel"].as_u64().filter(|&fuel| fuel > 0) {
        context.printer.note(&format!("it took {fuel} fuel"));
    }
    let answer = &answer[field];
    context.printer.text(
        &answer
            .as_str()
            .map_or_else(|| answer.to_string(), str::to_owned),
    )
}
