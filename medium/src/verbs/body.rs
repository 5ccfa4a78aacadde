//! `strip`, `internalize`, `upgrade`: what changes a body.

use std::path::Path;

use anyhow::Result;
use data_encoding::BASE64;
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::{Code, Refusal};
use serde_json::{Map, Value, json};

use super::Context;
use crate::cli::{Internalize, PartOptions, Strip, Upgrade};
use crate::report::file_refused;

/// Takes a part out; prints the message it became.
pub(crate) async fn strip(context: Context<'_>, options: &Strip) -> Result<()> {
    let body = json!({ "occurrence": options.occurrence });
    ask(context, &options.vc, "strip", &body, "message").await
}

/// Takes a part in; prints its occurrence.
pub(crate) async fn internalize(context: Context<'_>, options: &Internalize) -> Result<()> {
    let mut body = described(&options.part, &options.options)?;
    if let Some(role) = &options.role {
        body.insert("role".to_owned(), role.as_str().into());
    }
    ask(
        context,
        &options.vc,
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
    let mut body = described(part, &options.options)?;
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
    let answer = &answer[field];
    context.printer.text(
        &answer
            .as_str()
            .map_or_else(|| answer.to_string(), str::to_owned),
    )
}

/// A part as the API takes it. In this order: a message, a file that is there, a native behaviour.
fn described(part: &str, options: &PartOptions) -> Result<Map<String, Value>, Refusal> {
    let path = Path::new(part);
    let is_file = path.is_file();
    let described = if part.starts_with("msg:") {
        json!({ "message": part })
    } else if is_file {
        let refused = |error: std::io::Error| file_refused("read", path, &error);
        let size = path.metadata().map_err(refused)?.len();
        if size > CONTENTS_INLINE_MAX as u64 {
            let what =
                format!("a part has at most {CONTENTS_INLINE_MAX} bytes here, `{part}` has {size}");
            return Err(Refusal::new(Code::TooLarge, what)
                .who(part)
                .hint("spawn a pod with the file in it, and strip the part from there"));
        }
        let bytes = std::fs::read(path).map_err(refused)?;
        let mut part = json!({ "base64": BASE64.encode(&bytes) });
        if let Some(decoder) = options.decoder {
            part["decoder"] = decoder.to_string().into();
        }
        part
    } else if part.contains('/') {
        let what = format!("there is no file `{part}`");
        return Err(Refusal::new(Code::Unknown, what)
            .who(part)
            .hint("check the path"));
    } else {
        json!({ "native": part, "argument": options.argument.as_deref().unwrap_or_default() })
    };
    let misplaced = [
        (options.decoder.is_some() && !is_file, "--decoder", "a file"),
        (
            options.argument.is_some() && described.get("native").is_none(),
            "--argument",
            "a native behaviour",
        ),
    ];
    if let Some((_, flag, of)) = misplaced.into_iter().find(|(wrong, ..)| *wrong) {
        let what = format!("`{flag}` describes {of}, which `{part}` is not");
        return Err(Refusal::new(Code::Malformed, what).hint(format!("leave `{flag}` out")));
    }
    let mut body = Map::new();
    body.insert("part".to_owned(), described);
    if options.by_override {
        body.insert("override".to_owned(), true.into());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_message_a_file_or_a_native() {
        let options = |argument: Option<&str>| PartOptions {
            argument: argument.map(str::to_owned),
            decoder: None,
            by_override: false,
        };
        let part = |text: &str, argument| described(text, &options(argument)).map(Value::Object);
        let native = json!({ "part": { "native": "say", "argument": "hi" } });
        assert_eq!(part("say", Some("hi")), Ok(native));
        assert_eq!(
            part("msg:a", None),
            Ok(json!({ "part": { "message": "msg:a" } }))
        );
        assert_eq!(part("msg:a", Some("hi")).unwrap_err().code, Code::Malformed);
        assert_eq!(
            part("./no-such-file", None).unwrap_err().code,
            Code::Unknown
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes");
        std::fs::write(&file, "x").unwrap();
        let found = part(file.to_str().unwrap(), None);
        assert_eq!(found, Ok(json!({ "part": { "base64": "eA==" } })));
    }
}
