//! Where a part is that was stripped: only the scavenger knows.

use actors::runtime::Runtime;
use actors::view::Outgoing;
use genesis::id::MessageId;
use genesis::limits::{ASK_MS_DEFAULT, LOG_LINES_MAX};
use genesis::refusal::{Code, Refusal};

/// What became of a stripped part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stripped {
    /// The scavenger holds it.
    Held,
    /// A body took it in.
    Adopted,
    /// Nobody wanted it in time.
    Removed,
}

/// What became of the part in a message; none if the scavenger knows no such message, or not any more.
///
/// # Errors
/// What the scavenger, or whoever carries the question, refuses.
pub(crate) async fn whereabouts(
    runtime: &Runtime,
    id: MessageId,
) -> Result<Option<Stripped>, Refusal> {
    let scavenger = match runtime.resolve("scavenger").await {
        Ok(scavenger) => scavenger,
        Err(refusal) if refusal.code == Code::Unknown => return Ok(None),
        Err(refusal) => return Err(refusal),
    };
    let id = id.to_string();
    let asked = runtime
        .ask(Outgoing::new(scavenger, "list"), ASK_MS_DEFAULT)
        .await?;
    let listed = asked.reply.is_some_and(|reply| {
        let text = reply.contents.as_text().unwrap_or_default();
        text.lines().any(|line| line == id)
    });
    if listed {
        return Ok(Some(Stripped::Held));
    }
    // What it does with parts it writes to its log, as long as that reaches back.
    let page = runtime.logs(scavenger, 0, LOG_LINES_MAX).await?;
    let last = page.lines.iter().rev().find(|line| line.text.contains(&id));
    Ok(last.and_then(|line| {
        if line.text.starts_with("removed ") {
            Some(Stripped::Removed)
        } else if line.text.ends_with(" was adopted") {
            Some(Stripped::Adopted)
        } else {
            None
        }
    }))
}
