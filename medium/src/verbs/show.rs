//! `show`, `shape`, `explain`: one thing, looked at closely.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use genesis::refusal::Refusal;
use genesis::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Context;
use super::list::understood;
use super::world;
use crate::cli::{Shape, Show};
use crate::client::Client;
use crate::client::seen::Portrait;
use crate::printer::Style;

/// Longest contents that are shown whole, in characters.
const CONTENTS_CHARS_MAX: usize = 400;
/// The facts about a message that a person looks for first, in this order.
const FACTS_FIRST: [&str; 9] = [
    "sender",
    "recipient",
    "kind",
    "channel",
    "sequence",
    "cause",
    "answers",
    "sent_at",
    "expires_at",
];
/// Digits of a module's digest that a screen shows.
const DIGITS_MAX: usize = 12;
/// Most contacts, set-aside messages and the like that one screen shows.
const ROWS_MAX: usize = 12;

/// Shows a VC, or a message.
pub(crate) async fn show(context: Context<'_>, options: &Show) -> Result<()> {
    let what = options.what.as_str();
    let client = context.client()?;
    if what.starts_with("msg:") {
        let message: Value = client.get(&["v1", "messages", what], &[]).await?;
        if context.printer.is_json() {
            return context.printer.json(&message);
        }
        return context.printer.fields(&message_fields(&message));
    }
    let mut query = Vec::new();
    query.extend(options.after.clone().map(|after| ("after", after)));
    query.extend(options.limit.map(|limit| ("limit", limit.to_string())));
    let portrait: Value = client.get(&["v1", "vcs", what], &query).await?;
    if portrait.get("cohort").is_some() {
        return world::within(context, what, &portrait);
    }
    if context.printer.is_json() {
        return context.printer.json(&portrait);
    }
    let world = portrait.get("world").cloned();
    let portrait: Portrait = understood(portrait)?;
    let mut fields = portrait_fields(&portrait);
    if let Some(world) = world {
        fields.extend(world::fields(&understood(world)?));
    }
    context.printer.fields(&fields)
}

/// What a stranger would ask of a VC: who is it, what is it made of, what may it do, how is it?
fn portrait_fields(vc: &Portrait) -> Vec<(&'static str, String)> {
    let summary = &vc.summary;
    let mut life = summary.life.clone();
    if let Some(reason) = &summary.reason {
        let _ = write!(life, " ({reason})");
    }
    let _ = write!(
        life,
        ", {}",
        if summary.durable {
            "durable"
        } else {
            "ends with the node"
        }
    );
    if vc.idle_ms > 0 {
        let _ = write!(life, ", sleeps after {} ms", vc.idle_ms);
    }
    let host = if summary.nested { "lives in" } else { "host" };
    let mut fields = vec![
        ("id", summary.id.clone()),
        ("name", none_as_dash(summary.called())),
        (
            "is for",
            none_as_dash(vc.description.as_deref().unwrap_or_default()),
        ),
        ("life", life),
        (host, summary.host.clone()),
        ("body", parts(vc)),
        ("shape", dimensions(&vc.shape)),
        ("grants", none_as_dash(&vc.grants.join(" "))),
        ("needs", none_as_dash(&vc.needs.join(" "))),
        ("gives", none_as_dash(&vc.gives.join(" "))),
        ("denied", none_as_dash(&vc.denied.join(" "))),
        ("hunger", none_as_dash(&vc.hunger.join(" "))),
        ("contacts", contacts(vc)),
        ("reshapers", none_as_dash(&rows(&vc.reshapers))),
        (
            "accepts",
            vc.accept.clone().unwrap_or_else(|| "everything".to_owned()),
        ),
        ("purse", purse(summary)),
        ("a turn", format!("at most {} fuel", vc.turn_fuel)),
        (
            "mailbox",
            format!("{} waiting, {} timers", summary.mailbox, vc.timers),
        ),
        ("so far", so_far(vc)),
    ];
    if let Some(program) = &vc.program {
        let command = if program.command.is_empty() {
            "attaches itself".to_owned()
        } else {
            program.command.join(" ")
        };
        fields.push(("program", format!("{command}\n{}", program.digest)));
        let mut may = program.may.clone();
        may.extend(
            program
                .secrets
                .iter()
                .map(|name| format!("is given the secret {name}")),
        );
        fields.push(("it", may.join("\n")));
    }
    if !vc.members.is_empty() {
        let members: Vec<_> = vc.members.iter().map(member).collect();
        fields.push(("members", rows(&members)));
    }
    fields.extend(vc.goal.clone().map(|goal| ("goal", goal)));
    if vc.journal.1 > 0 {
        fields.push((
            "journal",
            format!("{} of {} messages", vc.journal.0, vc.journal.1),
        ));
    }
    if !vc.lineage.is_empty() {
        fields.push(("forked from", rows(&vc.lineage)));
    }
    if !vc.set_aside.is_empty() {
        let line = |one: &crate::client::seen::SetAside| format!("{}  {}", one.message, one.why);
        fields.push((
            "set aside",
            rows(&vc.set_aside.iter().map(line).collect::<Vec<_>>()),
        ));
    }
    fields
}

