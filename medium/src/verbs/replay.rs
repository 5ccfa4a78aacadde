//! `replay`: a VC computed again from its journal, and whether it comes to the same.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use genesis::limits::PAGE_MAX;
use genesis::refusal::Code;
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
    let same = one(context, &answer)?;
    ended(context, same, true)
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
    if context.global.api.is_some() {
        return of_node(context, &context.client()?).await;
    }
    let Some(_) = Announcement::read(&folder)? else {
        return in_folder(context, &folder).await;
    };
    let client = context.client()?;
    match client.node().await {
        // One that was cut off could not say that it ended. If one runs after all, it has the folder.
        Err(why) if why.code == Code::Unreachable => in_folder(context, &folder).await,
        Err(why) => Err(why.into()),
        Ok(_) => of_node(context, &client).await,
    }
}

async fn of_node(context: Context<'_>, client: &Client) -> Result<()> {
    let (mut same, mut any) = (true, false);
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", PAGE_MAX.to_string()), ("all", "true".to_owned())];
        query.extend(after.take().map(|after| ("after", after)));
        let page = client.page::<Vec<Value>>(&["v1", "vcs"], &query).await?;
        for row in &page.rows {
            let id = row["id"].as_str().unwrap_or_default();
            let answer = client.post(&["v1", "vcs", id, "replay"], &json!({})).await;
            match answer {
                Ok(answer) => {
                    any = true;
                    same &= one(context, &answer)?;
                }
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
    ended(context, same, any)
}

/// What is said in the end of many replays.
fn ended(context: Context<'_>, same: bool, any: bool) -> Result<()> {
    if !any {
        context.printer.note(NO_JOURNALS);
    }
    if same { Ok(()) } else { Err(Said.into()) }
}

async fn in_folder(context: Context<'_>, folder: &Path) -> Result<()> {
    let archive = archive::Folder::open(folder, compiler()?).await?;
    let (mut same, mut any) = (true, false);
    let mut after = None;
    loop {
        let page = archive.vcs(after).await?;
        let Some(&last) = page.last() else { break };
        for id in page {
            if let Some(replayed) = archive.replay(id).await? {
                any = true;
                same &= one(context, &serde_json::to_value(&replayed)?)?;
            }
        }
        after = Some(last);
    }
    ended(context, same, any)
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
            "outcomes taken from the record, as the machine's or of changes of the body",
        ),
        (
            found.unsaid,
            "messages recorded by an older program, which noted no outcome",
        ),
    ] {
        if count > 0 {
            let _ = write!(text, "\n  {what}: {count}");
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

    fn found(first: &Value) -> Replayed {
        let found = json!({
            "vc": "vc:abc", "name": "clerk", "messages": 41, "taken": 1, "unsaid": 0, "changes": 1,
            "digest": "d1", "first": first,
        });
        serde_json::from_value(found).unwrap()
    }

    #[test]
    fn a_replay_is_one_line_and_what_is_to_know() {
        insta::assert_snapshot!(text_of(&found(&Value::Null)), @"
        clerk: 41 messages, same digest d1
          changes of its body, after which it went on from a snapshot: 1
          outcomes taken from the record, as the machine's or of changes of the body: 1
        ");
    }

    #[test]
    fn a_difference_says_where_what_was_and_what_is() {
        let first = json!({
            "message": 7, "contents": "\"add 3\"",
            "recorded": ["reply of 1 bytes", "digest of its effects aa"],
            "now": ["reply \"4\"", "digest of its effects bb"],
        });
        insta::assert_snapshot!(text_of(&found(&first)), @r#"
        clerk: 41 messages, first difference in turn 7: "add 3"
          recorded  reply of 1 bytes
          recorded  digest of its effects aa
          now       reply "4"
          now       digest of its effects bb
          changes of its body, after which it went on from a snapshot: 1
          outcomes taken from the record, as the machine's or of changes of the body: 1
        "#);
    }
}
