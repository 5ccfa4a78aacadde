//! `spawn`, `fork`: births; both print the id and nothing else.

use std::path::Path;

use adapters::pod_dir::embedded_pod;
use anyhow::Result;
use data_encoding::BASE64;
use genesis::power::Power;
use genesis::refusal::{Code, Refusal};
use serde_json::{Map, Value, json};

use super::Context;
use crate::cli::{Fork, Spawn};
use crate::client::seen::Born;
use crate::report::file_refused;

/// Gives birth to a VC.
pub(crate) async fn spawn(context: Context<'_>, options: Spawn) -> Result<()> {
    let pod = pod(options.what.as_deref(), options.text)?;
    let mut birth = Map::new();
    birth.insert("pod".to_owned(), pod);
    if let Some(name) = options.name {
        birth.insert("name".to_owned(), name.into());
    }
    if !options.grant.is_empty() {
        let grants: Vec<_> = options.grant.iter().copied().map(Power::name).collect();
        birth.insert("grants".to_owned(), grants.into());
    }
    if !options.budget.is_empty() {
        let purse = options
            .budget
            .iter()
            .map(|(coin, n)| (coin.name().to_owned(), json!(n)));
        birth.insert("purse".to_owned(), Value::Object(purse.collect()));
    }
    if options.volatile {
        birth.insert("volatile".to_owned(), true.into());
    }
    if let Some(record) = options.record {
        birth.insert("record".to_owned(), record.into());
    }
    let born = context.client()?.spawn(&Value::Object(birth)).await?;
    if !born.withheld.is_empty() {
        let powers = born.withheld.join(", ");
        let flags: Vec<_> = born
            .withheld
            .iter()
            .map(|power| format!("--grant {power}"))
            .collect();
        let what = options.what.as_deref().unwrap_or_default();
        let grant = format!("`medium spawn {what} {}` grants it", flags.join(" "));
        context.printer.note(&format!(
            "withheld, though its pod asks for it: {powers}; {grant}"
        ));
    }
    print(context, &born)
}

/// Makes a copy of a VC that goes its own way.
pub(crate) async fn fork(context: Context<'_>, options: &Fork) -> Result<()> {
    let born = context
        .client()?
        .fork(&options.vc, options.name.as_deref())
        .await?;
    print(context, &born)
}

fn print(context: Context<'_>, born: &Born) -> Result<()> {
    if context.printer.is_json() {
        context.printer.json(born)
    } else {
        context.printer.text(&born.id)
    }
}

/// What is to be spawned, as the API takes it. In this order: a message, a directory that is there, a
/// pod that comes with the medium, an image file that is there, a native behaviour.
fn pod(what: Option<&str>, text: Option<String>) -> Result<Value, Refusal> {
    let Some(what) = what else {
        return Ok(json!({ "text": text.unwrap_or_default() }));
    };
    let path = Path::new(what);
    let found = if what.starts_with("msg:") {
        json!({ "message": what })
    } else if path.is_dir() {
        json!({ "path": absolute(path)? })
    } else if embedded_pod(what).is_some() && text.is_none() {
        json!({ "embedded": what })
    } else if path.exists() {
        let bytes = std::fs::read(path).map_err(|error| file_refused("read", path, &error))?;
        json!({ "image": BASE64.encode(&bytes) })
    } else if what.contains('/') {
        return Err(Refusal::new(
            Code::Unknown,
            format!("there is no directory or image `{what}`"),
        )
        .who(what)
        .hint("a pod directory holds a `vc.json`; `medium spawn echo` needs no directory"));
    } else {
        return Ok(json!({ "native": what, "argument": text.unwrap_or_default() }));
    };
    match text {
        None => Ok(found),
        Some(_) => Err(Refusal::new(
            Code::Malformed,
            format!(
                "`--text` is the argument of a native behaviour, but `{what}` is something else"
            ),
        )
        .hint(format!(
            "`medium spawn {what}` spawns it; `medium spawn --text …` spawns a literal"
        ))),
    }
}

/// The path as the node, which runs elsewhere, finds it.
fn absolute(path: &Path) -> Result<String, Refusal> {
    let whole = std::fs::canonicalize(path).map_err(|error| file_refused("find", path, &error))?;
    whole.into_os_string().into_string().map_err(|path| {
        let what = format!("`{}` is not UTF-8, which names travel in", path.display());
        Refusal::new(Code::Malformed, what).hint("give the directory another name")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_comes_before_what_comes_with_the_medium() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().canonicalize().unwrap();
        let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        std::fs::write(dir.join("saved.image"), b"\x01").unwrap();

        assert_eq!(
            pod(Some(&at("")), None).unwrap(),
            json!({ "path": at("").trim_end_matches('/') })
        );
        assert_eq!(
            pod(Some(&at("saved.image")), None).unwrap(),
            json!({ "image": "AQ==" })
        );
        assert_eq!(
            pod(Some(&at("none")), None).unwrap_err().code,
            Code::Unknown
        );
        assert_eq!(
            pod(Some("echo"), None).unwrap(),
            json!({ "embedded": "echo" })
        );
        assert_eq!(
            pod(Some("msg:abc"), None).unwrap(),
            json!({ "message": "msg:abc" })
        );
        let relay = json!({ "native": "relay", "argument": "" });
        assert_eq!(pod(Some("relay"), None).unwrap(), relay);
        let said = json!({ "native": "say", "argument": "hi" });
        assert_eq!(pod(Some("say"), Some("hi".to_owned())).unwrap(), said);
        assert_eq!(
            pod(None, Some("hi".to_owned())).unwrap(),
            json!({ "text": "hi" })
        );
        let both = pod(Some(&at("")), Some("hi".to_owned())).unwrap_err();
        assert_eq!(both.code, Code::Malformed);
    }
}
