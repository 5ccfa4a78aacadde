//! `trace`: what led to a message and what it led to, as indented text.

use std::fmt::Write as _;

use anyhow::Result;
use genesis::refusal::Refusal;
use serde::Deserialize;
use serde_json::Value;

use super::Context;
use super::list::understood;
use crate::cli::Trace;
use crate::client::seen::short;

#[derive(Debug, Deserialize)]
struct Trees {
    trees: Vec<Caused>,
}

#[derive(Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "as the API calls them")]
struct Caused {
    message: Option<String>,
    from: Party,
    to: Party,
    kind: String,
    channel: String,
    bytes: u64,
    says: Option<String>,
    at: Option<u64>,
    turn: Option<u64>,
    fuel: Option<u64>,
    verdict: String,
    why: Option<Refusal>,
    caused: Vec<Caused>,
    more: u64,
}

#[derive(Debug, Deserialize)]
struct Party {
    id: String,
    name: Option<String>,
}

impl Party {
    fn called(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| short(&self.id))
    }
}

/// Shows the tree of a message, or those of a VC's last messages.
pub(crate) async fn trace(context: Context<'_>, options: &Trace) -> Result<()> {
    let client = context.client()?;
    let what = options.what.as_str();
    let answer: Value = if what.starts_with("msg:") {
        client.get(&["v1", "messages", what, "trace"], &[]).await?
    } else {
        let query = [("k", options.limit.to_string())];
        client.get(&["v1", "vcs", what, "trace"], &query).await?
    };
    let printer = context.printer;
    if printer.is_json() {
        return printer.json(&answer);
    }
    let Trees { trees } = understood(answer)?;
    if trees.is_empty() {
        printer.note("it has recorded no message yet");
    }
    let shown: Vec<String> = trees.iter().map(text_of).collect();
    printer.text(shown.join("\n").trim_end())
}

fn text_of(tree: &Caused) -> String {
    let mut text = String::new();
    write_branch(tree, 0, &mut text);
    text
}

fn write_branch(caused: &Caused, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let Caused { from, to, .. } = caused;
    let _ = write!(text, "{indent}{} -> {}", from.called(), to.called());
    let said = match (caused.kind.as_str(), caused.channel.as_str()) {
        ("tell", "main") => String::new(),
        ("tell", channel) => format!(" on {channel}"),
        (kind, _) => format!(" {kind}"),
    };
    let _ = write!(text, "{said}  {} bytes", caused.bytes);
    if let Some(says) = &caused.says {
        let _ = write!(text, " {says:?}");
    }
    let _ = write!(text, "  {}", caused.verdict.replace('-', " "));
    if let Some(why) = &caused.why {
        let _ = write!(text, ": {}: {}", why.code, why.what);
    }
    if let Some(fuel) = caused.fuel {
        let _ = write!(text, "  {fuel} fuel");
    }
    if let (Some(turn), Some(at)) = (caused.turn, caused.at) {
        let _ = write!(text, "  turn {turn} at {}", clock(at));
    }
    if let Some(message) = &caused.message {
        let _ = write!(text, "  {}", brief(message));
    }
    text.push('\n');
    for child in &caused.caused {
        write_branch(child, depth + 1, text);
    }
    if caused.more > 0 {
        let _ = writeln!(text, "{indent}  … and {} more", caused.more);
    }
}

/// Enough of a message's id to tell it from others; `--json` has all of it.
fn brief(id: &str) -> String {
    let cut: String = id.chars().take(16).collect();
    if cut.len() < id.len() {
        cut + "…"
    } else {
        cut
    }
}

/// A time of day in UTC, to the millisecond: `12:00:01.250`.
fn clock(ms: u64) -> String {
    const DAY_MS: u64 = 86_400_000;
    let ms = ms % DAY_MS;
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}",
        ms / 1_000 % 60,
        ms % 1_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_through_three_reads_from_top_to_bottom() {
        let who = |name: &str| json!({ "id": format!("vc:{name}"), "name": name });
        let leaf = |from: &str, to: &str, verdict: Value| {
            let mut leaf = json!({
                "message": null, "from": who(from), "to": who(to), "kind": "tell", "channel": "main",
                "bytes": 4, "says": null, "at": null, "turn": null, "fuel": null, "caused": [], "more": 0,
            });
            leaf.as_object_mut()
                .unwrap()
                .extend(verdict.as_object().unwrap().clone());
            leaf
        };
        let refused = json!({ "verdict": "bounced", "why": { "code": "busy", "what": "the mailbox is full" } });
        let tree = json!({
            "message": "msg:abcdefghijklmnopqrstuvwxyz", "from": who("owner"), "to": who("front"),
            "kind": "tell", "channel": "main", "bytes": 5, "says": "hello", "at": 43_201_250_u64, "turn": 3,
            "fuel": 120, "verdict": "consumed", "more": 2,
            "caused": [
                leaf("front", "clerk", json!({ "verdict": "not-recorded" })),
                leaf("front", "judge", refused),
            ],
        });
        let tree: Caused = serde_json::from_value(tree).unwrap();
        insta::assert_snapshot!(text_of(&tree), @r#"
        owner -> front  5 bytes "hello"  consumed  120 fuel  turn 3 at 12:00:01.250  msg:abcdefghijkl…
          front -> clerk  4 bytes  not recorded
          front -> judge  4 bytes  bounced: busy: the mailbox is full
          … and 2 more
        "#);
    }
}
