//! `try`: what a part is worth to a body, which stays as it is.

use std::fmt::Write as _;

use anyhow::Result;
use genesis::refusal::Refusal;
use genesis::scores::Scores;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Context;
use super::list::understood;
use super::part::described;
use super::show::brief;
use crate::cli::Try;
use crate::report::Said;

#[derive(Debug, Deserialize)]
struct Trial {
    code: String,
    replaces: Option<u64>,
    #[serde(rename = "self", default)]
    own: Option<Scores>,
    #[serde(rename = "tests", default)]
    judged: Option<Scores>,
    #[serde(default)]
    replay: Option<Replay>,
    denied: Vec<String>,
    hunger: Vec<String>,
    fuel: u64,
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Adopt,
    Refuse(Refusal),
}

/// What came of recorded messages with another part.
#[derive(Debug, Deserialize)]
pub(super) struct Replay {
    messages: usize,
    different: u64,
    failing: u64,
    differences: Vec<Difference>,
    states: Vec<(u64, String, Option<String>)>,
}

impl Replay {
    /// Whether nobody could tell the difference.
    pub(super) const fn is_same(&self) -> bool {
        self.different == 0
    }
}

#[derive(Debug, Deserialize)]
struct Difference {
    message: usize,
    contents: String,
    before: Vec<String>,
    after: Vec<String>,
}

/// Tries a part on a VC; a part that would be refused is exit code 1, and was said.
pub(crate) async fn attempt(context: Context<'_>, options: &Try) -> Result<()> {
    let client = context.client()?;
    let part = described(&client, &options.part, &options.about).await?;
    let mut body = json!({ "part": part });
    if let Some(occurrence) = options.occurrence {
        body["occurrence"] = occurrence.into();
    }
    if let Some(role) = &options.role {
        body["role"] = role.as_str().into();
    }
    if let Some(last) = options.replay {
        body["replay"] = last.into();
    }
    let path = ["v1", "vcs", options.vc.as_str(), "try"];
    let answer: Value = client.post(&path, &body).await?;
    let printer = context.printer;
    if printer.is_json() {
        printer.json(&answer)?;
    }
    let trial: Trial = understood(answer)?;
    if !printer.is_json() {
        let fields = fields(&trial);
        let fields: Vec<_> = fields
            .iter()
            .map(|(label, text)| (label.as_str(), text.clone()))
            .collect();
        printer.fields(&fields)?;
    }
    match trial.verdict {
        Verdict::Adopt => Ok(()),
        Verdict::Refuse(why) => {
            if let (Some(hint), false) = (&why.hint, printer.is_json()) {
                printer.note(hint);
            }
            Err(Said.into())
        }
    }
}

/// What is shown of a trial, in the order in which one asks: may it, why, what was measured.
fn fields(trial: &Trial) -> Vec<(String, String)> {
    let verdict = match &trial.verdict {
        Verdict::Adopt => "adopt".to_owned(),
        Verdict::Refuse(why) => format!("refuse: {}", why.what),
    };
    let code = brief(&trial.code);
    let place = match trial.replaces {
        Some(occurrence) => format!("in the place of part {occurrence}"),
        None => "as one part more".to_owned(),
    };
    let mut fields = vec![
        ("verdict".to_owned(), verdict),
        ("part".to_owned(), format!("{code}, {place}")),
    ];
    for (prefix, scores) in [("self", &trial.own), ("tests", &trial.judged)] {
        if let Some(scores) = scores {
            fields.extend(scored(prefix, scores));
        }
    }
    if let Some(replay) = &trial.replay {
        fields.push(("replay".to_owned(), replayed(replay)));
    }
    for (label, channels) in [("denied", &trial.denied), ("hunger", &trial.hunger)] {
        if !channels.is_empty() {
            fields.push((label.to_owned(), channels.join(" ")));
        }
    }
    fields.push(("fuel".to_owned(), trial.fuel.to_string()));
    fields
}

fn scored(prefix: &str, scores: &Scores) -> Vec<(String, String)> {
    let line = |name: &str, value: i64, why: &str| {
        let gap = if why.is_empty() { "" } else { "  " };
        (format!("{prefix}.{name}"), format!("{value}{gap}{why}"))
    };
    let mut lines = vec![line("ok", i64::from(scores.ok), &scores.why)];
    lines.extend(
        scores
            .measured
            .iter()
            .map(|score| line(&score.name, score.value, &score.why)),
    );
    lines
}

/// What a replay found, in lines.
pub(super) fn replayed(replay: &Replay) -> String {
    let mut text = format!(
        "{} messages: {} with another outcome, {} of them failing now",
        replay.messages, replay.different, replay.failing
    );
    for difference in &replay.differences {
        let Difference {
            message,
            contents,
            before,
            after,
        } = difference;
        let said = |did: &[String]| match did {
            [] => "nothing".to_owned(),
            did => did.join("; "),
        };
        let _ = write!(
            text,
            "\n{message}  {contents}\n   before  {}\n   after   {}",
            said(before),
            said(after)
        );
    }
    if replay.different > replay.differences.len() as u64 {
        let more = replay.different - replay.differences.len() as u64;
        let _ = write!(text, "\n… and {more} more");
    }
    for (occurrence, _, after) in &replay.states {
        let what = match after {
            Some(_) => "has another state at the end",
            None => "is gone at the end",
        };
        let _ = write!(text, "\npart {occurrence} {what}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_trial_on_one_screen() {
        let trial = json!({
            "part": "d", "code": "wasm abc (812 bytes)", "replaces": 3,
            "self": { "ok": true, "measured": [{ "name": "reach", "value": 9 }] },
            "tests": { "ok": false, "why": "it missed", "measured": [{ "name": "hits", "value": 2, "why": "of 5" }] },
            "replay": {
                "messages": 4, "different": 2, "failing": 1,
                "differences": [{ "message": 2, "contents": "move 3", "before": ["reply 3"], "after": [] }],
                "states": [[3, "aa", "bb"]],
            },
            "denied": [], "hunger": ["x/y"], "fuel": 1200,
            "verdict": { "refuse": { "code": "fault", "what": "its judge refuses it" } },
        });
        let trial: Trial = serde_json::from_value(trial).unwrap();
        let shown: Vec<_> = fields(&trial)
            .iter()
            .map(|(label, text)| format!("{label}: {text}"))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        verdict: refuse: its judge refuses it
        part: wasm abc (812 bytes), in the place of part 3
        self.ok: 1
        self.reach: 9
        tests.ok: 0  it missed
        tests.hits: 2  of 5
        replay: 4 messages: 2 with another outcome, 1 of them failing now
        2  move 3
           before  reply 3
           after   nothing
        … and 1 more
        part 3 has another state at the end
        hunger: x/y
        fuel: 1200
        ");
    }
}
