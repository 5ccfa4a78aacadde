//! `spawn`, `fork`: births; both print the id and nothing else.

use std::io::Read;
use std::path::Path;

use adapters::pod_dir::embedded_pod;
use anyhow::Result;
use data_encoding::BASE64;
use genesis::export;
use genesis::power::Power;
use genesis::refusal::{Code, Refusal};
use medium::dormitory::is_place;
use medium::name;
use medium::outside::Granted;
use serde_json::{Map, Value, json};

use super::Context;
use super::part::{self, spawnable};
use crate::cli::{Fork, Outside, PartAbout, Spawn};
use crate::client::Client;
use crate::client::seen::Born;
use crate::report::file_refused;

/// Gives birth to a VC.
pub(crate) async fn spawn(context: Context<'_>, options: Spawn) -> Result<()> {
    let client = context.client()?;
    let pod = match coded(&client, &options).await? {
        Some(pod) => pod,
        None => pod(options.what.as_deref(), options.text)?,
    };
    let mut birth = Map::new();
    birth.insert("pod".to_owned(), pod);
    if let Some(name) = options.name {
        name::given(&name)?;
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
    let what = options.what.as_deref().unwrap_or_default();
    let of_lisp = part::is_lisp(what).then_some(part::LISP_TURN_FUEL);
    if let Some(fuel) = options.turn_fuel.or(of_lisp) {
        birth.insert("turn_fuel".to_owned(), fuel.into());
    }
    if options.own_actor {
        birth.insert("own_actor".to_owned(), true.into());
    }
    if !options.reshaper.is_empty() {
        birth.insert("reshapers".to_owned(), options.reshaper.into());
    }
    if !options.contact.is_empty() {
        let contacts = options
            .contact
            .into_iter()
            .map(|(name, vc)| (name, vc.into()));
        birth.insert("contacts".to_owned(), Value::Object(contacts.collect()));
    }
    outside(&options.outside, &mut birth)?;
    let born = client.spawn(&Value::Object(birth)).await?;
    note_programs(context, &born);
    if let Some(name) = &born.name_taken {
        context.printer.note(&format!(
            "another VC is called `{name}`: this one has no name; `--name` gives it one"
        ));
    }
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
    // A look that fails must not hide that it was born.
    if let Ok(portrait) = client.portrait(&born.id).await
        && let Some(note) = lacking(&portrait.denied, &born.withheld)
    {
        context.printer.note(&note);
    }
    print(context, &born)
}

/// Says which programs run now, and what each may do.
fn note_programs(context: Context<'_>, born: &Born) {
    for program in &born.programs {
        let command = program.command.join(" ");
        let what = if command.is_empty() {
            "a program that attaches itself"
        } else {
            &command
        };
        let whose = if program.member.is_empty() {
            program.vc.clone()
        } else {
            let host = born.name.as_deref().unwrap_or(&born.id);
            format!("{host}/{}", program.member)
        };
        let digest = &program.digest;
        context
            .printer
            .note(&format!("program {digest} of {whose}: {what}"));
        for may in &program.may {
            context.printer.note(&format!("  {may}"));
        }
        for secret in &program.secrets {
            context
                .printer
                .note(&format!("  is given the secret {secret}"));
        }
    }
}

/// What its program is granted; secrets are taken from the environment, by name.
pub(super) fn outside(options: &Outside, birth: &mut Map<String, Value>) -> Result<(), Refusal> {
    let Outside {
        network,
        tcp,
        read,
        origin,
        secret,
        trust_native,
        expect,
    } = options;
    if let Some(expect) = expect {
        birth.insert("expect".to_owned(), expect.as_str().into());
    }
    let mut granted = Granted {
        network: *network,
        tcp: tcp.clone(),
        read: read.clone(),
        origins: origins(origin)?,
        trust_native: *trust_native,
        ..Granted::default()
    };
    for name in secret {
        let value = std::env::var(name).map_err(|error| {
            let what = format!("the secret `{name}` is not in the environment: {error}");
            Refusal::new(Code::Unknown, what).hint(format!("`{name}=... medium spawn ...` sets it"))
        })?;
        granted.secrets.insert(name.clone(), value);
    }
    if granted != Granted::default() {
        let granted = serde_json::to_value(granted)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        birth.insert("outside".to_owned(), granted);
    }
    Ok(())
}

/// Servers to call, each in one form.
fn origins(given: &[String]) -> Result<Vec<String>, Refusal> {
    let read = |text: &String| {
        adapters::http::origin(text).map_err(|why| {
            Refusal::new(Code::Malformed, format!("`--origin {text}`: {why}"))
                .hint("such as `--origin http://127.0.0.1:8080`")
        })
    };
    given.iter().map(read).collect()
}

/// Which powers the parts of a VC need that nobody asked for, and so nobody withheld.
fn lacking(denied: &[String], withheld: &[String]) -> Option<String> {
    let powers = denied
        .iter()
        .map(|channel| channel.strip_prefix("medium/").unwrap_or(channel))
        // What is no power is nobody's to grant; `show` names it as denied.
        .filter(|power| power.parse::<Power>().is_ok());
    let powers: Vec<_> = powers
        .filter(|power| !withheld.iter().any(|known| known == power))
        .collect();
    let flags: Vec<_> = powers
        .iter()
        .map(|power| format!("--grant {power}"))
        .collect();
    (!powers.is_empty()).then(|| {
        format!(
            "its parts need what it was not granted: {}; `{}` grants it",
            powers.join(", "),
            flags.join(" ")
        )
    })
}

/// Makes a copy of a VC that goes its own way: of one that is here, or of one in a pod.
pub(crate) async fn fork(context: Context<'_>, options: &Fork) -> Result<()> {
    if let Some(name) = &options.name {
        name::given(name)?;
    }
    if is_place(&options.vc) {
        let pod = json!({ "reference": options.vc, "fork": true });
        let mut birth = Map::new();
        birth.insert("pod".to_owned(), pod);
        birth.insert("name".to_owned(), options.name.clone().into());
        outside(&options.outside, &mut birth)?;
        let born = context.client()?.spawn(&Value::Object(birth)).await?;
        note_programs(context, &born);
        return print(context, &born);
    }
    let mut granted = Map::new();
    outside(&options.outside, &mut granted)?;
    if !granted.is_empty() {
        let what = "a fork of a VC that is here is granted what that one is";
        return Err(Refusal::new(Code::Malformed, what)
            .who(&options.vc)
            .hint("leave the flags out; `medium upgrade` replaces a program and what it is granted")
            .into());
    }
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

/// A VC of one part that is sandboxed code: a file with code that is there, or a part that comes with the
/// medium; directories and pods that come with it go before.
async fn coded(client: &Client, options: &Spawn) -> Result<Option<Value>, Refusal> {
    let Some(what) = options.what.as_deref() else {
        return Ok(None);
    };
    if Path::new(what).is_dir() || (embedded_pod(what).is_some() && options.text.is_none()) {
        return Ok(None);
    }
    let about = PartAbout {
        argument: options.text.clone(),
        ..PartAbout::default()
    };
    spawnable(client, what, &about).await
}

/// What is to be spawned, as the API takes it, if it is no code. In this order: a message, a directory that
/// is there, a pod that comes with the medium, an image file that is there, a native behaviour.
fn pod(what: Option<&str>, text: Option<String>) -> Result<Value, Refusal> {
    let Some(what) = what else {
        return Ok(json!({ "text": text.unwrap_or_default() }));
    };
    let path = Path::new(what);
    let found = if what.starts_with("msg:") {
        json!({ "message": what })
    } else if is_place(what) && !path.exists() {
        json!({ "reference": what })
    } else if path.is_dir() {
        json!({ "path": absolute(path)? })
    } else if embedded_pod(what).is_some() && text.is_none() {
        json!({ "embedded": what })
    } else if path.exists() {
        json!({ "image": BASE64.encode(&image_file(path)?) })
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

/// The file of a frozen VC: whether it is one is looked at before all of it is read.
pub(super) fn image_file(path: &Path) -> Result<Vec<u8>, Refusal> {
    let refused = |error: std::io::Error| file_refused("read", path, &error);
    let mut file = std::fs::File::open(path).map_err(refused)?;
    let mut bytes = Vec::new();
    let magic = export::MAGIC.len() as u64;
    file.by_ref()
        .take(magic)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    if !export::is_export(&bytes) {
        let what = format!(
            "`{}` is not the file of a frozen VC: it does not begin with `medium/1 image`",
            path.display()
        );
        return Err(Refusal::new(Code::Malformed, what)
            .who(path.display())
            .hint("`medium freeze VC -o FILE` writes one; a pod is a directory with a `vc.json`"));
    }
    let rest = export::FILE_BYTES_MAX as u64 - magic + 1;
    file.take(rest).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() > export::FILE_BYTES_MAX {
        let what = format!(
            "a frozen VC has at most {} bytes, `{}` has more",
            export::FILE_BYTES_MAX,
            path.display()
        );
        return Err(Refusal::new(Code::TooLarge, what).who(path.display()));
    }
    Ok(bytes)
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

    /// Regression: a VC whose parts need a power that its pod forgot to ask for failed its first turn, and
    /// nothing had said so.
    #[test]
    fn powers_that_nobody_asked_for_are_told() {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        let denied = texts(&["medium/send", "medium/spawn"]);
        let note = lacking(&denied, &texts(&["spawn"])).unwrap();
        assert!(
            note.contains("--grant send") && !note.contains("spawn"),
            "{note}"
        );
        assert_eq!(lacking(&denied, &texts(&["send", "spawn"])), None);
        assert_eq!(lacking(&[], &[]), None);
    }

    #[test]
    fn what_is_there_comes_before_what_comes_with_the_medium() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().canonicalize().unwrap();
        let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        std::fs::write(dir.join("saved.image"), export::MAGIC).unwrap();
        std::fs::write(dir.join("other"), b"\x01").unwrap();

        assert_eq!(
            pod(Some(&at("")), None).unwrap(),
            json!({ "path": at("").trim_end_matches('/') })
        );
        assert_eq!(
            pod(Some(&at("saved.image")), None).unwrap(),
            json!({ "image": BASE64.encode(export::MAGIC) })
        );
        let other = pod(Some(&at("other")), None).unwrap_err();
        assert_eq!(other.code, Code::Malformed);
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
