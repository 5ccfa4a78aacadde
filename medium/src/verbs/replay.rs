//! `replay`: a VC computed again from its journal, and whether it comes to the same.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use genesis::limits::PAGE_MAX;
use genesis::refusal::{Code, Refusal};
use medium::archive;
use medium::folder::Announcement;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Context;
use super::list::understood;
use super::part::described;
use super::trial::{self, replayed};
use super::up::compiler;
use crate::cli::Replay;
use crate::client::seen::short;
use crate::client::{Client, found};
use crate::report::Said;

/// What is said where nothing is recorded.
const NO_JOURNALS: &str =
    "no VC here keeps a journal; `medium spawn --record N` makes one that does";

#[derive(Debug, Deserialize)]
struct Replayed {
    vc: String,
    name: Option<String>,
    messages: u64,
    taken: u64,
    unsaid: u64,
    changes: u64,
    digest: String,
    first: Option<Divergence>,
}

#[derive(Debug, Deserialize)]
struct Divergence {
    message: u64,
    contents: String,
    recorded: Vec<String>,
    now: Vec<String>,
}

/// Replays one VC, or all of a node; a difference is exit code 1, and was shown.
pub(crate) async fn replay(context: Context<'_>, options: &Replay) -> Result<()> {
    let Some(vc) = &options.vc else {
        return all(context).await;
    };
    let client = context.client()?;
    if let Some(part) = &options.with {
        return against(context, &client, vc, part, options).await;
    }
    let answer: Value = client
        .post(&["v1", "vcs", vc, "replay"], &json!({}))
        .await?;
    show(context, &[answer])
}

/// Replays a VC with another part in its body.
async fn against(
    context: Context<'_>,
    client: &Client,
    vc: &str,
    part: &str,
    options: &Replay,
) -> Result<()> {
    let part = described(client, part, &options.about).await?;
    let mut body = json!({ "part": part });
    if let Some(occurrence) = options.occurrence {
        body["occurrence"] = occurrence.into();
    }
    if let Some(role) = &options.role {
        body["role"] = role.as_str().into();
    }
    let answer: Value = client.post(&["v1", "vcs", vc, "replay"], &body).await?;
    let printer = context.printer;
    if printer.is_json() {
        printer.json(&answer)?;
    }
    let found: trial::Replay = understood(answer)?;
    if !printer.is_json() {
        printer.text(&replayed(&found))?;
    }
    if found.is_same() {
        Ok(())
    } else {
        Err(Said.into())
    }
}

/// Replays every VC that keeps a journal, of a node or of a data folder on which none runs.
async fn all(context: Context<'_>) -> Result<()> {
    let folder = found::data_folder(context.global)?;
    if context.global.api.is_none() && Announcement::read(&folder)?.is_none() {
        return in_folder(context, &folder).await;
    }
    let client = context.client()?;
    let mut answers = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", PAGE_MAX.to_string()), ("all", "true".to_owned())];
        query.extend(after.take().map(|after| ("after", after)));
        let page = client.page::<Vec<Value>>(&["v1", "vcs"], &query).await?;
        for row in &page.rows {
            let id = row["id"].as_str().unwrap_or_default();
            match client.post(&["v1", "vcs", id, "replay"], &json!({})).await {
                Ok(answer) => answers.push(answer),
                // It keeps no journal, sleeps in a pod, or was removed meanwhile.
                Err(why) if matches!(why.code, Code::Unknown | Code::Conflict) => {}
                Err(why) => return Err(why.into()),
            }
        }
        after = page.next;
        if after.is_none() || page.rows.is_empty() {
            break;
        }
    }
    if answers.is_empty() {
        context.printer.note(NO_JOURNALS);
    }
    show(context, &answers)
}

async fn in_folder(context: Context<'_>, folder: &Path) -> Result<()> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let seen = move |replayed| {
        // Nobody reads any more: then there is nothing to go on for.
        let gone = |_| Refusal::new(Code::Cancelled, "nobody waits for the replay any more");
        sender.blocking_send(replayed).map_err(gone)
    };
    let work = archive::replay_all(folder, compiler()?, seen);
    let shown = async {
        let (mut same, mut any) = (true, false);
        while let Some(replayed) = receiver.recv().await {
            any = true;
            same &= one(context, &serde_json::to_value(&replayed)?)?;
        }
        anyhow::Ok((same, any))
    };
    let (done, shown) = tokio::join!(work, shown);
    let (same, any) = shown?;
    done?;
    if !any {
        context.printer.note(NO_JOURNALS);
    }
    if same { Ok(()) } else { Err(Said.into()) }
}

/// Shows what became of replays, a line or a few for each.
fn show(context: Context<'_>, answers: &[Value]) -> Result<()> {
    let mut same = true;
    for answer in answers {
        same &= one(context, answer)?;
    }
    if same { Ok(()) } else { Err(Said.into()) }
}

/// Shows what became of one replay; whether it came to the same.
fn one(context: Context<'_>, answer: &Value) -> Result<bool> {
    let printer = context.printer;
    if printer.is_json() {
        printer.json(answer)?;
    }
    let found: Replayed = understood(answer.clone())?;
    if !printer.is_json() {
        printer.text(&text_of(&found))?;
    }
    Ok(found.first.is_none())
}

fn text_of(found: &Replayed) -> String {
    let who = found.name.as_deref().unwrap_or_else(|| short(&found.vc));
    let messages = found.messages;
    let mut text = format!("{who}: {}", counted(messages, "message"));
    match &found.first {
        None => {
            let _ = write!(text, ", same digest {}", found.digest);
        }
        Some(first) => text += &difference(first),
    }
    for (count, what) in [
        (
            found.changes,
            "changes of its body, after which it went on from a snapshot",
        ),
        (
            found.taken,
            "outcomes taken from the record: the machine's, or a change of the body",
        ),
        (
            found.unsaid,
            "of an older program, which recorded no outcome",
        ),
    ] {
        if count > 0 {
            let _ = write!(text, "\n  {count} {what}");
        }
    }
    text
}

fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn difference(first: &Divergence) -> String {
    let Divergence {
        message,
        contents,
        recorded,
        now,
    } = first;
    let mut text = match message {
        0 => format!(", first difference: {contents}"),
        n => format!(", first difference in turn {n}: {contents}"),
    };
    for (label, lines) in [("recorded", recorded), ("now", now)] {
        for line in lines {
            let _ = write!(text, "\n  {label:<8}  {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(first: Value) -> Replayed {
        let found = json!({
            "vc": "vc:abc", "name": "clerk", "messages": 41, "taken": 1, "unsaid": 0, "changes": 1,
            "digest": "d1", "first": first,
        });
        serde_json::from_value(found).unwrap()
    }

    #[test]
    fn a_replay_is_one_line_and_what_is_to_know() {
        insta::assert_snapshot!(text_of(&found(Value::Null)), @"");
    }

    #[test]
    fn a_difference_says_where_what_was_and_what_is() {
        let first = json!({
            "message": 7, "contents": "\"add 3\"",
            "recorded": ["reply of 1 bytes", "digest of its effects aa"],
            "now": ["reply \"4\"", "digest of its effects bb"],
        });
        insta::assert_snapshot!(text_of(&found(first)), @"");
    }
}