/// Who lives in its body: name, life, why it ended, how often it was started again, and its program.
fn member(member: &crate::client::seen::Member) -> String {
    let summary = &member.summary;
    let mut line = format!("{}  {}", summary.called(), summary.life);
    if let Some(reason) = &summary.reason {
        let _ = write!(line, " ({reason})");
    }
    if summary.restarts > 0 {
        let _ = write!(line, ", restarts {}", summary.restarts);
    }
    if let Some(program) = &member.program {
        let command = if program.command.is_empty() {
            "attaches itself".to_owned()
        } else {
            program.command.join(" ")
        };
        let digits: String = program.digest.chars().take(DIGITS_MAX).collect();
        let _ = write!(line, "  {command}  {digits}");
    }
    line
}

/// All coins, and which of them run out.
fn purse(vc: &crate::client::seen::Summary) -> String {
    let low: Vec<_> = vc.low.iter().map(|coin| coin.name()).collect();
    match low.as_slice() {
        [] => vc.purse.to_string(),
        low => format!(
            "{}\na tenth or less is left of {}",
            vc.purse,
            low.join(", ")
        ),
    }
}

fn parts(vc: &Portrait) -> String {
    let line = |part: &crate::client::seen::Part| {
        let mut line = format!("{}  {}", part.occurrence, brief(&part.code));
        // Of sandboxed code the size was said: what else it has is its argument.
        let _ = match (part.code.starts_with("wasm "), part.bytes) {
            (true, 0) => Ok(()),
            (true, bytes) => write!(line, ", begun with {bytes} bytes"),
            (false, bytes) => write!(line, ", {bytes} bytes"),
        };
        for (word, texts) in [
            ("as", part.role.as_slice()),
            ("gives", &part.gives),
            ("needs", &part.needs),
        ] {
            if !texts.is_empty() {
                let _ = write!(line, ", {word} {}", texts.join(" "));
            }
        }
        line
    };
    let lines: Vec<_> = vc.body.iter().map(line).collect();
    format!("{}\ndigest {}", rows(&lines), vc.body_digest)
}

/// What a part is, on a screen: of a module, the first digits of its digest and its size.
pub(super) fn brief(code: &str) -> String {
    match code
        .strip_prefix("wasm ")
        .and_then(|rest| rest.split_once(' '))
    {
        Some((module, size)) => format!("wasm {} {size}", crate::printer::clip(module, DIGITS_MAX)),
        None => code.to_owned(),
    }
}

fn contacts(vc: &Portrait) -> String {
    let line = |contact: &crate::client::seen::Contact| match &contact.name {
        Some(name) => format!("{name}  {}", contact.id),
        None => contact.id.clone(),
    };
    let lines: Vec<_> = vc.contacts.iter().map(line).collect();
    if lines.is_empty() {
        "only its host".to_owned()
    } else {
        rows(&lines)
    }
}

fn so_far(vc: &Portrait) -> String {
    let counted = [
        (vc.turns, "turns"),
        (vc.sent, "messages sent"),
        (vc.births, "births"),
        (vc.summary.faults, "turns failed"),
        (vc.summary.restarts, "restarts"),
    ];
    let shown = counted
        .iter()
        .filter(|(n, what)| *n > 0 || *what == "turns");
    shown
        .map(|(n, what)| format!("{n} {what}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn dimensions(shape: &BTreeMap<String, i64>) -> String {
    let shown: Vec<_> = shape
        .iter()
        .map(|(dimension, at)| format!("{dimension}={at}"))
        .collect();
    none_as_dash(&shown.join(" "))
}

/// Texts one below the other, as many as a screen holds.
fn rows(texts: &[String]) -> String {
    let mut shown = texts
        .iter()
        .take(ROWS_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    if texts.len() > ROWS_MAX {
        let _ = write!(
            shown,
            "\n… and {} more (`--json` shows all)",
            texts.len() - ROWS_MAX
        );
    }
    shown
}

fn none_as_dash(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text.to_owned()
    }
}

/// A message's three parts (contents, decoder, metadata) and its fate.
fn message_fields(message: &Value) -> Vec<(&str, String)> {
    let contents = &message["contents"];
    let size = format!(
        "{} bytes, digest {}",
        plain(&contents["bytes"]),
        plain(&contents["digest"])
    );
    let shown = match (contents["text"].as_str(), contents["base64"].as_str()) {
        (Some(text), _) => head(text),
        (None, Some(base64)) => format!("(base64) {}", head(base64)),
        (None, None) => "(by reference)".to_owned(),
    };
    let decoder = match &message["decoder"] {
        Value::Null => "none: it cannot be tested".to_owned(),
        digest => plain(digest),
    };
    let mut fields = vec![
        ("id", plain(&message["id"])),
        ("contents", format!("{shown}\n{size}")),
        ("decoder", decoder),
    ];
    let facts = &message["metadata"];
    let first = FACTS_FIRST
        .iter()
        .filter_map(|&name| facts.as_object()?.get_key_value(name));
    let rest = facts.as_object().into_iter().flatten();
    let rest = rest.filter(|(name, _)| !FACTS_FIRST.contains(&name.as_str()));
    let facts: Vec<_> = first
        .chain(rest)
        .filter(|(_, fact)| !is_nothing(fact))
        .map(|(name, fact)| format!("{:<10}  {}", name.replace('_', " "), fact_text(name, fact)))
        .collect();
    fields.push(("metadata", none_as_dash(&facts.join("\n"))));
    fields.push(("fate", fate(&message["fate"])));
    fields
}

/// What became of a message, in words.
fn fate(fate: &Value) -> String {
    let word = fate["fate"].as_str().or(fate.as_str()).unwrap_or("unknown");
    match fate["why"]["what"].as_str() {
        Some(why) => format!("{word}: {why}"),
        None => word.to_owned(),
    }
}

fn fact_text(name: &str, fact: &Value) -> String {
    match fact.as_u64() {
        Some(ms) if name.ends_with("_at") => Time(ms).to_string(),
        _ => match (fact["sender"].as_str(), fact["sequence"].as_u64()) {
            (Some(sender), Some(sequence)) => format!("number {sequence} of {sender}"),
            _ => plain(fact),
        },
    }
}

fn is_nothing(fact: &Value) -> bool {
    match fact {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// A value as a person reads it: text without quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn head(text: &str) -> String {
    let mut shown: String = text.chars().take(CONTENTS_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// Shows coordinates, or where two VCs differ.
pub(crate) async fn shape(context: Context<'_>, options: &Shape) -> Result<()> {
    let client = context.client()?;
    if let [a, b] = options.diff.as_slice() {
        let (a, b) = (
            coordinates(&client, a).await?,
            coordinates(&client, b).await?,
        );
        return difference(context, &a, &b);
    }
    let vc = options.vc.as_deref().unwrap_or_default();
    let shape = coordinates(&client, vc).await?;
    if context.printer.is_json() {
        return context.printer.json(&shape);
    }
    let shape = dimensions_of(&shape);
    let rows: Vec<_> = shape
        .iter()
        .map(|(name, at)| vec![name.clone(), at.to_string()])
        .collect();
    context.printer.table(&["DIMENSION", "AT"], &rows)
}

async fn coordinates(client: &Client, vc: &str) -> Result<Value, Refusal> {
    client.get(&["v1", "vcs", vc, "shape"], &[]).await
}

fn dimensions_of(answer: &Value) -> BTreeMap<String, i64> {
    let shape = answer["shape"].as_object().into_iter().flatten();
    shape
        .filter_map(|(name, at)| Some((name.clone(), at.as_i64()?)))
        .collect()
}

fn difference(context: Context<'_>, a: &Value, b: &Value) -> Result<()> {
    let differs = differing(&dimensions_of(a), &dimensions_of(b));
    if context.printer.is_json() {
        let diff: BTreeMap<_, _> = differs
            .iter()
            .map(|(name, a, b)| (name, json!({ "a": a, "b": b })))
            .collect();
        return context
            .printer
            .json(&json!({ "a": a, "b": b, "diff": diff }));
    }
    if differs.is_empty() {
        context.printer.note("they have the same shape");
        return Ok(());
    }
    let text = |at: &Option<i64>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let rows: Vec<_> = differs
        .iter()
        .map(|(name, a, b)| vec![name.clone(), text(a), text(b)])
        .collect();
    context.printer.table(&["DIMENSION", "A", "B"], &rows)
}

/// Where two shapes differ, and how; a dimension that one lacks has no coordinate there.
fn differing(
    a: &BTreeMap<String, i64>,
    b: &BTreeMap<String, i64>,
) -> Vec<(String, Option<i64>, Option<i64>)> {
    let names: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let both = names
        .into_iter()
        .map(|name| (name.clone(), a.get(name).copied(), b.get(name).copied()));
    both.filter(|(_, a, b)| a != b).collect()
}

#[derive(Debug, Deserialize)]
struct Explained {
    id: String,
    fate: Value,
    why: String,
    #[serde(default)]
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
struct Check {
    #[serde(rename = "check")]
    name: String,
    ok: bool,
    text: String,
}

/// Says what became of a message and which checks it passed.
pub(crate) async fn explain(context: Context<'_>, message: &str) -> Result<()> {
    let answer: Value = context
        .client()?
        .get(&["v1", "messages", message, "explain"], &[])
        .await?;
    let printer = context.printer;
    if printer.is_json() {
        return printer.json(&answer);
    }
    let explained: Explained = understood(answer)?;
    let word = fate(&explained.fate);
    printer.fields(&[
        ("message", explained.id),
        ("fate", word),
        ("why", explained.why),
    ])?;
    for check in explained.checks {
        let mark = if check.ok {
            printer.paint(Style::Green, "yes")
        } else {
            printer.paint(Style::Red, "no ")
        };
        let text = format!("{:<8} {}", check.name, check.text);
        printer.screen(&format!("{mark:<3}  {}", crate::printer::harmless(&text)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_its_three_parts_and_its_fate() {
        let message = json!({
            "id": "msg:abc",
            "contents": { "bytes": 4, "digest": "d1", "text": "3.14" },
            "decoder": null,
            "metadata": {
                "channel": "main", "sender": "vc:a", "sent_at": 0, "answers": null, "facts": {},
                "cause": { "sender": "vc:b", "sequence": 7 },
            },
            "fate": { "fate": "bounced", "why": { "code": "denied", "what": "no power `send`" } },
        });
        let fields = message_fields(&message);
        let shown: Vec<_> = fields
            .iter()
            .map(|(label, text)| format!("{label}: {text}"))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        id: msg:abc
        contents: 3.14
        4 bytes, digest d1
        decoder: none: it cannot be tested
        metadata: sender      vc:a
        channel     main
        cause       number 7 of vc:b
        sent at     1970-01-01T00:00:00.000Z
        fate: bounced: no power `send`
        ");
    }

    #[test]
    fn a_fate_without_a_reason_is_one_word() {
        assert_eq!(fate(&json!({ "fate": "queued" })), "queued");
        assert_eq!(fate(&json!("consumed")), "consumed");
        assert_eq!(fate(&Value::Null), "unknown");
    }

    #[test]
    fn shapes_differ_where_one_lacks_a_dimension() {
        let shape =
            |pairs: &[(&str, i64)]| pairs.iter().map(|&(n, at)| (n.to_owned(), at)).collect();
        let a = shape(&[("bytes", 1), ("parts", 2)]);
        let b = shape(&[("bytes", 1), ("depth", 3), ("parts", 4)]);
        let expected = vec![
            ("depth".to_owned(), None, Some(3)),
            ("parts".to_owned(), Some(2), Some(4)),
        ];
        assert_eq!(differing(&a, &b), expected);
    }
}
